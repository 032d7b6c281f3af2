// The words at the end of a payload, through which ranks learn in the same message whether to go on.
//
// Words merge by minimum. A rank with a non-finite gradient puts (rank, index) there, the others the
// largest word: every rank sees the lowest rank that has one, and its first index. A hash h travels as
// h and ~h: the minimum of both is the minimum and the complement of the maximum over ranks, which
// are equal exactly when all hashes are.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/base.h"
#include "runtime/algorithms/parts/layout.h"
#include "runtime/engine/buffer.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

inline constexpr std::uint64_t no_flag = ~std::uint64_t{0};

// 24 bits of rank, 40 of index: a tag counts 4,096 ranks, a vector 2^32 elements.
[[nodiscard]] constexpr std::uint64_t make_flag(Rank rank, std::optional<std::uint64_t> index) {
  return index ? std::uint64_t{rank.value} << 40 | *index : no_flag;
}

// `not_finite` with rank, tensor and index; `malformed` where the flag names no rank or no coordinate, so that its
// bytes are damaged.
[[nodiscard]] Status check_flag(std::uint64_t flag, std::uint32_t rank_count, const Layout& layout);

// What every rank finds in what was merged, though each rank's gradient was finite: `not_finite` without a rank. The
// same on all of them, since they look at the same bits, so each ends its operation by itself. `position`: in the
// caller's order, none where no single coordinate is known; `what`: "the sum over ranks".
[[nodiscard]] Error overflow(std::string_view what, std::optional<std::uint64_t> position, const Layout& layout);

// Words keep the least: a maximum of floats of at least 0 travels as the complement of their bits.
[[nodiscard]] constexpr std::uint64_t maximum_word(float value) {
  return ~std::uint64_t{std::bit_cast<std::uint32_t>(value)};
}
[[nodiscard]] constexpr float maximum_of(std::uint64_t word) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(~word));
}

struct HashWords {
  std::uint64_t least = 0;
  std::uint64_t most_inverted = 0;
};
[[nodiscard]] constexpr HashWords make_hash_words(std::uint64_t hash) { return {hash, ~hash}; }
[[nodiscard]] Status check_hash_words(const HashWords& merged, std::uint64_t own);

// The f32 cells and the words of a payload in its buffer.
[[nodiscard]] inline std::span<float> payload_cells(const Buffer& buffer, const sketch::PayloadShape& shape) {
  return buffer.as<float>(shape.cells);
}
inline void write_word(const Buffer& buffer, const sketch::PayloadShape& shape, std::uint32_t i, std::uint64_t word) {
  std::memcpy(buffer.data() + shape.words_offset() + 8 * std::uint64_t{i}, &word, sizeof word);
}
[[nodiscard]] inline std::uint64_t read_word(const Buffer& buffer, const sketch::PayloadShape& shape, std::uint32_t i) {
  std::uint64_t word = 0;
  std::memcpy(&word, buffer.data() + shape.words_offset() + 8 * std::uint64_t{i}, sizeof word);
  return word;
}

}  // namespace gossamer::runtime
