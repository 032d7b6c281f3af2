#include "tools/topo/measure_flights.h"

namespace gossamer::tools {

Flights::Id Flights::open() {
  if (free_.empty()) {
    flights_.emplace_back();
    free_.push_back(static_cast<Id>(flights_.size() - 1));
  }
  const Id id = free_.back();
  free_.pop_back();
  flights_[id] = {};
  flights_[id].used = true;
  return id;
}

Result<Flights::Id> Flights::keep(Id id, const Result<transport::Token>& token) {
  if (token.ok()) {
    flights_[id].token = *token;
    return id;
  }
  flights_[id].used = false;
  free_.push_back(id);
  return token.error();
}

Result<Flights::Id> Flights::send(Rank peer, Tag tag, const transport::Slice& slice) {
  const Id id = open();
  return keep(id, transport_.start_send(peer, tag, slice, id));
}

Result<Flights::Id> Flights::receive(Rank peer, Tag tag, const transport::Slice& slice) {
  const Id id = open();
  return keep(id, transport_.start_receive(peer, tag, slice, id));
}

transport::Completion Flights::take(Id id) {
  GOSSAMER_CHECK(flights_[id].used && flights_[id].ended, "what is taken has ended");
  flights_[id].used = false;
  free_.push_back(id);
  return flights_[id].completion;
}

void Flights::give_up(Id id, bool cancels) {
  if (flights_[id].ended) {
    take(id);
    return;
  }
  flights_[id].given_up = true;
  if (cancels) transport_.cancel(flights_[id].token);
}

bool Flights::poll() {
  const std::size_t count = transport_.poll(polled_);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = static_cast<Id>(polled_[i].context);
    flights_[id].ended = true;
    flights_[id].completion = polled_[i];
    if (flights_[id].given_up) take(id);
  }
  return count > 0;
}

}  // namespace gossamer::tools
