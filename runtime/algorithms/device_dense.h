// Dense for gradients in device memory: device_dense.cc.
#pragma once

#include <memory>

#include "runtime/algorithms/algorithm.h"

namespace gossamer::runtime {

[[nodiscard]] Result<std::unique_ptr<Algorithm>> make_device_dense(AlgorithmContext context);

}  // namespace gossamer::runtime
