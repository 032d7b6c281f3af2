// One rank's part in the agreement that makes a compressor, beside the fields that must be equal as they are.
//
//   | count of tensors, 8 B | their hash, 8 B | length of the offer, 4 B | offer | numbers, 8 B each |
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/base.h"
#include "runtime/algorithms/compressor_config.h"
#include "runtime/control/control.h"
#include "runtime/session/plan_numbers.h"

namespace gossamer::runtime {

// What follows from tensors and configuration together, so that it is compared after both.
inline constexpr std::array<std::string_view, 5> derived_names = {"dimension", "rows", "columns", "k", "candidates"};

struct CompressorPart {
  std::uint64_t tensor_count = 0;
  std::uint64_t tensors_hash = 0;
  PlanOffer offer;
  std::array<std::uint64_t, derived_names.size()> derived{};
};

[[nodiscard]] CompressorPart make_compressor_part(const CompressorShape& shape, PlanOffer offer);

[[nodiscard]] Blob encode_compressor_part(const CompressorPart& part);
// Of `rank`. `malformed`: cut short, too long, or an offer that is.
[[nodiscard]] Result<CompressorPart> decode_compressor_part(std::span<const std::byte> bytes, Rank rank);

// `mismatch` where a rank has another derived number than rank 0: its name and both values.
[[nodiscard]] Status check_derived(std::span<const CompressorPart> parts);

}  // namespace gossamer::runtime
