// The butterfly (recursive doubling): everyone swaps with a partner at distance 1, 2, 4, ...
//
// Let Q be the largest power of two <= P. The P - Q ranks from Q on fold into rank - Q first and get
// the result at the end. P = 6, Q = 4:
//
//   fold      4->0   5->1
//   step 0    0<->1  2<->3     distance 1
//   step 1    0<->2  1<->3     distance 2
//   unfold    0->4   1->5
//
// "Swaps with" is its own inverse, so no rank waits on one that waits elsewhere. In a swap both sides
// compute own + received: the same two terms, and x + y = y + x to the bit, so all ranks end with the
// same bits.
#include <bit>

#include "topology/program_writer.h"

namespace gossamer::topology {
namespace {

// What rank `block` knows in an all-gather when 2^level neighbours from `block` on have swapped: their
// own slices, and those that folded into them.
//
//   slices  0 1 2 3 | 4 5        block 0, level 1:  0 1  and  4 5
//           own (Q) | folded     block 2, level 1:  2 3
void add_block(ProgramWriter& writer, StepKind kind, std::uint32_t peer, std::uint32_t block, std::uint32_t width,
               std::uint32_t power, std::uint32_t ranks) {
  writer.add(kind, peer, block, width);
  const std::uint32_t folded = ranks - power;
  if (block < folded) writer.add(kind, peer, power + block, width < folded - block ? width : folded - block);
}

}  // namespace

Program make_butterfly(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t power = std::bit_floor(ranks);
  const bool gather = request.collective == Collective::all_gather;
  const bool folds = rank >= power;                     // this rank folds away
  const bool carries = !folds && rank + power < ranks;  // another one folds into this rank
  const std::uint32_t slices = gather ? ranks : 1;
  ProgramWriter writer(slices);

  if (power < ranks) {
    writer.begin_round();
    if (folds) writer.add(StepKind::send, rank - power, gather ? rank : 0, 1);
    if (carries && gather) writer.add(StepKind::receive, rank + power, rank + power, 1);
    if (carries && !gather) writer.add(StepKind::receive_merge, rank + power, 0, 1);
  }
  for (std::uint32_t distance = 1; distance < power; distance *= 2) {
    writer.begin_round();
    if (folds) continue;
    const std::uint32_t peer = rank ^ distance;
    if (gather) {
      const std::uint32_t block = rank & ~(distance - 1);
      add_block(writer, StepKind::send, peer, block, distance, power, ranks);
      add_block(writer, StepKind::receive, peer, block ^ distance, distance, power, ranks);
    } else {
      writer.add(StepKind::send, peer, 0, 1);
      writer.add(StepKind::receive_merge, peer, 0, 1);
    }
  }
  if (power < ranks) {
    writer.begin_round();
    if (carries) writer.add(StepKind::send, rank + power, 0, slices);
    if (folds) writer.add(StepKind::receive, rank - power, 0, slices);
  }
  return std::move(writer).finish();
}

std::vector<std::uint32_t> cost_ranks_of_butterfly(const ScheduleRequest& request) {
  const std::uint32_t ranks = request.rank_count;
  const std::uint32_t power = std::bit_floor(ranks);
  // With a folded rank, without one, and folded.
  return {0, power - 1, ranks - 1};
}

}  // namespace gossamer::topology
