// Sizes and times that the tests of transports share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gossamer::transport {

inline constexpr std::size_t mebibyte = std::size_t{1} << 20;  // a rendezvous on every transport
inline constexpr std::uint64_t second_ns = 1'000'000'000;

}  // namespace gossamer::transport
