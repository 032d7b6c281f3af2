// The data path tried while a session begins: a short message from every rank to every other; in sessions of more than
// 64 ranks, to those at distances of 1, 2, 4, ..., whom schedules talk to (runtime/control/watchers.h). The others' are
// found at their first message.
//
// The control mesh tells that the ranks reach each other by TCP at the addresses that the user gave. What moves the
// bytes finds its own way, and finds it when the first message to a peer starts: an interface that leads nowhere,
// memory of another user, transports that two ranks do not share, a firewall. So each pair is tried before init says
// done, and what does not work is an error of init on every rank, which names both ends and the remedy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// One rank's part, driven by whoever has it: start, then pass until it is finished. Its messages have the tag of view
// 0, which no view has. It holds memory that the transport may write to until the view is closed.
class DataPathTrial {
 public:
  struct Failure {
    Rank peer;
    bool silent = false;  // nothing came, and nothing said why
    std::string reason;
  };

  DataPathTrial(transport::Transport& transport, Rank rank, std::uint32_t rank_count);

  void start();
  // True if something moved.
  bool pass();
  // Each tried peer's message has come and the one to it has left, or that has failed.
  [[nodiscard]] bool finished() const { return waiting_ == 0; }
  // The first one. Peers that are still waited for have failed by silence: ask when time is up.
  [[nodiscard]] std::optional<Failure> failure() const;
  // The memory is the caller's again. Only after a trial without a failure, or when the view is closed.
  void release();

 private:
  struct Peer {
    std::uint32_t outstanding = 0;  // of the one to it and the one from it
    bool failed = false;
  };
  void fail(Rank peer, std::string reason);
  void end(const transport::Completion& completion);

  transport::Transport& transport_;
  Rank rank_;
  std::vector<Peer> peers_;
  std::vector<std::uint64_t> words_;  // one from each rank, then the own one
  transport::Region region_;
  std::uint32_t waiting_ = 0;  // peers
  std::optional<Failure> failure_;
};

// Collective: opens the view and tries it. Fails alike on every rank: `unavailable` with what a library said of the
// path between two ranks, `deadline` where a message did not come within `limit_ns`; the error's rank is the other one
// of the two. `peer_lost` where a rank dies meanwhile. After an error the transport may only be destroyed. Blocks at
// most limit_ns, and until all ranks have come: `join_limit_ns` in all. Cost: a connection to every peer that is tried,
// which the first operation would make else.
[[nodiscard]] Status open_data_path(transport::Transport& transport, Control& control, const transport::View& view,
                                    std::uint64_t limit_ns, std::uint64_t join_limit_ns);

}  // namespace gossamer::runtime
