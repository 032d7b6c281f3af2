// What befalls a start: a pure function of the seed, the two ranks and the start's number.
#pragma once

#include <cstdint>

#include "base/base.h"
#include "transport/simulation.h"

namespace gossamer::transport::fault {

struct Fate {
  bool drop = false;
  bool corrupt = false;
  bool duplicate = false;
  std::uint64_t delay_ns = 0;            // 0: none
  std::uint64_t stall_ns = 0;            // 0: none
  std::uint64_t duplicate_delay_ns = 0;  // from the message to its second copy
  std::uint64_t bit_draw = 0;            // any 64 bits: which bit is changed
};

// Each kind has draws of its own, so one chance changes no other kind's messages.
[[nodiscard]] Fate fate_of_message(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number);

// How long the start of a receive is held; 0: not at all.
[[nodiscard]] std::uint64_t delay_of_receive(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number);

// Seeded lengths for events that state none.
[[nodiscard]] std::uint64_t delay_draw(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number);
[[nodiscard]] std::uint64_t stall_draw(const FaultOptions& options, Rank rank, Rank peer, std::uint64_t number);

// Stops the process where the options are none.
void check_options(const FaultOptions& options);

}  // namespace gossamer::transport::fault
