#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "inputs.h"

namespace gossamer::sketch {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<std::byte> random_payload(const PayloadShape& shape, std::uint64_t seed) {
  std::vector<std::byte> bytes(shape.bytes());
  const std::vector<float> cells = rough_vector(seed, shape.cells);
  if (!cells.empty()) std::memcpy(bytes.data(), cells.data(), cells.size() * sizeof(float));
  Random random(seed);
  for (std::uint32_t word = 0; word < shape.words; ++word) {
    const std::uint64_t value = random.next();
    std::memcpy(bytes.data() + shape.words_offset() + std::size_t{word} * 8, &value, 8);
  }
  return bytes;
}

// Goal: cells add, words keep the minimum, padding stays. Method: the definition beside it, on every target, at
// addresses of any alignment.
TEST(Merge, AddsCellsAndKeepsTheLeastWords) {
  with_each_target([] {
    for (const std::uint64_t cells : {0u, 1u, 2u, 15u, 16u, 17u, 100u, 101u}) {
      for (const std::uint32_t words : {0u, 1u, 3u}) {
        const PayloadShape shape{cells, words};
        const std::vector<std::byte> a = random_payload(shape, 1);
        const std::vector<std::byte> b = random_payload(shape, 2);
        std::vector<std::byte> expected = a;
        for (std::uint64_t i = 0; i < cells; ++i) {
          float x = 0;
          float y = 0;
          std::memcpy(&x, a.data() + 4 * i, 4);
          std::memcpy(&y, b.data() + 4 * i, 4);
          x += y;
          std::memcpy(expected.data() + 4 * i, &x, 4);
        }
        for (std::uint64_t at = shape.words_offset(); at < shape.bytes(); at += 8) {
          std::uint64_t x = 0;
          std::uint64_t y = 0;
          std::memcpy(&x, a.data() + at, 8);
          std::memcpy(&y, b.data() + at, 8);
          x = std::min(x, y);
          std::memcpy(expected.data() + at, &x, 8);
        }
        for (const std::size_t skew : {0u, 1u, 4u}) {
          std::vector<std::byte> into(a.size() + skew);
          std::vector<std::byte> from(b.size() + skew);
          std::copy(a.begin(), a.end(), into.begin() + static_cast<std::ptrdiff_t>(skew));
          std::copy(b.begin(), b.end(), from.begin() + static_cast<std::ptrdiff_t>(skew));
          merge(shape, 0, into.data() + skew, from.data() + skew, shape.bytes());
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), into.begin() + static_cast<std::ptrdiff_t>(skew)))
              << cells << " cells, " << words << " words, skew " << skew;
        }
      }
    }
  });
}

// Goal: a payload can be merged in parts. Method: any cuts at multiples of 8 give what one merge gives.
RC_GTEST_PROP(Merge, PartsGiveWhatTheWholeGives, ()) {
  const PayloadShape shape{*rc::gen::inRange<std::uint64_t>(0, 200), *rc::gen::inRange<std::uint32_t>(0, 5)};
  const std::vector<std::byte> from = random_payload(shape, 2);
  std::vector<std::byte> whole = random_payload(shape, 1);
  std::vector<std::byte> parts = whole;
  merge(shape, 0, whole.data(), from.data(), whole.size());
  std::uint64_t offset = 0;
  while (offset < shape.bytes()) {
    const std::uint64_t bytes = 8 * *rc::gen::inRange<std::uint64_t>(1, (shape.bytes() - offset) / 8 + 1);
    merge(shape, offset, parts.data() + offset, from.data() + offset, bytes);
    offset += bytes;
  }
  RC_ASSERT(parts == whole);
}

// Goal: a list comes back as it was, within the promised size. Method: random sets at every density.
RC_GTEST_PROP(IndexList, ComesBackAsItWas, ()) {
  const auto dimension = *rc::gen::element<std::uint64_t>(1, 100, 128, 129, 1 << 20, 0xffffffffu);
  std::set<std::uint32_t> chosen;
  const auto count = *rc::gen::inRange<std::size_t>(0, std::min<std::uint64_t>(dimension, 300) + 1);
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  for (std::size_t i = 0; i < count; ++i) chosen.insert(static_cast<std::uint32_t>(random.below(dimension)));
  const std::vector<std::uint32_t> indices(chosen.begin(), chosen.end());

  std::vector<std::byte> bytes(index_list_bytes_max(indices.size(), dimension));
  bytes.resize(encode_index_list(indices, bytes));
  std::vector<std::uint32_t> decoded(indices.size());
  const Result<std::size_t> result = decode_index_list(bytes, dimension, decoded);
  RC_ASSERT(result.ok());
  RC_ASSERT(result.value() == indices.size());
  RC_ASSERT(decoded == indices);
}

// Goal: the size is as the header says. Method: one index in 100, and one in 16,000.
TEST(IndexList, TakesOneOrTwoBytesAnIndex) {
  for (const auto& [step, least, most] : {std::tuple{100u, 1.0, 1.01}, {16'000u, 2.0, 2.01}}) {
    std::vector<std::uint32_t> indices(1000);
    for (std::uint32_t i = 0; i < 1000; ++i) indices[i] = (i + 1) * step;
    std::vector<std::byte> bytes(index_list_bytes_max(1000, 1001 * step));
    const double used = static_cast<double>(encode_index_list(indices, bytes)) / 1000.0;
    EXPECT_GE(used, least);
    EXPECT_LE(used, most);
  }
}

// Goal: the format is frozen. Method: literal bytes.
TEST(IndexList, HasItsFrozenBytes) {
  const std::vector<std::uint32_t> indices = {0, 1, 129, 300};
  std::vector<std::byte> bytes(index_list_bytes_max(4, 301));
  bytes.resize(encode_index_list(indices, bytes));
  EXPECT_EQ(bytes, bytes_of({4, 0, 1, 0x80, 0x01, 0xab, 0x01}));
}

// Goal: bytes that are not a list are refused with a reason. Method: one of each kind.
TEST(IndexList, MalformedBytesAreRefused) {
  const std::vector<std::pair<std::vector<std::byte>, std::string>> cases = {
      {bytes_of({}), "count is cut short"},
      {bytes_of({0x80}), "count is cut short"},
      {bytes_of({0x82, 0x00, 1, 1}), "not in shortest form"},
      {bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0x01}), "not in shortest form"},
      {bytes_of({5, 1, 1, 1, 1, 1}), "a list of 5 indices; at most 4"},
      {bytes_of({0xff, 0xff, 0xff, 0xff, 0x7f}), "at most 4"},
      {bytes_of({2, 7}), "index 1 of 2 is cut short"},
      {bytes_of({2, 7, 0x81}), "index 1 of 2 is cut short"},
      {bytes_of({2, 7, 0x81, 0x00}), "not in shortest form"},
      {bytes_of({2, 7, 0}), "index 1 repeats"},
      {bytes_of({1, 100}), "index 100; the dimension is 100"},
      {bytes_of({2, 99, 1}), "index 100; the dimension is 100"},
      {bytes_of({2, 1, 0xff, 0xff, 0xff, 0xff, 0x7f}), "the dimension is 100"},
      {bytes_of({2, 7, 1, 0}), "1 bytes follow"},
      {bytes_of({0, 9}), "1 bytes follow"},
  };
  for (const auto& [bytes, words] : cases) {
    std::vector<std::uint32_t> indices(4);
    const Result<std::size_t> result = decode_index_list(bytes, 100, indices);
    ASSERT_FALSE(result.ok()) << words;
    EXPECT_EQ(result.error().code, Code::malformed);
    EXPECT_NE(result.error().message.find(words), std::string::npos) << result.error().message;
  }
}

// Goal: whatever bytes come, the decoder stays in bounds, and what it accepts is the one encoding of a valid list.
// Method: random bytes of mostly small values; accepted ones are encoded again.
RC_GTEST_PROP(IndexList, AnyBytesAreEitherRefusedOrTheOneEncoding, ()) {
  const auto raw = *rc::gen::container<std::vector<std::uint8_t>>(
      rc::gen::oneOf(rc::gen::inRange<std::uint8_t>(0, 6), rc::gen::arbitrary<std::uint8_t>()));
  const auto bytes = std::as_bytes(std::span(raw));
  std::vector<std::uint32_t> indices(8);
  const Result<std::size_t> result = decode_index_list(bytes, 1000, indices);
  if (!result.ok()) {
    RC_ASSERT(result.error().code == Code::malformed);
    return;
  }
  indices.resize(result.value());
  RC_ASSERT(std::adjacent_find(indices.begin(), indices.end(), std::greater_equal<>()) == indices.end());
  if (!indices.empty()) RC_ASSERT(indices.back() < 1000u);
  std::vector<std::byte> again(index_list_bytes_max(indices.size(), 1000));
  again.resize(encode_index_list(indices, again));
  RC_ASSERT(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
}

// Goal: hashes can be compared between machines. Method: XXH3's published value for no bytes, and for a text.
TEST(HashBytes, IsXxh3) {
  EXPECT_EQ(hash_bytes({}), 0x2d06800538d394c2u);
  const std::string gossamer = "gossamer";
  EXPECT_NE(hash_bytes(std::as_bytes(std::span(gossamer))), hash_bytes(std::as_bytes(std::span("gossameR", 8))));
}

}  // namespace
}  // namespace gossamer::sketch
