// Rank 0 in this process, and rank 1 in another that a test kills.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "make_transport.h"
#include "peer_process.h"
#include "transport/transport.h"
#include "units.h"

namespace gossamer::transport {

class Survivor {
 protected:
  static constexpr std::uint64_t second_ns = 1'000'000'000;
  static constexpr std::size_t large = std::size_t{4} << 20;

  // Both ranks are made and, unless rank 1 is absent, have the view open. Fails the test where they do not.
  void begin(const TransportChoice& choice, const std::string& mode);
  // The first exchange of both, as every mode but absent has it, and the peer's byte after it.
  void exchange();

  // Polls until the condition holds or the time is over.
  template <typename Condition>
  bool poll_until(const Condition& condition, std::uint64_t duration_ns) {
    const std::uint64_t end_ns = clock_.now_ns() + duration_ns;
    while (!condition()) {
      if (clock_.now_ns() > end_ns) return false;
      poll();
    }
    return true;
  }
  // Gives out completions into completions_.
  void poll();

  // After the death was told: closing and destruction are bounded, nothing of the dead process is left after a sweep,
  // and another transport of this process reaches another process in the dead one's place.
  void expect_an_orderly_end(pid_t dead);

  [[nodiscard]] Slice slice(std::size_t bytes) const { return {region_, 0, bytes}; }

  SteadyClock clock_;
  TransportChoice choice_;
  std::vector<std::byte> memory_;
  std::unique_ptr<Transport> transport_;
  Region region_;
  std::optional<PeerProcess> peer_;
  std::map<std::uint64_t, Completion> completions_;
};

}  // namespace gossamer::transport
