// Private to `topology`: eigenvalues of whole matrices. The only source that includes Eigen is spectrum.cc.
#pragma once

#include <span>

namespace gossamer::topology {

// A square matrix, row after row; both take n^3 time.
struct SquareMatrix {
  std::span<const double> values;
  std::size_t size;
};

[[nodiscard]] double largest_singular_value(const SquareMatrix& matrix);

// The largest absolute eigenvalue. Twenty times dearer where the matrix is not symmetric.
[[nodiscard]] double spectral_radius(const SquareMatrix& matrix);

}  // namespace gossamer::topology
