// The k largest of a long run of values that passes by once, exactly, in O(k) memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/base.h"

namespace gossamer::sketch {

// The `rank`-th largest key (0 is the largest; rank < keys.size(); keys >= 0), and how many are above it. A
// few histograms, each of one bucket of the one before: O(n) whatever the keys are.
struct RankedKey {
  std::int32_t key = 0;
  std::size_t above = 0;
};
[[nodiscard]] RankedKey key_of_rank(std::span<const std::int32_t> keys, std::size_t rank);

// Keeps the `count` largest magnitudes of the values offered, ties to the lower index. It collects what is
// above a threshold; when full, it cuts down to the `count` largest so far and lifts the threshold to
// the least of them. So a poor first threshold can cost time, but neither memory nor exactness.
class TopSelection {
 public:
  static constexpr std::size_t chunk_max = 1024;  // values in one offer

  // Makes room for selections of up to `count_max` of `dimension` values: 16 bytes for each of count_max,
  // and 40 KB more. False without memory; then the room there was is still there.
  [[nodiscard]] bool reserve(std::uint64_t count_max, std::uint64_t dimension);

  [[nodiscard]] std::size_t working_bytes() const { return capacity_ * (sizeof(std::uint32_t) + sizeof(std::int32_t)); }

  // Begins a selection of up to `count` > 0 values with keys above `above` (-1: any value).
  void start(std::size_t count, std::int32_t above);
  // Offers values[i] as coordinate first_index + i; ascending from call to call, chunk_max at most.
  void offer(std::uint64_t first_index, std::span<const float> values);
  // Cuts to the `count` largest. The indices are ascending and valid until the next start().
  [[nodiscard]] std::span<const std::uint32_t> finish();
  // After finish(): the least key that was kept; the selection must not be empty.
  [[nodiscard]] std::int32_t least_key() const;
  // After finish(): the memory behind the indices it returned, room for count_max together with them.
  [[nodiscard]] std::span<std::uint32_t> spare() { return {indices_.get() + size_, capacity_ - size_}; }

 private:
  void cut();

  std::uint64_t count_max_ = 0;
  std::size_t capacity_ = 0;
  std::unique_ptr<std::uint32_t[]> indices_;
  std::unique_ptr<std::int32_t[]> keys_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
  std::int32_t above_ = -1;
};

// Where the sample for a first threshold is taken: `blocks` runs of block_length coordinates, each at a
// pseudo-random place of its own stratum, so that neither layers nor strides fool it.
struct SamplePlan {
  static constexpr std::size_t block_length = 64;
  static constexpr std::size_t blocks_max = 512;
  std::size_t blocks = 0;
  std::uint64_t stride = 0;

  // 1 in 64 coordinates, at most 32,768; none where it would not pay.
  [[nodiscard]] static SamplePlan of(std::uint64_t dimension);
  [[nodiscard]] std::uint64_t block_begin(std::size_t block) const;
  // Rank in the sample of a key that a little more than `count` of `dimension` are expected to exceed: four
  // standard deviations to the safe side.
  [[nodiscard]] std::size_t rank_for(std::size_t count, std::uint64_t dimension) const;
  [[nodiscard]] std::size_t size() const { return blocks * block_length; }
};

// Selects the `count` largest magnitudes whose key is above `floor`, fewer if there are fewer.
// `values_at(first, n)` returns a span of the n values from coordinate `first` on, n <= chunk_max.
template <typename ValuesAt>
[[nodiscard]] std::span<const std::uint32_t> select_top_of(TopSelection& selection, std::uint64_t dimension,
                                                           std::size_t count, std::int32_t floor,
                                                           const ValuesAt& values_at) {
  std::int32_t above = floor;
  const SamplePlan plan = SamplePlan::of(dimension);
  const std::size_t rank = plan.rank_for(count, dimension);
  if (rank < plan.size()) {
    // The sample is itself a selection: its rank-th largest key is where the real one starts.
    selection.start(rank + 1, -1);
    for (std::size_t block = 0; block < plan.blocks; ++block) {
      selection.offer(block * SamplePlan::block_length, values_at(plan.block_begin(block), SamplePlan::block_length));
    }
    if (!selection.finish().empty()) above = std::max(floor, selection.least_key() - 1);
  }
  for (;;) {
    selection.start(count, above);
    for (std::uint64_t first = 0; first < dimension; first += TopSelection::chunk_max) {
      const std::size_t n =
          static_cast<std::size_t>(std::min<std::uint64_t>(TopSelection::chunk_max, dimension - first));
      selection.offer(first, values_at(first, n));
    }
    const std::span<const std::uint32_t> found = selection.finish();
    if (found.size() == count || above == floor) return found;
    above = floor;  // the sample promised more than there was
  }
}

}  // namespace gossamer::sketch
