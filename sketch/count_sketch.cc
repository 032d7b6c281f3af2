#include "sketch/count_sketch.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "sketch/hash.h"
#include "sketch/kernels.h"
#include "sketch/random_fill.h"
#include "sketch/selection.h"

namespace gossamer::sketch {
namespace {

struct FreeAligned {
  std::align_val_t alignment{64};
  void operator()(float* floats) const { ::operator delete[](floats, alignment); }
};

// Rows as kernels.h draws them. Large ones ask for huge pages: windows jump from page to page, and decoding
// 2^20 columns takes half the time with them.
class Rows {
 public:
  [[nodiscard]] bool allocate(std::uint64_t count) {
    constexpr std::uint64_t huge_page = std::uint64_t{2} << 20;
    const std::uint64_t bytes = count * sizeof(float);
    const bool is_large = bytes >= 2 * huge_page;
    const std::align_val_t alignment{is_large ? huge_page : 64};
    floats_ = {new (alignment, std::nothrow) float[count], FreeAligned{alignment}};
#ifdef MADV_HUGEPAGE
    if (floats_ && is_large) static_cast<void>(madvise(floats_.get(), bytes, MADV_HUGEPAGE));
#endif
    return floats_ != nullptr;
  }
  [[nodiscard]] float* data() const { return floats_.get(); }

 private:
  std::unique_ptr<float[], FreeAligned> floats_;
};

// The greatest key whose square is below `bound`, -1 if there is none: what is above it qualifies. Squares
// of f32 are exact in f64, so this is the published comparison, done once.
std::int32_t key_below_square(double bound) {
  if (!(bound > 0)) return -1;
  const auto qualifies = [bound](std::int32_t key) {
    const double x = std::bit_cast<float>(key);
    return x * x >= bound;
  };
  std::int32_t key =
      kernels::key_of(static_cast<float>(std::min<double>(std::sqrt(bound), std::numeric_limits<float>::max())));
  while (key >= 0 && qualifies(key)) --key;
  while (!qualifies(key + 1)) ++key;
  return key;
}

class SegmentShiftSketch final : public CountSketch {
 public:
  explicit SegmentShiftSketch(const SketchShape& shape) : shape_(shape) {
    rows_.rows = shape.rows;
    rows_.columns = shape.columns;
    const std::size_t width = shape.columns + segment_length(shape.columns) + kernels::lanes_max;
    rows_.row_stride = (width + kernels::lanes_max - 1) / kernels::lanes_max * kernels::lanes_max;
  }

  [[nodiscard]] bool allocate(std::uint64_t select_max) {
    return encoded_.allocate(row_floats()) && loaded_.allocate(row_floats()) &&
           selection_.reserve(std::max<std::uint64_t>(1, std::min(select_max, shape_.dimension)), shape_.dimension);
  }

  [[nodiscard]] const SketchShape& shape() const override { return shape_; }

  [[nodiscard]] std::size_t working_bytes() const override {
    return 2 * row_floats() * sizeof(float) + sizeof(chunk_) + selection_.working_bytes();
  }

  void encode(std::uint64_t seed, std::span<const float> vector, std::span<float> cells) override {
    GOSSAMER_CHECK(vector.size() == shape_.dimension, "encode: the vector's length is not the sketch's dimension");
    GOSSAMER_CHECK(cells.size() == shape_.cells(), "encode: not rows * columns cells");
    kernels::RowShape rows = rows_;
    rows.seed = seed;
    std::memset(encoded_.data(), 0, row_floats() * sizeof(float));
    kernels::encode_rows(rows, vector.data(), vector.size(), encoded_.data());
    kernels::fold_rows(rows, encoded_.data(), cells.data());
  }

  void load(std::uint64_t seed, std::span<const float> cells) override {
    GOSSAMER_CHECK(cells.size() == shape_.cells(), "load: not rows * columns cells");
    const std::size_t length = segment_length(shape_.columns);
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      const float* const from = cells.data() + row * shape_.columns;
      float* const to = loaded_.data() + row * rows_.row_stride;
      std::memcpy(to, from, shape_.columns * sizeof(float));
      std::memcpy(to + shape_.columns, from, length * sizeof(float));
      std::memset(to + shape_.columns + length, 0, (rows_.row_stride - shape_.columns - length) * sizeof(float));
    }
    rows_.seed = seed;
    is_loaded_ = true;
  }

  void estimate(std::uint64_t first, std::span<float> estimates) const override {
    check_loaded();
    GOSSAMER_CHECK(first <= shape_.dimension && estimates.size() <= shape_.dimension - first,
                   "estimate: coordinates beyond the sketch's dimension");
    kernels::estimate_rows(rows_, loaded_.data(), first, estimates.data(), estimates.size());
  }

  void select_top(std::span<std::uint32_t> indices) override {
    const std::span<const std::uint32_t> found = select(indices.size(), -1);
    std::copy(found.begin(), found.end(), indices.begin());
  }

  void select_heavymix(std::uint64_t k, std::span<std::uint32_t> indices) override {
    GOSSAMER_CHECK(k > 0, "select_heavymix: k must be above 0");
    const std::int32_t below = key_below_square(norm_squared() / static_cast<double>(k));
    const std::span<const std::uint32_t> found = select(indices.size(), below);
    if (found.size() == indices.size()) {
      std::copy(found.begin(), found.end(), indices.begin());
    } else {
      fill_with_others(rows_.seed, shape_.dimension, found, selection_.spare(), indices);
    }
  }

 private:
  [[nodiscard]] std::uint64_t row_floats() const { return std::uint64_t{rows_.rows} * rows_.row_stride; }

  void check_loaded() const { GOSSAMER_CHECK(is_loaded_, "no sketch was loaded to recover coordinates from"); }

  // Median over rows of the squared row norm.
  [[nodiscard]] double norm_squared() const {
    std::array<double, rows_max> norms{};
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      norms[row] = kernels::sum_squares(loaded_.data() + row * rows_.row_stride, shape_.columns);
    }
    const auto middle = norms.begin() + shape_.rows / 2;
    std::nth_element(norms.begin(), middle, norms.begin() + shape_.rows);
    return *middle;
  }

  [[nodiscard]] std::span<const std::uint32_t> select(std::size_t count, std::int32_t floor) {
    check_loaded();
    GOSSAMER_CHECK(count <= shape_.dimension, "more coordinates asked for than the sketch's dimension");
    if (count == 0) return {};
    GOSSAMER_CHECK(selection_.reserve(count, shape_.dimension), "no memory for a selection of this many coordinates");
    return select_top_of(selection_, shape_.dimension, count, floor, [this](std::uint64_t first, std::size_t n) {
      kernels::estimate_rows(rows_, loaded_.data(), first, chunk_.data(), n);
      return std::span<const float>(chunk_).first(n);
    });
  }

  SketchShape shape_;
  kernels::RowShape rows_;  // its seed is that of the loaded sketch
  Rows encoded_;
  Rows loaded_;
  bool is_loaded_ = false;
  TopSelection selection_;
  std::array<float, TopSelection::chunk_max> chunk_{};  // estimates on their way to the selection, in cache
};

}  // namespace

Status check_sketch_shape(const SketchShape& shape) {
  constexpr std::uint32_t columns_max = std::uint32_t{1} << 28;
  if (shape.dimension == 0 || shape.dimension > std::numeric_limits<std::uint32_t>::max()) {
    return Error{Code::invalid_argument, text("a sketch of dimension ", shape.dimension, "; it must be 1 to 2^32 - 1")};
  }
  if (shape.rows > rows_max || shape.rows % 2 == 0) {
    return Error{Code::invalid_argument,
                 text("a sketch of ", shape.rows, " rows; it must be an odd number from 1 to ", rows_max)};
  }
  if (shape.columns == 0 || shape.columns > columns_max) {
    return Error{Code::invalid_argument, text("a sketch of ", shape.columns, " columns; it must be 1 to 2^28")};
  }
  return {};
}

Result<std::unique_ptr<CountSketch>> make_count_sketch(const SketchShape& shape, std::uint64_t select_max) {
  GOSSAMER_TRY(check_sketch_shape(shape));
  auto sketch = std::make_unique<SegmentShiftSketch>(shape);
  if (!sketch->allocate(select_max)) {
    return Error{Code::out_of_resources,
                 text("no memory for a sketch of ", shape.rows, " rows by ", shape.columns, " columns (",
                      format_bytes(2 * 4 * shape.cells()), " of work space): use fewer columns")};
  }
  return std::unique_ptr<CountSketch>(std::move(sketch));
}

}  // namespace gossamer::sketch
