// Time as a parameter, so that a whole cluster can run on a virtual clock.
#pragma once

#include <cstdint>

namespace gossamer {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since a fixed but unspecified moment; never goes back. Any thread.
  [[nodiscard]] virtual std::uint64_t now_ns() const = 0;
};

// The machine's monotonic clock.
class SteadyClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t now_ns() const override;
};

// Stands still until it is told otherwise. One thread.
class VirtualClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t now_ns() const override { return now_ns_; }
  void advance_to(std::uint64_t now_ns);

 private:
  std::uint64_t now_ns_ = 0;
};

}  // namespace gossamer
