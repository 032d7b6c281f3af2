#include "transport/sim/sim_network.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "transport/region_key.h"
#include "transport/sim/sim_transport.h"

namespace gossamer::transport {
namespace sim {
namespace {

constexpr std::array<char, 4> address_mark = {'s', 'i', 'm', '1'};

}  // namespace

std::uint32_t SimCore::add_transport(SimTransport& transport) {
  states_.push_back({&transport, 0, false});
  return static_cast<std::uint32_t>(states_.size() - 1);
}

void SimCore::remove_transport(std::uint32_t number) { states_[number].transport = nullptr; }

Address SimCore::make_address(std::uint32_t number) {
  Address address(address_mark.size() + sizeof(number));
  std::memcpy(address.data(), address_mark.data(), address_mark.size());
  std::memcpy(address.data() + address_mark.size(), &number, sizeof(number));
  return address;
}

std::optional<std::uint32_t> SimCore::find_transport(const Address& address) const {
  std::uint32_t number = 0;
  if (address.size() != address_mark.size() + sizeof(number)) return std::nullopt;
  if (std::memcmp(address.data(), address_mark.data(), address_mark.size()) != 0) return std::nullopt;
  std::memcpy(&number, address.data() + address_mark.size(), sizeof(number));
  if (number >= states_.size()) return std::nullopt;
  return number;
}

std::byte* SimCore::allocate_memory(std::size_t bytes) {
  auto memory = std::make_unique<std::byte[]>(std::max<std::size_t>(bytes, 1));
  std::byte* const base = memory.get();
  memory_.emplace(base, std::move(memory));
  return base;
}

std::uint32_t SimCore::store(Message message) {
  if (free_messages_.empty()) {
    messages_.push_back(std::move(message));
    return static_cast<std::uint32_t>(messages_.size() - 1);
  }
  const std::uint32_t index = free_messages_.back();
  free_messages_.pop_back();
  messages_[index] = std::move(message);
  return index;
}

void SimCore::send(Message message, std::size_t bytes) {
  Attached& source = states_[message.source];
  const SimLink link = options_.link ? options_.link(message.source, message.destination)
                                     : SimLink{options_.latency_ns, options_.bytes_per_ns};
  const double wire_ns = std::ceil(static_cast<double>(bytes) / link.bytes_per_ns);
  source.link_free_ns = std::max(source.link_free_ns, clock_.now_ns()) + static_cast<std::uint64_t>(wire_ns);
  message.flight_ns = link.latency_ns + (options_.jitter_ns == 0 ? 0 : random_.below(options_.jitter_ns + 1));
  events_.push({source.link_free_ns, sequence_++, store(std::move(message)), false});
}

void SimCore::advance() {
  while (!events_.empty() && events_.top().due_ns <= clock_.now_ns()) {
    const Event event = events_.top();
    events_.pop();
    if (event.arrives) {
      arrive(event);
    } else {
      depart(event);
    }
  }
}

void SimCore::depart(const Event& event) {
  Message& message = messages_[event.message];
  const Attached& source = states_[message.source];
  const bool sent = source.transport != nullptr && !source.dead && source.transport->depart(message);
  if (sent) {
    events_.push({event.due_ns + message.flight_ns, sequence_++, event.message, true});
  } else {
    free_messages_.push_back(event.message);
  }
}

void SimCore::arrive(const Event& event) {
  Message message = std::move(messages_[event.message]);
  free_messages_.push_back(event.message);
  const Attached& destination = states_[message.destination];
  if (states_[message.source].dead || destination.dead || destination.transport == nullptr) return;
  hash_delivery(event.due_ns, message);
  destination.transport->arrive(std::move(message));
}

void SimCore::hash_delivery(std::uint64_t now_ns, const Message& message) {
  const std::uint64_t ends = (std::uint64_t{message.source} << 32) | message.destination;
  for (const std::uint64_t value : {now_ns, ends, message.tag.value, hash_bytes(message.bytes)}) {
    event_hash_ = mix64(event_hash_, value);
  }
}

std::optional<std::uint64_t> SimCore::next_event_ns() const {
  if (events_.empty()) return std::nullopt;
  return events_.top().due_ns;
}

void SimCore::kill(std::uint32_t number) {
  advance();  // what arrived before this moment has arrived
  states_[number].dead = true;
}

namespace {

class Network final : public SimNetwork {
 public:
  Network(const SimOptions& options, VirtualClock& clock) : core_(std::make_shared<SimCore>(options, clock)) {}

  std::unique_ptr<Transport> make_transport() override { return std::make_unique<SimTransport>(core_); }
  std::optional<std::uint64_t> next_event_ns() const override { return core_->next_event_ns(); }
  void kill(const Address& address) override {
    const auto number = core_->find_transport(address);
    GOSSAMER_CHECK(number.has_value(), "an address that this network gave out");
    core_->kill(*number);
  }
  std::uint64_t event_hash() const override { return core_->event_hash(); }

 private:
  std::shared_ptr<SimCore> core_;
};

}  // namespace
}  // namespace sim

std::unique_ptr<SimNetwork> make_sim_network(const SimOptions& options, VirtualClock& clock) {
  GOSSAMER_CHECK(options.bytes_per_ns > 0.0, "a link moves more than no bytes");
  return std::make_unique<sim::Network>(options, clock);
}

}  // namespace gossamer::transport
