#include "runtime/engine/host_memory.h"

#include <algorithm>
#include <utility>

namespace gossamer::runtime {

namespace {

constexpr std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; }

HostLayout layout_of(const Stage& stage) {
  return HostLayout::make(stage.near->collective, stage.near->rank_count, stage.near->root, stage.bytes_max);
}

}  // namespace

Result<std::unique_ptr<HostMemory>> HostMemory::make(std::span<const Stage> stages, transport::Transport& transport) {
  std::unique_ptr<HostMemory> self(new HostMemory(transport));
  std::uint64_t bytes = 0;
  for (const Stage& stage : stages) {
    Place place;
    if (stage.near && !stage.concatenating) {
      place.stage = &stage;
      place.offset = bytes;
      bytes += whole_pages(layout_of(stage).area_bytes());
    }
    self->places_.push_back(std::move(place));
  }
  if (bytes == 0) return std::unique_ptr<HostMemory>();
  GOSSAMER_ASSIGN(self->block_, transport.allocate_memory(bytes));
  GOSSAMER_ASSIGN(self->key_, transport.export_region(self->block_));
  return self;
}

HostMemory::~HostMemory() {
  for (const transport::RemoteRegion& remote : remotes_) transport_.release_remote(remote);
  if (block_.base != nullptr) transport_.release_memory(block_);
}

Status HostMemory::map(std::span<const Rank> ranks, std::span<const transport::RegionKey> keys) {
  std::vector<const std::byte*> blocks(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Rank rank = ranks.empty() ? Rank{static_cast<std::uint32_t>(i)} : ranks[i];
    if (keys[i] == key_) {
      blocks[i] = block_.base;
      continue;
    }
    GOSSAMER_ASSIGN(const auto remote, transport_.import_region(rank, keys[i]));
    remotes_.push_back(remote);
    if (remote.bytes != block_.bytes)
      return Error{Code::malformed, text("rank ", rank.value, " shares ", remote.bytes, " B, expected ", block_.bytes),
                   rank};
    GOSSAMER_ASSIGN(blocks[i], transport_.map_remote(remote));
  }
  for (Place& place : places_) {
    if (place.stage == nullptr) continue;
    const Stage::Near& near = *place.stage->near;
    HostRun::Setup setup{near.place, layout_of(*place.stage), block_.base + place.offset, {}};
    for (std::uint32_t i = 0; i < near.rank_count; ++i) {
      const Rank rank = near.members.empty() ? Rank{i} : near.members[i];
      const std::size_t at =
          ranks.empty() ? rank.value
                        : static_cast<std::size_t>(std::find(ranks.begin(), ranks.end(), rank) - ranks.begin());
      GOSSAMER_CHECK(at < blocks.size(), "a stage's ranks are among those that made its plan");
      setup.areas.push_back(blocks[at] + place.offset);
    }
    GOSSAMER_ASSIGN(auto run, HostRun::make(std::move(setup)));
    place.run = std::make_unique<HostRun>(std::move(run));
  }
  return {};
}

}  // namespace gossamer::runtime
