#include "tools/train/batches.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "base/base.h"

namespace gossamer::tools {

Share share_of(std::uint64_t total, std::uint32_t rank, std::uint32_t rank_count) {
  const std::uint64_t least = total / rank_count;
  const std::uint64_t extra = total % rank_count;
  return {rank * least + std::min<std::uint64_t>(rank, extra), least + (rank < extra ? 1 : 0)};
}

std::uint64_t batch_count(std::uint64_t samples, std::uint64_t batch) { return (samples + batch - 1) / batch; }

Share batch_at(std::uint64_t samples, std::uint64_t batch, std::uint64_t index) {
  const std::uint64_t first = index * batch;
  return {first, std::min(batch, samples - first)};
}

std::vector<std::uint32_t> epoch_order(std::uint32_t samples, std::uint64_t seed, std::uint32_t epoch) {
  std::vector<std::uint32_t> order(samples);
  std::iota(order.begin(), order.end(), 0u);
  Random random(mix64(mix64(seed, 0x6f72646572), epoch));
  for (std::uint32_t left = samples; left > 1; --left) std::swap(order[left - 1], order[random.below(left)]);
  return order;
}

double cosine_rate(double rate, std::uint64_t step, std::uint64_t steps) {
  const double done = static_cast<double>(step) / static_cast<double>(std::max<std::uint64_t>(steps, 1));
  return rate * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
}

}  // namespace gossamer::tools
