// The control plane of a simulated cluster: all ranks in one thread, on a virtual clock.
//
// What it is not: a collective here cannot wait, since one thread plays all ranks in turn. So
//   - agree() compares with the ranks that came before and succeeds for the first that comes; only later
//     ones see a mismatch or another rank's trouble, and a rank that never comes is not missed;
//   - a rank gets its own blob, and for all others that of the first that came;
//   - settle() waits for nobody;
//   - all_gather() is refused;
//   - there is no event descriptor (-1): the driver asks losses() at each tick.
// Losses, though, come exactly when they are scheduled, and leases run on the virtual clock, so a failure replays.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"

namespace gossamer::runtime {

// Outlives its controls and is outlived by the clock. One thread.
class SimControlHub {
 public:
  SimControlHub(std::uint32_t rank_count, const Clock& clock) : clock_(clock), ranks_(rank_count) {}

  [[nodiscard]] std::unique_ptr<Control> make_control(Rank rank);

  // From `clock` now on, plus `detection_delay_ns`, the others know that `rank` died. The earliest known
  // death stays the one that loss() tells.
  void kill(Rank rank, std::uint64_t detection_delay_ns);

  // From now on `rank` says nothing, until resume(). After `lease_ns` the others know that it is lost; 0:
  // never. Whoever stops it also stops its progress.
  void stop(Rank rank, std::uint64_t lease_ns);
  // It goes on: as if nothing had been where the lease still ran, else it learns that it was given up.
  void resume(Rank rank);

 private:
  friend class SimControl;
  struct Loser {
    Loss loss;
    std::uint64_t known_ns;
    bool stopped;  // and not dead
  };
  struct RankState {
    std::map<std::vector<Rank>, std::uint64_t> came;  // to how many collectives of each list
    bool left = false;
    std::optional<Loss> given_up;  // as it hears of it, once it goes on
  };
  struct Given {
    Rank rank;
    std::string subject;
    std::vector<Field> fields;
    Contribution mine;
  };

  void lose(Loss loss, std::uint64_t delay_ns);

  const Clock& clock_;
  std::vector<RankState> ranks_;
  std::vector<Loser> losers_;
  // The first that came to each collective: of which list, and which of that.
  std::map<std::pair<std::vector<Rank>, std::uint64_t>, Given> given_;
};

}  // namespace gossamer::runtime
