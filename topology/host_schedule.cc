#include "topology/host_schedule.h"

namespace gossamer::topology {
namespace {

// Writes one rank's program.
class HostWriter {
 public:
  HostWriter(const HostRequest& request, std::uint32_t rank) : request_(request), rank_(rank) {}

  void begin_phase() { program_.phases.emplace_back(); }
  void await(std::uint32_t peer, std::uint32_t back) { add({HostStepKind::await, Rank{peer}, back, {}}); }
  void await_others(std::uint32_t back) {
    for_others([&](std::uint32_t peer) { await(peer, back); });
  }
  void expose(std::uint32_t first, std::uint32_t count) { add_some(HostStepKind::expose, first, count); }
  void expose_all_but(std::uint32_t slice) {
    expose(0, slice);
    expose(slice + 1, request_.rank_count - slice - 1);
  }
  void fold(HostStepKind kind, std::uint32_t slice) { add_some(kind, slice, 1); }
  void read(std::uint32_t peer, std::uint32_t slice) { add({HostStepKind::read, Rank{peer}, 0, {slice, 1}}); }
  // From each other rank the slice that is its own, as soon as it is there.
  void await_and_read_others() {
    for_others([&](std::uint32_t peer) {
      await(peer, 1);
      read(peer, peer);
    });
  }

  HostProgram finish() && { return std::move(program_); }

 private:
  void add(const HostStep& step) { program_.phases.back().steps.push_back(step); }
  void add_some(HostStepKind kind, std::uint32_t first, std::uint32_t count) {
    if (count > 0) add({kind, {}, 0, {first, count}});
  }
  // From the next one on, so that not all look at the same.
  template <typename Body>
  void for_others(Body body) const {
    for (std::uint32_t i = 1; i < request_.rank_count; ++i) body((rank_ + i) % request_.rank_count);
  }

  const HostRequest& request_;
  const std::uint32_t rank_;
  HostProgram program_;
};

// A tick by which all reads of the part of an area that is written now are done, wherever a pass begins.
constexpr std::uint32_t host_release = host_depth - 1;

Status check_host_request(const HostRequest& request, std::uint32_t rank) {
  if (collective_name(request.collective) == "unknown") {
    return Error{Code::invalid_argument, text("unknown collective ", static_cast<unsigned>(request.collective))};
  }
  if (request.rank_count == 0 || request.rank_count > rank_count_max || rank >= request.rank_count ||
      request.root.value >= request.rank_count) {
    return Error{Code::invalid_argument,
                 text("a schedule has 1 to ", rank_count_max, " ranks, with the rank and the root among them, not ",
                      request.rank_count, ", rank ", rank, " and root ", request.root.value)};
  }
  if (request.form != HostForm::whole && request.form != HostForm::sliced) {
    return Error{Code::invalid_argument, text("unknown form ", static_cast<unsigned>(request.form))};
  }
  return {};
}

bool is_cut_by_rank(const HostRequest& request) {
  switch (request.collective) {
    case Collective::all_gather:
    case Collective::reduce_scatter:
      return true;
    case Collective::all_reduce:
    case Collective::reduce:
      return request.form == HostForm::sliced;
    case Collective::broadcast:
      return false;
  }
  return false;
}

}  // namespace

std::uint32_t host_slice_count(const HostRequest& request) { return is_cut_by_rank(request) ? request.rank_count : 1; }

// What each rank does in the phases of a pass (E expose, F fold, R read; * after a wait for all others):
//
//                              phase 0              phase 1                        phase 2
//   all-reduce      whole      E all                *F all
//                   sliced     E all but r          *F r, and to the area          *R q of each rank q
//   reduce          whole      E all                root: *F all
//                   sliced     E all but r          *F r; others: and to the area  root: *R q of each rank q
//   reduce-scatter             E all but r          *F r
//   all-gather                 E r                  *R q of each rank q
//   broadcast                  root: E all          others: R all, after a wait for the root
//
// Where all ranks wait for all others in every pass, that is the release edge too: who waits for rank q in a later
// phase learns that q has done all before. Where the data goes one way, the writers wait in phase 0 for the readers.
Result<HostProgram> make_host_program(const HostRequest& request, Rank of) {
  const std::uint32_t rank = of.value;
  GOSSAMER_TRY(check_host_request(request, rank));
  const std::uint32_t root = request.root.value;
  const bool is_root = rank == root;
  const bool is_alone = request.rank_count == 1;
  HostWriter writer(request, rank);
  writer.begin_phase();
  switch (request.collective) {
    case Collective::all_reduce:
      if (request.form == HostForm::whole) {
        if (!is_alone) writer.expose(0, 1);
        writer.begin_phase();
        writer.await_others(1);
        writer.fold(HostStepKind::fold, 0);
        break;
      }
      writer.expose_all_but(rank);
      writer.begin_phase();
      writer.await_others(1);
      writer.fold(HostStepKind::fold_exposed, rank);
      writer.begin_phase();
      writer.await_and_read_others();
      break;
    case Collective::reduce:
      if (request.form == HostForm::whole) {
        if (!is_root) {
          writer.await(root, host_release);
          writer.expose(0, 1);
        }
        writer.begin_phase();
        if (is_root) {
          writer.await_others(1);
          writer.fold(HostStepKind::fold, 0);
        }
        break;
      }
      writer.expose_all_but(rank);
      writer.begin_phase();
      writer.await_others(1);
      writer.fold(is_root ? HostStepKind::fold : HostStepKind::fold_exposed, rank);
      writer.begin_phase();
      if (is_root) writer.await_and_read_others();
      break;
    case Collective::reduce_scatter:
      writer.expose_all_but(rank);
      writer.begin_phase();
      writer.await_others(1);
      writer.fold(HostStepKind::fold, rank);
      break;
    case Collective::all_gather:
      writer.expose(rank, 1);
      writer.begin_phase();
      writer.await_and_read_others();
      break;
    case Collective::broadcast:
      if (is_root) {
        writer.await_others(host_release);
        writer.expose(0, 1);
      }
      writer.begin_phase();
      if (!is_root) {
        writer.await(root, 1);
        writer.read(root, 0);
      }
      break;
  }
  return std::move(writer).finish();
}

Result<HostSchedule> make_host_schedule(const HostRequest& request) {
  HostSchedule schedule{request, host_slice_count(request), host_depth, {}};
  schedule.programs.reserve(request.rank_count);
  for (std::uint32_t rank = 0; rank < request.rank_count; ++rank) {
    GOSSAMER_ASSIGN(auto program, make_host_program(request, Rank{rank}));
    schedule.programs.push_back(std::move(program));
  }
  return schedule;
}

}  // namespace gossamer::topology
