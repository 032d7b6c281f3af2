#include "transport/fault/bounce_pool.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>

namespace gossamer::transport::fault {

namespace {

constexpr std::size_t bytes_min = 256;  // of a block of size class 0

std::size_t size_class_of(std::size_t bytes) {
  return static_cast<std::size_t>(std::bit_width((std::max(bytes, bytes_min) - 1) / bytes_min));
}

}  // namespace

BouncePool::Block* BouncePool::make(std::size_t size_class) {
  const std::size_t bytes = bytes_min << size_class;
  auto block = std::make_unique<Block>();
  block->memory.reset(new (std::nothrow) std::byte[bytes]);
  if (block->memory == nullptr) return nullptr;
  const auto region = inner_.register_memory(block->memory.get(), bytes, MemoryKind::host);
  if (!region.ok()) return nullptr;
  block->region = *region;
  block->size_class = size_class;
  blocks_.push_back(std::move(block));
  return blocks_.back().get();
}

BouncePool::Block* BouncePool::copy(const Slice& slice) {
  const std::size_t size_class = size_class_of(slice.bytes);
  if (free_.size() <= size_class) free_.resize(size_class + 1);
  Block* block = nullptr;
  if (free_[size_class].empty()) {
    block = make(size_class);
    if (block == nullptr) return nullptr;
  } else {
    block = free_[size_class].back();
    free_[size_class].pop_back();
  }
  if (slice.bytes > 0) std::memcpy(block->memory.get(), slice.data(), slice.bytes);
  return block;
}

void BouncePool::release_memory() {
  for (const auto& block : blocks_) inner_.release_memory(block->region);
}

void BouncePool::abandon() {
  struct Kept {
    std::mutex mutex;
    std::vector<std::unique_ptr<Block>> blocks;
  };
  static Kept* const kept = new Kept;  // never destroyed
  const std::lock_guard lock(kept->mutex);
  for (auto& block : blocks_) kept->blocks.push_back(std::move(block));
  blocks_.clear();
  free_.clear();
}

}  // namespace gossamer::transport::fault
