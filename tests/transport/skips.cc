#include "skips.h"

namespace gossamer::transport {

namespace {

constexpr const char* no_shared_memory = "the backend was told to use no shared memory, so nothing can be mapped";
[[maybe_unused]] constexpr const char* no_mapping = "libfabric has no load access to a peer's memory";
[[maybe_unused]] constexpr const char* refused_put =
    "libfabric 1.17 drops no put by itself: where a key is refused, tcp and verbs end the connection and shm never "
    "ends the put";

// Those of backends with an adapter, where there is one.
std::vector<Skip> with_rdma(std::vector<Skip> skips) {
  if (rdma_backends().empty()) return skips;
  for (const char* const test : {"ARegionOfAPeerIsReadInPlace", "ReleaseEdgesKeepReadersFromSeeingTheNextRound",
                                 "AMappingOutlivesItsOwnersDeath"}) {
    skips.push_back({"ucx_rc_verbs", test, no_shared_memory});
#ifdef GOSSAMER_WITH_LIBFABRIC
    skips.push_back({"libfabric_verbs", test, no_mapping});
#endif
  }
#ifdef GOSSAMER_WITH_LIBFABRIC
  skips.push_back({"libfabric_verbs", "APutToAReleasedRegionIsDropped", refused_put});
#endif
  return skips;
}

}  // namespace

const std::vector<Skip>& all_skips() {
  [[maybe_unused]] static const char* const truncation =
      "libfabric 1.17: a message longer than its slice ends the connection (tcp) or hangs in progress (shm)";
  [[maybe_unused]] static const char* const small_queues =
      "libfabric's shm keeps 1,024 receives and unmatched messages; beyond that an order that crosses comes to a stand";
  [[maybe_unused]] static const char* const lock_of_the_dead =
      "libfabric 1.17's shm: a process killed while it holds the lock of its queue, as it does while it polls, leaves "
      "whoever starts to it next in that lock for ever";
  static const std::vector<Skip> skips = with_rdma({
      {"ucx_tcp", "ARegionOfAPeerIsReadInPlace", no_shared_memory},
      {"ucx_tcp", "ReleaseEdgesKeepReadersFromSeeingTheNextRound", no_shared_memory},
      {"ucx_tcp", "AMappingOutlivesItsOwnersDeath", no_shared_memory},
#ifdef GOSSAMER_WITH_LIBFABRIC
      {"libfabric_tcp", "ARegionOfAPeerIsReadInPlace", no_mapping},
      {"libfabric_tcp", "ReleaseEdgesKeepReadersFromSeeingTheNextRound", no_mapping},
      {"libfabric_tcp", "AMappingOutlivesItsOwnersDeath", no_mapping},
      {"libfabric_tcp", "AMessageLongerThanItsSliceIsMalformed", truncation},
      {"libfabric_tcp", "APutToAReleasedRegionIsDropped", refused_put},
      {"libfabric_shm", "ARegionOfAPeerIsReadInPlace", no_mapping},
      {"libfabric_shm", "ReleaseEdgesKeepReadersFromSeeingTheNextRound", no_mapping},
      {"libfabric_shm", "AMappingOutlivesItsOwnersDeath", no_mapping},
      {"libfabric_shm", "AMessageLongerThanItsSliceIsMalformed", truncation},
      {"libfabric_shm", "APutToAReleasedRegionIsDropped", refused_put},
      {"libfabric_shm", "TenThousandMessagesWaitForTheirReceives", small_queues},
      {"libfabric_shm", "KilledWhileItReceives", lock_of_the_dead},
      {"libfabric_shm", "KilledInTheMiddleOfPuts", lock_of_the_dead},
#endif
  });
  return skips;
}

void OverBackends::SetUp() {
  const std::string full = ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string test = full.substr(0, full.find('/'));
  for (const Skip& skip : all_skips()) {
    if (skip.backend == GetParam().name && skip.test == test) GTEST_SKIP() << skip.reason;
  }
}

namespace {

bool exists(const Skip& skip) {
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const ::testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int k = 0; k < suite.total_test_count(); ++k) {
      if (suite.GetTestInfo(k)->name() == text(skip.test, "/", skip.backend)) return true;
    }
  }
  return false;
}

// Goal: a test is skipped for a written reason, and skips do not grow unnoticed. Method: their number, and that
// each names a test that exists over a backend that exists.
TEST(ConformanceSkips, TheirNumberIsPinned) {
  const bool rdma = !rdma_backends().empty();
#ifdef GOSSAMER_WITH_LIBFABRIC
  EXPECT_EQ(all_skips().size(), rdma ? 23u : 16u);
#else
  EXPECT_EQ(all_skips().size(), rdma ? 6u : 3u);
#endif
  for (const Skip& skip : all_skips()) {
    EXPECT_FALSE(skip.reason.empty()) << skip.test;
    EXPECT_TRUE(exists(skip)) << skip.test << "/" << skip.backend;
  }
}

}  // namespace
}  // namespace gossamer::transport
