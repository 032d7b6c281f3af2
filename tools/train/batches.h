// Who trains on which samples, and how fast.
#pragma once

#include <cstdint>
#include <vector>

namespace gossamer::tools {

struct Share {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

// The part of `total` neighbouring things that is `rank`'s: the shares of all ranks are disjoint, in order,
// cover everything, and differ by at most one (the first total mod rank_count ranks have one more).
[[nodiscard]] Share share_of(std::uint64_t total, std::uint32_t rank, std::uint32_t rank_count);

// Batches of an epoch; the last may be smaller.
[[nodiscard]] std::uint64_t batch_count(std::uint64_t samples, std::uint64_t batch);
// Where batch `index` lies in the epoch's order.
[[nodiscard]] Share batch_at(std::uint64_t samples, std::uint64_t batch, std::uint64_t index);

// The order of the samples in `epoch`: a permutation of 0 to samples - 1 that depends on seed and epoch
// alone, so that every rank, of however many, draws the same one (Fisher and Yates).
[[nodiscard]] std::vector<std::uint32_t> epoch_order(std::uint32_t samples, std::uint64_t seed, std::uint32_t epoch);

// rate * (1 + cos(pi * step / steps)) / 2: from `rate` down to nearly 0.
[[nodiscard]] double cosine_rate(double rate, std::uint64_t step, std::uint64_t steps);

}  // namespace gossamer::tools
