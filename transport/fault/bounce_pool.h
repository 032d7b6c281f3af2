// Registered copies of messages that a fault changes or repeats.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport::fault {

// Blocks of a power of two bytes, registered once and used again, so that a long run with faults ends where
// its largest moment was. One thread.
class BouncePool {
 public:
  // `inner` outlives the pool's last call, not the pool.
  explicit BouncePool(Transport& inner) : inner_(inner) {}

  struct Block {
    std::unique_ptr<std::byte[]> memory;
    Region region;
    std::size_t size_class = 0;
  };

  // A block that holds the slice's bytes; null where the memory cannot be had or registered.
  [[nodiscard]] Block* copy(const Slice& slice);
  void release(Block* block) { free_.at(block->size_class).push_back(block); }

  // Ends the registrations; before the inner transport goes.
  void release_memory();
  // Gives up all memory for the rest of the process: a transport that could not close may still read it.
  void abandon();

 private:
  [[nodiscard]] Block* make(std::size_t size_class);

  Transport& inner_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::vector<Block*>> free_;  // by size class
};

}  // namespace gossamer::transport::fault
