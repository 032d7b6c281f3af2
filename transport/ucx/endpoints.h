// The connections of one view: made at the first start to a peer, closed by force after a death.
//
// An endpoint is UCX's word for a connection. The safe order after a death, measured on UCX 1.13.1
// (any other order hangs or aborts): cancel the receives that nothing has matched, close by force,
// make progress until the close and every request of the endpoint have completed (that may be a few
// progress calls after the close call has returned), and only then destroy anything.
//
// A close by force also waits, a bounded time, until the connection is established both ways: UCX
// 1.13 connects lazily, by a request that may come from both sides at once. A side that closes
// before it has seen the other's request would answer it with a new endpoint, and the other, if it
// lives, aborts (an assertion on remote_ep_id). So each new endpoint sends a greeting, an active
// message that UCX holds back until the peer has answered; once it is sent, no such request of that
// peer can be under way, since messages between two workers keep their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/base.h"
#include "transport/requests.h"
#include "transport/transport.h"
#include "transport/ucx/functions.h"
#include "transport/ucx/worker.h"

namespace gossamer::transport::ucx {

class Endpoints;

// What this process knows of one peer of the view, and its connection to it.
struct PeerState {
  Endpoints* owner = nullptr;
  Rank rank;
  Address address;
  ucp_ep_h endpoint = nullptr;
  RecordList pending;   // starts to and from it
  bool lost = false;    // fail_peer was called
  bool broken = false;  // UCX reported an error of the connection
  bool established = false;
  std::optional<Error> failure;  // why it could not be connected
  std::uint64_t close_ns = 0;    // when to close even if not established; 0: not asked to
};

class Endpoints {
 public:
  explicit Endpoints(Worker& worker) : worker_(worker) {}

  Status open(const View& view);
  [[nodiscard]] std::size_t size() const { return peers_.size(); }
  [[nodiscard]] PeerState& at(std::size_t rank) { return *peers_[rank]; }

  // Makes the peer's endpoint; tried once for each peer and view. peer_lost when it is known at once that there is
  // nobody.
  Status connect(PeerState& peer);

  // Closes the endpoint by force, if there is one: now, or when it is established, at the latest
  // after `wait_ns`. Finishes in `care`.
  void start_close(PeerState& peer, std::uint64_t wait_ns);

  // Asks that all that was sent on it leaves this process. Finishes in `care`.
  void start_flush(PeerState& peer);

  // Whether `care` has something to do; checked on each poll.
  [[nodiscard]] bool needs_care() const { return has_broken_ || closing_ > 0 || !unfinished_.empty(); }
  // Closes what broke and frees what has finished.
  void care();
  // No flush, no close and no greeting is under way.
  [[nodiscard]] bool is_idle() const { return unfinished_.empty() && closing_ == 0 && greetings_ == 0; }

  // No endpoint waits for its peer's first answer.
  [[nodiscard]] bool is_established() const { return greetings_ == 0; }

  // Forgets the peers. All endpoints must be closed.
  void clear();

 private:
  void greet(PeerState& peer);
  void close_now(PeerState& peer);
  static void on_greeted(void* request, ucs_status_t status, void* peer);
  static void on_error(void* peer, ucp_ep_h endpoint, ucs_status_t status);

  Worker& worker_;
  // By pointer: UCX's error callback keeps the address of a peer.
  std::vector<std::unique_ptr<PeerState>> peers_;
  std::vector<void*> unfinished_;  // requests of closes and flushes
  std::size_t greetings_ = 0;      // not yet sent
  std::size_t closing_ = 0;        // peers whose close waits
  bool has_broken_ = false;
  SteadyClock clock_;
};

}  // namespace gossamer::transport::ucx
