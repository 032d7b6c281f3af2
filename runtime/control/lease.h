// The clock of leases: when to say that this rank is alive, and which connections were silent for too long.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/base.h"
#include "runtime/control/connection.h"

namespace gossamer::runtime {

// Used by the service thread alone; destroyed only when its io_context has stopped.
class LeaseWatch {
 public:
  // Calls `beat` eight times in a lease, from start() on; never where `lease_ns` is 0.
  LeaseWatch(boost::asio::io_context& io, std::uint64_t lease_ns, std::function<void()> beat);

  void start();
  void stop() { timer_.cancel(); }

  // From within `beat`: for how long `connection` has been silent, where that is its whole lease. A process that was
  // itself stopped, or starved, cannot tell: what others said meanwhile is still to be read, so each has a whole lease
  // from the late beat.
  [[nodiscard]] std::optional<std::uint64_t> overdue_ns(const Connection& connection) const;

 private:
  void plan();

  const std::chrono::nanoseconds lease_;
  const std::chrono::nanoseconds interval_;
  const std::function<void()> beat_;
  boost::asio::steady_timer timer_;
  Time judged_from_;  // silence before this is nobody's fault
};

}  // namespace gossamer::runtime
