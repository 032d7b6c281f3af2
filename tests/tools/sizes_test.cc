#include "tools/command/sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gossamer::tools {
namespace {

// Goal: sizes are read as people write them. Method: each unit, and the largest.
TEST(Sizes, AreNumbersWithPowersOf1024) {
  EXPECT_EQ(*parse_size("0"), 0u);
  EXPECT_EQ(*parse_size("300"), 300u);
  EXPECT_EQ(*parse_size("64K"), 65'536u);
  EXPECT_EQ(*parse_size("1m"), 1u << 20);
  EXPECT_EQ(*parse_size("2GiB"), std::uint64_t{2} << 30);
  EXPECT_EQ(*parse_size("3T"), std::uint64_t{3} << 40);
  EXPECT_EQ(*parse_size("4194304T"), std::uint64_t{1} << 62);
  EXPECT_EQ(parse_size_range("1K:64M")->from, 1'024u);
  EXPECT_EQ(parse_size_range("1K:64M")->to, std::uint64_t{64} << 20);
  EXPECT_EQ(parse_size_range("7")->to, 7u);
}

// Goal: anything else is refused with what was expected. Method: one of each kind.
TEST(Sizes, RefuseOtherWords) {
  for (const char* wrong : {"", "K", "-1", "1.5M", "1KB", "1 K", "1Q", "4194305T", "99999999999999999999"}) {
    const auto refused = parse_size(wrong);
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().message, text("expected bytes as in 300, 64K, 1M or 2G, not \"", wrong, "\""));
  }
  for (const char* wrong : {":", "1:", ":1", "2:1", "1:2:3"}) EXPECT_FALSE(parse_size_range(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace gossamer::tools
