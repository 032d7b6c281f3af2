// The simulated network: one queue of events for all transports, in the order of virtual time.
//
//   start_send ──► depart (link free again: the send completes, its bytes are read)
//                    └──► arrive (latency + jitter later: matched with a receive, or kept)
//
// The bytes are read at departure, as a real transport may, so a caller that overwrites memory
// before the send's completion is found out. Equal seeds and equal calls give equal events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "base/base.h"
#include "transport/simulation.h"

namespace gossamer::transport::sim {

class SimTransport;

struct Message {
  std::uint32_t source = 0;  // transport numbers
  std::uint32_t destination = 0;
  Epoch epoch;
  Rank source_rank;
  Tag tag;
  std::uint64_t start = 0;       // the sender's start that it completes on departure
  std::uint64_t flight_ns = 0;   // from departure to arrival
  std::vector<std::byte> bytes;  // empty until departure
};

// What the transports share. It lives as long as the network or any transport.
class SimCore {
 public:
  SimCore(const SimOptions& options, VirtualClock& clock) : options_(options), clock_(clock), random_(options.seed) {}

  [[nodiscard]] std::uint32_t add_transport(SimTransport& transport);
  void remove_transport(std::uint32_t number);
  // The number of the transport with this address; nullopt for bytes that are none.
  [[nodiscard]] std::optional<std::uint32_t> find_transport(const Address& address) const;
  [[nodiscard]] static Address make_address(std::uint32_t number);

  // Zeroed memory that ends with `free_memory` or the core: peers may have it mapped when its owner ends.
  [[nodiscard]] std::byte* allocate_memory(std::size_t bytes);
  void free_memory(const std::byte* base) { memory_.erase(base); }

  // The transport with this number; null once destroyed.
  [[nodiscard]] SimTransport* transport(std::uint32_t number) const { return states_[number].transport; }

  // Queues a message on its sender's link.
  void send(Message message, std::size_t bytes);
  // Delivers what is due by the clock's now.
  void advance();

  [[nodiscard]] std::optional<std::uint64_t> next_event_ns() const;
  void kill(std::uint32_t number);
  [[nodiscard]] bool is_dead(std::uint32_t number) const { return states_[number].dead; }
  [[nodiscard]] std::uint64_t event_hash() const { return event_hash_; }

 private:
  struct Event {
    std::uint64_t due_ns = 0;
    std::uint64_t sequence = 0;  // breaks ties in the order of making
    std::uint32_t message = 0;   // index in messages_
    bool arrives = false;
    // The queue gives out the greatest: the earliest one.
    friend bool operator<(const Event& a, const Event& b) {
      return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.sequence > b.sequence;
    }
  };
  struct Attached {
    SimTransport* transport = nullptr;  // null once destroyed
    std::uint64_t link_free_ns = 0;
    bool dead = false;
  };

  [[nodiscard]] std::uint32_t store(Message message);
  void depart(const Event& event);
  void arrive(const Event& event);
  void hash_delivery(std::uint64_t now_ns, const Message& message);

  SimOptions options_;
  VirtualClock& clock_;
  Random random_;
  std::vector<Attached> states_;
  std::vector<Message> messages_;
  std::vector<std::uint32_t> free_messages_;
  std::unordered_map<const std::byte*, std::unique_ptr<std::byte[]>> memory_;
  std::priority_queue<Event> events_;
  std::uint64_t sequence_ = 0;
  std::uint64_t event_hash_ = 0;
};

}  // namespace gossamer::transport::sim
