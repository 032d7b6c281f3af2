#include <sched.h>

#include <array>
#include <atomic>

#include "base/base.h"

namespace gossamer {

namespace {

constexpr std::size_t kind_count = 4;
// What tests provide; nothing else writes here.
std::array<std::atomic<DeviceMemory*>, kind_count> provided{};

}  // namespace

void provide_device_memory(MemoryKind kind, DeviceMemory* memory) {
  provided.at(static_cast<std::size_t>(kind)).store(memory);
}

Result<DeviceMemory*> find_device_memory(MemoryKind kind) {
  const auto number = static_cast<std::size_t>(kind);
  if (number < kind_count)
    if (DeviceMemory* const memory = provided[number].load()) return memory;
  if (kind == MemoryKind::cuda) return find_cuda_memory();
  return Error{Code::invalid_argument,
               text("memory of kind ", number, " (", memory_kind_name(kind), ") is on no device: expected ",
                    static_cast<int>(MemoryKind::cuda), " (", memory_kind_name(MemoryKind::cuda), ")")};
}

Status wait_for_copies(CopyQueue& queue, std::uint64_t count, std::uint64_t limit_ns) {
  constexpr std::uint32_t spins = 1'000;  // some 10 us: a copy of 256 KiB
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + limit_ns;
  for (std::uint32_t pass = 0;; ++pass) {
    const auto ended = queue.ended();
    GOSSAMER_TRY(ended);
    if (*ended >= count) return {};
    if (pass < spins) continue;
    if (clock.now_ns() >= end_ns)
      return Error{Code::unavailable, text("a copy to or from device memory has not ended after ",
                                           format_duration(limit_ns), ": the device hangs")};
    sched_yield();
  }
}

Result<DeviceBlock> DeviceBlock::make(DeviceMemory& memory, std::size_t bytes) {
  const auto data = memory.allocate(bytes);
  GOSSAMER_TRY(data);
  DeviceBlock block;
  block.memory_ = &memory;
  block.data_ = static_cast<std::byte*>(*data);
  block.bytes_ = bytes;
  return block;
}

Result<DeviceBlock> DeviceBlock::make_pinned(DeviceMemory& memory, std::size_t bytes) {
  const auto data = memory.allocate_pinned(bytes);
  GOSSAMER_TRY(data);
  DeviceBlock block;
  block.memory_ = &memory;
  block.data_ = static_cast<std::byte*>(*data);
  block.bytes_ = bytes;
  block.pinned_ = true;
  return block;
}

void DeviceBlock::release() {
  if (data_ == nullptr) return;
  if (pinned_)
    memory_->release_pinned(data_);
  else
    memory_->release(data_);
}

DeviceBlock& DeviceBlock::operator=(DeviceBlock&& other) noexcept {
  if (this == &other) return *this;
  release();
  memory_ = std::exchange(other.memory_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  pinned_ = other.pinned_;
  return *this;
}

}  // namespace gossamer
