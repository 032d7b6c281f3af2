// The first step of leaving, from both sides: whoever has ended stays until no other rank needs it.
//
//   a rank that has ended                        each other rank
//           ├──────────────── Leaving ───────────────►│
//           │◄─────────────── Drained ────────────────┤  as soon as it has nothing in flight
//     it goes when all have said so
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/base.h"
#include "runtime/control/joining/joiner.h"

namespace gossamer::runtime {

// The service thread's, but for wait().
class Settling {
 public:
  // `connections` are the mesh's and outlive it; a connection that ended is null there.
  Settling(boost::asio::io_context& io, const Connections& connections, std::uint32_t rank_count);

  // How many operations this rank has in flight.
  void watch(std::shared_ptr<const std::atomic<std::uint32_t>> in_flight) { in_flight_ = std::move(in_flight); }

  // `rank` said Leaving: it hears Drained now, or when nothing is in flight here.
  void ask(Rank rank);
  // `rank` said Drained.
  void answer(Rank rank);

  // This rank settles: says Leaving to all.
  void start();
  // A connection ended, or a rank was lost; with a death nobody is waited for.
  void look(bool is_death_known);
  void stop() { timer_.cancel(); }

  // The caller's thread, after start() was posted: until it has ended, or `until`. Calls `move` over and over.
  void wait(Time until, const std::function<bool()>& move);

 private:
  void answer_asked();

  const Connections& connections_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<const std::atomic<std::uint32_t>> in_flight_;
  std::vector<bool> asked_;    // ranks that wait for this one's word
  std::vector<bool> drained_;  // ranks that gave theirs
  bool started_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
};

}  // namespace gossamer::runtime
