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

bool TopSelection::reserve(std::uint64_t count_max, std::uint64_t dimension) {
  constexpr std::uint64_t slack = 4096;
  if (count_max_ != 0 && count_max <= count_max_) return true;
  const std::uint64_t capacity = std::min(2 * count_max + slack, dimension) + chunk_max + 1;
  std::unique_ptr<std::uint32_t[]> indices(new (std::nothrow) std::uint32_t[capacity]);
  std::unique_ptr<std::int32_t[]> keys(new (std::nothrow) std::int32_t[capacity]);
  if (!indices || !keys) return false;
  indices_ = std::move(indices);
  keys_ = std::move(keys);
  capacity_ = capacity;
  count_max_ = count_max;
  return true;
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
                               indices_.get() + size_, keys_.get() + size_);
}

std::span<const std::uint32_t> TopSelection::finish() {
  cut();
  return {indices_.get(), size_};
}

std::int32_t TopSelection::least_key() const { return *std::min_element(keys_.get(), keys_.get() + size_); }

// What is kept has come in ascending order of index, so among equal keys the first ones are the ones to
// keep, and what comes later with an equal key loses: the new threshold excludes it.
void TopSelection::cut() {
  if (size_ <= count_) return;
  const RankedKey least = key_of_rank({keys_.get(), size_}, count_ - 1);
  std::size_t ties = count_ - least.above;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    const std::int32_t key = keys_[i];
    const bool is_tie = key == least.key && ties != 0;
    indices_[kept] = indices_[i];
    keys_[kept] = key;
    kept += key > least.key || is_tie ? 1 : 0;
    ties -= is_tie ? 1 : 0;
  }
  size_ = kept;
  above_ = least.key;
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

}  // namespace gossamer::sketch
