#include "tools/topo/measure_lane.h"

#include <algorithm>
#include <cstring>

#include "topology/measure/fit.h"

namespace gossamer::tools {
namespace {

using transport::Completion;
using transport::Slice;

constexpr std::uint64_t pong_bytes = 8;
constexpr std::uint32_t turns_a_command = 64;  // so often at least the clock decides anew

// A lane's words in LaneMemory.
enum Word : std::size_t { command_out, ready_in, pong_in, command_in, ready_out, pong_out };

struct Command {
  std::uint64_t bytes = 0;
  std::uint32_t burst = 0;  // 0: the lane's end
  std::uint32_t turns = 0;
};
static_assert(sizeof(Command) <= 64);

Slice part(Slice slice, std::size_t bytes) {
  slice.bytes = bytes;
  return slice;
}

// What a completion says in words, if it is not done.
Status check(const Completion& completion, Rank peer) {
  if (completion.code == Code::done) return {};
  return Error{completion.code, text("a message of rank ", peer.value, " ended as ", code_name(completion.code)), peer};
}

}  // namespace

Tag lane_tag(LaneMessage kind, Rank source, std::uint64_t slot, std::uint64_t sequence) {
  GOSSAMER_CHECK(source.value < 1u << 12 && slot < lane_slots_max && sequence < 1u << 26, "a tag's fields fit");
  return Tag{static_cast<std::uint64_t>(kind) << 60 | std::uint64_t{source.value} << 48 | slot << 26 | sequence};
}

// ---------------------------------------------------------------------------------------------

LaneLeader::LaneLeader(Flights& flights, LaneMemory& memory, const Clock& clock, const LaneWork& work,
                       const LaneSpan& span)
    : flights_(flights), memory_(memory), clock_(clock), work_(work), span_(span) {
  // The burst behind the least size, before the sizes that may leave no time for it.
  for (const std::uint64_t bytes : work.sizes) {
    items_.push_back({bytes, 1, work.turns_max, {}, {}});
    if (items_.size() == 1) items_.push_back({bytes, std::min(work.burst, burst_max), work.burst_turns, {}, {}});
  }
}

LaneLeader::~LaneLeader() { stop(); }

void LaneLeader::stop() {
  if (awaited_ != Flights::none) flights_.give_up(awaited_, true);
  awaited_ = Flights::none;
  state_ = State::finished;
}

void LaneLeader::fail(const Error& error) {
  trouble_ = error;
  stop();
}

// In step, every size has an equal part of the span; else of what is left.
std::uint64_t LaneLeader::item_end_ns(std::uint64_t now_ns) const {
  if (span_.in_step) return span_.begin_ns + (span_.end_ns - span_.begin_ns) * (item_ + 1) / items_.size();
  return now_ns < span_.end_ns ? now_ns + (span_.end_ns - now_ns) / (items_.size() - item_) : now_ns;
}

// How many turns the next command has; moves on to the next item where this one has enough. 0: the lane is at its end.
std::uint32_t LaneLeader::next_turns() {
  const std::uint64_t now_ns = clock_.now_ns();
  warming_up_ = false;
  for (; item_ < items_.size(); ++item_, item_is_warm_ = false) {
    Item& item = items_[item_];
    const auto had = static_cast<std::uint32_t>(item.turns_ns.size());
    const auto left_ns = [&](std::uint64_t end_ns) {
      return now_ns < end_ns ? static_cast<double>(end_ns - now_ns) : 0.0;
    };
    if (!item_is_warm_) {
      // What it costs at most is known from the size before. Two sizes are needed for a line, whatever they cost.
      const double growth = static_cast<double>(item.bytes * item.burst) /
                            static_cast<double>(std::max<std::uint64_t>(cost_is_of_bytes_, 1));
      const double needed_ns = turn_cost_ns_ * std::max(1.0, growth) * (1 + work_.turns_min);
      if (item_ > 2 && item.burst == 1 && needed_ns > left_ns(span_.end_ns)) return 0;
      item_end_ns_ = item_end_ns(now_ns);
      item_is_warm_ = warming_up_ = true;
      return 1;
    }
    const double fits = turn_cost_ns_ > 0.0 ? left_ns(item_end_ns_) / turn_cost_ns_ : 1.0;
    const std::uint32_t wanted = fits < turns_a_command ? static_cast<std::uint32_t>(fits) : turns_a_command;
    const std::uint32_t least = had < work_.turns_min ? work_.turns_min - had : 0;
    const std::uint32_t room = span_.in_step ? turns_a_command : had < item.turns_max ? item.turns_max - had : 0;
    const std::uint32_t turns = std::max(std::min(wanted, room), least);
    if (turns > 0) return turns;
  }
  return 0;
}

bool LaneLeader::start_command() {
  if (clock_.now_ns() < span_.begin_ns) return false;
  command_turns_ = turns_left_ = next_turns();
  ending_ = turns_left_ == 0;
  Command command;
  if (!ending_) command = {items_[item_].bytes, items_[item_].burst, turns_left_};
  const Slice out = part(memory_.word(command_out), sizeof command);
  std::memcpy(out.data(), &command, sizeof command);
  command_began_ns_ = clock_.now_ns();
  const auto ready = flights_.receive(span_.peer, lane_tag(LaneMessage::ready, span_.peer, span_.slot, readies_++),
                                      memory_.word(ready_in));
  if (!ready.ok()) return fail(ready.error()), true;
  awaited_ = *ready;
  state_ = State::ready;
  const auto sent = flights_.send(span_.peer, lane_tag(LaneMessage::command, span_.self, span_.slot, commands_++), out);
  if (!sent.ok()) return fail(sent.error()), true;
  flights_.give_up(*sent, false);
  return true;
}

void LaneLeader::start_turn() {
  const Item& item = items_[item_];
  memory_.write_message(item.bytes);
  const auto pong = flights_.receive(span_.peer, lane_tag(LaneMessage::pong, span_.peer, span_.slot, pongs_++),
                                     memory_.word(pong_in));
  if (!pong.ok()) return fail(pong.error());
  awaited_ = *pong;
  state_ = State::turn;
  const Slice message = memory_.message(item.bytes);
  began_ns_ = clock_.now_ns();
  for (std::uint32_t i = 0; i < item.burst; ++i) {
    const auto sent =
        flights_.send(span_.peer, lane_tag(LaneMessage::data, span_.self, span_.slot, messages_++), message);
    if (!sent.ok()) return fail(sent.error());
    flights_.give_up(*sent, false);
  }
  started_ns_ = clock_.now_ns();
}

void LaneLeader::end_turn() {
  const std::uint64_t now_ns = clock_.now_ns();
  Item& item = items_[item_];
  if (!warming_up_) {
    item.turns_ns.push_back(static_cast<double>(now_ns - began_ns_));
    item.starts_ns.push_back(static_cast<double>(started_ns_ - began_ns_));
  }
  --turns_left_;
  if (turns_left_ == 0) {
    turn_cost_ns_ = static_cast<double>(now_ns - command_began_ns_) / command_turns_;
    cost_is_of_bytes_ = item.bytes * item.burst;
    state_ = State::command;
    return;
  }
  const auto ready = flights_.receive(span_.peer, lane_tag(LaneMessage::ready, span_.peer, span_.slot, readies_++),
                                      memory_.word(ready_in));
  if (!ready.ok()) return fail(ready.error());
  awaited_ = *ready;
  state_ = State::ready;
}

bool LaneLeader::advance() {
  if (state_ == State::finished) return false;
  if (state_ == State::command) return start_command();
  if (!flights_.has_ended(awaited_)) return false;
  const Status ended = check(flights_.take(awaited_), span_.peer);
  awaited_ = Flights::none;
  if (!ended.ok()) {
    fail(ended.error());
  } else if (state_ == State::turn) {
    end_turn();
  } else if (ending_) {
    stop();
  } else {
    start_turn();
  }
  return true;
}

LaneResult LaneLeader::result() {
  LaneResult result;
  std::vector<double> round_trips = items_[0].turns_ns;
  if (round_trips.empty()) return result;
  const double round_trip = topology::median_estimate(round_trips).value;
  topology::Estimate gap;
  topology::Estimate overhead;
  for (Item& item : items_) {
    if (item.turns_ns.empty()) continue;
    if (item.burst > 1) {
      for (double& each : item.turns_ns) each = std::max(0.0, each - round_trip) / (item.burst - 1);
      for (double& each : item.starts_ns) each /= item.burst;
      gap = topology::median_estimate(item.turns_ns);
      overhead = topology::median_estimate(item.starts_ns);
      continue;
    }
    const bool is_least = &item == &items_[0];
    for (double& each : item.turns_ns) each = is_least ? each / 2 : std::max(each - round_trip / 2, each / 2);
    result.sizes.push_back(topology::summarize(item.bytes, item.turns_ns));
  }
  result.fit = topology::fit_log_gp(result.sizes, gap, overhead);
  return result;
}

// ---------------------------------------------------------------------------------------------

LaneFollower::LaneFollower(Flights& flights, LaneMemory& memory, const LaneSpan& span)
    : flights_(flights), memory_(memory), span_(span) {}

LaneFollower::~LaneFollower() { stop(); }

void LaneFollower::stop() {
  for (const Flights::Id each : awaited_) flights_.give_up(each, true);
  awaited_.clear();
  state_ = State::finished;
}

bool LaneFollower::fail_unless(const Status& status) {
  if (status.ok()) return true;
  trouble_ = status.error();
  stop();
  return false;
}

Status LaneFollower::await_command() {
  GOSSAMER_ASSIGN(const auto command,
                  flights_.receive(span_.peer, lane_tag(LaneMessage::command, span_.peer, span_.slot, commands_++),
                                   memory_.word(command_in)));
  awaited_.push_back(command);
  state_ = State::command;
  return {};
}

// Posts what a turn brings, and says so. Without turns it is the answer to the end.
Status LaneFollower::start_turn() {
  if (turns_left_ > 0) {
    memory_.write_landing(bytes_);
    for (std::uint32_t i = 0; i < burst_; ++i) {
      GOSSAMER_ASSIGN(const auto message,
                      flights_.receive(span_.peer, lane_tag(LaneMessage::data, span_.peer, span_.slot, messages_++),
                                       memory_.landing(bytes_)));
      awaited_.push_back(message);
    }
    state_ = State::turn;
  }
  GOSSAMER_ASSIGN(const auto sent,
                  flights_.send(span_.peer, lane_tag(LaneMessage::ready, span_.self, span_.slot, readies_++),
                                part(memory_.word(ready_out), pong_bytes)));
  flights_.give_up(sent, false);
  return {};
}

Status LaneFollower::take_command() {
  Command command;
  std::memcpy(&command, memory_.word(command_in).data(), sizeof command);
  bytes_ = command.bytes;
  burst_ = std::min(command.burst, burst_max);
  turns_left_ = burst_ == 0 ? 0 : command.turns;
  GOSSAMER_TRY(start_turn());
  if (turns_left_ == 0) stop();
  return {};
}

bool LaneFollower::advance() {
  if (state_ == State::finished) return false;
  if (state_ == State::idle) {
    fail_unless(await_command());
    return true;
  }
  for (const Flights::Id each : awaited_) {
    if (!flights_.has_ended(each)) return false;
  }
  Completion worst;
  for (const Flights::Id each : awaited_) {
    const Completion ended = flights_.take(each);
    if (ended.code != Code::done) worst = ended;
  }
  awaited_.clear();
  if (!fail_unless(check(worst, span_.peer))) return true;
  if (state_ == State::command) {
    fail_unless(take_command());
    return true;
  }
  const auto pong = flights_.send(span_.peer, lane_tag(LaneMessage::pong, span_.self, span_.slot, pongs_++),
                                  part(memory_.word(pong_out), pong_bytes));
  if (!pong.ok()) {
    fail_unless(pong.error());
    return true;
  }
  flights_.give_up(*pong, false);
  --turns_left_;
  fail_unless(turns_left_ > 0 ? start_turn() : await_command());
  return true;
}

}  // namespace gossamer::tools
