#include "runtime/session/link_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gossamer::runtime {
namespace {

Introduction rank_on(const std::string& host, bool shared_memory, bool adapter, const std::string& memory = "",
                     const std::string& name = "") {
  Introduction introduction;
  introduction.host = host;
  introduction.memory = memory;
  introduction.name = name;
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
  EXPECT_EQ(choose_link_cost("40,9", std::vector{rank_on("a", true, true)})->cost.far.beta_ns_per_byte, 9.0);
  EXPECT_FALSE(choose_link_cost("fast", std::vector{rank_on("a", true, true)}).ok());
}

// Goal: where ranks share hosts that others do not, near and far links have models of their own. Method: two hosts of
// two, one of which may lack shared memory; a setting for both, in either order; settings that are none.
TEST(LinkCost, ParsNearFromFar) {
  const auto name = [](bool shared, std::string_view setting) {
    const std::vector<Introduction> ranks = {rank_on("a", true, false), rank_on("a", true, false),
                                             rank_on("b", true, false), rank_on("b", shared, false)};
    return choose_link_cost(setting, ranks)->name;
  };
  EXPECT_EQ(name(true, "auto"), "shared-memory within 2 hosts and tcp-1g between them");
  EXPECT_EQ(name(false, "auto"), "tcp-1g");
  EXPECT_EQ(name(true, "rdma"), "rdma");
  EXPECT_EQ(name(true, "near 2,0.5; far tcp-10g"), "2,0.5 within 2 hosts and tcp-10g between them");
  EXPECT_EQ(name(true, "far tcp-10g;near 2,0.5"), "2,0.5 within 2 hosts and tcp-10g between them");
  EXPECT_EQ(name(true, "near rdma; far rdma"), "rdma");
  for (const char* wrong : {"near rdma", "near rdma;", "near rdma; near rdma", "near; far rdma", "near fast; far rdma",
                            "near auto; far rdma", "rdma; tcp-1g", "near rdma; far rdma; far rdma", ";"}) {
    EXPECT_FALSE(parse_cost_setting(wrong).ok()) << wrong;
  }
}

// Goal: how much a connection may have on its way follows from what the user says of the network, and of nothing else.
// Method: a slow network, faster ones, one beyond what kernels give; no word of it, and a setting that is none.
TEST(LinkCost, SendBuffersGoByWhatTheUserSaysOfTheNetwork) {
  EXPECT_EQ(*tcp_send_buffer_for("auto"), 0u);
  EXPECT_EQ(*tcp_send_buffer_for("25,90"), 64u << 10);
  EXPECT_EQ(*tcp_send_buffer_for("tcp-1g"), 64u << 10);
  EXPECT_EQ(*tcp_send_buffer_for("near shared-memory; far tcp-10g"), 200'000u);
  EXPECT_EQ(*tcp_send_buffer_for("10,0.1"), 2'000'000u);
  EXPECT_EQ(*tcp_send_buffer_for("10,0"), 4u << 20);
  EXPECT_FALSE(tcp_send_buffer_for("fast").ok());
}

// Goal: ranks are on one host where they share memory, unless the user says otherwise. Method: containers with a
// /dev/shm of their own are hosts; names of the user's part what shares memory, and join what does not, which then is
// not taken for memory that is shared.
TEST(LinkCost, HostsGoByTheirMemoryOrTheirNames) {
  const auto groups = [](std::vector<Introduction> ranks) { return topology::Groups::by_name(hosts_of(ranks)).size(); };
  EXPECT_EQ(groups({rank_on("a", true, false, "m"), rank_on("a", true, false, "m")}), 1u);
  EXPECT_EQ(groups({rank_on("a", true, false, "m"), rank_on("a", true, false, "n")}), 2u);
  EXPECT_EQ(groups({rank_on("a", true, false, "m", "x"), rank_on("a", true, false, "m", "y")}), 2u);
  EXPECT_EQ(groups({rank_on("a", true, false, "m", "x"), rank_on("a", true, false, "m")}), 2u);
  const std::vector<Introduction> joined = {rank_on("a", true, false, "m", "x"), rank_on("b", true, false, "m", "x")};
  EXPECT_EQ(groups(joined), 1u);
  EXPECT_EQ(choose_link_cost("auto", joined)->name, "tcp-1g");
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

// Goal: links and hosts reach the other ranks. Method: each combination there and back.
TEST(LinkCost, TravelsWithTheIntroduction) {
  for (const bool shared_memory : {false, true}) {
    for (const bool adapter : {false, true}) {
      const auto decoded =
          decode_introduction(encode_introduction(rank_on("h", shared_memory, adapter, "m", "n")), Rank{1});
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      EXPECT_EQ(decoded->links, (Links{shared_memory, adapter}));
      EXPECT_EQ(decoded->host + decoded->memory + decoded->name, "hmn");
    }
  }
  Introduction told = rank_on("h", true, false);
  told.library = "ucx 1.13.1";
  EXPECT_EQ(decode_introduction(encode_introduction(told), Rank{1})->library, "ucx 1.13.1");
}

// Goal: where hosts have several versions of the library under the transport, whoever joins reads which ranks and hosts
// have which. Method: one, two and three of them, with hosts and without.
TEST(LinkCost, LibrariesThatDifferAreNamedWithTheirRanksAndHosts) {
  const auto said = [](const std::vector<std::string>& libraries, std::string_view rank_hosts) {
    std::vector<Introduction> ranks;
    for (const std::string& each : libraries) ranks.emplace_back().library = each;
    return library_difference(ranks, rank_hosts);
  };
  EXPECT_EQ(said({"ucx 1.13.1", "ucx 1.13.1"}, "a:2"), "");
  EXPECT_EQ(
      said({"ucx 1.13.1", "ucx 1.13.1", "ucx 1.18.0"}, "a:2,b:1"),
      "the ranks have several libraries: ucx 1.13.1 on ranks 0 and 1 (on a), ucx 1.18.0 on rank 2 (on b); they need "
      "not understand each other: install one version on all hosts");
  EXPECT_THAT(
      said({"libfabric 1.17", "libfabric 2.0", "libfabric 1.18", "libfabric 1.17"}, ""),
      ::testing::HasSubstr("libfabric 1.17 on ranks 0 and 3, libfabric 2.0 on rank 1, libfabric 1.18 on rank 2;"));
}

}  // namespace
}  // namespace gossamer::runtime
