// The areas of a plan's stages whose ranks share a host, and how peers come to see them.
//
//   make ─► key() to all ranks, and theirs here ─► map ─► (all have mapped) run(stage)
//
// One block of the transport's memory for all stages of a plan.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/engine/work.h"
#include "runtime/same_host/host_run.h"
#include "transport/transport.h"

namespace gossamer::runtime {

class HostMemory {
 public:
  // Nothing for a plan that has no such stage.
  [[nodiscard]] static Result<std::unique_ptr<HostMemory>> make(std::span<const Stage> stages,
                                                                transport::Transport& transport);
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  // By which a rank on this host finds the block; the same length of life.
  [[nodiscard]] const transport::RegionKey& key() const { return key_; }
  // `keys` are those of the ranks of the session that take part, `ranks` in the same order; empty: all ranks.
  // `unavailable` where one cannot be read in place: it is on another host.
  [[nodiscard]] Status map(std::span<const Rank> ranks, std::span<const transport::RegionKey> keys);

  // Once mapped. Null for a stage that is not run here.
  [[nodiscard]] HostRun* run(std::size_t stage) const { return places_[stage].run.get(); }

 private:
  explicit HostMemory(transport::Transport& transport) : transport_(transport) {}

  struct Place {
    const Stage* stage = nullptr;  // null: not here
    std::uint64_t offset = 0;      // in everyone's block
    std::unique_ptr<HostRun> run;
  };

  transport::Transport& transport_;
  transport::Region block_;
  transport::RegionKey key_;
  std::vector<transport::RemoteRegion> remotes_;
  std::vector<Place> places_;  // by stage
};

}  // namespace gossamer::runtime
