#include "topology/pipeline.h"

#include <bit>

namespace gossamer::topology {
namespace {

// The slice that an edge carries in `round` when its first chunk goes in round `start`, if there is one.
std::optional<std::uint32_t> slice_at(std::uint32_t round, std::uint32_t start, std::uint32_t tree,
                                      std::uint32_t chunks) {
  if (round < start || round - start >= chunks) return std::nullopt;
  return tree * chunks + (round - start);
}

std::uint32_t lowest_bit(std::uint32_t label) { return label & (~label + 1); }

std::uint32_t parent_of(std::uint32_t label, std::uint32_t last) {
  const std::uint32_t bit = lowest_bit(label);
  const std::uint32_t left = label ^ bit;  // where `label` is to the right of its parent
  const std::uint32_t right = left | (bit << 1);
  return right <= last ? right : left;
}

}  // namespace

void write_up(ProgramWriter& writer, std::span<const TreePlace> trees, std::uint32_t chunks) {
  const std::uint32_t depth_max = trees.front().depth_max;
  for (std::uint32_t round = 0; round < depth_max + chunks - 1; ++round) {
    writer.begin_round();
    for (std::uint32_t tree = 0; tree < trees.size(); ++tree) {
      const TreePlace& place = trees[tree];
      if (place.parent) {
        if (const auto slice = slice_at(round, depth_max - place.depth, tree, chunks))
          writer.add(StepKind::send, *place.parent, *slice, 1);
      }
      for (const std::uint32_t child : place.children) {
        if (const auto slice = slice_at(round, depth_max - place.depth - 1, tree, chunks))
          writer.add(StepKind::receive_merge, child, *slice, 1);
      }
    }
  }
}

void write_down(ProgramWriter& writer, std::span<const TreePlace> trees, std::uint32_t chunks) {
  const std::uint32_t depth_max = trees.front().depth_max;
  for (std::uint32_t round = 0; round < depth_max + chunks - 1; ++round) {
    writer.begin_round();
    for (std::uint32_t tree = 0; tree < trees.size(); ++tree) {
      const TreePlace& place = trees[tree];
      for (const std::uint32_t child : place.children) {
        if (const auto slice = slice_at(round, place.depth, tree, chunks)) writer.add(StepKind::send, child, *slice, 1);
      }
      if (place.parent) {
        if (const auto slice = slice_at(round, place.depth - 1, tree, chunks))
          writer.add(StepKind::receive, *place.parent, *slice, 1);
      }
    }
  }
}

Program make_pipeline(Collective collective, std::span<const TreePlace> trees, std::uint32_t chunks) {
  ProgramWriter writer(static_cast<std::uint32_t>(trees.size()) * chunks);
  if (collective != Collective::broadcast) write_up(writer, trees, chunks);
  if (collective != Collective::reduce) write_down(writer, trees, chunks);
  return std::move(writer).finish();
}

TreePlace binary_tree_place(std::uint32_t label, std::uint32_t last) {
  TreePlace place;
  place.depth_max = static_cast<std::uint32_t>(std::bit_width(last));
  if (label == 0) {
    place.children.push_back(std::bit_floor(last));
    return place;
  }
  place.parent = parent_of(label, last);
  for (std::uint32_t each = label; each != 0; each = parent_of(each, last)) ++place.depth;
  const std::uint32_t bit = lowest_bit(label);
  if (bit > 1) place.children.push_back(label - bit / 2);
  for (std::uint32_t distance = bit / 2; distance > 0; distance /= 2) {
    if (label + distance > last) continue;
    place.children.push_back(label + distance);
    break;
  }
  return place;
}

TreePlace chain_place(const ScheduleRequest& request, std::uint32_t rank) {
  const std::uint32_t ranks = request.rank_count;
  TreePlace place;
  place.depth = before(rank, request.root.value, ranks);
  place.depth_max = ranks - 1;
  if (place.depth > 0) place.parent = before(rank, 1, ranks);
  if (place.depth + 1 < ranks) place.children.push_back(after(rank, 1, ranks));
  return place;
}

}  // namespace gossamer::topology
