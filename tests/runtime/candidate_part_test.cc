// The border that a histogram sets, and the parts that ranks send of what they found: what one from outside may not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "runtime/algorithms/parts/sharded_decode.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;

// Goal: the border is where the counts say. Method: by hand; buckets of all keys and of those above one.
TEST(FindBorder, IsTheBucketInWhichTheCountIsReached) {
  std::vector<std::uint32_t> counts(KeyBuckets::count);
  counts[2047] = 3;
  counts[1000] = 5;
  counts[10] = 2;
  const KeyBuckets all = KeyBuckets::above(-1);
  const Border first = find_border(all, counts, 3);
  EXPECT_EQ(first.low, 2047 << 20);
  EXPECT_EQ(first.high, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(first.above, 0u);
  EXPECT_EQ(first.wanted, 3u);
  const Border second = find_border(all, counts, 4);
  EXPECT_EQ(second.low, 1000 << 20);
  EXPECT_EQ(second.high, (1001 << 20) - 1);
  EXPECT_EQ(second.above, 3u);
  EXPECT_EQ(second.wanted, 1u);
  EXPECT_EQ(second.key_bytes(), 3u);
  const Border none = find_border(all, counts, 11);
  EXPECT_EQ(none.above, 10u);
  EXPECT_EQ(none.wanted, 0u);
  const KeyBuckets few = KeyBuckets::above(99);
  EXPECT_EQ(few.of(100), 0u);
  EXPECT_EQ(few.of(100 + 8192), 1u);
  EXPECT_EQ(few.of(std::numeric_limits<std::int32_t>::max()), 2047u);
  const Border third = find_border(few, counts, 9);
  EXPECT_EQ(third.low, 100 + 10 * 8192);
  EXPECT_EQ(third.high, 100 + 11 * 8192 - 1);
  EXPECT_EQ(third.key_bytes(), 2u);
  // Keys that end in the middle of the buckets.
  const Border last = find_border(KeyBuckets::above(std::numeric_limits<std::int32_t>::max() - 1), counts, 1);
  EXPECT_EQ(last.low, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(last.high, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(last.key_bytes(), 0u);
}

// A part by hand, and what reading it says.
struct PartCase {
  Border border{1000, 1000 + 8191, 4, 3};
  std::vector<std::uint32_t> above = {1, 5, 90};
  std::vector<std::uint32_t> in_border = {0, 7};
  std::vector<std::int32_t> keys = {1000, 1000 + 8191};
  std::uint64_t length = 100;
  std::vector<std::byte> bytes = std::vector<std::byte>(1000);

  PartCase() { write(); }
  void write() {
    bytes.resize(1000);
    bytes.resize(write_share({above, in_border, keys}, border, bytes));
  }
  [[nodiscard]] std::string read() {
    std::vector<std::uint32_t> to_above(border.above);
    std::vector<std::uint32_t> to_border(border.wanted);
    std::vector<std::int32_t> to_keys(border.wanted);
    // Bytes in memory of their own, so that a sanitizer sees a read beyond them.
    const std::vector<std::byte> exactly(bytes.begin(), bytes.end());
    const auto share = read_share(exactly, length, border, {to_above, to_border, to_keys});
    if (!share.ok()) {
      EXPECT_EQ(share.error().code, Code::malformed);
      return share.error().message;
    }
    above.assign(share->above.begin(), share->above.end());
    in_border.assign(share->border.begin(), share->border.end());
    keys.assign(share->border_keys.begin(), share->border_keys.end());
    return "read";
  }
};

// Goal: a part comes back as it was written. Method: one with both lists, one whose keys are equal, one without any.
TEST(CandidatePart, ComesBackAsItWasWritten) {
  PartCase part;
  EXPECT_EQ(part.read(), "read");
  EXPECT_EQ(part.above, (std::vector<std::uint32_t>{1, 5, 90}));
  EXPECT_EQ(part.in_border, (std::vector<std::uint32_t>{0, 7}));
  EXPECT_EQ(part.keys, (std::vector<std::int32_t>{1000, 1000 + 8191}));
  const std::size_t bytes = part.bytes.size();
  part.keys = {1234, 1234};
  part.write();
  EXPECT_EQ(part.bytes.size(), bytes - 2) << "one key for both";
  part.keys.clear();
  EXPECT_EQ(part.read(), "read");
  EXPECT_EQ(part.keys, (std::vector<std::int32_t>{1234, 1234}));
  part.above.clear();
  part.in_border.clear();
  part.keys.clear();
  part.length = 0;
  part.write();
  EXPECT_EQ(part.read(), "read");
  EXPECT_TRUE(part.above.empty() && part.in_border.empty());
}

// Goal: each thing that can be wrong with a part is malformed and named. Method: one at a time.
TEST(CandidatePart, EachWrongPartIsMalformed) {
  const auto message = [](auto change) {
    PartCase part;
    change(part);
    return part.read();
  };
  const auto put = [](PartCase& part, std::size_t at, std::uint64_t word) {
    std::memcpy(part.bytes.data() + at, &word, sizeof word);
  };
  EXPECT_THAT(message([](PartCase& p) { p.bytes.resize(15); }), HasSubstr("a part of 15 B, expected at least 16"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.clear(); }), HasSubstr("a part of 0 B"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 8, 4); }), HasSubstr("4 border keys, expected at most 3"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 8, ~std::uint64_t{0}); }), HasSubstr("border keys, expected at most"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 0, 1000); }), HasSubstr("a list of 1000 B"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 0, ~std::uint64_t{0}); }), HasSubstr("claims 2 border keys"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.resize(18); }), HasSubstr("claims 2 border keys"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.pop_back(); }), HasSubstr("in the border: index list"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.push_back(std::byte{0}); }), HasSubstr("follow the last of 2 indices"));
  EXPECT_THAT(message([](PartCase& p) { p.length = 90; }), HasSubstr("index 90; the dimension is 90"));
  EXPECT_THAT(message([](PartCase& p) { p.border.above = 2; }), HasSubstr("above the border: index list"));
  EXPECT_THAT(message([](PartCase& p) { p.border.high -= 1; }), HasSubstr("a border key 8191 above 1000"));
  EXPECT_THAT(message([](PartCase& p) {
                p.in_border[1] = 5;
                p.write();
              }),
              HasSubstr("stands above the border and in it"));
  EXPECT_THAT(message([](PartCase& p) {
                p.bytes.pop_back();  // of the list 2, 0, 7: count, first index, gap
                p.bytes[p.bytes.size() - 2] = std::byte{1};
              }),
              HasSubstr("1 indices in the border with 2 keys"));
}

}  // namespace
}  // namespace gossamer::runtime
