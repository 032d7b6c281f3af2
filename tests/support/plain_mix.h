// Mixing as its definition says, one element at a time, and vectors to mix.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "base/random.h"
#include "sketch/half.h"
#include "sketch/sketch.h"

namespace gossamer::testing {

inline constexpr std::array mixed_types = {sketch::ElementType::f32, sketch::ElementType::f64,
                                           sketch::ElementType::bf16, sketch::ElementType::f16};

template <typename Value>
Value at(const std::byte* bytes, std::size_t i) {
  Value value;
  std::memcpy(&value, bytes + i * sizeof(Value), sizeof(Value));
  return value;
}

// Values of very different sizes, some of them 0, all finite.
inline std::vector<std::byte> rough_elements(sketch::ElementType type, std::uint64_t seed, std::size_t count) {
  Random random(seed);
  std::vector<std::byte> bytes(count * sketch::element_bytes(type));
  for (std::size_t i = 0; i < count; ++i) {
    const double value =
        random.below(8) == 0 ? 0.0 : std::ldexp(random.normal(), static_cast<int>(random.below(12)) - 6);
    const auto single = static_cast<float>(value);
    const std::uint16_t half = type == sketch::ElementType::bf16 ? sketch::to_bf16(single) : sketch::to_f16(single);
    const void* const from = type == sketch::ElementType::f64   ? static_cast<const void*>(&value)
                             : type == sketch::ElementType::f32 ? static_cast<const void*>(&single)
                                                                : static_cast<const void*>(&half);
    std::memcpy(bytes.data() + i * sketch::element_bytes(type), from, sketch::element_bytes(type));
  }
  return bytes;
}

// The definition, each operation rounded by itself.
template <typename Value>
Value mixed(Value z, const std::vector<Value>& parts, const std::vector<double>& shares) {
  volatile Value sum = z;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const volatile Value step = parts[p] - z;
    const volatile Value scaled = static_cast<Value>(shares[p]) * step;
    sum = sum + scaled;
  }
  return sum;
}

template <typename Value, typename Load, typename Store>
void plain_mix(const std::byte* z, std::span<const sketch::MixPart> parts, std::byte* out, std::size_t count, Load load,
               Store store) {
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<Value> values;
    std::vector<double> shares;
    for (const sketch::MixPart& part : parts) {
      values.push_back(load(part.values, i));
      shares.push_back(part.share);
    }
    const auto result = store(mixed<Value>(load(z, i), values, shares));
    std::memcpy(out + i * sizeof result, &result, sizeof result);
  }
}

inline void plain_mix(sketch::ElementType type, const std::byte* z, std::span<const sketch::MixPart> parts,
                      std::byte* out, std::size_t count) {
  const auto same = [](auto value) { return value; };
  if (type == sketch::ElementType::f64) return plain_mix<double>(z, parts, out, count, at<double>, same);
  if (type == sketch::ElementType::f32) return plain_mix<float>(z, parts, out, count, at<float>, same);
  const bool is_bf16 = type == sketch::ElementType::bf16;
  plain_mix<float>(
      z, parts, out, count,
      [is_bf16](const std::byte* from, std::size_t i) {
        const auto bits = at<std::uint16_t>(from, i);
        return is_bf16 ? sketch::from_bf16(bits) : sketch::from_f16(bits);
      },
      [is_bf16](float value) { return is_bf16 ? sketch::to_bf16(value) : sketch::to_f16(value); });
}

}  // namespace gossamer::testing
