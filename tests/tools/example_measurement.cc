#include "example_measurement.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/base.h"

namespace gossamer::tools {
namespace {

using topology::Estimate;
using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;

struct Link {
  double alpha_ns;
  double beta_ns_per_byte;
};

class Example {
 public:
  explicit Example(const ExampleCluster& cluster) : cluster_(cluster), random_(cluster.seed) {}

  Measurement make() {
    out_.when = "2026-11-28T06:00:00Z";
    out_.version = "0.1.0";
    out_.transport = "simulated";
    out_.memory = "host";
    out_.clock_uncertainty_ns = 420;
    out_.sampled_fraction = cluster_.sampled_fraction;
    out_.seed = cluster_.seed;
    for (std::uint32_t host = 0; host < cluster_.hosts; ++host) out_.hosts.push_back(host_at(host));
    for (std::uint32_t rank = 0; rank < cluster_.hosts * cluster_.ranks_per_host; ++rank)
      out_.ranks.push_back({rank / cluster_.ranks_per_host, static_cast<int>(rank) == cluster_.dead_rank});
    for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
      if (load == PairLoad::loaded && !cluster_.is_loaded_too) continue;
      for (std::uint32_t from = 0; from < out_.ranks.size(); ++from) {
        for (std::uint32_t to = 0; to < out_.ranks.size(); ++to) {
          if (from == to || (cluster_.sampled_fraction < 1 && random_.uniform() > cluster_.sampled_fraction)) continue;
          out_.pairs.push_back(pair_at(load, from, to));
        }
      }
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] topology::MeasuredHost host_at(std::uint32_t host) const {
    topology::MeasuredHost out;
    const std::string number = text(host + 1);
    out.name = text(cluster_.host_prefix, number.size() < 2 ? "0" : "", number);
    out.cores = 32;
    out.adapters = {"simulated, 100 Gbit/s"};
    if (cluster_.hosts_per_switch > 0) out.declared_switch = text("leaf", host / cluster_.hosts_per_switch + 1);
    return out;
  }

  [[nodiscard]] Link link_of(PairLoad load, std::uint32_t from, std::uint32_t to) const {
    const std::uint32_t a = from / cluster_.ranks_per_host;
    const std::uint32_t b = to / cluster_.ranks_per_host;
    Link link = {420, 0.11};
    if (a != b) {
      const std::uint32_t under = cluster_.hosts_per_switch == 0 ? cluster_.hosts : cluster_.hosts_per_switch;
      link = a / under == b / under ? Link{1'850, 0.083} : Link{2'900, 0.097};
    }
    if (a != b && (static_cast<int>(a) == cluster_.slow_host || static_cast<int>(b) == cluster_.slow_host))
      link.beta_ns_per_byte *= 5;
    if (a == 0 && static_cast<int>(b) == cluster_.slow_direction_to) link.beta_ns_per_byte *= 2;
    if (load == PairLoad::loaded) {
      link.alpha_ns *= 1.6;
      link.beta_ns_per_byte *= a == b ? 1.3 : static_cast<double>(cluster_.ranks_per_host);
    }
    return link;
  }

  PairMeasurement pair_at(PairLoad load, std::uint32_t from, std::uint32_t to) {
    PairMeasurement pair{from, to, load, {}, {}, 1, ""};
    for (const std::uint32_t rank : {from, to}) {
      if (!out_.ranks[rank].died) continue;
      pair.missing = text("rank ", rank, " on ", out_.host_of(rank), " died");
      return pair;
    }
    const Link link = link_of(load, from, to);
    const double own = std::exp(cluster_.noise * random_.normal());  // of the pair, at all sizes
    double squares = 0;
    constexpr std::array<std::uint64_t, 6> sizes = {8, 256, 4'096, 65'536, 1'048'576, 8'388'608};
    for (const std::uint64_t bytes : sizes) {
      const double fit = own * (link.alpha_ns + link.beta_ns_per_byte * static_cast<double>(bytes));
      const double step = bytes == 4'096 ? 1.06 : 1.0;  // another protocol begins here
      const double p50 = fit * step * std::exp(cluster_.noise / 3 * random_.normal());
      squares += (p50 / fit - 1) * (p50 / fit - 1);
      const double scatter = 1.05 + 0.4 * random_.uniform() * (load == PairLoad::loaded ? 3 : 1);
      pair.sizes.push_back(
          {bytes, 200, {p50, p50 * 0.988, p50 * 1.013}, p50 * 0.93, p50 * scatter, p50 * scatter * 1.3});
    }
    const double alpha = own * link.alpha_ns;
    const double beta = own * link.beta_ns_per_byte;
    pair.fit = topology::LogGp{{alpha, alpha * 0.98, alpha * 1.02},
                               {beta, beta * 0.99, beta * 1.01},
                               {alpha / 4, alpha / 5, alpha / 3},
                               {alpha / 3, alpha / 4, alpha / 2},
                               std::sqrt(squares / static_cast<double>(sizes.size()))};
    return pair;
  }

  const ExampleCluster& cluster_;
  Random random_;
  Measurement out_;
};

}  // namespace

Measurement example_measurement(const ExampleCluster& cluster) { return Example(cluster).make(); }

}  // namespace gossamer::tools
