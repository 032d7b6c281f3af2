// Private to `topology/simulate`: plays packed programs on a network, one event after the other.
#pragma once

#include <optional>
#include <queue>
#include <vector>

#include "topology/simulate/load_over_time.h"
#include "topology/simulate/packed_programs.h"

namespace gossamer::topology {

// Two kinds of event: a rank's round begins; a message's head comes to a node. Memory: O(ranks + messages under way),
// and a PlayedRound for each round.
class Player {
 public:
  Player(const PackedPrograms& programs, const Network& network);

  // Errors: invalid_argument where ranks wait for ever, or something is left over; out_of_resources past the horizon.
  [[nodiscard]] Status play();
  // Everything but the bytes by rank and the critical path.
  [[nodiscard]] Outcome take_outcome() &&;

 private:
  struct Message {
    std::uint32_t sender;
    std::uint32_t sender_round;
    std::uint32_t receiver;
    std::uint32_t node;  // where its head is, or comes to
    std::uint64_t bytes;
    Picoseconds tail;  // when its last byte comes there
    Picoseconds waited;
    bool follows;
  };
  struct Arrival {
    Picoseconds time;
    Picoseconds waited;
    std::uint32_t sender;
    std::uint32_t sender_round;
  };
  struct Awaited {
    std::uint32_t sender;
    std::uint32_t step;  // of its round
    bool follows;
    bool here;
    Arrival arrival;
  };
  struct Host {
    std::uint32_t round = 0;
    std::uint32_t missing = 0;  // messages that the current round waits for
    bool playing = false;       // a round is under way
    Picoseconds cpu = 0;        // free from here on
    Picoseconds sent = 0;       // the round's last tail has left
    Picoseconds out = 0;        // the adapter is free from here on, in each direction
    Picoseconds in = 0;
    std::vector<Awaited> awaited;  // by sender, then by step
    std::vector<Arrival> early;    // in the order in which they came
  };
  struct Event {
    Picoseconds time;
    std::uint64_t order;  // among equal times
    std::uint32_t index;  // a rank, or a message
    bool is_message;
    friend bool operator>(const Event& a, const Event& b) {
      return a.time != b.time ? a.time > b.time : a.order > b.order;
    }
  };

  void push(Picoseconds time, bool is_message, std::uint32_t index) {
    events_.push({time, ++order_, index, is_message});
  }
  void begin_round(std::uint32_t rank, Picoseconds now);
  void send(std::uint32_t rank, const PackedStep& step);
  void end_round(std::uint32_t rank);
  void arrive_at_node(std::uint32_t index, Picoseconds now);
  void arrive_at_host(const Message& message, Picoseconds now);
  [[nodiscard]] bool take(Host& host, const Arrival& arrival);
  // Serves a message whose head is here now: adds to the load, moves the message's tail to when it has passed, and
  // gives back how long the message waited, head and tail alike.
  Picoseconds serve(Load& load, std::size_t link_class, Picoseconds& free, Picoseconds now, Picoseconds duration,
                    Picoseconds least, Message& message);
  [[nodiscard]] Status stuck() const;

  const PackedPrograms& programs_;
  const Fabric& fabric_;
  const std::vector<std::uint32_t>& host_of_rank_;
  const HostModel model_;
  const Picoseconds latency_, overhead_, gap_;
  std::vector<Host> hosts_;  // by rank
  std::vector<Picoseconds> link_free_;
  std::vector<Picoseconds> link_latency_;
  std::vector<Message> messages_;
  std::vector<std::uint32_t> free_messages_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t order_ = 0;
  LoadOverTime load_;
  Outcome outcome_;
};

}  // namespace gossamer::topology
