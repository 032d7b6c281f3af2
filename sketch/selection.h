// The k largest of a long run of values that passes by once, exactly, in O(k) memory.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "base/base.h"

namespace gossamer::sketch {

// The `rank`-th largest key (0 is the largest; rank < keys.size(); keys >= 0), and how many are above it. A
// few histograms, each of one bucket of the one before: O(n) whatever the keys are.
struct RankedKey {
  std::int32_t key = 0;
  std::size_t above = 0;
};
[[nodiscard]] RankedKey key_of_rank(std::span<const std::int32_t> keys, std::size_t rank);

// Where select_top_of gets values from: the n values from coordinate `first` on, n <= TopSelection::chunk_max; `thread`
// as in ThreadPool::run. What it returns is used before the same thread asks again.
using ValuesAt = FunctionRef<std::span<const float>(std::uint64_t first, std::size_t n, std::uint32_t thread)>;

// Where it gets entries from instead: as kernels::keep_above of those n values.
using KeepAt = FunctionRef<std::size_t(std::uint64_t first, std::size_t n, std::uint32_t thread, std::int32_t above,
                                       std::uint32_t* indices, std::int32_t* keys)>;

// Keeps the `count` largest magnitudes of the values offered, ties to the lower index. It collects what is
// above a threshold; when full, it cuts down to the `count` largest so far and lifts the threshold to
// the least of them. So a poor first threshold can cost time, but neither memory nor exactness.
//
// Of few distinct values, as integer cells have, a large share equals the least key above the threshold, and of those
// `ties` only the first ones can be chosen. So it takes no more of them when those it has and the keys above them make
// up `count`.
class TopSelection {
 public:
  static constexpr std::size_t chunk_max = 1024;  // values in one offer

  // Makes room for selections of up to `count_max` of `dimension` values: 16 bytes for each of count_max, and
  // 40 KB more; for several threads twice that, 64 KB for each, and 12 bytes for every 2^16 values. False without
  // memory; then the room there was is still there.
  [[nodiscard]] bool reserve(std::uint64_t count_max, std::uint64_t dimension, std::uint32_t threads = 1);

  [[nodiscard]] std::size_t working_bytes() const;

  // Begins a selection of up to `count` > 0 values with keys above `above` (-1: any value). `sure_above`, at most
  // `count`, are believed to exceed above + 1, so that fewer ties will do; with fewer than that, finish() may give
  // fewer than there are.
  void start(std::size_t count, std::int32_t above, std::size_t sure_above = 0);
  // Offers values[i] as coordinate first_index + i; ascending from call to call, chunk_max at most.
  void offer(std::uint64_t first_index, std::span<const float> values);
  void offer_kept(std::uint64_t first_index, std::size_t n, KeepAt keep_at);
  // Instead of offering: after start(), looks at all `dimension` values with the pool's threads. False when what is
  // above the threshold does not fit, or threads took too few ties; then start again, and offer.
  [[nodiscard]] bool look_in_parts(ThreadPool& pool, std::uint64_t dimension, KeepAt keep_at);
  // Cuts to the `count` largest. The indices are ascending and valid until the next start().
  [[nodiscard]] std::span<const std::uint32_t> finish();
  // After finish(): the keys of the indices it returned, and the least of them; the selection must not be empty.
  [[nodiscard]] std::span<const std::int32_t> keys() const { return {entries_.keys.get(), size_}; }
  [[nodiscard]] std::int32_t least_key() const;
  // After finish(): the memory behind the indices it returned, room for count_max together with them.
  [[nodiscard]] std::span<std::uint32_t> spare() { return {entries_.indices.get() + size_, capacity_ - size_}; }

 private:
  // Entries of one thread that lie together: those from coordinate `first` on, until its next run begins.
  struct Run {
    std::uint32_t first = 0;
    std::uint32_t offset = 0;
    std::uint32_t count = 0;
  };
  // Where a thread writes next.
  struct alignas(64) Cursor {
    std::size_t at = 0;
    std::size_t end = 0;
  };
  struct Entries {
    std::unique_ptr<std::uint32_t[]> indices;
    std::unique_ptr<std::int32_t[]> keys;
    [[nodiscard]] bool allocate(std::size_t count);
  };

  // What threads share while they look.
  struct Looking {
    std::atomic<std::size_t> entries_used{0};
    std::atomic<std::size_t> runs_used{0};
    std::atomic<std::size_t> ties{0};  // taken in parts that are done, and keys above them
    std::atomic<std::size_t> above{0};
    std::atomic<std::uint64_t> without_ties{std::numeric_limits<std::uint64_t>::max()};  // the first such coordinate
  };

  void cut();
  [[nodiscard]] bool are_enough(std::size_t ties, std::size_t above) const {
    return ties + std::max(above, sure_above_) >= count_;
  }
  [[nodiscard]] std::size_t count_ties(std::span<const std::int32_t> keys) const {
    return static_cast<std::size_t>(std::count(keys.begin(), keys.end(), above_ + 1));
  }
  bool look_at_part(std::uint64_t begin, std::uint64_t end, std::uint32_t thread, KeepAt keep_at, Looking& looking);

  std::uint64_t count_max_ = 0;
  std::size_t capacity_ = 0;
  Entries entries_;
  Entries ordered_;  // for several threads
  std::vector<Run> runs_;
  std::vector<Cursor> cursors_;
  std::size_t count_ = 0;
  std::size_t size_ = 0;
  std::int32_t above_ = -1;
  std::size_t sure_above_ = 0;
  bool takes_ties_ = false;  // and counts them: `ties_` of those offered
  std::size_t ties_ = 0;
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

// A key that a little more than `count` of `dimension` values are expected to exceed; -1 where a sample does not pay.
// Of them, `sure_above` or more exceed above + 1: four standard deviations to the safe side, at most `count`.
struct SampledKey {
  std::int32_t above = -1;
  std::size_t sure_above = 0;
};
[[nodiscard]] SampledKey sampled_key(TopSelection& selection, std::uint64_t dimension, std::size_t count,
                                     ValuesAt values_at);

// Selects the `count` > 0 largest magnitudes whose key is above that of `threshold`, fewer if there are fewer (or if
// its `sure_above` are not there), in one pass over all values; ties to the lower index.
[[nodiscard]] std::span<const std::uint32_t> select_above(TopSelection& selection, ThreadPool* pool,
                                                          std::uint64_t dimension, std::size_t count,
                                                          const SampledKey& threshold, KeepAt keep_at);

// Selects the `count` largest magnitudes whose key is above `floor`, fewer if there are fewer; ties to the lower
// index. A sampled threshold, one pass over all values (shared by the pool's threads, where there is one), then an
// exact cut. The sample and the threads change the speed, never the result. The pass asks `keep_at_for(above)` for its
// entries, none of which will be wanted with a key of `above` or less.
[[nodiscard]] std::span<const std::uint32_t> select_top_of(TopSelection& selection, ThreadPool* pool,
                                                           std::uint64_t dimension, std::size_t count,
                                                           std::int32_t floor, ValuesAt values_at,
                                                           FunctionRef<KeepAt(std::int32_t above)> keep_at_for);
[[nodiscard]] std::span<const std::uint32_t> select_top_of(TopSelection& selection, ThreadPool* pool,
                                                           std::uint64_t dimension, std::size_t count,
                                                           std::int32_t floor, ValuesAt values_at);

}  // namespace gossamer::sketch
