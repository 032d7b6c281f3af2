#include "topology/measure/link_matrix.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace gossamer::topology {
namespace {

// Of any order; 0 for none.
double middle_of(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Wire middle_of(const std::vector<Wire>& wires) {
  std::vector<double> alphas;
  std::vector<double> betas;
  for (const Wire& each : wires) {
    alphas.push_back(each.alpha_ns);
    betas.push_back(each.beta_ns_per_byte);
  }
  return {middle_of(std::move(alphas)), middle_of(std::move(betas))};
}

// The fit; without one, a line through the least and the largest size.
std::optional<Wire> wire_of(const PairMeasurement& pair) {
  if (pair.fit) return Wire{std::max(pair.fit->alpha_ns.value, 0.0), std::max(pair.fit->beta_ns_per_byte.value, 0.0)};
  if (pair.sizes.empty()) return std::nullopt;
  const SizeSamples& least = pair.sizes.front();
  const SizeSamples& most = pair.sizes.back();
  Wire wire{least.p50_ns.value, 0.0};
  if (most.bytes > least.bytes)
    wire.beta_ns_per_byte =
        std::max(0.0, (most.p50_ns.value - least.p50_ns.value) / static_cast<double>(most.bytes - least.bytes));
  return wire;
}

class MatrixFabric final : public Fabric {
 public:
  explicit MatrixFabric(const LinkMatrix& matrix)
      : ranks_(matrix.rank_count()), hosts_(matrix.host_count()), out_(ranks_, no_link) {
    host_count_ = ranks_;
    description_ = text("as measured, ", ranks_, " ranks on ", hosts_, " hosts");
    class_names_ = {"within hosts", "ways out of hosts", "between hosts", "ways into hosts"};
    members_.resize(hosts_);
    near_.resize(ranks_);
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      host_of_.push_back(matrix.host_of(rank));
      members_[host_of_[rank]].push_back(rank);
    }
    const double spared_ns = 2 * matrix.overhead_ns();
    const auto latency_of = [&](const Wire& wire) { return std::max(0.0, wire.alpha_ns - spared_ns); };
    for (std::uint32_t rank = 0; rank < ranks_; ++rank) {
      for (const std::uint32_t peer : members_[host_of_[rank]]) {
        if (peer == rank) continue;
        const Wire& wire = matrix.within(rank, peer);
        near_[rank].push_back({peer, add({rank, peer, 0, wire.beta_ns_per_byte, latency_of(wire)})});
      }
    }
    if (hosts_ == 1) return;
    wires_.assign(std::size_t{hosts_} * hosts_, no_link);
    for (std::uint32_t host = 0; host < hosts_; ++host) {
      double fastest_out = -1.0;
      double fastest_in = -1.0;
      const auto take = [](double& fastest, double beta) { fastest = fastest < 0 ? beta : std::min(fastest, beta); };
      for (std::uint32_t other = 0; other < hosts_; ++other) {
        if (other == host) continue;
        take(fastest_out, matrix.between(host, other).beta_ns_per_byte);
        take(fastest_in, matrix.between(other, host).beta_ns_per_byte);
      }
      const double links = matrix.far_links();
      // Ranks come to the way out each by a link of its own that takes no time.
      for (const std::uint32_t rank : members_[host]) out_[rank] = add({rank, gate(host), 1, 0.0, 0.0});
      way_out_.push_back(add({gate(host), outside(host), 1, fastest_out / links, 0.0}));
      way_in_.push_back(add({door(host), hall(host), 3, fastest_in / links, 0.0}));
      for (const std::uint32_t rank : members_[host]) in_.push_back({rank, add({hall(host), rank, 3, 0.0, 0.0})});
      for (std::uint32_t other = 0; other < hosts_; ++other) {
        if (other == host) continue;
        const Wire& wire = matrix.between(host, other);
        wires_[std::size_t{host} * hosts_ + other] =
            add({outside(host), door(other), 2, wire.beta_ns_per_byte, latency_of(wire)});
      }
    }
    std::sort(in_.begin(), in_.end(), [](const To& a, const To& b) { return a.rank < b.rank; });
  }

  std::uint32_t node_of(std::uint32_t host) const override { return host; }

  std::uint32_t next_link(std::uint32_t node, std::uint32_t rank) const override {
    if (node == rank) return no_link;
    const std::uint32_t target = host_of_[rank];
    if (node < ranks_) {
      if (host_of_[node] != target) return out_[node];
      const auto at =
          std::find_if(near_[node].begin(), near_[node].end(), [&](const To& to) { return to.rank == rank; });
      return at->link;
    }
    const std::uint32_t host = (node - ranks_) % hosts_;
    switch ((node - ranks_) / hosts_) {
      case 0:
        return way_out_[host];
      case 1:
        return wires_[std::size_t{host} * hosts_ + target];
      case 2:
        return way_in_[host];
      default:
        return in_[rank].link;
    }
  }

  std::string node_name(std::uint32_t node) const override {
    if (node < ranks_) return text("rank ", node);
    return text("host ", (node - ranks_) % hosts_);
  }

 private:
  struct To {
    std::uint32_t rank = 0;
    std::uint32_t link = no_link;
  };
  [[nodiscard]] std::uint32_t gate(std::uint32_t host) const { return ranks_ + host; }
  [[nodiscard]] std::uint32_t outside(std::uint32_t host) const { return ranks_ + hosts_ + host; }
  [[nodiscard]] std::uint32_t door(std::uint32_t host) const { return ranks_ + 2 * hosts_ + host; }
  [[nodiscard]] std::uint32_t hall(std::uint32_t host) const { return ranks_ + 3 * hosts_ + host; }
  std::uint32_t add(const Link& link) {
    links_.push_back(link);
    return static_cast<std::uint32_t>(links_.size() - 1);
  }

  const std::uint32_t ranks_;
  const std::uint32_t hosts_;
  std::vector<std::uint32_t> host_of_;
  std::vector<std::vector<std::uint32_t>> members_;  // by host
  std::vector<std::vector<To>> near_;                // by rank
  std::vector<std::uint32_t> out_;                   // by rank
  std::vector<std::uint32_t> way_out_;               // by host
  std::vector<std::uint32_t> way_in_;
  std::vector<To> in_;                // by rank
  std::vector<std::uint32_t> wires_;  // by host and host
};

}  // namespace

const Wire& LinkMatrix::within(std::uint32_t from, std::uint32_t to) const {
  return near_[std::size_t{from} * places_max_ + place_[to]];
}

Result<LinkMatrix> LinkMatrix::make(const Measurement& measurement) {
  if (measurement.ranks.empty()) return Error{Code::invalid_argument, "the measurement has no ranks"};
  LinkMatrix made;
  made.host_count_ = static_cast<std::uint32_t>(measurement.hosts.size());
  std::vector<std::uint32_t> members(made.host_count_, 0);
  for (const MeasuredRank& rank : measurement.ranks) {
    made.host_of_.push_back(rank.host);
    made.place_.push_back(members.at(rank.host)++);
  }
  made.places_max_ = std::max(1u, *std::max_element(members.begin(), members.end()));
  const std::uint32_t ranks = made.rank_count();
  const std::uint32_t hosts = made.host_count_;

  std::vector<std::vector<Wire>> far(std::size_t{hosts} * hosts);
  std::vector<std::optional<Wire>> near(std::size_t{ranks} * made.places_max_);
  std::vector<Wire> all_near;
  std::vector<Wire> all_far;
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> idle_betas;  // between hosts
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> loaded_betas;
  std::vector<double> overheads;
  for (const PairMeasurement& pair : measurement.pairs) {
    const std::optional<Wire> wire = wire_of(pair);
    if (!wire) continue;
    const std::uint32_t from = made.host_of_.at(pair.from);
    const std::uint32_t to = made.host_of_.at(pair.to);
    if (pair.load == PairLoad::loaded) {
      if (from != to) loaded_betas[{pair.from, pair.to}] = wire->beta_ns_per_byte;
      continue;
    }
    if (pair.fit && pair.fit->overhead_ns.value > 0) overheads.push_back(pair.fit->overhead_ns.value);
    if (from == to) {
      near[std::size_t{pair.from} * made.places_max_ + made.place_[pair.to]] = *wire;
      all_near.push_back(*wire);
    } else {
      idle_betas[{pair.from, pair.to}] = wire->beta_ns_per_byte;
      far[std::size_t{from} * hosts + to].push_back(*wire);
      all_far.push_back(*wire);
    }
  }
  if (all_near.empty() && all_far.empty())
    return Error{Code::invalid_argument, "no pair of ranks has been measured, idle: there is nothing to go by"};
  made.near_median_ = middle_of(all_near.empty() ? all_far : all_near);
  made.far_median_ = middle_of(all_far.empty() ? all_near : all_far);

  made.near_.resize(near.size());
  for (std::size_t i = 0; i < near.size(); ++i) made.near_[i] = near[i].value_or(made.near_median_);
  made.far_.resize(far.size());
  std::vector<std::vector<Wire>> out(hosts);
  std::vector<std::vector<Wire>> in(hosts);
  for (std::uint32_t from = 0; from < hosts; ++from) {
    for (std::uint32_t to = 0; to < hosts; ++to) {
      const std::vector<Wire>& known = far[std::size_t{from} * hosts + to];
      if (from == to || known.empty()) continue;
      const Wire wire = middle_of(known);
      made.far_[std::size_t{from} * hosts + to] = wire;
      out[from].push_back(wire);
      in[to].push_back(wire);
    }
  }
  for (std::uint32_t from = 0; from < hosts; ++from) {
    for (std::uint32_t to = 0; to < hosts; ++to) {
      if (from == to || !far[std::size_t{from} * hosts + to].empty()) continue;
      const Wire sender = out[from].empty() ? made.far_median_ : middle_of(out[from]);
      const Wire receiver = in[to].empty() ? made.far_median_ : middle_of(in[to]);
      made.far_[std::size_t{from} * hosts + to] = {std::max(sender.alpha_ns, receiver.alpha_ns),
                                                   std::max(sender.beta_ns_per_byte, receiver.beta_ns_per_byte)};
      ++made.guessed_;
    }
  }

  double least_alpha = std::min(made.near_median_.alpha_ns, made.far_median_.alpha_ns);
  made.overhead_ns_ = std::min(overheads.empty() ? least_alpha / 4 : middle_of(overheads), least_alpha / 2);
  // Each against itself: links differ.
  std::vector<double> slower_by;
  for (const auto& [ends, beta] : loaded_betas) {
    const auto idle = idle_betas.find(ends);
    if (idle != idle_betas.end() && idle->second > 0) slower_by.push_back(beta / idle->second);
  }
  if (!slower_by.empty() && made.places_max_ > 1) {
    const double slower = middle_of(std::move(slower_by));
    const double links = made.places_max_ / std::max(slower, 1.0);
    made.far_links_ = std::clamp(static_cast<std::uint32_t>(std::lround(links)), 1u, made.places_max_);
  }
  return made;
}

std::unique_ptr<Fabric> LinkMatrix::fabric() const { return std::make_unique<MatrixFabric>(*this); }

HostModel LinkMatrix::host_model() const {
  HostModel model;
  model.overhead_ns = overhead_ns_;
  model.merge_ns_per_byte = CostModel{}.gamma_ns_per_byte;
  // A rank's own part is at most as slow as the fastest of what it has: wires are as slow as they are by themselves.
  model.per_byte_ns = near_median_.beta_ns_per_byte;
  for (std::uint32_t from = 0; from < host_count_; ++from)
    for (std::uint32_t to = 0; to < host_count_; ++to)
      if (from != to) model.per_byte_ns = std::min(model.per_byte_ns, between(from, to).beta_ns_per_byte);
  return model;
}

}  // namespace gossamer::topology
