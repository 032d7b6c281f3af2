// Random coordinates to fill up a selection: the named HEAVYMIX variant only.
#pragma once

#include <cstdint>
#include <span>

namespace gossamer::sketch {

// out = `chosen` (ascending, below `dimension`) and uniformly random others, ascending together. With n
// others to choose from and f wanted, Random(seed).below(n) is drawn until f distinct ranks among the others
// have come up; when f > n / 2, the n - f that stay out are drawn so instead. O(f log f) expected.
// `spare` has room for min(f, n - f) values; none of the three spans overlap.
void fill_with_others(std::uint64_t seed, std::uint64_t dimension, std::span<const std::uint32_t> chosen,
                      std::span<std::uint32_t> spare, std::span<std::uint32_t> out);

}  // namespace gossamer::sketch
