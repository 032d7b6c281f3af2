#include "runtime/session/link_cost.h"

#include <gtest/gtest.h>

namespace gossamer::runtime {
namespace {

Introduction rank_on(const std::string& host, bool shared_memory, bool adapter) {
  Introduction introduction;
  introduction.host = host;
  introduction.links = {shared_memory, adapter};
  return introduction;
}

// Goal: the model is that of the slowest link that ranks may share, and a setting wins. Method: one host, two hosts,
// with and without adapters, one rank that has less than the others.
TEST(LinkCost, IsThatOfTheSlowestLinkThatRanksMayShare) {
  const auto name = [](std::vector<Introduction> ranks, std::string_view setting = "auto") {
    return choose_link_cost(setting, ranks)->name;
  };
  EXPECT_EQ(name({rank_on("a", true, false)}), "shared-memory");
  EXPECT_EQ(name({rank_on("a", true, true), rank_on("a", true, true)}), "shared-memory");
  EXPECT_EQ(name({rank_on("a", true, false), rank_on("a", false, false)}), "tcp-1g");
  EXPECT_EQ(name({rank_on("a", true, false), rank_on("b", true, false)}), "tcp-1g");
  EXPECT_EQ(name({rank_on("a", true, true), rank_on("b", true, true)}), "rdma");
  EXPECT_EQ(name({rank_on("a", true, true), rank_on("b", true, false)}), "tcp-1g");
  EXPECT_EQ(name({rank_on("a", true, true), rank_on("b", true, true)}, "tcp-10g"), "tcp-10g");
  EXPECT_EQ(name({rank_on("a", true, true)}, "40,9"), "40,9");
  EXPECT_EQ(choose_link_cost("40,9", {})->model.beta_ns_per_byte, 9.0);
  EXPECT_FALSE(choose_link_cost("fast", {}).ok());
}

// Goal: what a transport has is read from the names of its library. Method: lists as UCX and libfabric give them.
TEST(LinkCost, ReadsLinksFromTheTransportsWays) {
  const auto links = [](std::vector<std::string> ways) {
    transport::Capabilities capabilities;
    capabilities.ways = std::move(ways);
    return links_of(capabilities);
  };
  EXPECT_EQ(links({"self", "tcp", "sysv", "posix", "cma"}), (Links{true, false}));
  EXPECT_EQ(links({"self", "tcp"}), (Links{false, false}));
  EXPECT_EQ(links({"rc_mlx5", "ud_mlx5", "posix"}), (Links{true, true}));
  EXPECT_EQ(links({"tcp;ofi_rxm"}), (Links{false, false}));
  EXPECT_EQ(links({"verbs;ofi_rxm"}), (Links{false, true}));
  EXPECT_EQ(links({"shm"}), (Links{true, false}));
  EXPECT_EQ(links({}), (Links{false, false}));
}

// Goal: links reach the other ranks. Method: each combination there and back.
TEST(LinkCost, TravelsWithTheIntroduction) {
  for (const bool shared_memory : {false, true}) {
    for (const bool adapter : {false, true}) {
      const auto decoded = decode_introduction(encode_introduction(rank_on("h", shared_memory, adapter)), Rank{1});
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      EXPECT_EQ(decoded->links, (Links{shared_memory, adapter}));
    }
  }
}

}  // namespace
}  // namespace gossamer::runtime
