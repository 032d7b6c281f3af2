#include "runtime/engine/collective.h"

#include <algorithm>
#include <utility>

#include "runtime/engine/buffer.h"
#include "runtime/engine/tag.h"

namespace gossamer::runtime {

using topology::SliceRange;
using topology::StepKind;

Result<CollectiveRun> CollectiveRun::make(const Setup& setup, const Stage& stage, MessageCounts& counts) {
  const topology::RankSchedule& schedule = stage.schedule;
  CollectiveRun run;
  run.setup_ = setup;
  run.label_ = stage.label;
  run.merging_ = schedule.merging;
  run.moving_ = schedule.moving;
  run.concatenating_ = stage.concatenating;
  run.phased_ = stage.phased;
  run.may_miss_ = stage.may_miss;
  run.bytes_max_ = stage.bytes_max;
  run.slice_count_ = schedule.slice_count;
  run.own_slice_ = schedule.own_slice;
  if (stage.concatenating) run.part_bytes_.resize(schedule.slice_count);

  GOSSAMER_CHECK(stage.concatenating || !stage.may_miss, "a merged payload needs every contribution");

  std::uint32_t messages_max = 0;
  // Phases are never together in an operation: each counts from where the stage begins, and the stage ends with the
  // largest count of any phase. Both ends have the same messages in each phase, so they agree.
  const MessageCounts before = stage.phased ? counts : MessageCounts{};
  MessageCounts largest = before;
  const auto add = [&](StepKind kind, Rank peer, SliceRange slices_of_step) {
    std::uint32_t& count = counts[{peer.value, kind == StepKind::send}];
    run.transfers_.push_back({.kind = kind,
                              .peer = peer,
                              .slices = slices_of_step,
                              .tag = make_tag({.view = setup.epoch,
                                               .plan = setup.plan,
                                               .message = count,
                                               .source = kind == StepKind::send ? setup.rank : peer})});
    messages_max = std::max(messages_max, ++count);
  };
  for (const topology::Round& round : schedule.program.rounds) {
    const auto first = static_cast<std::uint32_t>(run.transfers_.size());
    std::size_t merges = 0;
    if (stage.phased) counts = before;
    for (const topology::Step& step : round.steps) {
      merges += step.kind == StepKind::receive_merge ? 1u : 0u;
      GOSSAMER_CHECK(!run.concatenating_ || step.kind != StepKind::receive_merge,
                     "parts of varying length are moved, not merged");
      // Parts have lengths of their own, so each travels by itself.
      if (run.concatenating_)
        for (std::uint32_t i = 0; i < step.slices.count; ++i) add(step.kind, step.peer, {step.slices.first + i, 1});
      else
        add(step.kind, step.peer, step.slices);
    }
    const auto count = static_cast<std::uint32_t>(run.transfers_.size()) - first;
    run.rounds_.push_back({first, count});
    run.actions_max_ = std::max(run.actions_max_, count + merges);
    if (!stage.phased) continue;
    for (const auto& [pair, messages] : counts) largest[pair] = std::max(largest[pair], messages);
  }
  if (stage.phased) counts = largest;
  if (messages_max > tag_field_max || run.transfers_.size() > 0xffff)
    return Error{Code::invalid_argument,
                 text("the ", schedule.name, " of \"", stage.label, "\" in ", schedule.slice_count,
                      " slices needs more messages between two ranks than a tag can count (", tag_field_max,
                      "): choose another schedule")};
  return run;
}

std::uint64_t CollectiveRun::staging_bytes() const {
  std::uint64_t most = 0;
  for (const RoundSpan& round : rounds_) {
    std::uint64_t bytes = 0;
    for (std::uint32_t i = round.first; i < round.first + round.count; ++i) {
      if (transfers_[i].kind != StepKind::receive_merge) continue;
      // A range of slices is at most its share of the payload and the rounding of both ends.
      const std::uint64_t share = (bytes_max_ / slice_count_ + 1) * transfers_[i].slices.count + 2 * buffer_alignment;
      bytes += align_up(std::min(share, bytes_max_));
    }
    most = std::max(most, bytes);
  }
  return most;
}

void CollectiveRun::bind(const transport::Region& buffer, const transport::Region& staging) {
  buffer_ = buffer;
  staging_ = staging;
}

// Where each transfer's bytes lie; mostly, operations are of one size.
void CollectiveRun::measure(std::uint64_t payload_bytes) {
  const auto offset = [&](std::uint32_t slice) {
    return concatenating_ ? slice * part_stride(bytes_max_) : topology::slice_begin(payload_bytes, slice, slice_count_);
  };
  for (const RoundSpan& round : rounds_) {
    std::uint64_t staged = 0;
    for (std::uint32_t i = round.first; i < round.first + round.count; ++i) {
      Transfer& transfer = transfers_[i];
      const SliceRange& slices = transfer.slices;
      transfer.offset = offset(slices.first);
      transfer.bytes = concatenating_ ? bytes_max_ : offset(slices.first + slices.count) - transfer.offset;
      if (transfer.kind != StepKind::receive_merge) continue;
      transfer.staging_offset = staged;
      staged += align_up(transfer.bytes);
    }
    GOSSAMER_CHECK(staged <= staging_.bytes, "a round needs more staging memory than its plan has");
  }
  measured_bytes_ = payload_bytes;
}

void CollectiveRun::begin(std::uint32_t sequence, const StageSize& size) {
  sequence_ = sequence;
  size_ = size;
  if (concatenating_) {
    GOSSAMER_CHECK(size.own_bytes <= bytes_max_, "a part longer than its capacity");
    std::fill(part_bytes_.begin(), part_bytes_.end(), 0);
    part_bytes_[own_slice_] = size.own_bytes;
  } else {
    GOSSAMER_CHECK(size.payload.bytes() <= bytes_max_, "a payload larger than its capacity");
  }
  if (const std::uint64_t bytes = size.payload.bytes(); measured_bytes_ != bytes) measure(bytes);
  GOSSAMER_CHECK(!phased_ || size.phase < rounds_.size(), "a phase that the program does not have");
  round_ = phased_ ? size.phase : 0;
  end_round_ = phased_ ? round_ + 1 : rounds_.size();
  if (may_miss_)
    for (Transfer& transfer : transfers_) transfer.broken = false;
  phase_ = Phase::transferring;
  outstanding_ = 0;
  started_ = false;
  bytes_sent_ = 0;
}

bool CollectiveRun::advance(std::vector<Action>& actions) {
  while (outstanding_ == 0) {
    if (round_ == end_round_) return true;
    if (!started_) {
      started_ = true;
      phase_ = Phase::transferring;
      start_round(actions);
    } else if (phase_ == Phase::transferring) {
      phase_ = Phase::merging;
      merge_round(actions);
    } else {
      ++round_;
      started_ = false;
    }
  }
  return false;
}

void CollectiveRun::start_round(std::vector<Action>& actions) {
  const RoundSpan& round = rounds_[round_];
  for (std::uint32_t i = round.first; i < round.first + round.count; ++i) {
    Transfer& transfer = transfers_[i];
    if (transfer.lost) continue;
    const bool outgoing = transfer.kind == StepKind::send;
    // A part is received at capacity; its true length comes with the message.
    const std::uint64_t bytes = concatenating_ && outgoing ? part_bytes_[transfer.slices.first] : transfer.bytes;
    if (bytes == 0 && !concatenating_) continue;  // both sides know that there is nothing to move
    transfer.pending = true;
    ++outstanding_;
    if (outgoing) bytes_sent_ += bytes;
    const bool is_staged = transfer.kind == StepKind::receive_merge;
    actions.push_back(
        {.kind = outgoing ? ActionKind::send : ActionKind::receive,
         .plan = setup_.plan,
         .peer = transfer.peer,
         .tag = with_sequence(transfer.tag, sequence_),
         .context = TransferId{setup_.plan, sequence_, setup_.stage, i}.pack(),
         .slice = {is_staged ? staging_ : buffer_, is_staged ? transfer.staging_offset : transfer.offset, bytes},
         .stage = setup_.stage,
         .round = static_cast<std::uint32_t>(round_)});
  }
}

// In the order of the steps, never of arrival: floating-point sums must have the same bits on all ranks.
void CollectiveRun::merge_round(std::vector<Action>& actions) {
  const RoundSpan& round = rounds_[round_];
  for (std::uint32_t i = round.first; i < round.first + round.count; ++i) {
    const Transfer& transfer = transfers_[i];
    if (transfer.kind != StepKind::receive_merge || transfer.bytes == 0) continue;
    ++outstanding_;
    actions.push_back({.kind = ActionKind::merge,
                       .plan = setup_.plan,
                       .peer = transfer.peer,
                       .slice = {buffer_, transfer.offset, transfer.bytes},
                       .staged = staging_.base + transfer.staging_offset,
                       .stage = setup_.stage,
                       .round = static_cast<std::uint32_t>(round_)});
  }
}

bool CollectiveRun::missed(std::uint32_t index) {
  if (!may_miss_) return false;
  Transfer& transfer = transfers_.at(index);
  GOSSAMER_CHECK(transfer.pending, "a transfer completed twice");
  // A connection that breaks is no death: what this rank took for one would stay with two ranks, or with none.
  transfer.broken = !transfer.lost;
  transfer.pending = transfer.broken;
  if (transfer.lost) --outstanding_;
  return true;
}

void CollectiveRun::lose(Rank peer) {
  for (Transfer& transfer : transfers_) {
    if (transfer.peer != peer) continue;
    transfer.lost = true;
    if (!std::exchange(transfer.broken, false)) continue;
    transfer.pending = false;
    --outstanding_;
  }
}

Error CollectiveRun::length_error(const Transfer& transfer, std::uint64_t bytes) const {
  return {Code::malformed,
          text("rank ", transfer.peer.value, " sent ", bytes, " B for ", label_, " slice ", transfer.slices.first,
               ", expected ", transfer.bytes, " B"),
          transfer.peer};
}

std::optional<CollectiveRun::Wait> CollectiveRun::wait() const {
  if (round_ >= end_round_ || phase_ != Phase::transferring) return std::nullopt;
  const RoundSpan& round = rounds_[round_];
  const Transfer* waited = nullptr;
  for (std::uint32_t i = round.first; i < round.first + round.count; ++i) {
    const Transfer& transfer = transfers_[i];
    if (!transfer.pending) continue;
    // Waiting to receive says more than waiting for a send that nobody takes.
    if (waited == nullptr || (waited->kind == StepKind::send && transfer.kind != StepKind::send)) waited = &transfer;
  }
  if (waited == nullptr) return std::nullopt;
  const auto verb = [&]() -> std::string_view {
    if (waited->kind == StepKind::send) return "send";
    return waited->kind == StepKind::receive_merge ? merging_ : moving_;
  };
  return Wait{waited->peer, text(label_, " ", verb(), " slice ", waited->slices.first,
                                 waited->broken ? " (the connection broke; the rank is not known to be lost)" : "")};
}

bool CollectiveRun::waits_for(Rank peer) const {
  if (round_ >= end_round_ || phase_ != Phase::transferring) return false;
  const RoundSpan& round = rounds_[round_];
  return std::any_of(transfers_.begin() + round.first, transfers_.begin() + round.first + round.count,
                     [&](const Transfer& transfer) { return transfer.pending && transfer.peer == peer; });
}

}  // namespace gossamer::runtime
