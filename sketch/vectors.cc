// The public functions over plain vectors, and the selector.
#include <algorithm>
#include <bit>
#include <limits>

#include "hwy/targets.h"
#include "sketch/kernels.h"
#include "sketch/selection.h"
#include "sketch/sketch.h"

namespace gossamer::sketch {

double sum_squares(std::span<const float> values) { return kernels::sum_squares(values.data(), values.size()); }

std::size_t first_non_finite(std::span<const float> values) {
  return kernels::first_non_finite(values.data(), values.size());
}

void accumulate(std::span<const float> g, float scale, float momentum, const FeedbackVectors& from,
                const NextFeedbackVectors& to) {
  const std::size_t size = g.size();
  GOSSAMER_CHECK(from.v.size() == size && to.v.size() == size && from.u.size() == to.u.size() &&
                     (to.u.empty() || to.u.size() == size) && (to.copy.empty() || to.copy.size() == size),
                 "accumulate: vectors of different lengths");
  kernels::accumulate(
      g.data(), scale, momentum, from.u.empty() ? nullptr : from.u.data(), from.v.data(),
      {to.u.empty() ? nullptr : to.u.data(), to.v.data(), to.copy.empty() ? nullptr : to.copy.data(), to.is_read_late},
      size);
}

void finish_late_writes() { kernels::finish_late_writes(); }

void add(std::span<float> into, std::span<const float> from) {
  GOSSAMER_CHECK(into.size() == from.size(), "add: vectors of different lengths");
  kernels::merge_cells(CellType::f32, std::as_writable_bytes(into).data(), std::as_bytes(from).data(), into.size());
}

void gather(std::span<const float> values, std::span<const std::uint32_t> indices, std::span<float> out) {
  GOSSAMER_CHECK(indices.size() == out.size(), "gather: not one place for each index");
  for (std::size_t i = 0; i < indices.size(); ++i) {
    prefetch_ahead(values.data(), indices, i);
    out[i] = values[indices[i]];
  }
}

void quantise(std::span<const float> values, float scale, std::int32_t level_max, CellType type,
              std::span<std::byte> cells) {
  GOSSAMER_CHECK(is_integer(type) && cells.size() == values.size() * cell_bytes(type),
                 "quantise: not one integer cell for each value");
  kernels::quantise(values.data(), scale, level_max, type, cells.data(), values.size());
}

float largest_magnitude(std::span<const float> values) {
  return kernels::largest_magnitude(values.data(), values.size());
}

void narrow(CellType type, std::span<const float> values, std::span<std::byte> cells) {
  GOSSAMER_CHECK(!is_integer(type) && cells.size() == values.size() * cell_bytes(type),
                 "narrow: not one floating-point cell for each value");
  kernels::narrow(type, values.data(), cells.data(), values.size());
}

void widen(CellType type, std::span<const std::byte> cells, std::span<float> values) {
  GOSSAMER_CHECK(cells.size() == values.size() * cell_bytes(type), "widen: not one cell for each value");
  kernels::widen(type, cells.data(), values.data(), values.size());
}

namespace {

class ThresholdSelector final : public Selector {
 public:
  explicit ThresholdSelector(std::uint64_t dimension) : dimension_(dimension) {}
  [[nodiscard]] bool reserve(std::uint64_t count_max) { return selection_.reserve(count_max, dimension_); }

  void select_largest(std::span<const float> values, std::span<std::uint32_t> indices) override {
    GOSSAMER_CHECK(values.size() == dimension_, "select_largest: not the dimension that the selector was made for");
    GOSSAMER_CHECK(indices.size() <= dimension_, "select_largest: more coordinates asked for than there are");
    if (indices.empty()) return;
    GOSSAMER_CHECK(selection_.reserve(indices.size(), dimension_),
                   "no memory for a selection of this many coordinates");
    const auto values_at = [values](std::uint64_t first, std::size_t n, std::uint32_t) {
      return values.subspan(first, n);
    };
    const auto found = select_top_of(selection_, nullptr, dimension_, indices.size(), -1, values_at);
    std::copy(found.begin(), found.end(), indices.begin());
  }

 private:
  std::uint64_t dimension_;
  TopSelection selection_;
};

}  // namespace

Result<std::unique_ptr<Selector>> make_selector(std::uint64_t dimension, std::uint64_t count_max) {
  if (dimension == 0 || dimension > std::numeric_limits<std::uint32_t>::max()) {
    return Error{Code::invalid_argument, text("a selector of dimension ", dimension, "; it must be 1 to 2^32 - 1")};
  }
  if (count_max > dimension) {
    return Error{Code::invalid_argument,
                 text("a selector of ", count_max, " coordinates of ", dimension, "; it cannot be more than all")};
  }
  auto selector = std::make_unique<ThresholdSelector>(dimension);
  if (!selector->reserve(std::max<std::uint64_t>(1, count_max))) {
    return Error{Code::out_of_resources, text("no memory to select ", count_max, " coordinates (",
                                              format_bytes(16 * count_max), "): select fewer")};
  }
  return std::unique_ptr<Selector>(std::move(selector));
}

std::string simd_target() { return hwy::TargetName(kernels::target_chosen()); }

std::vector<std::string> simd_targets_compiled() {
  std::vector<std::string> names;
  for (auto rest = static_cast<std::uint64_t>(kernels::targets_compiled()); rest != 0; rest &= rest - 1) {
    names.emplace_back(hwy::TargetName(std::int64_t{1} << std::countr_zero(rest)));
  }
  return names;
}

}  // namespace gossamer::sketch
