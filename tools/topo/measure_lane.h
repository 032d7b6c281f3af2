// One direction of a pair, measured: the two ends of a lane, each a state machine that nothing blocks.
//
//   leader (from)                         follower (to)
//     command: bytes, burst, turns ─────►   receives are posted,
//     ◄──────────────────────────── ready   its memory written over
//     message is written over
//     t0
//     message ──────────────────────────►   t0 to t1: a turn; `burst` messages in it, one after the other
//     ◄───────────────────────── pong, 8 B
//     t1
//     ◄──────────────────────────── ready   ...           so often as the command says
//     command: end ─────────────────────►
//     ◄──────────────────────────── ready
//
// Only the leader's clock is read. A turn of one message of the least size is a round trip; half of it is that size's
// one-way time, and what a larger message takes longer is the lane's own. A burst of m messages takes (m - 1) gaps
// longer than one; starting one costs its sender the overhead.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "tools/topo/measure_flights.h"
#include "topology/measure/measurement.h"
#include "transport/transport.h"

namespace gossamer::tools {

// What is measured in every lane.
struct LaneWork {
  std::vector<std::uint64_t> sizes;  // ascending, at least one
  std::uint32_t turns_min = 3;       // of a size that is begun
  std::uint32_t turns_max = 1'000;   // of one size
  std::uint32_t burst = 32;          // at most burst_max
  std::uint32_t burst_turns = 20;
};
inline constexpr std::uint32_t burst_max = 64;

// Memory of one rank: what is sent, what is received, and short words. All lanes of a rank share it: a lane's words
// have places of their own, its messages need not.
class LaneMemory {
 public:
  virtual ~LaneMemory() = default;
  // `bytes` from the beginning of what is sent.
  [[nodiscard]] virtual transport::Slice message(std::uint64_t bytes) = 0;
  [[nodiscard]] virtual transport::Slice landing(std::uint64_t bytes) = 0;
  // 64 B of host memory; `place` below word_places.
  [[nodiscard]] virtual transport::Slice word(std::size_t place) = 0;
  // Writes the beginning over, as who computes between messages does.
  virtual void write_message(std::uint64_t bytes) = 0;
  virtual void write_landing(std::uint64_t bytes) = 0;
};
inline constexpr std::size_t word_places = 8;

// Whom a lane is with, and until when.
struct LaneSpan {
  Rank self;
  Rank peer;
  std::uint64_t slot = 0;      // below lane_slots_max, of this rank and this peer together never the same twice
  std::uint64_t begin_ns = 0;  // on this rank's clock
  std::uint64_t end_ns = 0;    // no turn is begun later
  // Every size has its own part of the span, on all ranks at the same time, and fills it; else a size ends when it has
  // turns_max, and the rest is for the larger ones.
  bool in_step = false;
};

struct LaneResult {
  std::vector<topology::SizeSamples> sizes;
  std::optional<topology::LogGp> fit;
};

class LaneLeader {
 public:
  LaneLeader(Flights& flights, LaneMemory& memory, const Clock& clock, const LaneWork& work, const LaneSpan& span);
  ~LaneLeader();
  LaneLeader(const LaneLeader&) = delete;
  LaneLeader& operator=(const LaneLeader&) = delete;

  // True if something moved.
  bool advance();
  [[nodiscard]] bool finished() const { return state_ == State::finished; }
  // Why it ended before its end; empty: it did not.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
  // What was measured, also until the trouble.
  [[nodiscard]] LaneResult result();

 private:
  enum class State { command, ready, turn, finished };
  // Turns of one kind: a size, or the burst of the least size.
  struct Item {
    std::uint64_t bytes = 0;
    std::uint32_t burst = 1;
    std::uint32_t turns_max = 0;
    std::vector<double> turns_ns;
    std::vector<double> starts_ns;  // what starting the messages of a turn took
  };

  bool start_command();
  void start_turn();
  void end_turn();
  [[nodiscard]] std::uint32_t next_turns();
  [[nodiscard]] std::uint64_t item_end_ns(std::uint64_t now_ns) const;
  void fail(const Error& error);
  void stop();

  Flights& flights_;
  LaneMemory& memory_;
  const Clock& clock_;
  LaneWork work_;
  LaneSpan span_;
  State state_ = State::command;
  std::vector<Item> items_;
  std::size_t item_ = 0;
  bool item_is_warm_ = false;
  std::uint64_t item_end_ns_ = 0;
  double turn_cost_ns_ = 0.0;  // of one turn with all that belongs to it, of this item or the one before
  std::uint64_t cost_is_of_bytes_ = 0;
  std::uint32_t command_turns_ = 0;  // of the command under way
  std::uint32_t turns_left_ = 0;
  std::uint64_t command_began_ns_ = 0;
  bool warming_up_ = false;  // the command under way is an item's first: its turn does not count
  bool ending_ = false;
  std::uint64_t commands_ = 0;  // sequence numbers
  std::uint64_t messages_ = 0;
  std::uint64_t readies_ = 0;
  std::uint64_t pongs_ = 0;
  Flights::Id awaited_ = Flights::none;
  std::uint64_t began_ns_ = 0;
  std::uint64_t started_ns_ = 0;
  std::optional<Error> trouble_;
};

class LaneFollower {
 public:
  LaneFollower(Flights& flights, LaneMemory& memory, const LaneSpan& span);
  ~LaneFollower();
  LaneFollower(const LaneFollower&) = delete;
  LaneFollower& operator=(const LaneFollower&) = delete;

  bool advance();
  [[nodiscard]] bool finished() const { return state_ == State::finished; }
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }

 private:
  enum class State { idle, command, turn, finished };
  Status await_command();
  Status take_command();
  Status start_turn();
  bool fail_unless(const Status& status);
  void stop();

  Flights& flights_;
  LaneMemory& memory_;
  LaneSpan span_;
  State state_ = State::idle;
  std::uint64_t bytes_ = 0;
  std::uint32_t burst_ = 0;
  std::uint32_t turns_left_ = 0;
  std::uint64_t commands_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t readies_ = 0;
  std::uint64_t pongs_ = 0;
  std::vector<Flights::Id> awaited_;
  std::optional<Error> trouble_;
};

// Tags name the sender, since a transport may match by nothing else:
//
//   | kind 4 | source 12 | slot 22 | sequence 26 |
enum class LaneMessage : std::uint64_t { command = 1, ready, data, pong, plan, results };
inline constexpr std::uint64_t lane_slots_max = std::uint64_t{1} << 22;
[[nodiscard]] Tag lane_tag(LaneMessage kind, Rank source, std::uint64_t slot, std::uint64_t sequence);

}  // namespace gossamer::tools
