// Whether there is CUDA here. In a build without it, this file is all there is.
#include "sketch/cuda/cuda_sketch.h"

#ifdef GOSSAMER_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace gossamer::sketch {

#ifdef GOSSAMER_WITH_CUDA

// The runtime is linked statically and loads the driver when it is first asked, so this is safe where there is none.
Status cuda_available() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return {};
  static_cast<void>(cudaGetLastError());
  return Error{Code::unavailable,
               text("no CUDA device: ",
                    error == cudaSuccess ? "none is visible (CUDA_VISIBLE_DEVICES?)" : cudaGetErrorString(error))};
}

#else

Status cuda_available() { return Error{Code::unavailable, "built without CUDA: configure with -DGOSSAMER_CUDA=ON"}; }

Result<std::unique_ptr<CudaSketch> > make_cuda_sketch(const SketchShape&, std::uint64_t) {
  return cuda_available().error();
}

#endif

}  // namespace gossamer::sketch
