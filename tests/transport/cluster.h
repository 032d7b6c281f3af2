// Several transports of one kind in one process and one thread, for tests of the contract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/base.h"
#include "transport/simulation.h"
#include "units.h"

namespace gossamer::transport {

// Which implementation, and over what.
struct Backend {
  std::string name;                                   // as in the test's name
  std::string transport;                              // "sim", "ucx" or "libfabric"
  std::string ways;                                   // for ucx: as in UCX_TLS; for libfabric: its provider
  std::optional<FaultOptions> faults = std::nullopt;  // behind the fault decorator
  [[nodiscard]] bool is_sim() const { return transport == "sim"; }
  [[nodiscard]] std::string capability_name() const { return faults ? text("fault(", transport, ")") : transport; }
  friend std::ostream& operator<<(std::ostream& out, const Backend& backend) { return out << backend.name; }
};

// Those that need an RDMA device: none unless GOSSAMER_TEST_RDMA is set, as it is in the machine of tests/rdma/run.
[[nodiscard]] const std::vector<Backend>& rdma_backends();
// All that can be tried here, those included.
[[nodiscard]] const std::vector<Backend>& all_backends();
// All but simulated ones.
[[nodiscard]] std::vector<Backend> real_backends();
// Those whose ranks read each other's memory in place (Capabilities::can_map).
[[nodiscard]] std::vector<Backend> mapping_backends();

// How long something may take here that takes at most `bound_ns` on a host: more in the machine of tests/rdma/run,
// which is emulated.
[[nodiscard]] std::uint64_t allowance(std::uint64_t bound_ns);

// Every size up to 300 B, and those around the powers of two to 64 KiB, where libraries change how they send, a header
// below: copied with the call, eager, in parts, by rendezvous. Some 1,000.
[[nodiscard]] std::vector<std::size_t> sizes_around_edges();

// Memory registered with one transport, filled from a seed.
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
  // Destroys the transports at the same time, as processes that end would.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] Transport& at(std::size_t rank) { return *transports_[rank]; }
  [[nodiscard]] std::size_t size() const { return transports_.size(); }
  [[nodiscard]] SimNetwork& network() { return *network_; }
  // For backends with faults.
  [[nodiscard]] FaultTransport& faults(std::size_t rank) { return *faults_.at(rank); }
  [[nodiscard]] VirtualClock& clock() { return clock_; }

  void open(std::uint32_t epoch);
  // Another transport takes the rank's place, as after a restart of its process. No view is open.
  void restart(std::size_t rank);
  // Closes the view on all transports at the same time, each in a thread of its own: one that closes
  // may need its peers to poll.
  void close();

  // Moves the virtual clock to the next event where the step before moved nothing, and polls all transports once:
  // after it, what is due has been given out.
  void step();
  // Steps until the condition holds; false after 20 s of real time.
  [[nodiscard]] bool wait(const std::function<bool()>& condition);
  // Waits for one completion and forgets it; code pending when it did not come.
  [[nodiscard]] Completion await(std::size_t rank, std::uint64_t context);
  [[nodiscard]] bool has(std::size_t rank, std::uint64_t context) const { return completions_[rank].contains(context); }
  // Completions that came and were not awaited.
  [[nodiscard]] std::size_t left_over(std::size_t rank) const { return completions_[rank].size(); }

 private:
  [[nodiscard]] std::unique_ptr<Transport> make_transport_of(std::size_t rank);
  void advance_clock();
  void at_the_same_time(const std::function<void(std::size_t)>& action);

  Backend backend_;
  bool is_sim_;
  bool idle_ = false;  // the last step moved nothing
  VirtualClock clock_;
  std::unique_ptr<SimNetwork> network_;
  SteadyClock steady_;
  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<FaultTransport*> faults_;  // the same, where they are decorated
  std::vector<std::multimap<std::uint64_t, Completion>> completions_;
};

}  // namespace gossamer::transport
