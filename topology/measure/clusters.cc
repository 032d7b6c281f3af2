#include "topology/measure/clusters.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "topology/measure/quantile.h"

namespace gossamer::topology {
namespace {

constexpr double gap_min = 0.07;      // levels that differ by less are of no use to anybody
constexpr double caution = 10.0;      // nats that a level must be worth beside the cost of telling it
constexpr std::size_t cuts_max = 24;  // those at the largest gaps between heights are tried

struct Merge {
  std::uint32_t kept = 0;
  std::uint32_t gone = 0;
  double height = 0.0;
};

// Average linkage over what is known: the sum and the number of distances between two clusters are enough. Each cluster
// remembers its nearest, which only a merge of it changes for the worse (Muellner 2011, the generic algorithm).
class Linkage {
 public:
  explicit Linkage(const Distances& distances) : size_(distances.size()), alive_(size_, true), nearest_(size_, 0) {
    sums_.resize(static_cast<std::size_t>(size_) * size_, 0.0);
    counts_.resize(sums_.size(), 0);
    for (std::uint32_t a = 0; a < size_; ++a) {
      for (std::uint32_t b = 0; b < size_; ++b) {
        if (a == b || std::isnan(distances(a, b))) continue;
        sums_[at(a, b)] = distances(a, b);
        counts_[at(a, b)] = 1;
      }
    }
  }

  [[nodiscard]] std::vector<Merge> merge_all() {
    for (std::uint32_t a = 0; a < size_; ++a) nearest_[a] = nearest_to(a);
    std::vector<Merge> merges;
    for (std::uint32_t step = 1; step < size_; ++step) {
      std::uint32_t best = size_;
      for (std::uint32_t a = 0; a < size_; ++a) {
        if (alive_[a] && (best == size_ || mean(a, nearest_[a]) < mean(best, nearest_[best]))) best = a;
      }
      const std::uint32_t kept = std::min(best, nearest_[best]);
      const std::uint32_t gone = std::max(best, nearest_[best]);
      const double height = mean(kept, gone);
      if (std::isinf(height)) break;  // nothing is known between what is left
      merges.push_back({kept, gone, height});
      take(kept, gone);
    }
    return merges;
  }

 private:
  [[nodiscard]] std::size_t at(std::uint32_t a, std::uint32_t b) const {
    return static_cast<std::size_t>(a) * size_ + b;
  }
  [[nodiscard]] double mean(std::uint32_t a, std::uint32_t b) const {
    return counts_[at(a, b)] == 0 ? std::numeric_limits<double>::infinity() : sums_[at(a, b)] / counts_[at(a, b)];
  }
  [[nodiscard]] std::uint32_t nearest_to(std::uint32_t a) const {
    std::uint32_t best = size_;
    for (std::uint32_t b = 0; b < size_; ++b) {
      if (b != a && alive_[b] && (best == size_ || mean(a, b) < mean(a, best))) best = b;
    }
    return best;
  }
  void take(std::uint32_t kept, std::uint32_t gone) {
    alive_[gone] = false;
    for (std::uint32_t other = 0; other < size_; ++other) {
      if (!alive_[other] || other == kept) continue;
      sums_[at(kept, other)] = sums_[at(other, kept)] += sums_[at(gone, other)];
      counts_[at(kept, other)] = counts_[at(other, kept)] += counts_[at(gone, other)];
    }
    for (std::uint32_t other = 0; other < size_; ++other) {
      if (!alive_[other]) continue;
      if (other == kept || nearest_[other] == kept || nearest_[other] == gone) {
        nearest_[other] = nearest_to(other);
      } else if (mean(other, kept) < mean(other, nearest_[other])) {
        nearest_[other] = kept;
      }
    }
  }

  std::uint32_t size_;
  std::vector<bool> alive_;
  std::vector<std::uint32_t> nearest_;
  std::vector<double> sums_;
  std::vector<std::uint32_t> counts_;
};

Partition partition_after(const std::vector<Merge>& merges, std::size_t count, std::uint32_t size) {
  Partition group(size);
  std::iota(group.begin(), group.end(), 0u);
  for (std::size_t i = 0; i < count; ++i) group[merges[i].gone] = merges[i].kept;
  for (std::uint32_t each = 0; each < size; ++each) {
    while (group[each] != group[group[each]]) group[each] = group[group[each]];
  }
  return group;
}

// What each thing adds to all of its distances, or NaN where that is nothing: both its nearest and its median distance
// are longer than others'. The nearest alone would blame whoever has a slow one as its only neighbour; the median
// alone, whoever is in a small group.
struct Slowness {
  std::vector<double> nearest;  // of those that are slow
  std::vector<double> added;    // time, not its logarithm
  double usual = 0.0;           // nearest distance
};

Slowness slowness_of(const Distances& distances, double noise) {
  constexpr double nothing = std::numeric_limits<double>::quiet_NaN();
  const std::uint32_t size = distances.size();
  Slowness out{std::vector<double>(size, nothing), std::vector<double>(size, nothing), 0.0};
  std::vector<double> middle(size, nothing);
  std::vector<double> all_nearest;
  std::vector<double> all_middle;
  for (std::uint32_t a = 0; a < size; ++a) {
    std::vector<double> row;
    for (std::uint32_t b = 0; b < size; ++b) {
      if (a != b && !std::isnan(distances(a, b))) row.push_back(distances(a, b));
    }
    if (row.empty()) continue;
    all_nearest.push_back(out.nearest[a] = *std::min_element(row.begin(), row.end()));
    all_middle.push_back(middle[a] = median_of(row));
  }
  if (all_nearest.empty()) return out;
  out.usual = median_of(all_nearest);
  const double usual_middle = median_of(all_middle);
  for (std::uint32_t a = 0; a < size; ++a) {
    const bool is_slow = out.nearest[a] - out.usual > 3 * noise && middle[a] - usual_middle > 3 * noise;
    if (is_slow) {
      out.added[a] =
          std::min(std::exp(out.nearest[a]) - std::exp(out.usual), std::exp(middle[a]) - std::exp(usual_middle));
    } else {
      out.nearest[a] = nothing;
    }
  }
  return out;
}

// Sum of the logarithms of a density with a normal core and a wide floor, around the values' own median.
double likelihood_around(std::vector<double>& values, double noise, double center) {
  constexpr double odd = 0.03;
  constexpr double width = 6.0;
  double sum = 0;
  for (const double each : values) {
    const double z = (each - center) / noise;
    sum += std::log((1 - odd) * 0.39894 / noise * std::exp(-0.5 * z * z) + odd / width);
  }
  return sum;
}

double likelihood(std::vector<double>& values, double noise) {
  return values.empty() ? 0.0 : likelihood_around(values, noise, median_of(values));
}

struct Split {
  Partition partition;
  double gain = 0.0;
};

// What is clustered: hosts, or groups of them that an earlier level found. Distances stay those of hosts, so that the
// worth of a level is that of all that was measured.
struct Atoms {
  Partition of_host;
  std::uint32_t count = 0;
};

Atoms atoms_of(const Partition& partition) {
  Atoms atoms{Partition(partition.size()), 0};
  std::vector<std::uint32_t> index(partition.size());
  for (std::uint32_t host = 0; host < partition.size(); ++host) {
    if (partition[host] == host) index[host] = atoms.count++;
  }
  for (std::uint32_t host = 0; host < partition.size(); ++host) atoms.of_host[host] = index[partition[host]];
  return atoms;
}

// Medians.
Distances between_atoms(const Distances& distances, const Atoms& atoms) {
  if (atoms.count == distances.size()) return distances;
  std::vector<std::vector<double>> all(static_cast<std::size_t>(atoms.count) * atoms.count);
  for (std::uint32_t a = 0; a < distances.size(); ++a) {
    for (std::uint32_t b = 0; b < a; ++b) {
      const auto [low, high] = std::minmax(atoms.of_host[a], atoms.of_host[b]);
      if (low == high || std::isnan(distances(a, b))) continue;
      all[static_cast<std::size_t>(low) * atoms.count + high].push_back(distances(a, b));
    }
  }
  Distances out(atoms.count);
  for (std::uint32_t a = 0; a < atoms.count; ++a) {
    for (std::uint32_t b = a + 1; b < atoms.count; ++b) {
      std::vector<double>& values = all[static_cast<std::size_t>(a) * atoms.count + b];
      if (!values.empty()) out.set(a, b, median_of(values));
    }
  }
  return out;
}

// Without what slow atoms add, and without what is within atoms.
Distances evened(const Distances& distances, const Atoms& atoms, double noise, Excess excess) {
  const Slowness slow = slowness_of(between_atoms(distances, atoms), noise);
  const double usual = std::exp(slow.usual);
  Distances out(distances.size());
  for (std::uint32_t a = 0; a < distances.size(); ++a) {
    for (std::uint32_t b = 0; b < a; ++b) {
      const std::uint32_t one = atoms.of_host[a];
      const std::uint32_t other = atoms.of_host[b];
      const double now = distances(a, b);
      if (one == other || std::isnan(now)) continue;
      double time = std::exp(now);
      bool is_hidden = false;
      for (const std::uint32_t atom : {one, other}) {
        if (std::isnan(slow.added[atom])) continue;
        time -= slow.added[atom];
        is_hidden = is_hidden || now < slow.nearest[atom] + 3 * noise;
      }
      if (excess == Excess::adds_up) {
        constexpr double least = 0.7;  // of the usual: less is an outlier
        out.set(a, b, std::log(std::max(time, least * usual)));
      } else if (!is_hidden) {
        out.set(a, b, now);
      }
    }
  }
  return out;
}

// What it is worth to say that distances within the groups of `finer` are others than those beside them, which are
// within the groups of `coarser`, if there is one. Atoms alone in their group say nothing. Partitions are of atoms.
double gain_of(const Distances& distances, double noise, const Atoms& atoms, const Partition& finer,
               const Partition* coarser) {
  std::vector<std::uint32_t> members(atoms.count, 0);
  for (const std::uint32_t each : finer) ++members[each];
  std::vector<double> within;
  std::vector<double> beside;
  for (std::uint32_t a = 0; a < distances.size(); ++a) {
    for (std::uint32_t b = 0; b < a; ++b) {
      const std::uint32_t one = atoms.of_host[a];
      const std::uint32_t other = atoms.of_host[b];
      if (std::isnan(distances(a, b)) || (coarser && (*coarser)[one] != (*coarser)[other])) continue;
      if (finer[one] == finer[other]) {
        within.push_back(distances(a, b));
      } else if (members[finer[one]] > 1 && members[finer[other]] > 1) {
        beside.push_back(distances(a, b));
      }
    }
  }
  if (within.empty() || beside.empty()) return 0.0;
  const double near = median_of(within);
  const double far = median_of(beside);
  if (far - near < std::max(gap_min, 2 * noise)) return 0.0;
  std::vector<double> all = within;
  all.insert(all.end(), beside.begin(), beside.end());
  const auto groups = std::count_if(members.begin(), members.end(), [](std::uint32_t each) { return each > 0; });
  const double cost = atoms.count * std::log(static_cast<double>(groups)) * (coarser ? 0.5 : 1.0) + caution;
  return likelihood_around(within, noise, near) + likelihood_around(beside, noise, far) - likelihood(all, noise) - cost;
}

std::optional<Split> best_split(const Distances& distances, double noise, const Atoms& atoms,
                                const std::vector<Merge>& merges, std::size_t merges_max, const Partition* coarser) {
  // Before merge i: the cut is between the heights of i - 1 and i.
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < merges_max; ++i) cuts.push_back(i);
  const auto gap = [&](std::size_t cut) { return merges[cut].height - merges[cut - 1].height; };
  std::stable_sort(cuts.begin(), cuts.end(), [&](std::size_t a, std::size_t b) { return gap(a) > gap(b); });
  if (cuts.size() > cuts_max) cuts.resize(cuts_max);
  std::optional<Split> best;
  for (const std::size_t cut : cuts) {
    if (gap(cut) <= 0) continue;
    Split split{partition_after(merges, cut, atoms.count), 0.0};
    split.gain = gain_of(distances, noise, atoms, split.partition, coarser);
    if (split.gain > 0 && (!best || split.gain > best->gain)) best = std::move(split);
  }
  return best;
}

// A partition of atoms as one of hosts.
Partition of_hosts(const Partition& partition, const Atoms& atoms) {
  const auto size = static_cast<std::uint32_t>(atoms.of_host.size());
  std::vector<std::uint32_t> least(atoms.count, size);
  for (std::uint32_t host = size; host > 0; --host) least[partition[atoms.of_host[host - 1]]] = host - 1;
  Partition out(size);
  for (std::uint32_t host = 0; host < size; ++host) out[host] = least[partition[atoms.of_host[host]]];
  return out;
}

}  // namespace

Levels find_levels(const Distances& distances, double noise, Excess excess, const Partition& known) {
  constexpr std::uint32_t atoms_min = 4;  // two groups of two are the least that can be told
  constexpr std::size_t levels_max = 4;
  Levels levels;
  if (!known.empty()) levels.partitions.push_back(known);
  Partition finest(distances.size());
  std::iota(finest.begin(), finest.end(), 0u);
  Distances left = distances;
  while (levels.partitions.size() < levels_max) {
    const Atoms atoms = atoms_of(levels.partitions.empty() ? finest : levels.partitions.back());
    if (atoms.count < atoms_min) break;
    left = evened(left, atoms, noise, excess);
    const std::vector<Merge> merges = Linkage(between_atoms(left, atoms)).merge_all();
    std::optional<Split> split = best_split(left, noise, atoms, merges, merges.size(), nullptr);
    if (!split) break;
    // The clearest cut may be above finer ones. The finest is kept: what is slow with groups hides what is above it,
    // and is taken away next.
    Partition found = split->partition;
    double gain = split->gain;
    for (std::size_t finer = 1; finer < levels_max; ++finer) {
      std::size_t below = 0;
      while (below < merges.size() && found[merges[below].kept] == found[merges[below].gone]) ++below;
      split = best_split(left, noise, atoms, merges, below, &found);
      if (!split) break;
      found = split->partition;
      gain = split->gain;
    }
    levels.gain += gain;
    levels.partitions.push_back(of_hosts(found, atoms));
  }
  return levels;
}

}  // namespace gossamer::topology
