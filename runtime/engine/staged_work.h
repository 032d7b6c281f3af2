// A work whose buffers are in device memory, as a work with buffers on the host: what engine and transport see.
//
//   engine, driver ─► StagedWork ─► the algorithm's Work
//                         └─ a Mirror for each stage in device memory
//
// Actions wait here until the bytes that they need have been copied: a send and a merge for those that come down, the
// preparation of the next stage for those that go up. Merges are the host's, in host memory: what a transport that
// cannot reach device memory has received is there, and what it sends next must be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/base.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/mirror.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

// The driver's thread.
class StagedWork final : public Work {
 public:
  // Whether any stage's buffer is not on the host.
  [[nodiscard]] static bool is_needed(const Work& work);
  // `work` outlives it. `simulated`: what a copy costs on a virtual clock; null on a real one.
  [[nodiscard]] static Result<std::unique_ptr<StagedWork>> make(Work& work, Engine& engine,
                                                                std::optional<CopyCost> simulated);
  // Room for the actions that may wait at once; after the engine has counted them.
  void reserve(std::size_t actions_max);

  std::span<const Stage> stages() const override { return stages_; }
  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) override;
  // Waits for copies that are under way, so that none lands after the operation has ended.
  void drop() override;
  void lost(Rank peer) override { work_.lost(peer); }

  // Takes an action that cannot be done yet; false: do it now.
  [[nodiscard]] bool hold(const Action& action);
  // An action that was held and can be done now.
  [[nodiscard]] bool next(Action& action);
  // A receive of this plan has been started, or has ended.
  void receive_started(const Action& action);
  void receive_ended(std::uint64_t context, Code code);
  void merged(const Action& action);

  // Moves copies on. True if something moved; an error fails the operation.
  Result<bool> progress(std::uint64_t now_ns);
  [[nodiscard]] bool is_copying() const;
  // Waits for the copies that are under way, and starts no more of this operation; `unavailable` where they do not end.
  Status drain();
  [[nodiscard]] std::uint64_t next_end_ns() const;

 private:
  struct Receive {
    std::uint64_t context = 0;
    std::size_t stage = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };

  StagedWork(Work& work, Engine& engine, std::optional<CopyCost> simulated)
      : work_(work), engine_(engine), simulated_(simulated) {}
  [[nodiscard]] bool is_ready(const Action& action) const;

  Work& work_;
  Engine& engine_;
  const std::optional<CopyCost> simulated_;
  std::vector<Stage> stages_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;  // by stage; null for one on the host
  std::vector<Action> held_;                      // in the order in which they came
  std::vector<Receive> receives_;                 // under way into a mirror
};

}  // namespace gossamer::runtime
