// Goal: merge does what its documentation says to any part of any payload, and touches nothing else. Method: the
// definition, cell by cell, in code that shares nothing with the kernels.
//
//   input   | type, 1 B | words, 1 B | cells, 2 B | offset / 8, 2 B | bytes / 8, 2 B | skews, 1 B | cells and words |
//
// The two contributions are cut from the rest of the input, repeated as often as it takes.
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "fuzz.h"
#include "sketch/sketch.h"

namespace {

using namespace gossamer;
using sketch::CellType;

template <typename Value>
Value load(const std::byte* at) {
  Value value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename Value>
void store(std::byte* at, Value value) {
  std::memcpy(at, &value, sizeof value);
}

// A 16-bit float: its exponent and mantissa bits, and what comes after the largest finite number.
struct Half {
  int mantissa_bits;
  int exponent_bias;
  std::uint16_t infinity;
};
constexpr Half bf16{7, 127, 0x7f80};
constexpr Half f16{10, 15, 0x7c00};

// Where the scale goes on, infinity has the value that the next exponent would give it.
double magnitude_of(const Half& half, std::uint16_t bits) {
  const int exponent = bits >> half.mantissa_bits;
  const int mantissa = bits & ((1 << half.mantissa_bits) - 1);
  const int whole = exponent == 0 ? mantissa : mantissa | 1 << half.mantissa_bits;
  return std::ldexp(whole, std::max(exponent, 1) - half.exponent_bias - half.mantissa_bits);
}

float widened(const Half& half, std::uint16_t bits) {
  const auto magnitude = static_cast<std::uint16_t>(bits & 0x7fff);
  double value = magnitude_of(half, magnitude);
  if (magnitude == half.infinity) value = std::numeric_limits<double>::infinity();
  if (magnitude > half.infinity) value = std::numeric_limits<double>::quiet_NaN();
  return static_cast<float>(bits & 0x8000 ? -value : value);
}

// The nearest of all numbers that there are, by bisection; of two that are equally near, the even one.
std::uint16_t narrowed(const Half& half, float value) {
  const double magnitude = std::abs(static_cast<double>(value));
  std::uint16_t low = 0;
  std::uint16_t high = half.infinity;
  if (std::isinf(value) || magnitude >= magnitude_of(half, high)) {
    low = high;
  } else {
    while (high - low > 1) {
      const auto middle = static_cast<std::uint16_t>((low + high) / 2);
      (magnitude_of(half, middle) <= magnitude ? low : high) = middle;
    }
    const double below = magnitude - magnitude_of(half, low);
    const double above = magnitude_of(half, high) - magnitude;
    if (above < below || (above == below && low % 2 == 1)) low = high;
  }
  return static_cast<std::uint16_t>(low | (std::signbit(value) ? 0x8000 : 0));
}

// Merges one cell of `into`. False where the result is not specified: a sum that is not a number.
bool merge_cell(CellType type, std::byte* into, const std::byte* from) {
  switch (type) {
    case CellType::f32: {
      const float sum = load<float>(into) + load<float>(from);
      store(into, sum);
      return !std::isnan(sum);
    }
    case CellType::bf16:
    case CellType::f16: {
      const Half& half = type == CellType::bf16 ? bf16 : f16;
      const float sum = widened(half, load<std::uint16_t>(into)) + widened(half, load<std::uint16_t>(from));
      if (std::isnan(sum)) return false;
      store(into, narrowed(half, sum));
      return true;
    }
    case CellType::i8:
      store(into, static_cast<std::uint8_t>(load<std::uint8_t>(into) + load<std::uint8_t>(from)));
      return true;
    case CellType::i16:
      store(into, static_cast<std::uint16_t>(load<std::uint16_t>(into) + load<std::uint16_t>(from)));
      return true;
    case CellType::i32:
      store(into, load<std::uint32_t>(into) + load<std::uint32_t>(from));
      return true;
  }
  return false;
}

void check_same(const std::byte* got, const std::byte* expected, std::size_t count) {
  GOSSAMER_CHECK(std::equal(got, got + count, expected), "a merge that differs from its definition");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  sketch::PayloadShape shape;
  const auto types = sketch::all_cell_types();
  shape.type = types[input.take<std::uint8_t>() % types.size()];
  shape.words = input.take<std::uint8_t>() % 8;
  shape.cells = input.take<std::uint16_t>() % 1'024;
  // Parts are whole words, so the last one of a payload that has no words may be beyond its last cell's end.
  const std::uint64_t slots = shape.bytes() / 8;
  const std::uint64_t first = input.take<std::uint16_t>() % (slots + 1);
  const std::uint64_t count = input.take<std::uint16_t>() % (slots - first + 1);
  const auto skews = input.take<std::uint8_t>();
  const std::size_t into_skew = skews % 8;
  const std::size_t from_skew = skews / 8 % 8;
  const std::span<const std::byte> pattern = input.take_rest();

  const std::uint64_t offset = first * 8;
  const std::uint64_t bytes = count * 8;
  std::vector<std::byte> into(into_skew + bytes);
  std::vector<std::byte> from(from_skew + bytes);
  if (!pattern.empty()) {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = pattern[i % pattern.size()];
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = pattern[(into.size() + i) % pattern.size()];
  }
  std::vector<std::byte> expected = into;
  const std::vector<std::byte> from_before = from;
  sketch::merge(shape, offset, into.data() + into_skew, from.data() + from_skew, bytes);

  GOSSAMER_CHECK(from == from_before, "a merge that writes to what it reads");
  check_same(into.data(), expected.data(), into_skew);
  const std::uint64_t step = sketch::cell_bytes(shape.type);
  std::uint64_t at = 0;
  for (; at < bytes && offset + at < shape.cells_bytes(); at += step) {
    std::byte* cell = expected.data() + into_skew + at;
    const std::byte* got = into.data() + into_skew + at;
    if (merge_cell(shape.type, cell, from.data() + from_skew + at)) {
      check_same(got, cell, step);
    } else if (shape.type == CellType::f32) {
      GOSSAMER_CHECK(std::isnan(load<float>(got)), "a sum that is not a number, and merges to one");
    }
  }
  for (; at < bytes && offset + at < shape.words_offset(); ++at) {
    check_same(into.data() + into_skew + at, expected.data() + into_skew + at, 1);
  }
  for (; at < bytes; at += 8) {
    const auto least = std::min(load<std::uint64_t>(expected.data() + into_skew + at),
                                load<std::uint64_t>(from.data() + from_skew + at));
    GOSSAMER_CHECK(load<std::uint64_t>(into.data() + into_skew + at) == least, "a word that is not the least");
  }
  return 0;
}
