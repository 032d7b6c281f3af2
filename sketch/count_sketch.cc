#include "sketch/count_sketch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "sketch/cell_marks.h"
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
    const std::uint64_t bytes = count * sizeof(float);
    const bool is_large = wants_huge_pages(bytes);
    const std::align_val_t alignment{is_large ? huge_page_bytes : 64};
    floats_ = {new (alignment, std::nothrow) float[count], FreeAligned{alignment}};
    if (floats_ && is_large) advise_huge_pages(floats_.get(), bytes);
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
  SegmentShiftSketch(const SketchShape& shape, ThreadPool* pool) : shape_(shape), pool_(pool) {
    rows_.rows = shape.rows;
    rows_.columns = shape.columns;
    const std::size_t width = shape.columns + segment_length(shape.columns) + kernels::lanes_max;
    rows_.row_stride = (width + kernels::lanes_max - 1) / kernels::lanes_max * kernels::lanes_max;
  }

  [[nodiscard]] bool allocate(std::uint64_t select_max) {
    accumulators_.resize(threads());
    for (Rows& rows : accumulators_) {
      if (!rows.allocate(row_floats())) return false;
    }
    if (encode_part_count(shape_) > 1 && !sum_.allocate(row_floats())) return false;
    chunks_.resize(threads());
    return loaded_.allocate(row_floats()) && marks_.allocate(rows_) &&
           selection_.reserve(std::max<std::uint64_t>(1, std::min(select_max, shape_.dimension)), shape_.dimension,
                              threads());
  }

  [[nodiscard]] const SketchShape& shape() const override { return shape_; }

  [[nodiscard]] std::size_t working_bytes() const override {
    const std::size_t copies = accumulators_.size() + (sum_.data() != nullptr ? 1 : 0) + 1;
    return copies * row_floats() * sizeof(float) + chunks_.size() * sizeof(Chunk) + marks_.working_bytes() +
           selection_.working_bytes();
  }

  void encode_cells(std::uint64_t seed, std::span<const float> vector, const CellFormat& format,
                    std::span<std::byte> cells, Produce produce) override {
    GOSSAMER_CHECK(vector.size() == shape_.dimension, "encode: the vector's length is not the sketch's dimension");
    GOSSAMER_CHECK(cells.size() == shape_.cells() * cell_bytes(format.type), "encode: not rows * columns cells");
    kernels::RowShape rows = rows_;
    rows.seed = seed;
    if (is_integer(format.type)) {
      std::int32_t* const sums = sum_fixed(rows, vector.data(), format.fixed.scale, produce);
      kernels::fold_rows_fixed(rows, sums);
      kernels::round_rows(rows, format.fixed, format.stream, sums, format.type, cells.data());
      return;
    }
    float* const sums = sum_floats(rows, vector.data(), produce);
    if (format.type == CellType::f32 && reinterpret_cast<std::uintptr_t>(cells.data()) % alignof(float) == 0) {
      kernels::fold_rows(rows, sums, reinterpret_cast<float*>(cells.data()));
      return;
    }
    const std::size_t row_bytes = std::size_t{shape_.columns} * cell_bytes(format.type);
    for (std::uint32_t row = 0; row < shape_.rows; ++row) {
      float* const folded = sums + row * rows_.row_stride;
      for (std::uint32_t b = 0; b < segment_length(shape_.columns); ++b) folded[b] += folded[shape_.columns + b];
      kernels::narrow(format.type, folded, cells.data() + row * row_bytes, shape_.columns);
    }
  }

  bool load_cells(std::uint64_t seed, CellType type, std::span<const std::byte> cells) override {
    GOSSAMER_CHECK(cells.size() == shape_.cells() * cell_bytes(type), "load: not rows * columns cells");
    const std::size_t length = segment_length(shape_.columns);
    const std::size_t row_bytes = std::size_t{shape_.columns} * cell_bytes(type);
    bool is_finite = true;
    for (std::size_t row = 0; row < shape_.rows; ++row) {
      float* const to = loaded_.data() + row * rows_.row_stride;
      kernels::widen(type, cells.data() + row * row_bytes, to, shape_.columns);
      is_finite &= is_integer(type) || kernels::first_non_finite(to, shape_.columns) == shape_.columns;
      std::memcpy(to + shape_.columns, to, length * sizeof(float));
      std::memset(to + shape_.columns + length, 0, (rows_.row_stride - shape_.columns - length) * sizeof(float));
    }
    rows_.seed = seed;
    is_loaded_ = true;
    return is_finite;
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

  [[nodiscard]] std::int32_t sample_key(std::size_t count) override {
    make_room(count);
    if (count == 0) return -1;
    return sampled_key(selection_, shape_.dimension, count, EstimatesAt{*this, 0}).above;
  }

  [[nodiscard]] KeyedCoordinates select_range(const CoordinateRange& range, std::size_t count,
                                              std::int32_t above) override {
    make_room(count);
    GOSSAMER_CHECK(range.first <= shape_.dimension && range.length <= shape_.dimension - range.first,
                   "select_range: coordinates beyond the sketch's dimension");
    if (count == 0 || range.length == 0) return {};
    const LargeAt large{*this, range.first, marks_.mark(rows_, loaded_.data(), above, range.length)};
    const auto found = select_above(selection_, pool_, range.length, count, {above, 0}, large);
    return {found, selection_.keys()};
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
  // Estimates on their way to the selection, in cache: one for each thread.
  struct alignas(64) Chunk {
    std::array<float, TopSelection::chunk_max> estimates;
  };

  [[nodiscard]] std::uint64_t row_floats() const { return std::uint64_t{rows_.rows} * rows_.row_stride; }
  [[nodiscard]] std::uint32_t threads() const { return pool_ != nullptr ? pool_->threads() : 1; }

  // Cells that another core has written come at the pace of the slowest cache: threads pay where there are many
  // coordinates for each cell, or so many that cells are in nobody's cache anyway.
  [[nodiscard]] bool sharing_pays() const {
    constexpr std::uint64_t coordinates_per_column = 64;
    constexpr std::uint64_t beyond_caches = std::uint64_t{1} << 22;
    return shape_.dimension >= coordinates_per_column * shape_.columns || shape_.dimension >= beyond_caches;
  }

  // Calls use(values, first, count, upcoming) for pieces of [begin, end) of the vector, where something produces it for
  // pieces of a segment, whose copy stays in the first cache level between what writes it and what reads it; else
  // once, with null.
  template <typename Use>
  static void in_pieces(const float* vector, std::uint64_t begin, std::uint64_t end, Produce produce, const Use& use) {
    if (!produce) return use(vector + begin, begin, static_cast<std::size_t>(end - begin), nullptr);
    alignas(64) std::array<float, segment_length_max> copy;
    for (std::uint64_t first = begin; first < end; first += copy.size()) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(copy.size(), end - first));
      const Upcoming upcoming = produce(first, std::span(copy).first(count));
      use(copy.data(), first, count, &upcoming);
    }
    finish_late_writes();
  }

  static void encode_piece(const kernels::RowShape& rows, const kernels::RowRange& range, const float* values,
                           std::uint64_t first, std::size_t count, const Upcoming* upcoming, float* sums) {
    if (upcoming != nullptr)
      kernels::encode_rows_fetching(rows, range, values, first, count, sums, *upcoming);
    else
      kernels::encode_rows(rows, range, values, first, count, sums);
  }

  // f32 rows of the whole vector, in the order that encode_part_count says, with their pads.
  float* sum_floats(const kernels::RowShape& rows, const float* vector, Produce produce) {
    const std::uint32_t parts = encode_part_count(shape_);
    if (parts == 1) return sum_one_part(rows, vector, produce);
    // Threads take parts in order; each adds its own to the sum when all before it are in.
    std::atomic<std::uint32_t> turn{0};
    run_parts(pool_, parts, [&](std::uint32_t part, std::uint32_t thread) {
      // The first part is summed where the sum will be.
      float* const own = part == 0 ? sum_.data() : accumulators_[thread].data();
      std::memset(own, 0, row_floats() * sizeof(float));
      in_pieces(vector, encode_part_begin(shape_, part), encode_part_begin(shape_, part + 1), produce,
                [&](const float* values, std::uint64_t first, std::size_t count, const Upcoming* upcoming) {
                  encode_piece(rows, {0, rows.rows}, values, first, count, upcoming, own);
                });
      while (turn.load(std::memory_order_acquire) != part) std::this_thread::yield();
      if (part != 0) {
        kernels::merge_cells(CellType::f32, reinterpret_cast<std::byte*>(sum_.data()),
                             reinterpret_cast<const std::byte*>(own), row_floats());
      }
      turn.store(part + 1, std::memory_order_release);
    });
    return sum_.data();
  }

  // Columns are many against the vector: threads share the rows instead.
  float* sum_one_part(const kernels::RowShape& rows, const float* vector, Produce produce) {
    float* const own = accumulators_[0].data();
    const std::uint32_t groups = sharing_pays() ? std::min(threads(), rows.rows) : 1;
    if (groups > 1 && produce) {
      constexpr std::uint64_t piece = 16 * segment_length_max;
      const auto pieces = static_cast<std::uint32_t>((shape_.dimension + piece - 1) / piece);
      run_parts(pool_, pieces, [&](std::uint32_t part, std::uint32_t) {
        in_pieces(vector, part * piece, std::min((part + 1) * piece, shape_.dimension), produce,
                  [](const float*, std::uint64_t, std::size_t, const Upcoming*) {});
      });
      produce = nullptr;
    }
    run_parts(pool_, groups, [&](std::uint32_t group, std::uint32_t) {
      const std::uint32_t begin = rows.rows * group / groups;
      const std::uint32_t end = rows.rows * (group + 1) / groups;
      std::memset(own + begin * rows.row_stride, 0, (end - begin) * rows.row_stride * sizeof(float));
      in_pieces(vector, 0, shape_.dimension, produce,
                [&](const float* values, std::uint64_t first, std::size_t count, const Upcoming* upcoming) {
                  encode_piece(rows, {begin, end - begin}, values, first, count, upcoming, own);
                });
    });
    return own;
  }

  // Integer sums do not depend on the order: each thread sums what it takes, then the threads' sums are added.
  std::int32_t* sum_fixed(const kernels::RowShape& rows, const float* vector, float scale, Produce produce) {
    const std::uint64_t segments = (shape_.dimension + segment_length_max - 1) / segment_length_max;
    const auto parts =
        threads() == 1 || !sharing_pays()
            ? 1
            : static_cast<std::uint32_t>(std::min<std::uint64_t>(segments, 8 * std::uint64_t{threads()}));
    std::array<bool, threads_max> used{};
    const auto words_of = [this](std::uint32_t thread) {
      return reinterpret_cast<std::int32_t*>(accumulators_[thread].data());
    };
    run_parts(pool_, parts, [&](std::uint32_t part, std::uint32_t thread) {
      std::int32_t* const own = words_of(thread);
      if (!used[thread]) std::memset(own, 0, row_floats() * sizeof(std::int32_t));
      used[thread] = true;
      const auto begin_of = [&](std::uint64_t p) {
        return std::min<std::uint64_t>(segments * p / parts * segment_length_max, shape_.dimension);
      };
      in_pieces(vector, begin_of(part), begin_of(std::uint64_t{part} + 1), produce,
                [&](const float* values, std::uint64_t first, std::size_t count, const Upcoming*) {
                  kernels::encode_rows_fixed(rows, scale, values, first, count, own);
                });
    });
    std::int32_t* sums = nullptr;
    for (std::uint32_t thread = 0; thread < threads(); ++thread) {
      if (!used[thread]) continue;
      if (sums == nullptr)
        sums = words_of(thread);
      else
        kernels::merge_cells(CellType::i32, reinterpret_cast<std::byte*>(sums),
                             reinterpret_cast<const std::byte*>(words_of(thread)), row_floats());
    }
    return sums;
  }

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

  // Where a selection gets estimates from: its coordinate 0 is our `base`.
  struct EstimatesAt {
    SegmentShiftSketch& self;
    std::uint64_t base;
    std::span<const float> operator()(std::uint64_t first, std::size_t n, std::uint32_t thread) const {
      std::array<float, TopSelection::chunk_max>& estimates = self.chunks_[thread].estimates;
      kernels::estimate_rows(self.rows_, self.loaded_.data(), base + first, estimates.data(), n);
      return std::span<const float>(estimates).first(n);
    }
  };

  // The same, of the large ones alone.
  struct LargeAt {
    SegmentShiftSketch& self;
    std::uint64_t base;
    bool is_marked;
    std::size_t operator()(std::uint64_t first, std::size_t n, std::uint32_t thread, std::int32_t above,
                           std::uint32_t* indices, std::int32_t* keys) const {
      const auto index = static_cast<std::uint32_t>(first);
      if (is_marked)
        return self.marks_.keep_above(self.rows_, self.loaded_.data(), base + first, n, index, above, indices, keys);
      const auto estimates = EstimatesAt{self, base}(first, n, thread);
      return kernels::keep_above(estimates.data(), n, index, above, indices, keys);
    }
  };

  void make_room(std::size_t count) {
    check_loaded();
    GOSSAMER_CHECK(count <= shape_.dimension, "more coordinates asked for than the sketch's dimension");
    GOSSAMER_CHECK(count == 0 || selection_.reserve(count, shape_.dimension, threads()),
                   "no memory for a selection of this many coordinates");
  }

  [[nodiscard]] std::span<const std::uint32_t> select(std::size_t count, std::int32_t floor) {
    make_room(count);
    if (count == 0) return {};
    LargeAt large{*this, 0, false};
    return select_top_of(selection_, pool_, shape_.dimension, count, floor, EstimatesAt{*this, 0},
                         [&](std::int32_t above) {
                           large.is_marked = marks_.mark(rows_, loaded_.data(), above, shape_.dimension);
                           return KeepAt(large);
                         });
  }

  static constexpr std::size_t threads_max = 256;

  SketchShape shape_;
  ThreadPool* pool_;
  kernels::RowShape rows_;          // its seed is that of the loaded sketch
  std::vector<Rows> accumulators_;  // one for each thread; f32 or i32
  Rows sum_;                        // of parts, where there are several
  Rows loaded_;
  CellMarks marks_;  // of `loaded_`, while a selection looks
  bool is_loaded_ = false;
  TopSelection selection_;
  std::vector<Chunk> chunks_;
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

FixedPoint choose_fixed_point(const SketchShape& shape, std::int32_t level_max, float norm, float magnitude) {
  GOSSAMER_CHECK(level_max > 0, "no level is left for a cell: widen_for says which type has enough");
  FixedPoint fixed;
  fixed.level_max = level_max;
  if (!(magnitude > 0)) return fixed;
  // A cell takes one coordinate of each segment: no sum exceeds segments * magnitude, nor sqrt(segments) * norm.
  const std::uint64_t length = segment_length(shape.columns);
  const auto segments = static_cast<double>((shape.dimension + length - 1) / length);
  const double bound =
      std::max<double>(magnitude, std::min<double>(segments * magnitude, std::sqrt(segments) * double{norm}));
  const double range = magnitude + 4 * double{norm} / std::sqrt(static_cast<double>(shape.columns));
  constexpr double sum_max = 1 << 29;
  constexpr double scale_max = 0x1p100;  // of vectors of denormals
  const double finest = std::min(sum_max / bound, scale_max);
  while (fixed.shift < 29 && level_max * std::ldexp(1.0, static_cast<int>(fixed.shift) + 1) <= finest * range)
    ++fixed.shift;
  fixed.scale =
      static_cast<float>(std::min(finest, level_max * std::ldexp(1.0, static_cast<int>(fixed.shift)) / range));
  return fixed;
}

Result<std::unique_ptr<CountSketch>> make_count_sketch(const SketchShape& shape, std::uint64_t select_max,
                                                       ThreadPool* pool) {
  GOSSAMER_TRY(check_sketch_shape(shape));
  auto sketch = std::make_unique<SegmentShiftSketch>(shape, pool);
  if (!sketch->allocate(select_max)) {
    return Error{Code::out_of_resources,
                 text("no memory for a sketch of ", shape.rows, " rows by ", shape.columns, " columns (",
                      format_bytes(2 * 4 * shape.cells()), " of work space): use fewer columns")};
  }
  return std::unique_ptr<CountSketch>(std::move(sketch));
}

}  // namespace gossamer::sketch
