// The proof of a schedule of ranks that share a host.
//
//   1. shape      ranks, peers and slices exist; every await names a tick before its own
//   2. passes     operations of one pass and of many are run tick by tick. Each part of an area carries what was last
//                 written there (pass, tick, merge tree) and who has read it since; each rank carries what its awaits
//                 have told it of every other. A read must know of its write, a write of all reads before it
//   3. result     each slice's merge tree (merge_trees.h) has the contributions that it should have
//
// Why that holds for operations of any length: passes begin at least as many ticks apart as in the middle of a long
// operation, which is among those that are run. Where they are further apart, in the first ticks of an operation, a
// read has been over for longer, and what an await tells is counted from the tick that it is in. So is the order of the
// ranks within a tick of no account: what one does in a tick, no await of the same tick tells of.
//
// Runs in time linear in the steps and slices of the passes that are run, and in memory linear in depth * ranks *
// slices.
#include <algorithm>
#include <array>

#include "topology/check_result.h"
#include "topology/host_schedule.h"
#include "topology/merge_trees.h"

namespace gossamer::topology {
namespace {

// What a proof may cost at most: some 512 MiB.
constexpr std::uint64_t spots_max = std::uint64_t{1} << 24;  // depth * ranks * slices

template <typename... Parts>
Error wrong_on_host(std::uint32_t rank, const Parts&... parts) {
  return Error{Code::invalid_argument, text(parts...), Rank{rank}};
}

class HostProof {
 public:
  explicit HostProof(const HostSchedule& schedule)
      : schedule_(schedule),
        ranks_(schedule.request.rank_count),
        slices_(schedule.slice_count),
        trees_(ranks_),
        result_({schedule.request.collective, schedule.request.root, ranks_, slices_}, trees_) {}

  Status run() {
    GOSSAMER_TRY(check_shape());
    spots_.resize(std::size_t{schedule_.depth} * ranks_ * slices_);
    known_.assign(std::size_t{ranks_} * ranks_, -1);
    buffers_.resize(std::size_t{phases_} * ranks_ * slices_);
    // Short ones in a row, a long one, and short ones again: every distance at which a part is used again.
    for (const std::uint32_t passes : {1u, 1u, schedule_.depth + phases_, 1u, 2u, 1u, 1u})
      GOSSAMER_TRY(operate(passes));
    return {};
  }

 private:
  // --- 1. shape -------------------------------------------------------------------------------
  Status check_shape() {
    if (schedule_.programs.size() != ranks_) {
      return wrong_on_host(0, "the schedule says ", ranks_, " ranks but has ", schedule_.programs.size(), " programs");
    }
    if (slices_ != host_slice_count(schedule_.request)) {
      return wrong_on_host(0, "the schedule has ", slices_, " slices: ", collective_name(schedule_.request.collective),
                           " over ", ranks_, " ranks needs ", host_slice_count(schedule_.request));
    }
    if (schedule_.depth == 0) return wrong_on_host(0, "the areas have no room for a pass");
    if (std::uint64_t{schedule_.depth} * ranks_ * slices_ > spots_max) {
      return Error{Code::out_of_resources,
                   text("the proof would need ", std::uint64_t{schedule_.depth} * ranks_ * slices_,
                        " slice states: at most ", spots_max, " are allowed; prove a smaller one")};
    }
    phases_ = static_cast<std::uint32_t>(schedule_.programs[0].phases.size());
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      const HostProgram& program = schedule_.programs[rank];
      if (program.phases.size() != phases_) {
        return wrong_on_host(rank, "rank ", rank, " has ", program.phases.size(), " phases, rank 0 has ", phases_);
      }
      for (std::uint32_t phase = 0; phase < phases_; ++phase)
        for (const HostStep& step : program.phases[phase].steps) GOSSAMER_TRY(check_step(rank, phase, step));
    }
    return {};
  }

  Status check_step(std::uint32_t rank, std::uint32_t phase, const HostStep& step) const {
    const auto here = [&] { return text("rank ", rank, " in phase ", phase); };
    if (step.kind < HostStepKind::await || step.kind > HostStepKind::read) {
      return wrong_on_host(rank, here(), " has a step of unknown kind ", static_cast<unsigned>(step.kind));
    }
    if (step.peer.value >= ranks_) return wrong_on_host(rank, here(), " names peer ", step.peer.value, " of ", ranks_);
    if (step.kind == HostStepKind::await) {
      if (step.peer.value == rank) return wrong_on_host(rank, here(), " waits for itself");
      if (step.back == 0) {
        return wrong_on_host(rank, here(), " waits for rank ", step.peer.value,
                             " in the tick that it is in: both may wait");
      }
      return {};
    }
    if (step.slices.count == 0) return wrong_on_host(rank, here(), " has a step about no slices");
    if (std::uint64_t{step.slices.first} + step.slices.count > slices_) {
      return wrong_on_host(rank, here(), " names slices up to ",
                           std::uint64_t{step.slices.first} + step.slices.count - 1, " of ", slices_);
    }
    return {};
  }

  // --- 2. passes ------------------------------------------------------------------------------
  using Tick = std::int64_t;

  // A slice of one part of a rank's area.
  struct Spot {
    Tick written = -1;  // in this tick of its owner
    std::uint32_t pass = 0;
    MergeTrees::Id id = MergeTrees::nothing;
    std::uint32_t readers = no_reader;  // the first in readers_
  };
  struct Reader {
    Tick tick = 0;
    std::uint32_t rank = 0;
    std::uint32_t next = no_reader;
  };
  static constexpr std::uint32_t no_reader = UINT32_MAX;

  // Where a step is done.
  struct Place {
    std::uint32_t rank = 0;
    std::uint32_t phase = 0;
    std::uint32_t pass = 0;
  };

  Tick& known(std::uint32_t rank, std::uint32_t of) { return known_[std::size_t{rank} * ranks_ + of]; }
  Spot& spot(std::uint32_t owner, std::uint32_t pass, std::uint32_t slice) {
    return spots_[(std::size_t{pass % schedule_.depth} * ranks_ + owner) * slices_ + slice];
  }
  MergeTrees::Id& buffer(const Place& at, std::uint32_t slice) {
    return buffers_[(std::size_t{at.pass % phases_} * ranks_ + at.rank) * slices_ + slice];
  }

  Status operate(std::uint32_t passes) {
    for (std::uint32_t tick = 0; tick + 1 < passes + phases_; ++tick, ++now_) {
      if (tick < passes) put_contributions(first_pass_ + tick);
      for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
        for (std::uint32_t phase = 0; phase < phases_; ++phase) {
          if (phase > tick || tick - phase >= passes) continue;
          const Place at{rank, phase, first_pass_ + tick - phase};
          for (const HostStep& step : schedule_.programs[rank].phases[phase].steps) GOSSAMER_TRY(take(at, step));
        }
      }
      if (tick + 1 >= phases_) GOSSAMER_TRY(check_result(first_pass_ + tick + 1 - phases_));
    }
    first_pass_ += passes;
    return {};
  }

  void put_contributions(std::uint32_t pass) {
    const HostRequest& request = schedule_.request;
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      const MergeTrees::Id own = trees_.contribution(rank);
      for (std::uint32_t slice = 0; slice < slices_; ++slice) {
        const bool has = request.collective == Collective::broadcast    ? rank == request.root.value
                         : request.collective == Collective::all_gather ? rank == slice
                                                                        : true;
        buffer({rank, 0, pass}, slice) = has ? own : MergeTrees::nothing;
      }
    }
  }

  Status take(const Place& at, const HostStep& step) {
    if (step.kind == HostStepKind::await) {
      Tick& of_peer = known(at.rank, step.peer.value);
      of_peer = std::max(of_peer, now_ - static_cast<Tick>(step.back));
      return {};
    }
    for (std::uint32_t slice = step.slices.first; slice < step.slices.first + step.slices.count; ++slice) {
      GOSSAMER_TRY(take(at, step, slice));
    }
    return {};
  }

  Status take(const Place& at, const HostStep& step, std::uint32_t slice) {
    if (step.kind == HostStepKind::expose) return write(at, slice, buffer(at, slice));
    if (step.kind == HostStepKind::read) {
      GOSSAMER_ASSIGN(buffer(at, slice), read(at, step.peer.value, slice));
      return {};
    }
    MergeTrees::Id sum = MergeTrees::nothing;
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      MergeTrees::Id id = buffer(at, slice);
      if (rank != at.rank) {
        GOSSAMER_ASSIGN(id, read(at, rank, slice));
      }
      if (id == MergeTrees::nothing) return before_it_has_it(at, "folds", slice);
      sum = rank == 0 ? id : trees_.sum(sum, id);
    }
    buffer(at, slice) = sum;
    return step.kind == HostStepKind::fold_exposed ? write(at, slice, sum) : Status{};
  }

  Result<MergeTrees::Id> read(const Place& at, std::uint32_t owner, std::uint32_t slice) {
    Spot& from = spot(owner, at.pass, slice);
    const bool is_own = owner == at.rank;
    if (from.written < 0 || from.pass != at.pass || (!is_own && known(at.rank, owner) < from.written)) {
      return wrong_on_host(
          at.rank, "rank ", at.rank, " in phase ", at.phase, " reads slice ", slice, " of rank ", owner,
          from.written >= 0 && from.pass > at.pass ? " that may be overwritten by then"
                                                   : " and does not know that it is there: an await is missing");
    }
    if (!is_own) note_reader(from, at.rank);
    return from.id;
  }

  void note_reader(Spot& from, std::uint32_t rank) {
    if (free_reader_ == no_reader) {
      free_reader_ = static_cast<std::uint32_t>(readers_.size());
      readers_.push_back({});
    }
    const std::uint32_t index = free_reader_;
    free_reader_ = readers_[index].next;
    readers_[index] = {now_, rank, from.readers};
    from.readers = index;
  }

  Status write(const Place& at, std::uint32_t slice, MergeTrees::Id id) {
    if (id == MergeTrees::nothing) return before_it_has_it(at, "exposes", slice);
    Spot& to = spot(at.rank, at.pass, slice);
    while (to.readers != no_reader) {
      const std::uint32_t index = to.readers;
      Reader& reader = readers_[index];
      to.readers = reader.next;
      reader.next = free_reader_;
      free_reader_ = index;
      if (known(at.rank, reader.rank) >= reader.tick) continue;
      return wrong_on_host(at.rank, "rank ", at.rank, " in phase ", at.phase, " overwrites slice ", slice,
                           " and does not know that rank ", reader.rank, " has read it: a release edge is missing");
    }
    if (to.written >= 0 && to.pass == at.pass) {
      return wrong_on_host(at.rank, "rank ", at.rank, " in phase ", at.phase, " writes slice ", slice,
                           " of its area twice in a pass: which one is read is chance");
    }
    to = {now_, at.pass, id, no_reader};
    return {};
  }

  static Status before_it_has_it(const Place& at, std::string_view verb, std::uint32_t slice) {
    return wrong_on_host(at.rank, "rank ", at.rank, " in phase ", at.phase, " ", verb, " slice ", slice,
                         " before it has it");
  }

  // --- 3. result ------------------------------------------------------------------------------
  Status check_result(std::uint32_t pass) {
    return result_.check([&](std::uint32_t rank, std::uint32_t slice) { return buffer({rank, 0, pass}, slice); });
  }

  const HostSchedule& schedule_;
  const std::uint32_t ranks_;
  const std::uint32_t slices_;
  std::uint32_t phases_ = 0;
  MergeTrees trees_;
  ResultCheck result_;
  std::vector<Spot> spots_;  // by part, owner and slice
  std::vector<Reader> readers_;
  std::uint32_t free_reader_ = no_reader;  // a list as those of spots
  std::vector<Tick> known_;                // by rank: which tick each other has finished at least
  std::vector<MergeTrees::Id> buffers_;    // by pass in flight, rank and slice
  Tick now_ = 0;
  std::uint32_t first_pass_ = 0;  // of this operation
};

}  // namespace

Status check_host_schedule(const HostSchedule& schedule) {
  // Whatever is wrong with the request shows in the program of its first rank.
  GOSSAMER_TRY(make_host_program(schedule.request, Rank{0}));
  return HostProof(schedule).run();
}

}  // namespace gossamer::topology
