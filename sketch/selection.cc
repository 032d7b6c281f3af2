#include "sketch/selection.h"

#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <new>

#include "sketch/kernels.h"

namespace gossamer::sketch {

namespace {

// Keys [low, low + range].
struct KeyInterval {
  std::uint32_t low = 0;
  std::uint32_t range = 0;
  [[nodiscard]] std::uint32_t distance_to(std::int32_t key) const { return static_cast<std::uint32_t>(key) - low; }
};

// From the least to the greatest of the keys in `within`, which has one.
KeyInterval tightened(std::span<const std::int32_t> keys, const KeyInterval& within) {
  std::uint32_t least = within.range;
  std::uint32_t greatest = 0;
  for (const std::int32_t key : keys) {
    const std::uint32_t distance = within.distance_to(key);
    const bool is_within = distance <= within.range;
    least = std::min(least, is_within ? distance : within.range);
    greatest = std::max(greatest, is_within ? distance : 0);
  }
  return {within.low + least, greatest - least};
}

}  // namespace

RankedKey key_of_rank(std::span<const std::int32_t> keys, std::size_t rank) {
  constexpr int bucket_bits = 11;
  constexpr std::uint32_t buckets_max = std::uint32_t{1} << bucket_bits;
  // Keys in turns, since many that are equal would wait for one count; the last bucket takes keys beyond the interval.
  std::array<std::array<std::uint32_t, buckets_max + 1>, 2> counts;
  std::array<std::int32_t, 512> few{};
  KeyInterval sought = tightened(keys, {0, std::numeric_limits<std::uint32_t>::max()});
  const auto lowest = static_cast<std::int32_t>(sought.low);
  const auto above_lowest = keys.size() - static_cast<std::size_t>(std::count(keys.begin(), keys.end(), lowest));
  if (above_lowest <= rank) return {lowest, above_lowest};
  std::size_t above = 0;  // keys beyond the interval
  while (sought.range != 0) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(sought.range)) - bucket_bits);
    const auto bucket_of = [&](std::int32_t key) {
      const std::uint32_t distance = sought.distance_to(key);
      return distance <= sought.range ? distance >> shift : buckets_max;
    };
    for (auto& each : counts) each.fill(0);
    std::size_t i = 0;
    for (; i + 2 <= keys.size(); i += 2) {
      ++counts[0][bucket_of(keys[i])];
      ++counts[1][bucket_of(keys[i + 1])];
    }
    if (i < keys.size()) ++counts[0][bucket_of(keys[i])];
    const auto count_of = [&](std::size_t bucket) { return std::size_t{counts[0][bucket]} + counts[1][bucket]; };
    std::size_t bucket = sought.range >> shift;
    while (above + count_of(bucket) <= rank) above += count_of(bucket--);
    sought = {sought.low + (static_cast<std::uint32_t>(bucket) << shift), (std::uint32_t{1} << shift) - 1};
    if (sought.range != 0 && count_of(bucket) <= few.size()) {  // few enough to sort them out directly
      auto end = few.begin();
      for (const std::int32_t key : keys) {
        if (sought.distance_to(key) <= sought.range) *end++ = key;
      }
      const auto middle = few.begin() + static_cast<std::ptrdiff_t>(rank - above);
      std::nth_element(few.begin(), middle, end, std::greater<>());
      const std::int32_t key = *middle;
      above += static_cast<std::size_t>(std::count_if(few.begin(), end, [key](std::int32_t k) { return k > key; }));
      return {key, above};
    }
    if (sought.range != 0) sought = tightened(keys, sought);  // equal keys end the search here
  }
  return {static_cast<std::int32_t>(sought.low), above};
}

bool TopSelection::Entries::allocate(std::size_t count) {
  indices.reset(new (std::nothrow) std::uint32_t[count]);
  keys.reset(new (std::nothrow) std::int32_t[count]);
  return indices && keys;
}

namespace {
constexpr std::uint64_t part_length = std::uint64_t{1} << 16;  // what a thread takes at a time
constexpr std::size_t block_length = 8192;                     // entries that a thread takes at a time
}  // namespace

bool TopSelection::reserve(std::uint64_t count_max, std::uint64_t dimension, std::uint32_t threads) {
  constexpr std::uint64_t slack = 4096;
  if (count_max_ != 0 && count_max <= count_max_) return true;
  std::size_t capacity = std::min(2 * count_max + slack, dimension) + chunk_max + 1;
  if (threads > 1) capacity += threads * block_length;
  Entries entries;
  Entries ordered;
  if (!entries.allocate(capacity) || (threads > 1 && !ordered.allocate(capacity))) return false;
  if (threads > 1) {
    const std::uint64_t parts = (dimension + part_length - 1) / part_length;
    runs_.resize(parts + capacity / (block_length - chunk_max) + threads);
    cursors_.resize(threads);
  }
  entries_ = std::move(entries);
  ordered_ = std::move(ordered);
  capacity_ = capacity;
  count_max_ = count_max;
  return true;
}

namespace {
// The entries of values.
template <typename At>
auto keep_from(At values_at) {
  return [values_at](std::uint64_t first, std::size_t n, std::uint32_t thread, std::int32_t above,
                     std::uint32_t* indices, std::int32_t* keys) {
    return kernels::keep_above(values_at(first, n, thread).data(), n, static_cast<std::uint32_t>(first), above, indices,
                               keys);
  };
}
}  // namespace

std::size_t TopSelection::working_bytes() const {
  const std::size_t copies = ordered_.keys ? 2 : 1;
  return copies * capacity_ * (sizeof(std::uint32_t) + sizeof(std::int32_t)) + runs_.size() * sizeof(Run) +
         cursors_.size() * sizeof(Cursor);
}

void TopSelection::start(std::size_t count, std::int32_t above, std::size_t sure_above) {
  GOSSAMER_CHECK(count != 0 && count + chunk_max + 1 <= capacity_, "selection beyond its memory");
  count_ = count;
  size_ = 0;
  above_ = above;
  sure_above_ = sure_above;
  takes_ties_ = above != std::numeric_limits<std::int32_t>::max();
  ties_ = 0;
}

void TopSelection::offer(std::uint64_t first_index, std::span<const float> values) {
  offer_kept(first_index, values.size(), keep_from([values](auto...) { return values; }));
}

void TopSelection::offer_kept(std::uint64_t first_index, std::size_t n, KeepAt keep_at) {
  if (size_ + chunk_max + 1 > capacity_) cut();
  std::int32_t* const keys = entries_.keys.get() + size_;
  const std::size_t kept = keep_at(first_index, n, 0, above_, entries_.indices.get() + size_, keys);
  size_ += kept;
  if (!takes_ties_) return;
  ties_ += count_ties({keys, kept});
  if (!are_enough(ties_, size_ - ties_)) return;
  takes_ties_ = false;
  ++above_;
}

// Each thread takes blocks of the entries and fills them; a run is what one thread found in one part and put into
// one block. False when there is no block left.
bool TopSelection::look_at_part(std::uint64_t begin, std::uint64_t end, std::uint32_t thread, KeepAt keep_at,
                                Looking& looking) {
  const bool takes_ties = takes_ties_ && !are_enough(looking.ties.load(std::memory_order_relaxed),
                                                     looking.above.load(std::memory_order_relaxed));
  if (takes_ties_ && !takes_ties) {
    std::uint64_t first = looking.without_ties.load(std::memory_order_relaxed);
    while (begin < first && !looking.without_ties.compare_exchange_weak(first, begin, std::memory_order_relaxed)) {
    }
  }
  const std::int32_t above = takes_ties_ && !takes_ties ? above_ + 1 : above_;
  std::size_t found = 0;
  std::size_t ties = 0;
  Cursor& cursor = cursors_[thread];
  Run run{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(cursor.at), 0};
  const auto close = [&] {
    run.count = static_cast<std::uint32_t>(cursor.at) - run.offset;
    if (run.count != 0) runs_[looking.runs_used.fetch_add(1, std::memory_order_relaxed)] = run;
  };
  for (std::uint64_t first = begin; first < end; first += chunk_max) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_max, end - first));
    if (cursor.end - cursor.at < chunk_max + 1) {
      close();
      cursor.at = looking.entries_used.fetch_add(block_length, std::memory_order_relaxed);
      cursor.end = cursor.at + block_length;
      if (cursor.end > capacity_) {
        cursor.at = cursor.end;
        return false;
      }
      run = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(cursor.at), 0};
    }
    std::int32_t* const keys = entries_.keys.get() + cursor.at;
    const std::size_t kept = keep_at(first, n, thread, above, entries_.indices.get() + cursor.at, keys);
    if (takes_ties) ties += count_ties({keys, kept});
    cursor.at += kept;
    found += kept;
  }
  close();
  looking.ties.fetch_add(ties, std::memory_order_relaxed);
  looking.above.fetch_add(found - ties, std::memory_order_relaxed);
  return true;
}

bool TopSelection::look_in_parts(ThreadPool& pool, std::uint64_t dimension, KeepAt keep_at) {
  GOSSAMER_CHECK(ordered_.keys && cursors_.size() >= pool.threads(), "a selection made for fewer threads");
  std::fill(cursors_.begin(), cursors_.end(), Cursor{});
  Looking looking;
  std::atomic<bool> fits{true};
  const auto parts = static_cast<std::uint32_t>((dimension + part_length - 1) / part_length);
  pool.run(parts, [&](std::uint32_t part, std::uint32_t thread) {
    const std::uint64_t begin = part * part_length;
    if (!fits.load(std::memory_order_relaxed)) return;
    if (!look_at_part(begin, std::min(begin + part_length, dimension), thread, keep_at, looking))
      fits.store(false, std::memory_order_relaxed);
  });
  if (!fits.load()) return false;
  const auto runs = std::span(runs_).first(looking.runs_used.load());
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
  const std::uint64_t without_ties = looking.without_ties.load();
  std::size_t usable = 0;  // ties behind others that were not taken are not
  for (const Run& run : runs) {
    const std::int32_t* const keys = entries_.keys.get() + run.offset;
    std::copy_n(entries_.indices.get() + run.offset, run.count, ordered_.indices.get() + size_);
    std::copy_n(keys, run.count, ordered_.keys.get() + size_);
    size_ += run.count;
    usable += run.count - (run.first < without_ties ? 0 : count_ties({keys, run.count}));
  }
  if (usable < count_ && without_ties < dimension) return false;
  std::swap(entries_, ordered_);
  return true;
}

std::span<const std::uint32_t> TopSelection::finish() {
  cut();
  return {entries_.indices.get(), size_};
}

std::int32_t TopSelection::least_key() const {
  return *std::min_element(entries_.keys.get(), entries_.keys.get() + size_);
}

// What is kept has come in ascending order of index, so among equal keys the first ones are the ones to
// keep, and what comes later with an equal key loses: the new threshold excludes it.
void TopSelection::cut() {
  if (size_ <= count_) return;
  above_ = keep_largest({entries_.indices.get(), size_}, {entries_.keys.get(), size_}, count_);
  size_ = count_;
  takes_ties_ = false;
}

std::int32_t keep_largest(std::span<std::uint32_t> offsets, std::span<std::int32_t> keys, std::size_t count) {
  GOSSAMER_CHECK(count != 0 && count <= keys.size() && offsets.size() == keys.size(),
                 "keep_largest: more entries wanted than there are");
  const RankedKey least = key_of_rank(keys, count - 1);
  std::size_t ties = count - least.above;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::int32_t key = keys[i];
    const std::size_t is_tie = static_cast<std::size_t>(key == least.key) & static_cast<std::size_t>(ties != 0);
    offsets[kept] = offsets[i];
    keys[kept] = key;
    kept += static_cast<std::size_t>(key > least.key) | is_tie;
    ties -= is_tie;
    if (kept == count) break;  // nothing more may be written: a whole front is in place
  }
  return least.key;
}

SamplePlan SamplePlan::of(std::uint64_t dimension) {
  constexpr std::uint64_t part = 64;  // one coordinate of so many is looked at
  const std::uint64_t blocks = std::min<std::uint64_t>(dimension / (part * block_length), blocks_max);
  if (blocks < 8) return {};
  return {static_cast<std::size_t>(blocks), dimension / blocks};
}

std::uint64_t SamplePlan::block_begin(std::size_t block) const {
  return block * stride + mix64(block) % (stride - block_length + 1);
}

std::size_t SamplePlan::rank_for(std::size_t count, std::uint64_t dimension) const {
  const double expected = static_cast<double>(count) * static_cast<double>(size()) / static_cast<double>(dimension);
  return static_cast<std::size_t>(expected + 4 * std::sqrt(expected)) + 4;
}

// The sample is itself a selection: its rank-th largest key is where the real one starts.
SampledKey sampled_key(TopSelection& selection, std::uint64_t dimension, std::size_t count, ValuesAt values_at) {
  const SamplePlan plan = SamplePlan::of(dimension);
  const std::size_t rank = plan.rank_for(count, dimension);
  if (rank >= plan.size()) return {};
  selection.start(rank + 1, -1);
  for (std::size_t block = 0; block < plan.blocks; ++block) {
    selection.offer(block * SamplePlan::block_length, values_at(plan.block_begin(block), SamplePlan::block_length, 0));
  }
  if (selection.finish().empty()) return {};
  const std::int32_t least = selection.least_key();
  const auto keys = selection.keys();
  const auto above =
      static_cast<double>(std::count_if(keys.begin(), keys.end(), [=](auto key) { return key > least; }));
  const double sure = std::max(0.0, above - 4 * std::sqrt(above) - 4) / static_cast<double>(plan.size());
  return {least - 1, std::min(count, static_cast<std::size_t>(sure * static_cast<double>(dimension)))};
}

std::span<const std::uint32_t> select_above(TopSelection& selection, ThreadPool* pool, std::uint64_t dimension,
                                            std::size_t count, const SampledKey& threshold, KeepAt keep_at) {
  selection.start(count, threshold.above, threshold.sure_above);
  if (pool == nullptr || pool->threads() == 1 || dimension < 4 * part_length ||
      !selection.look_in_parts(*pool, dimension, keep_at)) {
    selection.start(count, threshold.above, threshold.sure_above);
    for (std::uint64_t first = 0; first < dimension; first += TopSelection::chunk_max) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(TopSelection::chunk_max, dimension - first));
      selection.offer_kept(first, n, keep_at);
    }
  }
  return selection.finish();
}

std::span<const std::uint32_t> select_top_of(TopSelection& selection, ThreadPool* pool, std::uint64_t dimension,
                                             std::size_t count, std::int32_t floor, ValuesAt values_at,
                                             FunctionRef<KeepAt(std::int32_t above)> keep_at_for) {
  const SampledKey sampled = sampled_key(selection, dimension, count, values_at);
  if (sampled.above > floor) {
    const auto found = select_above(selection, pool, dimension, count, sampled, keep_at_for(sampled.above));
    if (found.size() == count) return found;  // else the sample promised too much
  }
  return select_above(selection, pool, dimension, count, {floor, 0}, keep_at_for(floor));
}

std::span<const std::uint32_t> select_top_of(TopSelection& selection, ThreadPool* pool, std::uint64_t dimension,
                                             std::size_t count, std::int32_t floor, ValuesAt values_at) {
  const auto keep_at = keep_from(values_at);
  return select_top_of(selection, pool, dimension, count, floor, values_at,
                       [&](std::int32_t) { return KeepAt(keep_at); });
}

}  // namespace gossamer::sketch
