// What is under way over a transport, asked for one by one.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::tools {

// A start of a transport that somebody will ask about, until it is taken or given up. One transport, whose completions
// all come here.
class Flights {
 public:
  explicit Flights(transport::Transport& transport) : transport_(transport) {}

  using Id = std::uint32_t;
  static constexpr Id none = UINT32_MAX;

  [[nodiscard]] Result<Id> send(Rank peer, Tag tag, const transport::Slice& slice);
  [[nodiscard]] Result<Id> receive(Rank peer, Tag tag, const transport::Slice& slice);

  [[nodiscard]] bool has_ended(Id id) const { return flights_[id].ended; }
  // Ends the asking; it has ended.
  transport::Completion take(Id id);
  // Nobody asks any more. A receive that still waits is cancelled; its memory must live until the view is closed.
  void give_up(Id id, bool cancels);

  // True if something ended.
  bool poll();

 private:
  struct Flight {
    bool used = false;
    bool ended = false;
    bool given_up = false;
    transport::Token token;
    transport::Completion completion;
  };
  Id open();
  Result<Id> keep(Id id, const Result<transport::Token>& token);

  transport::Transport& transport_;
  std::vector<Flight> flights_;
  std::vector<Id> free_;
  std::array<transport::Completion, 64> polled_;
};

}  // namespace gossamer::tools
