#include "topology/measure/fabric_model.h"

#include <algorithm>
#include <cmath>

namespace gossamer::topology {
namespace {

constexpr double host_latency_ns = 400;  // between ranks of one host
constexpr double host_ns_per_byte = 0.03;
constexpr double near_latency_ns = 1500;
constexpr double near_ns_per_byte = 0.08;

class Fabric {
 public:
  explicit Fabric(const FabricModel& model) : model_(model), random_(model.seed) {
    for (std::uint32_t host = 0; host < model.hosts; ++host)
      natural_.push_back(model.natural_spread * random_.normal());
  }

  [[nodiscard]] std::uint32_t switch_of(std::uint32_t host) const {
    return model_.network_tiers < 2 ? 0 : host / model_.hosts_per_switch;
  }

  PairMeasurement measure(std::uint32_t from, std::uint32_t to, PairLoad load) {
    const std::uint32_t a = from / model_.ranks_per_host;
    const std::uint32_t b = to / model_.ranks_per_host;
    PairMeasurement pair;
    pair.from = from;
    pair.to = to;
    pair.load = load;
    const bool is_loaded = load == PairLoad::loaded;
    const double burst = random_.uniform() < model_.outliers ? 1.4 + 3 * random_.uniform() * random_.uniform() : 1.0;
    const bool hits_latency = random_.uniform() < 0.5;
    const double alpha = latency(a, b) * (is_loaded ? 1.4 : 1.0) * scatter() * (hits_latency ? burst : 1.0);
    const double sharing = is_loaded && a != b ? model_.ranks_per_host : 1.0;
    const double beta = ns_per_byte(a, b) * sharing * scatter() * (hits_latency ? 1.0 : burst);
    LogGp fit;
    const double width = std::exp(2 * 0.5 * model_.noise);
    fit.alpha_ns = {alpha, alpha / width, alpha * width};
    fit.beta_ns_per_byte = {beta, beta / width, beta * width};
    fit.gap_ns = {0.4 * alpha, 0.35 * alpha, 0.45 * alpha};
    fit.overhead_ns = {0.2 * alpha, 0.18 * alpha, 0.22 * alpha};
    fit.residual = 0.02;
    pair.fit = fit;
    const double tail = 1 + (tail_of(a, b) * 1.25 - 1) * std::exp(0.25 * random_.normal());
    for (const std::uint64_t bytes : {8ull, 4096ull, 65536ull, 1048576ull}) {
      SizeSamples at;
      at.bytes = bytes;
      at.count = bytes < 100'000 ? 1000 : 100;
      const double time = (alpha + beta * static_cast<double>(bytes)) * std::exp(0.01 * random_.normal());
      at.p50_ns = {time, time * 0.99, time * 1.01};
      at.min_ns = 0.95 * time;
      at.p99_ns = time * std::max(1.02, tail * std::exp(0.05 * random_.normal()));
      at.p999_ns = at.p99_ns * (1.2 + random_.uniform());
      pair.sizes.push_back(at);
    }
    return pair;
  }

 private:
  // Ratio of latency to the nearest tier's.
  [[nodiscard]] double distance(std::uint32_t a, std::uint32_t b) const {
    if (switch_of(a) == switch_of(b)) return 1.0;
    const bool same_group = switch_of(a) / model_.switches_per_group == switch_of(b) / model_.switches_per_group;
    return model_.network_tiers < 3 || same_group ? model_.far_factor : model_.far_factor * model_.far_factor;
  }

  [[nodiscard]] bool is_on_way(const PlantedDefect& defect, std::uint32_t a, std::uint32_t b) const {
    const bool out = defect.direction != CauseDirection::in;
    const bool in = defect.direction != CauseDirection::out;
    switch (defect.kind) {
      case CauseKind::slow_host:
        return a == defect.first || b == defect.first;
      case CauseKind::slow_direction:
        if (defect.direction == CauseDirection::both) return a == defect.first && b == defect.second;
        return (out && a == defect.first) || (in && b == defect.first);
      case CauseKind::slow_pair:
        return (a == defect.first && b == defect.second) || (b == defect.first && a == defect.second);
      case CauseKind::slow_switch: {
        const bool leaves = switch_of(a) == defect.first;
        const bool enters = switch_of(b) == defect.first;
        return leaves != enters && ((out && leaves) || (in && enters));
      }
      case CauseKind::noise:
        return false;
    }
    return false;
  }

  // Delays add up.
  [[nodiscard]] double latency(std::uint32_t a, std::uint32_t b) const {
    if (a == b) return host_latency_ns;
    double ratio = distance(a, b);
    for (const PlantedDefect& each : model_.defects) {
      if (each.slows_latency && is_on_way(each, a, b)) ratio += each.factor - 1;
      if (each.kind == CauseKind::noise && (a == each.first || b == each.first)) ratio *= 1.02;
    }
    return near_latency_ns * ratio * std::exp(natural_[a] + natural_[b]);
  }

  // The narrowest place governs.
  [[nodiscard]] double ns_per_byte(std::uint32_t a, std::uint32_t b) const {
    if (a == b) return host_ns_per_byte;
    double ratio = switch_of(a) == switch_of(b) ? 1.0 : model_.taper;
    for (const PlantedDefect& each : model_.defects) {
      if (!each.slows_bandwidth || !is_on_way(each, a, b)) continue;
      ratio = std::max(ratio, each.factor * (each.kind == CauseKind::slow_switch ? model_.taper : 1.0));
    }
    return near_ns_per_byte * ratio * std::exp(std::max(natural_[a], natural_[b]));
  }

  [[nodiscard]] double tail_of(std::uint32_t a, std::uint32_t b) const {
    double tail = 1.0;
    for (const PlantedDefect& each : model_.defects) {
      if (each.kind == CauseKind::noise && (a == each.first || b == each.first)) tail = std::max(tail, each.factor);
    }
    return tail;
  }

  double scatter() {
    double z = random_.normal();
    if (model_.heavy_tail > 0) {
      // Student's t by a chi-square of few degrees.
      double square = 0;
      const int degrees = static_cast<int>(model_.heavy_tail);
      for (int i = 0; i < degrees; ++i) {
        const double each = random_.normal();
        square += each * each;
      }
      z /= std::sqrt(square / degrees);
      z = std::clamp(z, -4.0, 12.0);
    }
    return std::exp(model_.noise * z);
  }

  const FabricModel& model_;
  Random random_;
  std::vector<double> natural_;
};

}  // namespace

Measurement make_measurement(const FabricModel& model) {
  Fabric fabric(model);
  Random draw(mix64(model.seed, 77));
  Measurement out;
  out.when = "2026-01-01T00:00:00Z";
  out.version = "0";
  out.transport = "model";
  out.memory = "host";
  out.sampled_fraction = model.sampled_fraction;
  out.seed = model.seed;
  for (std::uint32_t host = 0; host < model.hosts; ++host) {
    MeasuredHost each;
    each.name = text("node", host);
    each.cores = 64;
    if (model.is_declared && model.network_tiers > 1) each.declared_switch = text("leaf", fabric.switch_of(host));
    for (const PlantedDefect& defect : model.defects) {
      if (defect.kind == CauseKind::noise && defect.first == host) each.stolen_cpu = 0.01;
    }
    out.hosts.push_back(std::move(each));
  }
  const std::uint32_t ranks = model.hosts * model.ranks_per_host;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) out.ranks.push_back({rank / model.ranks_per_host, false});
  std::vector<bool> is_drawn(static_cast<std::size_t>(ranks) * ranks, true);
  if (model.sampled_fraction < 1) {
    for (std::size_t i = 0; i < is_drawn.size(); ++i) is_drawn[i] = draw.uniform() < model.sampled_fraction;
  }
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    for (std::uint32_t from = 0; from < ranks; ++from) {
      for (std::uint32_t to = 0; to < ranks; ++to) {
        const std::size_t at = static_cast<std::size_t>(from) * ranks + to;
        if (from != to && is_drawn[at]) out.pairs.push_back(fabric.measure(from, to, load));
      }
    }
  }
  return out;
}

FabricModel draw_fabric(std::uint64_t seed, std::uint32_t defects, double factor_min) {
  Random draw(mix64(seed, 4711));
  FabricModel model;
  model.seed = seed;
  const std::uint32_t sizes[] = {8, 16, 32};
  model.hosts = sizes[draw.below(3)];
  model.ranks_per_host = 64 / model.hosts;
  model.network_tiers = 1 + static_cast<std::uint32_t>(draw.below(3));
  model.hosts_per_switch = model.hosts == 32 && draw.below(2) == 0 ? 8 : model.hosts / 4;
  model.switches_per_group = 2;
  model.far_factor = 1.3 + 0.5 * draw.uniform();
  model.taper = draw.below(2) == 0 ? 1.0 : 1.5;
  model.is_declared = draw.below(2) == 0;
  model.noise = 0.02 + 0.04 * draw.uniform();

  std::vector<CauseKind> kinds = {CauseKind::slow_host, CauseKind::slow_direction, CauseKind::slow_pair,
                                  CauseKind::noise};
  if (model.network_tiers > 1) kinds.push_back(CauseKind::slow_switch);
  std::vector<std::uint32_t> hosts(model.hosts);
  for (std::uint32_t i = 0; i < model.hosts; ++i) hosts[i] = i;
  const auto shuffle = [&](auto& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[draw.below(i)]);
  };
  shuffle(kinds);
  shuffle(hosts);
  const auto switches = model.hosts / model.hosts_per_switch;
  const auto slow_switch = static_cast<std::uint32_t>(draw.below(switches));
  kinds.resize(std::min<std::size_t>(defects, kinds.size()));
  const bool has_slow_switch = std::count(kinds.begin(), kinds.end(), CauseKind::slow_switch) > 0;
  // Whatever else is slow is not behind the slow switch, so that neither hides the other.
  if (has_slow_switch) {
    std::erase_if(hosts, [&](std::uint32_t host) { return host / model.hosts_per_switch == slow_switch; });
  }
  for (const CauseKind kind : kinds) {
    PlantedDefect defect;
    defect.kind = kind;
    defect.factor = factor_min * (1 + draw.uniform());
    if (defect.kind == CauseKind::slow_switch) {
      defect.first = slow_switch;
    } else {
      defect.first = hosts.back();
      hosts.pop_back();
      if (defect.kind == CauseKind::slow_direction) {
        const CauseDirection directions[] = {CauseDirection::out, CauseDirection::in, CauseDirection::both};
        defect.direction = directions[draw.below(3)];
      }
      const bool is_pair = defect.kind == CauseKind::slow_pair ||
                           (defect.kind == CauseKind::slow_direction && defect.direction == CauseDirection::both);
      if (is_pair) {
        defect.second = hosts.back();
        hosts.pop_back();
      }
    }
    // Some are slow in one way only.
    const std::uint64_t ways = draw.below(4);
    defect.slows_latency = ways != 0;
    defect.slows_bandwidth = ways != 1;
    // So that it is narrower than what lies across switches.
    defect.factor *= defect.kind == CauseKind::noise ? 1.5 : model.taper;
    model.defects.push_back(defect);
  }
  return model;
}

}  // namespace gossamer::topology
