// The sketch as one would write it down: plain loops, no cleverness. It defines what the fast one computes,
// bit for bit, order of additions and ties included.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <numeric>
#include <set>

#include "sketch/count_sketch.h"
#include "sketch/hash.h"
#include "sketch/kernels.h"
#include "sketch/selection.h"

namespace gossamer::sketch {
namespace {

class ReferenceSketch final : public CountSketch {
 public:
  explicit ReferenceSketch(const SketchShape& shape)
      : shape_(shape), length_(segment_length(shape.columns)), cells_(shape.cells()) {}

  [[nodiscard]] const SketchShape& shape() const override { return shape_; }

  // While it works it also holds one row, and O(dimension) estimates when it selects.
  [[nodiscard]] std::size_t working_bytes() const override { return cells_.size() * sizeof(float); }

  void encode_cells(std::uint64_t seed, std::span<const float> vector, const CellFormat& format,
                    std::span<std::byte> cells, Produce produce) override {
    check(vector.size() == shape_.dimension && cells.size() == shape_.cells() * cell_bytes(format.type));
    std::vector<float> copy;
    if (produce) {
      copy.resize(vector.size());
      produce(0, copy);
      vector = copy;
    }
    std::vector<float> floats(shape_.cells(), 0.0F);
    for (std::uint32_t row = 0; row < shape_.rows; ++row) {
      std::vector<float> sums(std::size_t{shape_.columns} + length_, 0.0F);
      for (std::uint32_t part = 0; part < encode_part_count(shape_); ++part) {
        const auto own = sum_row<float>(seed, row, encode_part_begin(shape_, part), encode_part_begin(shape_, part + 1),
                                        [&](std::uint64_t t) { return vector[t]; });
        for (std::size_t b = 0; b < sums.size(); ++b) sums[b] += own[b];
      }
      for (std::uint32_t b = 0; b < length_; ++b) sums[b] += sums[shape_.columns + b];
      std::copy_n(sums.begin(), shape_.columns, floats.begin() + std::ptrdiff_t{row} * shape_.columns);
    }
    if (!is_integer(format.type)) return narrow(format.type, floats, cells);
    const RoundingKey key = rounding_key(seed, format.stream);
    for (std::uint32_t row = 0; row < shape_.rows; ++row) {
      const auto levels = sum_row<std::uint32_t>(seed, row, 0, shape_.dimension, [&](std::uint64_t t) {
        return static_cast<std::uint32_t>(std::lrint(vector[t] * format.fixed.scale));
      });
      for (std::uint32_t b = 0; b < shape_.columns; ++b) {
        const std::uint32_t cell = row * shape_.columns + b;
        const std::uint32_t sum = levels[b] + (b < length_ ? levels[shape_.columns + b] : 0);
        const std::int32_t level = round_cell(static_cast<std::int32_t>(sum), rounding_bits(key, cell), format.fixed);
        std::memcpy(cells.data() + std::size_t{cell} * cell_bytes(format.type), &level, cell_bytes(format.type));
      }
    }
  }

  bool load_cells(std::uint64_t seed, CellType type, std::span<const std::byte> cells) override {
    check(cells.size() == shape_.cells() * cell_bytes(type));
    seed_ = seed;
    cells_.resize(shape_.cells());
    widen(type, cells, cells_);
    return std::all_of(cells_.begin(), cells_.end(), [](float cell) { return std::isfinite(cell); });
  }

  void estimate(std::uint64_t first, std::span<float> estimates) const override {
    check(first <= shape_.dimension && estimates.size() <= shape_.dimension - first);
    for (std::size_t i = 0; i < estimates.size(); ++i) estimates[i] = estimate_of(first + i);
  }

  void select_top(std::span<std::uint32_t> indices) override {
    check(indices.size() <= shape_.dimension);
    const std::vector<std::uint32_t> order = by_magnitude();
    std::copy_n(order.begin(), indices.size(), indices.begin());
    std::sort(indices.begin(), indices.end());
  }

  // The sample is SamplePlan's: runs of coordinates, and the key of a rank among them.
  [[nodiscard]] std::int32_t sample_key(std::size_t count) override {
    check(count <= shape_.dimension);
    const SamplePlan plan = SamplePlan::of(shape_.dimension);
    const std::size_t rank = plan.rank_for(count, shape_.dimension);
    if (count == 0 || rank >= plan.size()) return -1;
    std::vector<std::int32_t> keys;
    for (std::size_t block = 0; block < plan.blocks; ++block) {
      for (std::size_t i = 0; i < SamplePlan::block_length; ++i) {
        keys.push_back(kernels::key_of(estimate_of(plan.block_begin(block) + i)));
      }
    }
    std::sort(keys.begin(), keys.end(), std::greater<>());
    return keys[rank] - 1;
  }

  [[nodiscard]] KeyedCoordinates select_range(const CoordinateRange& range, std::size_t count,
                                              std::int32_t above) override {
    check(count <= shape_.dimension && range.first <= shape_.dimension &&
          range.length <= shape_.dimension - range.first);
    chosen_offsets_.clear();
    chosen_keys_.clear();
    for (const std::uint32_t t : by_magnitude()) {
      if (t < range.first || t - range.first >= range.length || kernels::key_of(estimate_of(t)) <= above) continue;
      if (chosen_offsets_.size() < count) chosen_offsets_.push_back(static_cast<std::uint32_t>(t - range.first));
    }
    std::sort(chosen_offsets_.begin(), chosen_offsets_.end());
    for (const std::uint32_t offset : chosen_offsets_) {
      chosen_keys_.push_back(kernels::key_of(estimate_of(range.first + offset)));
    }
    return {chosen_offsets_, chosen_keys_};
  }

  void select_heavymix(std::uint64_t k, std::span<std::uint32_t> indices) override {
    check(k > 0 && indices.size() <= shape_.dimension);
    const double threshold = norm_squared() / static_cast<double>(k);
    std::vector<std::uint32_t> chosen = by_magnitude();
    std::erase_if(chosen, [&](std::uint32_t t) {
      const double estimate = estimate_of(t);
      return estimate * estimate < threshold;
    });
    if (chosen.size() > indices.size()) chosen.resize(indices.size());
    std::sort(chosen.begin(), chosen.end());
    const std::vector<std::uint32_t> others = random_others(chosen, indices.size() - chosen.size());
    std::merge(chosen.begin(), chosen.end(), others.begin(), others.end(), indices.begin());
  }

 private:
  static void check(bool ok) { GOSSAMER_CHECK(ok, "arguments that do not fit the sketch's shape"); }

  // One row of coordinates [begin, end), with its pad: segments that stick out on the right go on in columns
  // c ... c + L - 1.
  template <typename Sum, typename At>
  [[nodiscard]] std::vector<Sum> sum_row(std::uint64_t seed, std::uint32_t row, std::uint64_t begin, std::uint64_t end,
                                         const At& at) const {
    std::vector<Sum> sums(std::size_t{shape_.columns} + length_, Sum{0});
    for (std::uint64_t t = begin; t < end; ++t) {
      const SegmentHash hash = segment_hash(seed, t / length_);
      const auto position = static_cast<std::uint32_t>(t % length_);
      const Sum value = at(t);
      sums[segment_offset(hash, row, shape_.columns) + position] +=
          is_negated(sign_bits(hash, position), row) ? Sum{0} - value : value;
    }
    return sums;
  }

  [[nodiscard]] float estimate_of(std::uint64_t t) const {
    const SegmentHash hash = segment_hash(seed_, t / length_);
    const auto position = static_cast<std::uint32_t>(t % length_);
    std::vector<float> values;
    for (std::uint32_t row = 0; row < shape_.rows; ++row) {
      const std::uint32_t column = (segment_offset(hash, row, shape_.columns) + position) % shape_.columns;
      const float cell = cells_[std::size_t{row} * shape_.columns + column];
      values.push_back(is_negated(sign_bits(hash, position), row) ? -cell : cell);
    }
    std::sort(values.begin(), values.end());
    return values[values.size() / 2] + 0.0F;  // never -0
  }

  // All coordinates, largest |estimate| first, ties to the lower index.
  [[nodiscard]] std::vector<std::uint32_t> by_magnitude() const {
    std::vector<float> estimates(shape_.dimension);
    estimate(0, estimates);
    std::vector<std::uint32_t> order(shape_.dimension);
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return std::abs(estimates[a]) > std::abs(estimates[b]); });
    return order;
  }

  [[nodiscard]] double norm_squared() const {
    std::vector<double> norms;
    for (std::uint32_t row = 0; row < shape_.rows; ++row) {
      double partial[16] = {};
      for (std::uint32_t b = 0; b < shape_.columns; ++b) {
        const double cell = cells_[std::size_t{row} * shape_.columns + b];
        partial[b % 16] += cell * cell;
      }
      for (int step = 8; step != 0; step /= 2) {
        for (int p = 0; p < step; ++p) partial[p] += partial[p + step];
      }
      norms.push_back(partial[0]);
    }
    std::sort(norms.begin(), norms.end());
    return norms[norms.size() / 2];
  }

  // As random_fill.h says it: the first distinct ranks drawn are those to take, or, when more than half of
  // the others are wanted, those to leave out.
  [[nodiscard]] std::vector<std::uint32_t> random_others(const std::vector<std::uint32_t>& chosen,
                                                         std::size_t wanted) const {
    std::vector<std::uint32_t> others;
    for (std::uint64_t t = 0; t < shape_.dimension; ++t) {
      const auto coordinate = static_cast<std::uint32_t>(t);
      if (!std::binary_search(chosen.begin(), chosen.end(), coordinate)) others.push_back(coordinate);
    }
    const bool take = wanted <= others.size() / 2;
    const std::size_t draws = take ? wanted : others.size() - wanted;
    Random random(seed_);
    std::set<std::uint64_t> ranks;
    while (ranks.size() < draws) ranks.insert(random.below(others.size()));
    std::vector<std::uint32_t> result;
    for (std::size_t rank = 0; rank < others.size(); ++rank) {
      if (ranks.contains(rank) == take) result.push_back(others[rank]);
    }
    return result;
  }

  SketchShape shape_;
  std::uint32_t length_;
  std::uint64_t seed_ = 0;
  std::vector<float> cells_;
  std::vector<std::uint32_t> chosen_offsets_;
  std::vector<std::int32_t> chosen_keys_;
};

}  // namespace

Result<std::unique_ptr<CountSketch>> make_reference_count_sketch(const SketchShape& shape) {
  GOSSAMER_TRY(check_sketch_shape(shape));
  try {
    return std::unique_ptr<CountSketch>(std::make_unique<ReferenceSketch>(shape));
  } catch (const std::bad_alloc&) {
    return Error{Code::out_of_resources, text("no memory for the ", shape.cells(), " cells of a reference sketch")};
  }
}

}  // namespace gossamer::sketch
