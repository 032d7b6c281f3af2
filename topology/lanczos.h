// Private to `topology`: the largest eigenvalue of a large symmetric matrix that is known by its products alone.
#pragma once

#include <cstddef>
#include <vector>

#include "base/base.h"

namespace gossamer::topology {

struct Estimate {
  double value = 0;
  bool is_settled = false;
};

// The largest eigenvalue of the positive semidefinite matrix that `multiply` applies in place, with all of them in
// [0, 1]: Lanczos' method from a fixed start, without reorthogonalisation (copies of eigenvalues do no harm to the
// largest one). From below, so that a gap to 1 is never told too small. Settled: the gap changed by less than 1e-4 of
// itself over the last tenth of the products, of which there are at most `products_max`.
[[nodiscard]] Estimate largest_eigenvalue(std::size_t size, FunctionRef<void(std::vector<double>&)> multiply,
                                          std::size_t products_max);

}  // namespace gossamer::topology
