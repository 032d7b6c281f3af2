// The proof of a schedule: its messages match, it cannot stop, and every slice ends as it should.
//
//   1. shape      ranks, peers and slices exist; no slice is written while it is sent or written
//   2. messages   for each pair, the k-th send and the k-th receive name the same slices
//   3. progress   all programs are run in lock step; a send, like a receive, waits for its partner
//   4. result     each slice's merge tree (merge_trees.h) has the contributions that it should have
//
// Runs in time and memory linear in the slices that the messages carry, up to sorting.
#include <algorithm>
#include <array>

#include "topology/check_result.h"
#include "topology/merge_trees.h"
#include "topology/topology.h"

namespace gossamer::topology {
namespace {

// What a proof may cost at most: 256 MiB of ids, and some seconds.
constexpr std::uint64_t cells_max = std::uint64_t{1} << 26;  // ranks * slices
constexpr std::uint64_t moved_max = std::uint64_t{1} << 28;  // slices in all steps together

template <typename... Parts>
Error wrong(std::uint32_t rank, const Parts&... parts) {
  return Error{Code::invalid_argument, text(parts...), Rank{rank}};
}

std::string in_words(const SliceRange& slices) {
  return slices.count == 1 ? text("slice ", slices.first)
                           : text("slices ", slices.first, " to ", std::uint64_t{slices.first} + slices.count - 1);
}

// One step, and where it stands.
struct Place {
  std::uint32_t rank = 0;
  std::uint32_t round = 0;
  const Step* step = nullptr;
};

class Proof {
 public:
  explicit Proof(const Schedule& schedule)
      : schedule_(schedule), ranks_(schedule.request.rank_count), slices_(schedule.slice_count), trees_(ranks_) {}

  Status run() {
    GOSSAMER_TRY(check_shape());
    GOSSAMER_TRY(match_messages());
    GOSSAMER_TRY(run_programs());
    return check_result();
  }

 private:
  // --- 1. shape -------------------------------------------------------------------------------
  Status check_shape() {
    if (schedule_.programs.size() != ranks_) {
      return wrong(0, "the schedule says ", ranks_, " ranks but has ", schedule_.programs.size(), " programs");
    }
    const Collective collective = schedule_.request.collective;
    const bool scatters = collective == Collective::all_gather || collective == Collective::reduce_scatter;
    if (slices_ == 0 || (scatters && slices_ != ranks_)) {
      return wrong(0, "the schedule has ", slices_, " slices: ", collective_name(collective), " over ", ranks_,
                   " ranks needs ", scatters ? text(ranks_) : "1 or more");
    }
    std::uint64_t moved = 0;
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      const Program& program = schedule_.programs[rank];
      for (std::uint32_t round = 0; round < program.rounds.size(); ++round) {
        for (const Step& step : program.rounds[round].steps) {
          GOSSAMER_TRY(check_step({rank, round, &step}));
          moved += step.slices.count;
        }
        GOSSAMER_TRY(check_round(rank, round));
      }
    }
    if (std::uint64_t{ranks_} * slices_ > cells_max || moved > moved_max) {
      return Error{Code::out_of_resources,
                   text("the proof would need ", std::uint64_t{ranks_} * slices_, " slice states and ", moved,
                        " slice moves: at most ", cells_max, " and ", moved_max, " are allowed; prove a smaller one")};
    }
    return {};
  }

  Status check_step(const Place& at) const {
    const Step& step = *at.step;
    const auto here = [&] { return text("rank ", at.rank, " in round ", at.round); };
    if (step.kind != StepKind::send && step.kind != StepKind::receive && step.kind != StepKind::receive_merge) {
      return wrong(at.rank, here(), " has a step of unknown kind ", static_cast<unsigned>(step.kind));
    }
    if (step.peer.value >= ranks_) return wrong(at.rank, here(), " names peer ", step.peer.value, " of ", ranks_);
    if (step.peer.value == at.rank) return wrong(at.rank, here(), " names itself as its peer");
    if (step.slices.count == 0) return wrong(at.rank, here(), " has a step about no slices");
    if (std::uint64_t{step.slices.first} + step.slices.count > slices_) {
      return wrong(at.rank, here(), " names ", in_words(step.slices), " of ", slices_);
    }
    return {};
  }

  // A slice that arrives by `receive` is neither sent nor received again in the same round. One that
  // is merged may be sent: merging begins when the transfers of the round have ended.
  Status check_round(std::uint32_t rank, std::uint32_t round) {
    std::vector<SliceRange> sent;
    std::vector<SliceRange> received;
    for (const Step& step : schedule_.programs[rank].rounds[round].steps) {
      if (step.kind == StepKind::send) sent.push_back(step.slices);
      if (step.kind == StepKind::receive) received.push_back(step.slices);
    }
    const auto by_first = [](const SliceRange& a, const SliceRange& b) { return a.first < b.first; };
    std::sort(received.begin(), received.end(), by_first);
    for (std::size_t i = 1; i < received.size(); ++i) {
      if (received[i].first < received[i - 1].first + received[i - 1].count) {
        return wrong(rank, "rank ", rank, " in round ", round, " receives slice ", received[i].first,
                     " twice: which one stays is chance");
      }
    }
    for (const SliceRange& range : sent) {
      // The received ranges do not overlap, so the last one that begins before the end decides.
      const SliceRange end{range.first + range.count, 0};
      const auto above = std::lower_bound(received.begin(), received.end(), end, by_first);
      if (above == received.begin()) continue;
      const SliceRange& last = *(above - 1);
      if (last.first + last.count > range.first) {
        return wrong(rank, "rank ", rank, " in round ", round, " receives slice ", std::max(last.first, range.first),
                     " while it sends it: the slice in use would be overwritten");
      }
    }
    return {};
  }

  // --- 2. messages ----------------------------------------------------------------------------
  // A message is one number on both sides; message_of_ has it for each step, in program order.
  Status match_messages() {
    std::vector<Place> sends;
    std::vector<Place> receives;
    first_step_.reserve(ranks_);
    std::size_t steps = 0;
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      first_step_.push_back(steps);
      const Program& program = schedule_.programs[rank];
      for (std::uint32_t round = 0; round < program.rounds.size(); ++round) {
        for (const Step& step : program.rounds[round].steps) {
          (step.kind == StepKind::send ? sends : receives).push_back({rank, round, &step});
          ++steps;
        }
      }
    }
    const auto from = [](const Place& p) { return p.step->kind == StepKind::send ? p.rank : p.step->peer.value; };
    const auto to = [](const Place& p) { return p.step->kind == StepKind::send ? p.step->peer.value : p.rank; };
    const auto by_pair = [&](const Place& a, const Place& b) {
      return std::pair(from(a), to(a)) < std::pair(from(b), to(b));
    };
    std::stable_sort(sends.begin(), sends.end(), by_pair);
    std::stable_sort(receives.begin(), receives.end(), by_pair);

    for (std::size_t i = 0; i < std::max(sends.size(), receives.size()); ++i) {
      if (i >= receives.size() || (i < sends.size() && by_pair(sends[i], receives[i]))) {
        return wrong(sends[i].rank, "rank ", sends[i].rank, " in round ", sends[i].round, " sends to rank ",
                     to(sends[i]), " which has no receive for it");
      }
      if (i >= sends.size() || by_pair(receives[i], sends[i])) {
        return wrong(receives[i].rank, "rank ", receives[i].rank, " in round ", receives[i].round,
                     " receives from rank ", from(receives[i]), " which has no send for it");
      }
      if (sends[i].step->slices != receives[i].step->slices) {
        return wrong(sends[i].rank, "rank ", sends[i].rank, " in round ", sends[i].round, " sends ",
                     in_words(sends[i].step->slices), " to rank ", to(sends[i]), " which expects ",
                     in_words(receives[i].step->slices), " in round ", receives[i].round);
      }
    }

    message_of_.resize(steps);
    const auto number_sides = [&](const std::vector<Place>& sides) {
      for (std::uint32_t message = 0; message < sides.size(); ++message) {
        message_of_[step_index(sides[message])] = message;
      }
    };
    index_rounds();
    number_sides(sends);
    number_sides(receives);
    posted_.resize(sends.size());
    return {};
  }

  void index_rounds() {
    first_of_round_.resize(ranks_);
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      std::size_t next = first_step_[rank];
      for (const Round& round : schedule_.programs[rank].rounds) {
        first_of_round_[rank].push_back(next);
        next += round.steps.size();
      }
    }
  }

  std::size_t step_index(const Place& at) const {
    const Step* begin = schedule_.programs[at.rank].rounds[at.round].steps.data();
    return first_of_round_[at.rank][at.round] + static_cast<std::size_t>(at.step - begin);
  }

  // --- 3. progress ----------------------------------------------------------------------------
  struct RankState {
    std::uint32_t round = 0;  // the round that is running
    std::size_t waiting = 0;  // steps of it whose partner has not come
    std::vector<MergeTrees::Id> slices;
    std::vector<MergeTrees::Id> staged;  // what has arrived for the merges of this round, in their order
    std::vector<std::size_t> staged_at;  // by step of the round, where in `staged` it begins
  };

  const std::vector<Step>& steps_of(std::uint32_t rank) const {
    return schedule_.programs[rank].rounds[states_[rank].round].steps;
  }
  bool is_finished(std::uint32_t rank) const { return states_[rank].round >= schedule_.programs[rank].rounds.size(); }

  void put_contributions() {
    const Collective collective = schedule_.request.collective;
    states_.resize(ranks_);
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      std::vector<MergeTrees::Id>& slices = states_[rank].slices;
      const MergeTrees::Id own = trees_.contribution(rank);
      const bool whole = collective == Collective::broadcast ? rank == schedule_.request.root.value
                                                             : collective != Collective::all_gather;
      slices.assign(slices_, whole ? own : MergeTrees::nothing);
      if (collective == Collective::all_gather) slices[rank] = own;
    }
  }

  Status run_programs() {
    put_contributions();
    std::vector<std::uint32_t> ready(ranks_);  // ranks that begin the round they stand at
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) ready[rank] = ranks_ - 1 - rank;
    while (!ready.empty()) {
      const std::uint32_t rank = ready.back();
      ready.pop_back();
      if (!is_finished(rank)) GOSSAMER_TRY(begin_round(rank, ready));
    }
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      if (!is_finished(rank)) return describe_wait_cycle(rank);
    }
    return {};
  }

  // Starts all steps of the rank's round; those whose partner stands ready are done at once.
  Status begin_round(std::uint32_t rank, std::vector<std::uint32_t>& ready) {
    RankState& state = states_[rank];
    const std::vector<Step>& steps = steps_of(rank);
    state.waiting = steps.size();
    state.staged_at.assign(steps.size(), 0);
    std::size_t staged = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      state.staged_at[i] = staged;
      if (steps[i].kind == StepKind::receive_merge) staged += steps[i].slices.count;
    }
    state.staged.assign(staged, MergeTrees::nothing);
    if (steps.empty()) return end_round(rank, ready);

    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Place here{rank, state.round, &steps[i]};
      Place& partner = posted_[message_of_[first_of_round_[rank][state.round] + i]];
      if (partner.step == nullptr) {
        partner = here;
        continue;
      }
      const bool sends = steps[i].kind == StepKind::send;
      GOSSAMER_TRY(transfer(sends ? here : partner, sends ? partner : here));
      --state.waiting;
      if (--states_[partner.rank].waiting == 0) GOSSAMER_TRY(end_round(partner.rank, ready));
    }
    return state.waiting == 0 ? end_round(rank, ready) : Status{};
  }

  // Both ranks are in the round of this message, and check_round has seen that neither changes these
  // slices in it before its end: so the order of the transfers within a round is of no account.
  Status transfer(const Place& send, const Place& receive) {
    const SliceRange& range = send.step->slices;
    const RankState& source = states_[send.rank];
    RankState& target = states_[receive.rank];
    const bool merges = receive.step->kind == StepKind::receive_merge;
    const std::size_t step = static_cast<std::size_t>(receive.step - steps_of(receive.rank).data());
    for (std::uint32_t i = 0; i < range.count; ++i) {
      const MergeTrees::Id id = source.slices[range.first + i];
      if (id == MergeTrees::nothing) {
        return wrong(send.rank, "rank ", send.rank, " in round ", send.round, " sends slice ", range.first + i,
                     " before it has it");
      }
      (merges ? target.staged[target.staged_at[step] + i] : target.slices[range.first + i]) = id;
    }
    return {};
  }

  Status end_round(std::uint32_t rank, std::vector<std::uint32_t>& ready) {
    RankState& state = states_[rank];
    const std::vector<Step>& steps = steps_of(rank);
    for (std::size_t step = 0; step < steps.size(); ++step) {
      if (steps[step].kind != StepKind::receive_merge) continue;
      for (std::uint32_t i = 0; i < steps[step].slices.count; ++i) {
        const std::uint32_t slice = steps[step].slices.first + i;
        MergeTrees::Id& id = state.slices[slice];
        if (id == MergeTrees::nothing) {
          return wrong(rank, "rank ", rank, " in round ", state.round, " merges into slice ", slice,
                       " before it has it");
        }
        id = trees_.sum(id, state.staged[state.staged_at[step] + i]);
      }
    }
    ++state.round;
    ready.push_back(rank);
    return {};
  }

  // Every send has its receive, so a rank that waits does so for one that has not come to its side yet:
  // following the waits from rank to rank must come back to where it has been.
  Status describe_wait_cycle(std::uint32_t rank) const {
    std::vector<std::uint32_t> path;
    std::vector<std::size_t> seen_at(ranks_, 0);  // 1 + index in `path`
    while (seen_at[rank] == 0) {
      path.push_back(rank);
      seen_at[rank] = path.size();
      rank = awaited_by(rank);
    }
    path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(seen_at[rank] - 1));
    std::string words = "wait cycle: ";
    constexpr std::size_t named_max = 8;
    for (std::size_t i = 0; i < std::min(path.size(), named_max); ++i) {
      words += text("rank ", path[i], " in round ", states_[path[i]].round, " waits for ");
    }
    if (path.size() > named_max) words += text(path.size() - named_max, " more, the last of which waits for ");
    return wrong(rank, words, "rank ", rank);
  }

  // The peer of the first step of the rank's round that is not complete.
  std::uint32_t awaited_by(std::uint32_t rank) const {
    const std::vector<Step>& steps = steps_of(rank);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::uint32_t peer = steps[i].peer.value;
      const std::size_t message = message_of_[first_of_round_[rank][states_[rank].round] + i];
      if (!has_posted(peer, message)) return peer;
    }
    GOSSAMER_CHECK(false, "a rank that waits has a step that is not complete");
  }

  bool has_posted(std::uint32_t rank, std::size_t message) const {
    const std::size_t posted =
        is_finished(rank) ? std::size_t(-1) : first_of_round_[rank][states_[rank].round] + steps_of(rank).size();
    const std::size_t begin = first_step_[rank];
    const std::size_t end = std::min(posted, rank + 1 < ranks_ ? first_step_[rank + 1] : message_of_.size());
    const auto from = message_of_.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto until = message_of_.begin() + static_cast<std::ptrdiff_t>(end);
    return std::find(from, until, message) != until;
  }

  // --- 4. result ------------------------------------------------------------------------------
  Status check_result() {
    const ScheduleRequest& request = schedule_.request;
    return ResultCheck({request.collective, request.root, ranks_, slices_}, trees_)
        .check([this](std::uint32_t rank, std::uint32_t slice) { return states_[rank].slices[slice]; });
  }

  const Schedule& schedule_;
  const std::uint32_t ranks_;
  const std::uint32_t slices_;
  MergeTrees trees_;
  std::vector<std::size_t> first_step_;                   // by rank
  std::vector<std::vector<std::size_t>> first_of_round_;  // by rank and round
  std::vector<std::uint32_t> message_of_;                 // by step
  std::vector<Place> posted_;                             // by message: the side that came first
  std::vector<RankState> states_;                         // by rank
};

}  // namespace

Status check_schedule(const Schedule& schedule) {
  const ScheduleRequest& request = schedule.request;
  if (collective_name(request.collective) == "unknown") {
    return Error{Code::invalid_argument, text("unknown collective ", static_cast<unsigned>(request.collective))};
  }
  if (request.rank_count == 0 || request.rank_count > rank_count_max || request.root.value >= request.rank_count) {
    return Error{Code::invalid_argument,
                 text("a schedule has 1 to ", rank_count_max, " ranks and a root among them, not ", request.rank_count,
                      " and root ", request.root.value)};
  }
  return Proof(schedule).run();
}

}  // namespace gossamer::topology
