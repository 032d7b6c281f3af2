#include "sketch/selection.h"

#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <new>

#include "sketch/kernels.h"

namespace gossamer::sketch {

RankedKey key_of_rank(std::span<const std::int32_t> keys, std::size_t rank) {
  constexpr int bucket_bits = 11;
  std::array<std::uint32_t, std::size_t{1} << bucket_bits> buckets;
  std::array<std::int32_t, 512> few;
  std::int32_t least = keys.front();
  std::int32_t greatest = keys.front();
  for (const std::int32_t key : keys) {
    least = std::min(least, key);
    greatest = std::max(greatest, key);
  }
  auto low = static_cast<std::uint32_t>(least);  // the key sought is in [low, low + range]
  auto range = static_cast<std::uint32_t>(greatest) - low;
  std::size_t above = 0;  // keys beyond that interval
  while (range != 0) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(range)) - bucket_bits);
    buckets.fill(0);
    for (const std::int32_t key : keys) {
      const std::uint32_t distance = static_cast<std::uint32_t>(key) - low;
      if (distance <= range) ++buckets[distance >> shift];
    }
    std::size_t bucket = range >> shift;
    while (above + buckets[bucket] <= rank) above += buckets[bucket--];
    low += static_cast<std::uint32_t>(bucket) << shift;
    range = (std::uint32_t{1} << shift) - 1;
    if (range != 0 && buckets[bucket] <= few.size()) {  // few enough to sort them out directly
      auto end = few.begin();
      for (const std::int32_t key : keys) {
        if (static_cast<std::uint32_t>(key) - low <= range) *end++ = key;
      }
      const auto sought = few.begin() + static_cast<std::ptrdiff_t>(rank - above);
      std::nth_element(few.begin(), sought, end, std::greater<>());
      const std::int32_t key = *sought;
      above += static_cast<std::size_t>(std::count_if(few.begin(), end, [key](std::int32_t k) { return k > key; }));
      return {key, above};
    }
  }
  return {static_cast<std::int32_t>(low), above};
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

std::size_t TopSelection::working_bytes() const {
  const std::size_t copies = ordered_.keys ? 2 : 1;
  return copies * capacity_ * (sizeof(std::uint32_t) + sizeof(std::int32_t)) + runs_.size() * sizeof(Run) +
         cursors_.size() * sizeof(Cursor);
}

void TopSelection::start(std::size_t count, std::int32_t above) {
  GOSSAMER_CHECK(count != 0 && count + chunk_max + 1 <= capacity_, "selection beyond its memory");
  count_ = count;
  size_ = 0;
  above_ = above;
}

void TopSelection::offer(std::uint64_t first_index, std::span<const float> values) {
  if (size_ + chunk_max + 1 > capacity_) cut();
  size_ += kernels::keep_above(values.data(), values.size(), static_cast<std::uint32_t>(first_index), above_,
                               entries_.indices.get() + size_, entries_.keys.get() + size_);
}

// Each thread takes blocks of the entries and fills them; a run is what one thread found in one part and put into
// one block. False when there is no block left.
bool TopSelection::look_at_part(std::uint64_t begin, std::uint64_t end, std::uint32_t thread, ValuesAt values_at,
                                std::atomic<std::size_t>& entries_used, std::atomic<std::size_t>& runs_used) {
  Cursor& cursor = cursors_[thread];
  Run run{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(cursor.at), 0};
  const auto close = [&] {
    run.count = static_cast<std::uint32_t>(cursor.at) - run.offset;
    if (run.count != 0) runs_[runs_used.fetch_add(1, std::memory_order_relaxed)] = run;
  };
  for (std::uint64_t first = begin; first < end; first += chunk_max) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_max, end - first));
    if (cursor.end - cursor.at < chunk_max + 1) {
      close();
      cursor.at = entries_used.fetch_add(block_length, std::memory_order_relaxed);
      cursor.end = cursor.at + block_length;
      if (cursor.end > capacity_) {
        cursor.at = cursor.end;
        return false;
      }
      run = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(cursor.at), 0};
    }
    cursor.at += kernels::keep_above(values_at(first, n, thread).data(), n, static_cast<std::uint32_t>(first), above_,
                                     entries_.indices.get() + cursor.at, entries_.keys.get() + cursor.at);
  }
  close();
  return true;
}

bool TopSelection::look_in_parts(ThreadPool& pool, std::uint64_t dimension, ValuesAt values_at) {
  GOSSAMER_CHECK(ordered_.keys && cursors_.size() >= pool.threads(), "a selection made for fewer threads");
  std::fill(cursors_.begin(), cursors_.end(), Cursor{});
  std::atomic<std::size_t> entries_used{0};
  std::atomic<std::size_t> runs_used{0};
  std::atomic<bool> fits{true};
  const auto parts = static_cast<std::uint32_t>((dimension + part_length - 1) / part_length);
  pool.run(parts, [&](std::uint32_t part, std::uint32_t thread) {
    const std::uint64_t begin = part * part_length;
    if (!fits.load(std::memory_order_relaxed)) return;
    if (!look_at_part(begin, std::min(begin + part_length, dimension), thread, values_at, entries_used, runs_used))
      fits.store(false, std::memory_order_relaxed);
  });
  if (!fits.load()) return false;
  const auto runs = std::span(runs_).first(runs_used.load());
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.first < b.first; });
  for (const Run& run : runs) {
    std::copy_n(entries_.indices.get() + run.offset, run.count, ordered_.indices.get() + size_);
    std::copy_n(entries_.keys.get() + run.offset, run.count, ordered_.keys.get() + size_);
    size_ += run.count;
  }
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
}

std::int32_t keep_largest(std::span<std::uint32_t> offsets, std::span<std::int32_t> keys, std::size_t count) {
  GOSSAMER_CHECK(count != 0 && count <= keys.size() && offsets.size() == keys.size(),
                 "keep_largest: more entries wanted than there are");
  const RankedKey least = key_of_rank(keys, count - 1);
  std::size_t ties = count - least.above;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::int32_t key = keys[i];
    const bool is_tie = key == least.key && ties != 0;
    offsets[kept] = offsets[i];
    keys[kept] = key;
    kept += key > least.key || is_tie ? 1 : 0;
    ties -= is_tie ? 1 : 0;
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
std::int32_t sampled_key(TopSelection& selection, std::uint64_t dimension, std::size_t count, ValuesAt values_at) {
  const SamplePlan plan = SamplePlan::of(dimension);
  const std::size_t rank = plan.rank_for(count, dimension);
  if (rank >= plan.size()) return -1;
  selection.start(rank + 1, -1);
  for (std::size_t block = 0; block < plan.blocks; ++block) {
    selection.offer(block * SamplePlan::block_length, values_at(plan.block_begin(block), SamplePlan::block_length, 0));
  }
  return selection.finish().empty() ? -1 : selection.least_key() - 1;
}

std::span<const std::uint32_t> select_above(TopSelection& selection, ThreadPool* pool, std::uint64_t dimension,
                                            std::size_t count, std::int32_t above, ValuesAt values_at) {
  selection.start(count, above);
  if (pool == nullptr || pool->threads() == 1 || dimension < 4 * part_length ||
      !selection.look_in_parts(*pool, dimension, values_at)) {
    selection.start(count, above);
    for (std::uint64_t first = 0; first < dimension; first += TopSelection::chunk_max) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(TopSelection::chunk_max, dimension - first));
      selection.offer(first, values_at(first, n, 0));
    }
  }
  return selection.finish();
}

std::span<const std::uint32_t> select_top_of(TopSelection& selection, ThreadPool* pool, std::uint64_t dimension,
                                             std::size_t count, std::int32_t floor, ValuesAt values_at) {
  const std::int32_t above = std::max(floor, sampled_key(selection, dimension, count, values_at));
  const auto found = select_above(selection, pool, dimension, count, above, values_at);
  if (found.size() == count || above == floor) return found;
  return select_above(selection, pool, dimension, count, floor, values_at);  // the sample promised too much
}

}  // namespace gossamer::sketch
