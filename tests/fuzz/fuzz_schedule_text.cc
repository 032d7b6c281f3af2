// Goal: any text is refused with a line, or is a schedule that can be written, read back and judged. Method: what
// parses is formatted and parsed again; the proof may say what it likes, but must come to an end.
#include "fuzz.h"
#include "topology/topology.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const Result<topology::Schedule> schedule = topology::parse_schedule(fuzz::as_text(input.take_rest()));
  if (!schedule.ok()) {
    fuzz::check_refusal(schedule.error(), Code::malformed);
    return 0;
  }
  const topology::ScheduleRequest& request = schedule->request;
  GOSSAMER_CHECK(request.rank_count >= 1 && request.rank_count <= topology::rank_count_max, "ranks out of range");
  GOSSAMER_CHECK(request.root.value < request.rank_count, "a root that is no rank");
  GOSSAMER_CHECK(schedule->programs.size() == request.rank_count, "a program is missing");
  for (std::uint32_t rank = 0; rank < request.rank_count; ++rank) {
    for (const topology::Round& round : schedule->programs[rank].rounds) {
      for (const topology::Step& step : round.steps) {
        GOSSAMER_CHECK(step.peer.value < request.rank_count && step.peer.value != rank, "a peer that is none");
        GOSSAMER_CHECK(step.slices.count > 0 && step.slices.count <= schedule->slice_count &&
                           step.slices.first <= schedule->slice_count - step.slices.count,
                       "slices that the buffer does not have");
      }
    }
  }
  const Result<topology::Schedule> again = topology::parse_schedule(topology::format_schedule(*schedule));
  GOSSAMER_CHECK(again.ok() && *again == *schedule, "a schedule that is not read back as it was written");
  static_cast<void>(topology::check_schedule(*schedule));
  return 0;
}
