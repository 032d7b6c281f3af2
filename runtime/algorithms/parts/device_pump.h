// Computing by the host on vectors in device memory, piece by piece, through pinned memory.
//
//   piece i + 1  comes down  |  piece i  is computed on  |  piece i - 1  goes up          all three at once
//
// What it costs: each byte that is read or written crosses the bus, so a kernel on the device is faster by far where
// there is one. Pinned memory: 3 places of 3 vectors of 256 KiB, 2.3 MB.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/base.h"

namespace gossamer::runtime {

// One thread at a time. Nothing allocates after `make`.
class DevicePump {
 public:
  // One of the vectors of a pass.
  struct Vector {
    void* data = nullptr;  // device memory
    std::uint32_t element_bytes = 4;
    bool is_read = true;
    bool is_written = false;
  };
  static constexpr std::size_t vectors_max = 3;
  // Elements [first, first + count) of each vector, on the host.
  using Compute = FunctionRef<void(std::uint64_t first, std::size_t count, std::span<std::byte* const> pieces)>;

  [[nodiscard]] static Result<DevicePump> make(DeviceMemory& memory);

  // Calls `compute` for all `count` elements, in order. Returns when all copies have ended; `unavailable` where the
  // device refuses or hangs. The copies of one pass do not touch vectors of another thread's.
  Status run(std::uint64_t count, std::span<const Vector> vectors, Compute compute);

  // What comes next is after all that this stream has been given so far.
  Status follow(void* stream) {
    GOSSAMER_TRY(down_->follow(stream));
    return up_->follow(stream);
  }

  // A few bytes; returns when they are there.
  Status read(void* host, const void* device, std::size_t bytes) { return copy(host, device, bytes); }
  Status write(void* device, const void* host, std::size_t bytes) { return copy(device, host, bytes); }

 private:
  static constexpr std::size_t piece_bytes = 256 * 1024;
  static constexpr std::size_t place_count = 3;

  Status copy(void* to, const void* from, std::size_t bytes);
  Status run_pieces(std::uint64_t count, std::span<const Vector> vectors, Compute compute);

  std::unique_ptr<CopyQueue> down_;
  std::unique_ptr<CopyQueue> up_;
  DeviceBlock pinned_;
};

}  // namespace gossamer::runtime
