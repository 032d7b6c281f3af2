#include "sketch/cuda/cuda_sketch.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <string_view>

#include "sketch/count_sketch.h"
#include "sketch/cuda/launch.h"

namespace gossamer::sketch {
namespace {

[[nodiscard]] Status status_of(cudaError_t error, std::string_view what) {
  if (error == cudaSuccess) return {};
  static_cast<void>(cudaGetLastError());  // else the next call would fail with it again
  return Error{Code::unavailable, text(what, ": CUDA says ", cudaGetErrorString(error))};
}

[[nodiscard]] cudaStream_t handle_of(CudaStream stream) { return static_cast<cudaStream_t>(stream.handle); }

[[nodiscard]] Status check(bool is_right, std::string_view what) {
  if (is_right) return {};
  return Error{Code::invalid_argument, std::string(what)};
}

template <typename T>
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  ~DeviceMemory() {
    if (data_ != nullptr) static_cast<void>(cudaFree(data_));
  }
  [[nodiscard]] Status allocate(std::uint64_t count) {
    bytes_ = count * sizeof(T);
    if (bytes_ == 0) return {};
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes_);
    if (error == cudaSuccess) {
      data_ = static_cast<T*>(memory);
      return {};
    }
    static_cast<void>(cudaGetLastError());
    if (error != cudaErrorMemoryAllocation) return status_of(error, "device memory");
    return Error{Code::out_of_resources,
                 text("no device memory for ", format_bytes(bytes_), " of a sketch's work space: use fewer columns")};
  }
  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  T* data_ = nullptr;
  std::size_t bytes_ = 0;
};

[[nodiscard]] Result<cuda::DeviceLimits> limits_of_device() {
  int device = 0;
  int multiprocessors = 0;
  int block_bytes = 0;
  int multiprocessor_bytes = 0;
  GOSSAMER_TRY(status_of(cudaGetDevice(&device), "the current device"));
  const auto ask = [device](int* value, cudaDeviceAttr attribute) {
    return status_of(cudaDeviceGetAttribute(value, attribute, device), "the limits of the current device");
  };
  GOSSAMER_TRY(ask(&multiprocessors, cudaDevAttrMultiProcessorCount));
  GOSSAMER_TRY(ask(&block_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin));
  GOSSAMER_TRY(ask(&multiprocessor_bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor));
  return cuda::DeviceLimits{.multiprocessors = static_cast<std::uint32_t>(multiprocessors),
                            .block_shared_bytes = static_cast<std::uint64_t>(block_bytes),
                            .multiprocessor_shared_bytes = static_cast<std::uint64_t>(multiprocessor_bytes)};
}

class DeviceSketch final : public CudaSketch {
 public:
  DeviceSketch(const SketchShape& shape, std::uint64_t select_max, const cuda::DeviceLimits& limits)
      : select_max_(select_max) {
    encode_.plan = cuda::encode_plan(shape, limits);
    encode_.shape = shape;
    rows_.dimension = shape.dimension;
    rows_.rows = shape.rows;
    rows_.columns = shape.columns;
    rows_.length = encode_.plan.length;
    rows_.width = encode_.plan.width;
  }

  // Work that is still in a stream uses the memory that goes now.
  ~DeviceSketch() override { static_cast<void>(cudaDeviceSynchronize()); }

  [[nodiscard]] Status allocate() {
    const cuda::EncodePlan& plan = encode_.plan;
    const std::uint64_t rows = encode_.shape.rows;
    const std::uint64_t survivors = cuda::survivors_max(select_max_, rows_.dimension);
    const std::uint64_t chunks = cuda::divide_up<std::uint64_t>(rows_.dimension, cuda::chunk_coordinates);
    GOSSAMER_TRY(partials_.allocate(std::uint64_t{plan.parts} * rows * plan.partial_columns));
    GOSSAMER_TRY(offsets_.allocate(plan.kernel == cuda::EncodeKernel::tiles ? rows * plan.segments : 0));
    GOSSAMER_TRY(cells_.allocate(rows * plan.width));
    GOSSAMER_TRY(states_.allocate(2));
    GOSSAMER_TRY(words_.allocate(1 + cuda::sample_groups(rows_.dimension).size() + 2 * survivors + 4 * chunks));
    GOSSAMER_TRY(norm_partials_.allocate(cuda::norm_blocks));
    encode_.partials = partials_.data();
    encode_.offsets = offsets_.data();
    rows_.cells = cells_.data();
    return status_of(cuda::prepare_encode(plan, encode_.shape.rows), "shared memory for encoding");
  }

  [[nodiscard]] const SketchShape& shape() const override { return encode_.shape; }
  [[nodiscard]] std::size_t working_bytes() const override {
    return partials_.bytes() + offsets_.bytes() + cells_.bytes() + states_.bytes() + words_.bytes() +
           norm_partials_.bytes();
  }
  [[nodiscard]] EncodeOrder encode_order() const override {
    const cuda::EncodePlan& plan = encode_.plan;
    return {plan.parts, plan.segments_per_part, plan.parts_per_group()};
  }

  [[nodiscard]] Status encode_cells(std::uint64_t seed, std::span<const float> vector, CellType type,
                                    std::span<std::byte> cells, CudaStream stream) override {
    GOSSAMER_TRY(check(!is_integer(type), "encode: cells that are not floating-point; encode_fixed makes integers"));
    GOSSAMER_TRY(check_cells("encode", type, cells, encode_.shape.cells()));
    GOSSAMER_TRY(start_encode(seed, vector, 0.0f));
    return status_of(cuda::encode(encode_, vector.data(), type, cells.data(), handle_of(stream)), "encode");
  }
  [[nodiscard]] Status encode_fixed(std::uint64_t seed, std::span<const float> vector, float scale,
                                    std::span<std::int32_t> sums, CudaStream stream) override {
    GOSSAMER_TRY(check_cells("encode", CellType::i32, std::as_bytes(sums), encode_.shape.cells()));
    GOSSAMER_TRY(start_encode(seed, vector, scale));
    return status_of(cuda::encode_fixed(encode_, vector.data(), sums.data(), handle_of(stream)), "encode");
  }

  [[nodiscard]] Status round_cells(std::span<const std::int32_t> sums, const RoundingKey& key, std::uint32_t first_cell,
                                   const FixedPoint& fixed, CellType type, std::span<std::byte> cells,
                                   CudaStream stream) override {
    GOSSAMER_TRY(check(is_integer(type), "round_cells: cells that are not integers"));
    GOSSAMER_TRY(check_cells("round_cells", type, cells, sums.size()));
    GOSSAMER_TRY(check(fixed.shift <= 30, "round_cells: the shift must be 0 to 30"));
    GOSSAMER_TRY(check(fixed.level_max >= 0 && fixed.level_max <= level_max_of(type, 1),
                       "round_cells: level_max must be 0 to what a cell can hold"));
    if (sums.empty()) return {};
    return status_of(
        cuda::round_cells(sums.data(), key, first_cell, fixed, type, cells.data(), sums.size(), handle_of(stream)),
        "round_cells");
  }

  [[nodiscard]] Status narrow(CellType type, std::span<const float> values, std::span<std::byte> cells,
                              CudaStream stream) override {
    GOSSAMER_TRY(check(!is_integer(type), "narrow: cells that are not floating-point"));
    GOSSAMER_TRY(check_cells("narrow", type, cells, values.size()));
    if (values.empty()) return {};
    return status_of(cuda::narrow(type, values.data(), cells.data(), values.size(), handle_of(stream)), "narrow");
  }
  [[nodiscard]] Status widen(CellType type, std::span<const std::byte> cells, std::span<float> values,
                             CudaStream stream) override {
    GOSSAMER_TRY(check_cells("widen", type, cells, values.size()));
    if (values.empty()) return {};
    return status_of(cuda::widen(type, cells.data(), values.data(), values.size(), handle_of(stream)), "widen");
  }

  [[nodiscard]] Status load_cells(std::uint64_t seed, CellType type, std::span<const std::byte> cells, float level,
                                  CudaStream stream) override {
    GOSSAMER_TRY(check_cells("load", type, cells, encode_.shape.cells()));
    GOSSAMER_TRY(status_of(cuda::load_rows(rows_, type, cells.data(), level, handle_of(stream)), "load"));
    rows_.seed = seed;
    is_loaded_ = true;
    return {};
  }

  [[nodiscard]] Status estimate(std::uint64_t first, std::span<float> estimates, CudaStream stream) override {
    GOSSAMER_TRY(check_loaded());
    GOSSAMER_TRY(check(first <= rows_.dimension && estimates.size() <= rows_.dimension - first,
                       "estimate: coordinates beyond the sketch's dimension"));
    if (estimates.empty()) return {};
    return status_of(cuda::estimate(rows_, first, estimates.data(), estimates.size(), handle_of(stream)), "estimate");
  }

  [[nodiscard]] Status select_top(std::span<std::uint32_t> indices, CudaStream stream) override {
    GOSSAMER_TRY(check_loaded());
    if (indices.size() > select_max_) {
      return Error{Code::invalid_argument, text("select_top: ", indices.size(),
                                                " coordinates asked for, but the sketch "
                                                "was made for selections of up to ",
                                                select_max_)};
    }
    if (indices.empty()) return {};
    return status_of(cuda::select_top(selection(indices.size()), indices.data(), handle_of(stream)), "select_top");
  }

  [[nodiscard]] Status merge_cells(CellType type, std::span<std::byte> into, std::span<const std::byte> from,
                                   CudaStream stream) override {
    const std::uint64_t count = into.size() / cell_bytes(type);
    GOSSAMER_TRY(check_cells("merge", type, into, count));
    GOSSAMER_TRY(check_cells("merge", type, from, count));
    if (count == 0) return {};
    return status_of(cuda::merge_cells(type, into.data(), from.data(), count, handle_of(stream)), "merge");
  }
  [[nodiscard]] Status merge(const PayloadShape& shape, std::uint64_t offset, std::byte* into, const std::byte* from,
                             std::uint64_t bytes, CudaStream stream) override {
    GOSSAMER_TRY(check(offset % 8 == 0 && bytes % 8 == 0 && is_aligned(into, 8) && is_aligned(from, 8),
                       "merge: a part that does not begin and end at multiples of 8, or memory that does not"));
    GOSSAMER_TRY(check(offset <= shape.bytes() && bytes <= shape.bytes() - offset, "merge: a part beyond the payload"));
    const std::uint64_t end = offset + bytes;
    const std::uint64_t cells_end = std::min(end, shape.cells_bytes());
    if (offset < cells_end) {
      const std::uint64_t count = (cells_end - offset) / cell_bytes(shape.type);
      GOSSAMER_TRY(status_of(cuda::merge_cells(shape.type, into, from, count, handle_of(stream)), "merge"));
    }
    const std::uint64_t words_begin = std::max(offset, shape.words_offset());
    if (words_begin >= end) return {};
    return status_of(cuda::keep_least(reinterpret_cast<std::uint64_t*>(into + (words_begin - offset)),
                                      reinterpret_cast<const std::uint64_t*>(from + (words_begin - offset)),
                                      (end - words_begin) / 8, handle_of(stream)),
                     "merge");
  }

  [[nodiscard]] Status accumulate(std::span<const float> g, float scale, float momentum, const FeedbackVectors& from,
                                  const NextFeedbackVectors& to, CudaStream stream) override {
    const std::size_t size = g.size();
    GOSSAMER_TRY(check(from.u.size() == size && from.v.size() == size && to.u.size() == size && to.v.size() == size,
                       "accumulate: vectors of different lengths"));
    if (g.empty()) return {};
    return status_of(cuda::accumulate(g.data(), scale, momentum, from, to, handle_of(stream)), "accumulate");
  }

  [[nodiscard]] Status take(std::span<const std::uint32_t> indices, const TakenFrom& from, std::span<float> out,
                            CudaStream stream) override {
    GOSSAMER_TRY(check_taking(indices.size(), from, out.size()));
    if (indices.empty()) return {};
    return status_of(cuda::take(indices.data(), indices.size(), from, out.data(), handle_of(stream)), "take");
  }
  [[nodiscard]] Status take_quantised(std::span<const std::uint32_t> indices, float scale, const TakenFrom& from,
                                      std::span<std::int16_t> out, CudaStream stream) override {
    GOSSAMER_TRY(check_taking(indices.size(), from, out.size()));
    GOSSAMER_TRY(check(scale > 0 && std::isfinite(scale), "take_quantised: the scale must be finite and above 0"));
    if (indices.empty()) return {};
    return status_of(cuda::take_quantised(indices.data(), indices.size(), scale, from, out.data(), handle_of(stream)),
                     "take_quantised");
  }

  [[nodiscard]] Status norms(std::span<const float> vector, VectorNorms* norms, CudaStream stream) override {
    return status_of(cuda::norms(vector.data(), vector.size(), norm_partials_.data(), norms, handle_of(stream)),
                     "norms");
  }
  [[nodiscard]] Status first_non_finite(std::span<const float> vector, std::uint64_t* index,
                                        CudaStream stream) override {
    return status_of(cuda::first_non_finite(vector.data(), vector.size(), index, handle_of(stream)),
                     "first_non_finite");
  }

 private:
  [[nodiscard]] Status start_encode(std::uint64_t seed, std::span<const float> vector, float scale) {
    GOSSAMER_TRY(check(vector.size() == rows_.dimension, "encode: the vector's length is not the sketch's dimension"));
    encode_.seed = seed;
    encode_.scale = scale;
    return {};
  }

  [[nodiscard]] static bool is_aligned(const void* memory, std::size_t bytes) {
    return reinterpret_cast<std::uintptr_t>(memory) % bytes == 0;
  }

  // `count` cells of `type`, where kernels can read them.
  [[nodiscard]] static Status check_cells(std::string_view call, CellType type, std::span<const std::byte> cells,
                                          std::uint64_t count) {
    const std::uint32_t bytes = cell_bytes(type);
    if (cells.size() == count * bytes && is_aligned(cells.data(), bytes)) return {};
    return Error{Code::invalid_argument, text(call, ": ", cells.size(), " bytes of cells where ", count, " ",
                                              cell_type_name(type), " cells were expected, aligned to ", bytes)};
  }

  [[nodiscard]] static Status check_taking(std::size_t count, const TakenFrom& from, std::size_t places) {
    GOSSAMER_TRY(check(count == places, "take: not one place for each index"));
    return check(from.u.size() == from.v.size(), "take: vectors of different lengths");
  }

  [[nodiscard]] Status check_loaded() const {
    return check(is_loaded_, "no sketch was loaded to recover coordinates from");
  }

  [[nodiscard]] cuda::SelectWork selection(std::size_t count) const {
    cuda::SelectWork work;
    work.rows = rows_;
    work.count = static_cast<std::uint32_t>(count);
    work.survivors_max = static_cast<std::uint32_t>(cuda::survivors_max(select_max_, rows_.dimension));
    work.chunks = static_cast<std::uint32_t>(cuda::divide_up<std::uint64_t>(rows_.dimension, cuda::chunk_coordinates));
    const cuda::SampleGroups sample = cuda::sample_groups(rows_.dimension);
    if (work.survivors_max < rows_.dimension) {
      work.sample = sample;
      work.sample_rank = cuda::sample_rank(sample, count, rows_.dimension);
    }
    work.states = states_.data();
    work.survivors = words_.data();
    work.sample_keys = work.survivors + 1;
    work.list_indices = work.sample_keys + sample.size();
    work.list_keys = work.list_indices + work.survivors_max;
    work.chunk_begin = work.list_keys + work.survivors_max;
    work.chunk_size = work.chunk_begin + work.chunks;
    work.chunk_above = work.chunk_size + work.chunks;
    work.chunk_ties = work.chunk_above + work.chunks;
    return work;
  }

  std::uint64_t select_max_;
  cuda::EncodeWork encode_;
  cuda::LoadedRows rows_;
  bool is_loaded_ = false;
  DeviceMemory<std::uint32_t> partials_;  // f32 or integers
  DeviceMemory<std::uint32_t> offsets_;
  DeviceMemory<float> cells_;
  DeviceMemory<cuda::DigitState> states_;
  DeviceMemory<std::uint32_t> words_;  // as `selection` divides it
  DeviceMemory<cuda::NormPartial> norm_partials_;
};

}  // namespace

Result<std::unique_ptr<CudaSketch>> make_cuda_sketch(const SketchShape& shape, std::uint64_t select_max) {
  GOSSAMER_TRY(check_sketch_shape(shape));
  if (select_max > shape.dimension) {
    return Error{Code::invalid_argument, text("selections of ", select_max, " coordinates of ", shape.dimension,
                                              "; it cannot be more than all")};
  }
  GOSSAMER_TRY(cuda_available());
  const Result<cuda::DeviceLimits> limits = limits_of_device();
  GOSSAMER_TRY(limits);
  auto sketch = std::make_unique<DeviceSketch>(shape, select_max, *limits);
  GOSSAMER_TRY(sketch->allocate());
  return std::unique_ptr<CudaSketch>(std::move(sketch));
}

}  // namespace gossamer::sketch
