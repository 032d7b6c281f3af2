// What needs CUDA's own headers, in a build without CUDA.
#include "sketch/cuda/cuda_sketch.h"
#include "tools/bench/bench_sketch.h"

namespace gossamer::tools {

Result<nlohmann::json> bench_sketch_on_cuda(const SketchBenchConfig&) { return sketch::cuda_available().error(); }

}  // namespace gossamer::tools
