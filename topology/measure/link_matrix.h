// The links of a measured cluster without gaps, and as a network that the simulator plays schedules on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "topology/measure/measurement.h"
#include "topology/simulate/simulate.h"

namespace gossamer::topology {

// One direction between two ranks, or two hosts: n bytes take alpha + beta n.
struct Wire {
  double alpha_ns = 0.0;
  double beta_ns_per_byte = 0.0;
  [[nodiscard]] double time_ns(double bytes) const { return alpha_ns + beta_ns_per_byte * bytes; }
};

// Between hosts a wire is the median of the pairs of ranks that were measured, idle. What was not measured is as slow
// as the slower end is with others: from a host of which nothing is known as the median of all.
class LinkMatrix {
 public:
  // `invalid_argument`: no ranks, or no pair of ranks with a value.
  [[nodiscard]] static Result<LinkMatrix> make(const Measurement& measurement);

  [[nodiscard]] std::uint32_t rank_count() const { return static_cast<std::uint32_t>(host_of_.size()); }
  [[nodiscard]] std::uint32_t host_count() const { return host_count_; }
  [[nodiscard]] std::uint32_t host_of(std::uint32_t rank) const { return host_of_[rank]; }
  // Between two hosts that are not one.
  [[nodiscard]] const Wire& between(std::uint32_t from, std::uint32_t to) const {
    return far_[std::size_t{from} * host_count_ + to];
  }
  // Between two ranks of one host.
  [[nodiscard]] const Wire& within(std::uint32_t from, std::uint32_t to) const;

  // Medians; where there is nothing of the kind they are each other.
  [[nodiscard]] const Wire& near() const { return near_median_; }
  [[nodiscard]] const Wire& far() const { return far_median_; }
  // How many of a host's ranks can send at once and each as fast as alone: from what the loaded pass took beside the
  // idle one; 1 where there was none.
  [[nodiscard]] std::uint32_t far_links() const { return far_links_; }
  [[nodiscard]] double overhead_ns() const { return overhead_ns_; }  // of the CPU, for a message
  // Wires between hosts that no pair of ranks was measured for.
  [[nodiscard]] std::uint32_t guessed() const { return guessed_; }

  // Each rank is a host of the fabric, each of its own links; a measured host's adapter is a link that all its ranks
  // share, each way as fast as the fastest wire of that host:
  //
  //   rank --> host's way out --> wire to the other host --> its way in --> rank       rank --> rank of the same host
  [[nodiscard]] std::unique_ptr<Fabric> fabric() const;
  [[nodiscard]] HostModel host_model() const;

 private:
  std::vector<std::uint32_t> host_of_;  // by rank
  std::uint32_t host_count_ = 0;
  std::vector<std::uint32_t> place_;  // of a rank among those of its host
  std::uint32_t places_max_ = 1;
  std::vector<Wire> near_;  // by rank and place
  std::vector<Wire> far_;   // by host and host
  Wire near_median_;
  Wire far_median_;
  std::uint32_t far_links_ = 1;
  double overhead_ns_ = 0.0;
  std::uint32_t guessed_ = 0;
};

}  // namespace gossamer::topology
