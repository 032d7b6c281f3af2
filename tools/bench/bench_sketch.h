// `gossamer bench sketch`: how fast the sketch is, against what the machine can do and against a PyTorch script.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

inline const std::vector<std::string> sketch_kernels = {"encode", "decode", "merge", "compress", "bincount"};

struct SketchBenchConfig {
  std::vector<std::string> kernels = sketch_kernels;
  std::vector<std::string> cells = {"f32", "i8"};
  std::vector<std::uint32_t> rows = {1, 3, 5};
  std::vector<std::uint32_t> columns = {1u << 12, 1u << 14, 1u << 16, 1u << 18, 1u << 20};
  std::vector<std::uint64_t> dimensions = {535'818, 1u << 25};
  std::vector<std::uint32_t> threads = {1, 0};  // 0: every core
  double density = 0.01;                        // k of decoding over the dimension
  std::uint32_t repeats = 7;
  std::string device = "cpu";  // or "cuda"
  std::string json;

  [[nodiscard]] bool wants(std::string_view kernel) const {
    return std::find(kernels.begin(), kernels.end(), kernel) != kernels.end();
  }
};

[[nodiscard]] Status check_bench(const SketchBenchConfig& config);

// Heavy-tailed, as gradients are; the same on every machine.
[[nodiscard]] std::vector<float> sketch_bench_vector(std::uint64_t dimension);

// One row for each kernel and combination:
//
//   gb_per_s        gradient bytes (merge: payload bytes) over the median time
//   read_gb_per_s   the same bytes read once, in the same rounds
//   ratio           gb_per_s over read_gb_per_s
//   floor_ratio     time over the floor: encode, the longer of reading the vector and of rows * d additions in the
//                   first cache level; decode, the latter; merge, a vector add of the same bytes; compress (momentum,
//                   residual and encoding in one pass), the same two done one after the other
//   bytes           of working memory
//   peer, peer_ratio   kernel "bincount": ours over the rival's time, encode and decode
//
// Errors: out_of_resources where the vectors do not fit.
[[nodiscard]] Result<nlohmann::json> bench_sketch(const SketchBenchConfig& config);

// The kernels encode, decode and merge on the current CUDA device, f32 cells; `threads` and `cells` mean nothing there.
//
//   gb_per_s        bytes that must be moved over the median time: the vector once (encode, decode), three times (merge
//                   of a vector of that dimension)
//   copy_gb_per_s   bytes read and written by a copy of the vector on the device, in the same rounds
//   ratio           gb_per_s over copy_gb_per_s
//   bytes           of working memory on the device
//
// Errors: unavailable without CUDA or a device, out_of_resources without the memory.
[[nodiscard]] Result<nlohmann::json> bench_sketch_on_cuda(const SketchBenchConfig& config);

[[nodiscard]] std::string sketch_bench_table(const nlohmann::json& rows);

}  // namespace gossamer::tools
