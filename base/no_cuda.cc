// In a build without CUDA, in place of cuda_memory.cc.
#include "base/base.h"

namespace gossamer {

Result<DeviceMemory*> find_cuda_memory() {
  return Error{Code::unavailable, "built without CUDA: configure with -DGOSSAMER_CUDA=ON"};
}

}  // namespace gossamer
