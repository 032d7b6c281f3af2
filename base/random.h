// Seeded random numbers, the same on every machine and every compiler.
#pragma once

#include <cstdint>

namespace gossamer {

// One step of SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection whose output bits all
// depend on all input bits. Frozen: seeds of sketches are derived with it.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Folds `b` into `a`; order matters. Frozen.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t a, std::uint64_t b) { return mix64(mix64(a) ^ b); }

// SplitMix64 as a generator.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  [[nodiscard]] std::uint64_t next() {
    const std::uint64_t out = mix64(state_);
    state_ += 0x9e3779b97f4a7c15u;
    return out;
  }
  // Uniform in [0, bound), bound > 0, by multiply-high (bias below bound / 2^64).
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  // Uniform in [0, 1), 53 bits.
  [[nodiscard]] double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Standard normal by Box-Muller, one value for two draws.
  [[nodiscard]] double normal();

 private:
  std::uint64_t state_;
};

}  // namespace gossamer
