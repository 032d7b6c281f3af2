// Comparing what ranks must have in common, and naming ranks in sentences. No network.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "runtime/control/control.h"

namespace gossamer::runtime {

struct RankFields {
  Rank rank;
  std::span<const Field> fields;
};

// "columns: rank 0 has 4096, rank 2 has 8192" for the first field of `a` that `b` has otherwise or not
// at all, else the first of `b` that `a` lacks. Order of fields does not matter. O(fields squared).
[[nodiscard]] std::optional<std::string> first_difference(const RankFields& a, const RankFields& b);

// "rank 2", "ranks 2 and 3", "ranks 1, 2 and 3"; `ranks` is not empty.
[[nodiscard]] std::string name_ranks(std::span<const Rank> ranks);

// A peer's words made fit to show: printable ASCII, at most 200 characters, "(empty)" for nothing.
[[nodiscard]] std::string shown(std::string_view words);
// The same, from shortly before the place where `words` and `other` part, where shown() would cut it off.
[[nodiscard]] std::string shown_against(std::string_view words, std::string_view other);

}  // namespace gossamer::runtime
