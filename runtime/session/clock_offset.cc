#include "runtime/session/clock_offset.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/session/deadline.h"

namespace gossamer::runtime {
namespace {
constexpr int rounds = 9;  // the last one tells only when the one before it came
// What rank 0 says in a round: when it does, and when the round before had come.
using Words = std::array<std::uint64_t, 2>;
}  // namespace

void OffsetBounds::rank_0_said(std::uint64_t sent_by_0_ns, std::uint64_t came_ns) {
  least_ns_ = std::max(least_ns_, static_cast<std::int64_t>(sent_by_0_ns - came_ns));
}

void OffsetBounds::rank_0_heard(std::uint64_t sent_ns, std::uint64_t came_to_0_ns) {
  most_ns_ = std::min(most_ns_, static_cast<std::int64_t>(came_to_0_ns - sent_ns));
}

ClockOffset OffsetBounds::offset() const {
  const std::int64_t between_ns =
      std::max<std::int64_t>(0, most_ns_ - least_ns_);  // below 0: a clock was set meanwhile
  return {least_ns_ + between_ns / 2, static_cast<std::uint64_t>(between_ns + 1) / 2};
}

Result<ClockOffset> measure_clock_offset(Control& control, const Clock& clock, Rank rank, std::uint64_t limit_ns) {
  const Deadline deadline(clock, limit_ns);
  OffsetBounds bounds;
  std::uint64_t sent_before_ns = 0;
  std::uint64_t came_ns = 0;
  for (int round = 0; round < rounds; ++round) {
    const Words mine = {clock.now_ns(), came_ns};
    Blob blob;
    if (rank == Rank{0}) {
      blob.resize(sizeof mine);
      std::memcpy(blob.data(), mine.data(), sizeof mine);
    }
    GOSSAMER_ASSIGN(const auto blobs, control.all_gather("clocks", blob, deadline.left_ns()));
    came_ns = clock.now_ns();
    Words theirs{};
    if (blobs[0].size() != sizeof theirs)
      return Error{Code::malformed, text("clocks: rank 0 sent ", blobs[0].size(), " B"), Rank{0}};
    std::memcpy(theirs.data(), blobs[0].data(), sizeof theirs);
    bounds.rank_0_said(theirs[0], came_ns);
    if (round > 0) bounds.rank_0_heard(sent_before_ns, theirs[1]);
    sent_before_ns = mine[0];
  }
  return rank == Rank{0} ? ClockOffset{} : bounds.offset();
}

}  // namespace gossamer::runtime
