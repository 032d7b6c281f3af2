// What a driver did when, for a person to look at: a JSON file for Perfetto or chrome://tracing, one a rank.
//
//   rank 0   gs-sgd   ├─ gs-sgd step 7 ────────────────────────────────────────────────────┤
//                     ├prepare sketch┤├─ sketch round 0 ─────────────┤├─ sketch round 1 ─ ...
//                                        ├ wait for rank 1 ┤├ merge ┤
//            model         ├─ model step 7 ───────── ...
//
// A process is a rank, a thread a plan, so operations that overlap are side by side. Events are kept in a ring that is
// made at the beginning: nothing is allocated while operations run, and of too many the oldest are lost, and counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

// What a file says of whose it is.
struct TraceConfig {
  std::string path;
  Rank rank;
  std::uint32_t rank_count = 1;
  std::string host;
  std::int64_t offset_ns = 0;        // of rank 0's clock to this one's; times in the file are rank 0's
  std::uint64_t uncertainty_ns = 0;  // of that; 0: one clock
};

// One thread at a time. Times are the driver's clock's.
class Trace {
 public:
  static constexpr std::size_t events_max = std::size_t{1} << 16;

  explicit Trace(TraceConfig config) : config_(std::move(config)), ring_(events_max) {}

  // A plan of these stages; returns its track.
  std::uint32_t add_track(std::string name, std::vector<std::string> stage_labels);

  void started(std::uint32_t track, std::uint32_t operation, std::uint64_t now_ns);
  struct Place {
    std::uint32_t track = 0;
    std::uint32_t stage = 0;
    std::uint32_t round = 0;
    Rank peer = {};
    std::uint64_t bytes = 0;
  };
  struct Interval {
    std::uint64_t begin_ns = 0;
    std::uint64_t end_ns = 0;
  };
  // A start of a message; the first of a round begins the round.
  void moved(const Place& place, const Interval& interval, bool is_send);
  void completed(std::uint32_t track, Rank peer, std::uint64_t now_ns);
  void merged(const Place& place, const Interval& interval);
  // Ends the round before it. `place.stage` beyond the last: the end of the operation.
  void prepared(const Place& place, const Interval& interval);
  void ended(std::uint32_t track, std::uint64_t now_ns);

  // The whole file, or none; operations under way end at `now_ns` in it. `unavailable` says why not.
  [[nodiscard]] Status write(std::uint64_t now_ns) const;

 private:
  enum class Kind : std::uint8_t { operation, round, wait, merge, prepare };
  struct Event {
    Interval interval;
    Place place;
    std::uint32_t operation = 0;
    Kind kind = Kind::operation;
    bool is_unfinished = false;
  };
  struct Track {
    std::string name;
    std::vector<std::string> stage_labels;
    bool is_open = false;  // an operation is under way
    std::uint32_t operation = 0;
    std::uint64_t begin_ns = 0;
    bool is_in_round = false;
    Place round;  // bytes: sent in it
    std::uint64_t round_begin_ns = 0;
    bool is_waiting = false;  // for messages of the round
    Rank last_peer;           // whose message came last
    std::uint64_t moved_ns = 0;
    std::uint64_t completed_ns = 0;
    std::uint64_t latest_ns = 0;
  };

  void add(const Event& event);
  void end_wait(Track& track);
  void end_round(Track& track, std::uint64_t now_ns);
  [[nodiscard]] std::string line(const Event& event) const;
  [[nodiscard]] std::string json(std::uint64_t now_ns) const;

  const TraceConfig config_;
  std::vector<Track> tracks_;
  std::vector<Event> ring_;
  std::uint64_t count_ = 0;  // ever added
};

}  // namespace gossamer::runtime
