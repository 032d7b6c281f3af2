#include "topology/measure/suspicion.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace gossamer::topology {
namespace {

constexpr int polishings = 10;

struct PairCell {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  double left = 0.0;  // logarithm of the time, less what is expected
};

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// Takes each line's median out of its cells.
void take_medians(std::vector<PairCell>& cells, std::uint32_t PairCell::*line, std::size_t rank_count) {
  std::vector<std::vector<double>> lines(rank_count);
  for (const PairCell& cell : cells) lines[cell.*line].push_back(cell.left);
  std::vector<double> medians;
  for (auto& each : lines) medians.push_back(median(std::move(each)));
  for (PairCell& cell : cells) cell.left -= medians[cell.*line];
}

const SizeSamples* find_size(const PairMeasurement& pair, std::uint64_t bytes) {
  for (const SizeSamples& size : pair.sizes)
    if (size.bytes == bytes) return &size;
  return nullptr;
}

// Least and largest of the sizes that every pair of the load has.
std::set<std::uint64_t> compared_sizes(const std::vector<const PairMeasurement*>& pairs) {
  std::vector<std::uint64_t> common;
  for (const SizeSamples& size : pairs.front()->sizes) {
    if (std::all_of(pairs.begin(), pairs.end(),
                    [&](const auto* pair) { return find_size(*pair, size.bytes) != nullptr; }))
      common.push_back(size.bytes);
  }
  if (common.empty()) return {};
  return {common.front(), common.back()};
}

}  // namespace

std::vector<Suspicion> suspicious_pairs(const Measurement& measurement, const SuspicionLimits& limits) {
  std::vector<Suspicion> found;
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    std::vector<const PairMeasurement*> pairs;
    for (const PairMeasurement& pair : measurement.pairs)
      if (pair.load == load && !pair.sizes.empty()) pairs.push_back(&pair);
    if (pairs.empty()) continue;
    std::map<std::pair<std::uint32_t, std::uint32_t>, double> worst;
    for (const std::uint64_t bytes : compared_sizes(pairs)) {
      std::vector<PairCell> cells;
      for (const PairMeasurement* pair : pairs) {
        const double time_ns = std::max(1e-3, find_size(*pair, bytes)->p50_ns.value);
        cells.push_back({pair->from, pair->to, std::log(time_ns)});
      }
      for (int i = 0; i < polishings; ++i) {
        take_medians(cells, &PairCell::from, measurement.ranks.size());
        take_medians(cells, &PairCell::to, measurement.ranks.size());
      }
      std::vector<double> distances;
      for (const PairCell& cell : cells) distances.push_back(std::abs(cell.left));
      const double limit = std::max(std::log(limits.ratio), limits.spread_times * median(std::move(distances)));
      for (const PairCell& cell : cells) {
        if (std::abs(cell.left) <= limit) continue;
        double& most = worst[{cell.from, cell.to}];
        most = std::max(most, std::abs(cell.left));
      }
    }
    for (const auto& [ends, left] : worst) found.push_back({load, ends.first, ends.second, std::exp(left)});
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.ratio > b.ratio; });
  if (found.size() > limits.most) found.resize(limits.most);
  return found;
}

}  // namespace gossamer::topology
