#include "sketch/random_fill.h"

#include <algorithm>

#include "base/base.h"

namespace gossamer::sketch {
namespace {

// The first out.size() distinct values of the sequence Random(seed).below(bound), ascending. Each round
// draws as many as are missing, so never one too many.
void draw_distinct(std::uint64_t seed, std::uint64_t bound, std::span<std::uint32_t> out) {
  Random random(seed);
  auto end = out.begin();
  while (end != out.end()) {
    std::generate(end, out.end(), [&] { return static_cast<std::uint32_t>(random.below(bound)); });
    std::sort(out.begin(), out.end());
    end = std::unique(out.begin(), out.end());
  }
}

// out = [0, bound) without `left_out` (ascending).
void complement(std::uint64_t bound, std::span<const std::uint32_t> left_out, std::span<std::uint32_t> out) {
  auto next = left_out.begin();
  auto to = out.begin();
  for (std::uint64_t value = 0; value < bound; ++value) {
    if (next != left_out.end() && *next == value) {
      ++next;
    } else {
      *to++ = static_cast<std::uint32_t>(value);
    }
  }
}

}  // namespace

void fill_with_others(std::uint64_t seed, std::uint64_t dimension, std::span<const std::uint32_t> chosen,
                      std::span<std::uint32_t> spare, std::span<std::uint32_t> out) {
  const std::uint64_t others = dimension - chosen.size();
  const std::span<std::uint32_t> fill = out.subspan(chosen.size());
  if (fill.size() <= others / 2) {
    draw_distinct(seed, others, fill);
  } else {
    const std::span<std::uint32_t> left_out = spare.first(others - fill.size());
    draw_distinct(seed, others, left_out);
    complement(others, left_out, fill);
  }

  // The j-th other coordinate is j plus the number of chosen ones below it. Merging forward in place is
  // safe: writing never overtakes what of `fill` is still to be read.
  std::size_t below = 0;
  auto to = out.begin();
  for (const std::uint32_t rank : fill) {
    while (below < chosen.size() && chosen[below] <= rank + below) *to++ = chosen[below++];
    *to++ = static_cast<std::uint32_t>(rank + below);
  }
  std::copy(chosen.begin() + static_cast<std::ptrdiff_t>(below), chosen.end(), to);
}

}  // namespace gossamer::sketch
