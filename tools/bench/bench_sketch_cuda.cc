// `gossamer bench sketch --device cuda`. Times are those of the device, by events; the copy that they are compared with
// takes turns with each kernel.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "base/base.h"
#include "sketch/cuda/cuda_sketch.h"
#include "sketch/sketch.h"
#include "tools/bench/bench_sketch.h"

namespace gossamer::tools {
namespace {

using sketch::CellType;

Status told_by_cuda(cudaError_t error, std::string_view what) {
  if (error == cudaSuccess) return {};
  static_cast<void>(cudaGetLastError());
  const Code code = error == cudaErrorMemoryAllocation ? Code::out_of_resources : Code::unavailable;
  return Error{code, text("CUDA could not ", what, ": ", cudaGetErrorString(error))};
}

template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { static_cast<void>(cudaFree(memory_)); }

  Status make(std::size_t count) {
    static_cast<void>(cudaFree(memory_));
    memory_ = nullptr;
    count_ = count;
    GOSSAMER_TRY(told_by_cuda(cudaMalloc(&memory_, count * sizeof(T)),
                              text("allocate ", format_bytes(count * sizeof(T)), " of device memory")));
    return told_by_cuda(cudaMemset(memory_, 0, count * sizeof(T)), "clear device memory");
  }
  Status fill(std::span<const T> values) {
    GOSSAMER_TRY(make(values.size()));
    return told_by_cuda(cudaMemcpy(memory_, values.data(), values.size_bytes(), cudaMemcpyHostToDevice),
                        "copy to the device");
  }
  [[nodiscard]] std::span<T> span() const { return {static_cast<T*>(memory_), count_}; }

 private:
  void* memory_ = nullptr;
  std::size_t count_ = 0;
};

using Work = std::function<Status()>;

class DeviceBench {
 public:
  explicit DeviceBench(const SketchBenchConfig& config) : config_(config) {}
  ~DeviceBench() {
    for (const cudaEvent_t event : {begin_, end_})
      if (event != nullptr) static_cast<void>(cudaEventDestroy(event));
  }
  DeviceBench(const DeviceBench&) = delete;
  DeviceBench& operator=(const DeviceBench&) = delete;

  Status run() {
    GOSSAMER_TRY(sketch::cuda_available());
    GOSSAMER_TRY(told_by_cuda(cudaEventCreate(&begin_), "make an event"));
    GOSSAMER_TRY(told_by_cuda(cudaEventCreate(&end_), "make an event"));
    cudaDeviceProp properties{};
    GOSSAMER_TRY(told_by_cuda(cudaGetDeviceProperties(&properties, 0), "describe the device"));
    device_ = properties.name;
    for (const std::uint64_t dimension : config_.dimensions) {
      GOSSAMER_TRY(vector_.fill(sketch_bench_vector(dimension)));
      GOSSAMER_TRY(other_.make(dimension));
      if (config_.wants("merge")) GOSSAMER_TRY(measure_merge(dimension));
      for (const std::uint32_t rows : config_.rows)
        for (const std::uint32_t columns : config_.columns) GOSSAMER_TRY(measure({dimension, rows, columns}));
    }
    return {};
  }

  [[nodiscard]] const nlohmann::json& rows() const { return rows_; }

 private:
  Result<double> seconds_of(const Work& body, int calls) {
    GOSSAMER_TRY(told_by_cuda(cudaEventRecord(begin_), "record an event"));
    for (int call = 0; call < calls; ++call) GOSSAMER_TRY(body());
    GOSSAMER_TRY(told_by_cuda(cudaEventRecord(end_), "record an event"));
    GOSSAMER_TRY(told_by_cuda(cudaEventSynchronize(end_), "wait for a kernel"));
    float milliseconds = 0;
    GOSSAMER_TRY(told_by_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "read the time"));
    return static_cast<double>(milliseconds) * 1e-3 / calls;
  }

  // Median seconds of the body, and of a copy of the vector, in turns. `moved` bytes are what the kernel has to read
  // and write at least.
  Status compare(nlohmann::json row, const Work& body, std::uint64_t moved) {
    constexpr int calls = 4;
    const std::span<float> from = vector_.span();
    const Work copy = [&] {
      return told_by_cuda(
          cudaMemcpyAsync(other_.span().data(), from.data(), from.size_bytes(), cudaMemcpyDeviceToDevice), "copy");
    };
    std::vector<double> own;
    std::vector<double> copies;
    GOSSAMER_TRY(seconds_of(body, 1));  // modules are loaded, clocks are up
    GOSSAMER_TRY(seconds_of(copy, 1));
    for (std::uint32_t round = 0; round < config_.repeats; ++round) {
      GOSSAMER_ASSIGN(const auto mine, seconds_of(body, calls));
      GOSSAMER_ASSIGN(const auto theirs, seconds_of(copy, calls));
      own.push_back(mine);
      copies.push_back(theirs);
    }
    const auto median = [](std::vector<double>& times) {
      const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
      std::nth_element(times.begin(), middle, times.end());
      return *middle;
    };
    const double seconds = median(own);
    const double rate = static_cast<double>(moved) / seconds / 1e9;
    const double copy_rate = 2.0 * static_cast<double>(from.size_bytes()) / median(copies) / 1e9;
    row["device"] = device_;
    row["dimension"] = from.size();
    row["p50_us"] = seconds * 1e6;
    row["gb_per_s"] = rate;
    row["copy_gb_per_s"] = copy_rate;
    row["ratio"] = rate / copy_rate;
    rows_.push_back(std::move(row));
    return {};
  }

  // Both inputs and the output in device memory: 12 bytes an element of f32.
  Status measure_merge(std::uint64_t dimension) {
    const sketch::SketchShape small{1024, 1, 1024};
    GOSSAMER_ASSIGN(auto made, sketch::make_cuda_sketch(small, 0));
    DeviceArray<float> into;
    GOSSAMER_TRY(into.make(dimension));
    return compare(
        {{"kernel", "merge"}, {"cell", "f32"}},
        [&] {
          return made->merge_cells(CellType::f32, std::as_writable_bytes(into.span()),
                                   std::as_bytes(std::span<const float>(vector_.span())), {});
        },
        12 * dimension);
  }

  Status measure(const sketch::SketchShape& shape) {
    const auto k = static_cast<std::uint64_t>(std::ceil(config_.density * static_cast<double>(shape.dimension)));
    GOSSAMER_ASSIGN(auto made, sketch::make_cuda_sketch(shape, k));
    sketch::CudaSketch& sketch = *made;
    DeviceArray<float> cells;
    DeviceArray<std::uint32_t> chosen;
    GOSSAMER_TRY(cells.make(shape.cells()));
    GOSSAMER_TRY(chosen.make(k));
    const auto row = [&](const char* kernel) -> nlohmann::json {
      return {{"kernel", kernel},
              {"cell", "f32"},
              {"rows", shape.rows},
              {"columns", shape.columns},
              {"bytes", sketch.working_bytes()}};
    };
    const Work encode = [&] { return sketch.encode(1, vector_.span(), cells.span(), {}); };
    GOSSAMER_TRY(encode());
    if (config_.wants("encode")) GOSSAMER_TRY(compare(row("encode"), encode, 4 * shape.dimension));
    if (!config_.wants("decode")) return {};
    const Work decode = [&]() -> Status {
      GOSSAMER_TRY(sketch.load(1, cells.span(), {}));
      return sketch.select_top(chosen.span(), {});
    };
    return compare(row("decode"), decode, 4 * shape.dimension);
  }

  const SketchBenchConfig& config_;
  std::string device_;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
  DeviceArray<float> vector_;
  DeviceArray<float> other_;
  nlohmann::json rows_ = nlohmann::json::array();
};

}  // namespace

Result<nlohmann::json> bench_sketch_on_cuda(const SketchBenchConfig& config) {
  DeviceBench bench(config);
  GOSSAMER_TRY(bench.run());
  return bench.rows();
}

}  // namespace gossamer::tools
