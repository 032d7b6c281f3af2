// The frozen functions as nvcc compiles them for the host.
#pragma once

#include <cstdint>

#include "sketch/fixed_point.h"
#include "sketch/hash.h"

namespace gossamer::sketch::by_nvcc {

SegmentHash segment_hash(std::uint64_t seed, std::uint64_t segment);
std::uint32_t segment_offset(const SegmentHash& hash, std::uint32_t row, std::uint32_t columns);
std::uint32_t sign_bits(const SegmentHash& hash, std::uint32_t position);
std::int32_t round_cell(std::int32_t sum, std::uint64_t seed, std::uint64_t stream, std::uint32_t cell,
                        const FixedPoint& fixed);

}  // namespace gossamer::sketch::by_nvcc
