// Memory that the host cannot read as its own, and how to copy to and from it.
//
//   find_device_memory(kind) ─► DeviceMemory ─► make_queue() ─► start(to, from, bytes)   returns at once
//                                                          └──► ended()                  how many of them have ended
//
// In `base`, since runtime stages such memory, sketch computes on it, and transports are asked for it by kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/memory_kind.h"
#include "base/result.h"

namespace gossamer {

// Copies that run one after the other, in the order of their starts, beside what the caller does. One thread at a
// time. Whoever destroys a queue, or frees memory that it copies, has waited for it before.
class CopyQueue {
 public:
  static constexpr std::size_t in_flight_max = 8;

  virtual ~CopyQueue() = default;

  // Starts a copy between any two of: host memory, pinned host memory, memory of the queue's kind. Both are the
  // queue's until it has ended. `busy` with in_flight_max under way, `unavailable` where the device refuses.
  virtual Status start(void* to, const void* from, std::size_t bytes) = 0;

  // How many copies have ended since the queue was made. Never blocks. An error is the device's, and lasts: then
  // nothing is known about the copies that had not ended.
  [[nodiscard]] virtual Result<std::uint64_t> ended() = 0;

  // Copies that are started from now on begin after everything that this stream of the device (a cudaStream_t) has been
  // given so far. Never blocks, and waits for no other stream. `unavailable` where the device refuses.
  virtual Status follow(void* stream) = 0;

  [[nodiscard]] std::uint64_t started() const { return started_; }

 protected:
  std::uint64_t started_ = 0;  // counted by start
};

// No device takes so long for one copy; one that does is broken.
inline constexpr std::uint64_t copy_limit_ns = 10'000'000'000;

// Until `count` copies of the queue have ended; `unavailable` after limit_ns. Spins, then yields.
[[nodiscard]] Status wait_for_copies(CopyQueue& queue, std::uint64_t count, std::uint64_t limit_ns = copy_limit_ns);

// One kind of memory on one device. Any thread.
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  [[nodiscard]] virtual MemoryKind kind() const = 0;
  [[nodiscard]] virtual const std::string& description() const = 0;  // "NVIDIA H100 80GB HBM3"

  // Zeroed, on boundaries of 64 bytes and more. `bytes` > 0.
  virtual Result<void*> allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  // Zeroed host memory that is locked in place, so that copies reach it without a detour and do run beside the caller.
  virtual Result<void*> allocate_pinned(std::size_t bytes) = 0;
  virtual void release_pinned(void* memory) = 0;

  // Whether the pointer is into memory of this kind, as far as the device's library knows.
  [[nodiscard]] virtual bool owns(const void* pointer) const = 0;

  [[nodiscard]] virtual Result<std::unique_ptr<CopyQueue>> make_queue() = 0;
};

// The device that memory of this kind lies on, for the life of the process. `unavailable` says why there is none;
// `invalid_argument` for host memory, and for a number that is no kind.
[[nodiscard]] Result<DeviceMemory*> find_device_memory(MemoryKind kind);

// For tests: from now on `memory` is found for its kind, until it is null again. The caller's, before and after.
void provide_device_memory(MemoryKind kind, DeviceMemory* memory);

// The CUDA device that is current in the first caller's thread; `unavailable` says why there is none.
[[nodiscard]] Result<DeviceMemory*> find_cuda_memory();

// Owns a block of device memory, or of pinned host memory.
class DeviceBlock {
 public:
  DeviceBlock() = default;
  [[nodiscard]] static Result<DeviceBlock> make(DeviceMemory& memory, std::size_t bytes);
  [[nodiscard]] static Result<DeviceBlock> make_pinned(DeviceMemory& memory, std::size_t bytes);
  DeviceBlock(DeviceBlock&& other) noexcept { *this = std::move(other); }
  DeviceBlock& operator=(DeviceBlock&& other) noexcept;
  ~DeviceBlock() { release(); }

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void release();

  DeviceMemory* memory_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  bool pinned_ = false;
};

}  // namespace gossamer
