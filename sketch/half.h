// bf16 and f16 as their bits, to and from f32: nearest, ties to even, by integer arithmetic, so that every machine
// and every SIMD target gives the same.
#pragma once

#include <bit>
#include <cstdint>

namespace gossamer::sketch {

// Finite values; what rounds beyond the largest finite one becomes infinity.
[[nodiscard]] constexpr std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
[[nodiscard]] constexpr float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

// What rounds beyond the largest finite value, 65,504, becomes infinity; NaN stays NaN, as x86 narrows it.
[[nodiscard]] constexpr std::uint16_t to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  // Below 2^-14 adding 0.5 shifts the mantissa to where f16 has it, and the addition rounds.
  const std::uint32_t tiny = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const std::uint32_t normal = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  const std::uint32_t beyond = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : 0x7c00u;
  const std::uint32_t half = magnitude >= 0x477ff000u ? beyond : magnitude < 0x38800000u ? tiny : normal;
  return static_cast<std::uint16_t>(half | (bits >> 16 & 0x8000u));
}
[[nodiscard]] constexpr float from_f16(std::uint16_t bits) {
  const std::uint32_t magnitude = (bits & 0x7fffu) << 13;
  const std::uint32_t exponent = magnitude & 0x0f800000u;
  const float tiny = std::bit_cast<float>(magnitude + (113u << 23)) - std::bit_cast<float>(113u << 23);
  const std::uint32_t normal = magnitude + (exponent == 0x0f800000u ? 224u << 23 : 112u << 23);
  const std::uint32_t value = exponent == 0 ? std::bit_cast<std::uint32_t>(tiny) : normal;
  return std::bit_cast<float>(value | (bits & 0x8000u) << 16);
}

}  // namespace gossamer::sketch
