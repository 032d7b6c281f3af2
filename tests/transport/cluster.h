// Several endpoints of one kind in one process and one thread, for tests of the contract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport {

// Which implementation, and over what.
struct Backend {
  std::string name;       // as in the test's name
  std::string transport;  // "sim", "ucx" or "libfabric"
  std::string ways;       // for ucx: as in UCX_TLS; for libfabric: its provider
  [[nodiscard]] bool is_sim() const { return transport == "sim"; }
  friend std::ostream& operator<<(std::ostream& out, const Backend& backend) { return out << backend.name; }
};

[[nodiscard]] const std::vector<Backend>& all_backends();

// Memory registered with one endpoint, filled from a seed.
class Block {
 public:
  // `shift` bytes into an aligned allocation, for unaligned buffers.
  Block(Transport& transport, std::size_t bytes, std::size_t shift = 0);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void fill(std::uint64_t seed);
  void clear();
  // Whether the first `bytes` are those of `seed`, and all others are zero.
  [[nodiscard]] bool holds(std::uint64_t seed, std::size_t bytes) const;
  [[nodiscard]] Slice slice() const { return {region_, 0, region_.bytes}; }
  [[nodiscard]] Slice slice(std::size_t offset, std::size_t bytes) const { return {region_, offset, bytes}; }

 private:
  Transport& transport_;
  std::vector<std::byte> storage_;
  Region region_;
};

class Cluster {
 public:
  Cluster(const Backend& backend, std::size_t rank_count, const SimOptions& options = {});
  // Destroys the endpoints at the same time, as processes that end would.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] Transport& at(std::size_t rank) { return *endpoints_[rank]; }
  [[nodiscard]] std::size_t size() const { return endpoints_.size(); }
  [[nodiscard]] SimNetwork& network() { return *network_; }
  [[nodiscard]] VirtualClock& clock() { return clock_; }

  void open(std::uint32_t epoch);
  // Another endpoint takes the rank's place, as after a restart of its process. No view is open.
  void restart(std::size_t rank);
  // Closes the view on all endpoints at the same time, each in a thread of its own: one that closes
  // may need its peers to poll.
  void close();

  // Polls all endpoints once, and moves the virtual clock to the next event.
  void step();
  // Steps until the condition holds; false after 20 s of real time.
  [[nodiscard]] bool wait(const std::function<bool()>& condition);
  // Waits for one completion and forgets it; code pending when it did not come.
  [[nodiscard]] Completion await(std::size_t rank, std::uint64_t context);
  [[nodiscard]] bool has(std::size_t rank, std::uint64_t context) const { return completions_[rank].contains(context); }
  // Completions that came and were not awaited.
  [[nodiscard]] std::size_t left_over(std::size_t rank) const { return completions_[rank].size(); }

 private:
  void at_the_same_time(const std::function<void(std::size_t)>& action);

  Backend backend_;
  bool is_sim_;
  VirtualClock clock_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<std::unique_ptr<Transport>> endpoints_;
  std::vector<std::multimap<std::uint64_t, Completion>> completions_;
};

}  // namespace gossamer::transport
