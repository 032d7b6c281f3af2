// The figures of all pairs as numbers of one or two bytes, for a page of 256 ranks that stays small.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/topo/links.h"

namespace gossamer::tools {

// An array of maps, for latency and bandwidth of each load that was measured:
//
//   what, load, low, high     the least and the greatest value of the map, ns or GB/s
//   p50, p99                  base64 of 16 bits a pair, little endian, row by row in the order of `tiers`: 0 where
//   nothing
//                             was asked for, 1 where there is no figure, else 2 to 65535 from low to high, evenly in
//                             the logarithm
//   below, above              base64 of 8 bits a pair: how far the interval reaches, where q says |ln(end / p50)| =
//                             ln 8 (q / 255)^3
//   missing, reasons          the pairs without a figure, by place: [cell, reason, cell, reason, ...]
[[nodiscard]] nlohmann::json pair_planes(const Links& links, const PairTiers& tiers);

[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace gossamer::tools
