#include "topology/simulate/player.h"

#include <algorithm>

namespace gossamer::topology {
namespace {

// Classes of an outcome: the adapters', then the fabric's.
constexpr std::size_t class_out = 0;
constexpr std::size_t class_in = 1;
constexpr std::size_t class_fabric = 2;

}  // namespace

Player::Player(const PackedPrograms& programs, const Network& network)
    : programs_(programs),
      fabric_(network.fabric),
      host_of_rank_(network.host_of_rank),
      model_(network.host),
      latency_(picoseconds(model_.latency_ns)),
      overhead_(picoseconds(model_.overhead_ns)),
      gap_(picoseconds(model_.gap_ns)),
      hosts_(programs.rank_count()),
      link_free_(network.fabric.links().size(), 0),
      load_(class_fabric + network.fabric.class_names().size()) {
  for (const Link& link : fabric_.links()) link_latency_.push_back(picoseconds(link.latency_ns));
  outcome_.links.resize(fabric_.links().size());
  outcome_.out.resize(hosts_.size());
  outcome_.in.resize(hosts_.size());
  outcome_.played.resize(programs.rounds());
}

Status Player::play() {
  for (std::uint32_t rank = 0; rank < hosts_.size(); ++rank) begin_round(rank, 0);
  while (!events_.empty()) {
    const Event event = events_.top();
    events_.pop();
    if (event.is_message) {
      arrive_at_node(event.index, event.time);
    } else {
      begin_round(event.index, event.time);
    }
  }
  GOSSAMER_TRY(stuck());
  if (outcome_.time >= horizon) {
    return Error{Code::out_of_resources, "the simulated time passes 53 days: check latencies and bandwidths"};
  }
  return {};
}

void Player::begin_round(std::uint32_t rank, Picoseconds now) {
  Host& host = hosts_[rank];
  const std::uint32_t first = programs_.first_round(rank);
  const std::uint32_t count = programs_.round_count(rank);
  while (host.round < count && programs_.steps_of(first + host.round).empty()) {
    outcome_.played[first + host.round] = {now, 0, 0, rank, host.round};
    ++host.round;
  }
  outcome_.time = std::max(outcome_.time, now);
  if (host.round == count) return;

  host.playing = true;
  host.cpu = now;
  host.sent = now;
  host.awaited.clear();
  const std::span<const PackedStep> steps = programs_.steps_of(first + host.round);
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    if (steps[i].sends()) {
      send(rank, steps[i]);
    } else {
      host.awaited.push_back({static_cast<std::uint32_t>(steps[i].peer), i, steps[i].follows != 0, false, {}});
    }
  }
  std::sort(host.awaited.begin(), host.awaited.end(), [](const Awaited& a, const Awaited& b) {
    return a.sender != b.sender ? a.sender < b.sender : a.step < b.step;
  });
  host.missing = static_cast<std::uint32_t>(host.awaited.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < host.early.size(); ++i) {
    if (host.missing > 0 && take(host, host.early[i])) continue;
    host.early[kept++] = host.early[i];
  }
  host.early.resize(kept);
  if (host.missing == 0) end_round(rank);
}

void Player::send(std::uint32_t rank, const PackedStep& step) {
  Host& host = hosts_[rank];
  if (!step.follows) host.cpu = later(host.cpu, overhead_);
  std::uint32_t index = static_cast<std::uint32_t>(messages_.size());
  if (free_messages_.empty()) {
    messages_.emplace_back();
  } else {
    index = free_messages_.back();
    free_messages_.pop_back();
  }
  Message& message = messages_[index];
  const auto receiver = static_cast<std::uint32_t>(step.peer);
  message = {rank,       host.round, receiver, fabric_.node_of(host_of_rank_.empty() ? rank : host_of_rank_[rank]),
             step.bytes, 0,          0,        step.follows != 0};
  const Picoseconds waited = serve(outcome_.out[rank], class_out, host.out, host.cpu,
                                   picoseconds(step.bytes, model_.per_byte_ns), step.follows ? 0 : gap_, message);
  host.sent = std::max(host.sent, message.tail);
  message.waited = 0;  // behind its own rank's messages: the schedule's doing, not the network's
  message.tail = later(message.tail, latency_);
  push(later(later(host.cpu, waited), latency_), true, index);
  ++outcome_.messages;
}

// The link works on what it has, so a message that comes in more slowly than the link could send it leaves room for
// others beside it; `free` is when all that has come would be through, had it come at once.
Picoseconds Player::serve(Load& load, std::size_t link_class, Picoseconds& free, Picoseconds now, Picoseconds duration,
                          Picoseconds least, Message& message) {
  const Picoseconds begin = std::max(now, free);
  const Picoseconds alone = std::max(later(now, duration), message.tail);
  message.tail = std::max(later(begin, duration), message.tail);
  const Picoseconds waited = message.tail - alone;
  free = later(begin, std::max(duration, least));
  ++load.messages;
  load.bytes += message.bytes;
  load.busy = later(load.busy, duration);
  load.longest_wait = std::max(load.longest_wait, waited);
  load_.add(link_class, begin, duration);
  message.waited = later(message.waited, waited);
  return waited;
}

void Player::arrive_at_node(std::uint32_t index, Picoseconds now) {
  Message& message = messages_[index];
  const std::uint32_t host = host_of_rank_.empty() ? message.receiver : host_of_rank_[message.receiver];
  const std::uint32_t next = fabric_.next_link(message.node, host);
  if (next == no_link) {
    arrive_at_host(message, now);
    free_messages_.push_back(index);
    return;
  }
  const Link& link = fabric_.links()[next];
  const Picoseconds waited = serve(outcome_.links[next], class_fabric + link.link_class, link_free_[next], now,
                                   picoseconds(message.bytes, link.ns_per_byte), 0, message);
  message.tail = later(message.tail, link_latency_[next]);
  message.node = link.to;
  push(later(later(now, waited), link_latency_[next]), true, index);
}

void Player::arrive_at_host(const Message& coming, Picoseconds now) {
  Message message = coming;
  Host& host = hosts_[message.receiver];
  serve(outcome_.in[message.receiver], class_in, host.in, now, picoseconds(message.bytes, model_.per_byte_ns),
        message.follows ? 0 : gap_, message);
  outcome_.bytes += message.bytes;
  const Arrival arrival{message.tail, message.waited, message.sender, message.sender_round};
  if (!host.playing || host.missing == 0 || !take(host, arrival)) {
    host.early.push_back(arrival);
  } else if (host.missing == 0) {
    end_round(message.receiver);
  }
}

// The first step of the round that waits for this sender: messages of one pair come in the order in which they were
// sent.
bool Player::take(Host& host, const Arrival& arrival) {
  auto each = std::lower_bound(host.awaited.begin(), host.awaited.end(), arrival.sender,
                               [](const Awaited& a, std::uint32_t sender) { return a.sender < sender; });
  while (each != host.awaited.end() && each->sender == arrival.sender && each->here) ++each;
  if (each == host.awaited.end() || each->sender != arrival.sender) return false;
  each->here = true;
  each->arrival = arrival;
  --host.missing;
  return true;
}

void Player::end_round(std::uint32_t rank) {
  Host& host = hosts_[rank];
  const std::uint32_t round = programs_.first_round(rank) + host.round;
  std::sort(host.awaited.begin(), host.awaited.end(), [](const Awaited& a, const Awaited& b) {
    return a.arrival.time != b.arrival.time ? a.arrival.time < b.arrival.time : a.step < b.step;
  });
  // The last arrival that the CPU was idle before decides, unless the own sends take longer.
  PlayedRound played{0, 0, 0, rank, host.round};
  for (const Awaited& each : host.awaited) {
    if (each.arrival.time > host.cpu) {
      host.cpu = each.arrival.time;
      played.waited = each.arrival.waited;
      played.sender = each.arrival.sender;
      played.sender_round = each.arrival.sender_round;
    }
    if (!each.follows) host.cpu = later(host.cpu, overhead_);
  }
  if (host.sent > host.cpu) played = {0, 0, 0, rank, host.round};
  std::uint64_t merged = 0;
  for (const PackedStep& step : programs_.steps_of(round)) merged += step.merges() ? step.bytes : 0;
  played.merging = picoseconds(merged, model_.merge_ns_per_byte);
  played.end = later(std::max(host.cpu, host.sent), played.merging);
  outcome_.played[round] = played;
  host.playing = false;
  ++host.round;
  push(played.end, false, rank);
}

Status Player::stuck() const {
  for (std::uint32_t rank = 0; rank < hosts_.size(); ++rank) {
    const Host& host = hosts_[rank];
    if (host.round < programs_.round_count(rank)) {
      const auto waits =
          std::find_if(host.awaited.begin(), host.awaited.end(), [](const Awaited& a) { return !a.here; });
      return Error{Code::invalid_argument,
                   text("rank ", rank, " waits in round ", host.round, " for ever for a message from rank ",
                        waits == host.awaited.end() ? rank : waits->sender),
                   Rank{rank}};
    }
    if (!host.early.empty()) {
      return Error{Code::invalid_argument,
                   text("rank ", rank, " has finished and never took a message from rank ", host.early.front().sender),
                   Rank{rank}};
    }
  }
  return {};
}

Outcome Player::take_outcome() && {
  const std::span<const std::string> fabric_classes = fabric_.class_names();
  outcome_.classes.resize(class_fabric + fabric_classes.size());
  outcome_.classes[class_out].name = "adapters out";
  outcome_.classes[class_in].name = "adapters in";
  for (std::size_t i = 0; i < fabric_classes.size(); ++i) outcome_.classes[class_fabric + i].name = fabric_classes[i];
  const auto add = [&](std::size_t link_class, const Load& load) {
    ClassLoad& of = outcome_.classes[link_class];
    ++of.links;
    of.all.messages += load.messages;
    of.all.bytes += load.bytes;
    of.all.busy = later(of.all.busy, load.busy);
    of.all.longest_wait = std::max(of.all.longest_wait, load.longest_wait);
    of.busiest = std::max(of.busiest, load.busy);
  };
  for (const Load& load : outcome_.out) add(class_out, load);
  for (const Load& load : outcome_.in) add(class_in, load);
  for (std::size_t i = 0; i < outcome_.links.size(); ++i) {
    add(class_fabric + fabric_.links()[i].link_class, outcome_.links[i]);
  }
  outcome_.time_slice = load_.width();
  for (std::size_t i = 0; i < outcome_.classes.size(); ++i) outcome_.classes[i].busy_by_time = load_.busy(i);
  return std::move(outcome_);
}

}  // namespace gossamer::topology
