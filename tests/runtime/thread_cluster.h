// A cluster whose ranks are threads: real sessions over a post office in memory and rank 0's real book of collectives,
// so that collectives wait, and ranks fail, as between processes. Without sockets.
//
// What the simulation cannot show is shown here: one rank alone fails, comes late or gives up. And one thing that no
// transport shows: a message that nobody took stays in the post office and can be counted.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace gossamer::runtime::testing {

class PostOffice;
class Table;

class ThreadCluster {
 public:
  explicit ThreadCluster(std::uint32_t rank_count, std::uint64_t timeout_ns = 20'000'000'000);
  ~ThreadCluster();
  ThreadCluster(const ThreadCluster&) = delete;
  ThreadCluster& operator=(const ThreadCluster&) = delete;

  [[nodiscard]] std::uint32_t rank_count() const { return static_cast<std::uint32_t>(sessions_.size()); }
  [[nodiscard]] Session& session(std::uint32_t rank) { return *sessions_.at(rank); }

  // Calls `act` for each rank, each in a thread of its own, and waits for all.
  void on_each(const std::function<void(std::uint32_t, Session&)>& act);

  // From now on the rank's n-th registration of memory fails, once, counted from 0.
  void fail_registration(std::uint32_t rank, int number);
  // What the rank has registered.
  [[nodiscard]] int registered(std::uint32_t rank) const;
  // Messages that were sent and not received.
  [[nodiscard]] std::size_t letters() const;

 private:
  std::shared_ptr<PostOffice> office_;
  std::shared_ptr<Table> table_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace gossamer::runtime::testing
