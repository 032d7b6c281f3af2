#include "skips.h"

namespace gossamer::transport {

const std::vector<Skip>& all_skips() {
  [[maybe_unused]] static const char* const truncation =
      "libfabric 1.17: a message longer than its slice ends the connection (tcp) or hangs in progress (shm)";
  [[maybe_unused]] static const char* const small_queues =
      "libfabric's shm keeps 1,024 receives and unmatched messages; beyond that an order that crosses comes to a stand";
  [[maybe_unused]] static const char* const lock_of_the_dead =
      "libfabric 1.17's shm: a process killed while it holds the lock of its queue, as it does while it polls, leaves "
      "whoever starts to it next in that lock for ever";
  static const std::vector<Skip> skips = {
#ifdef GOSSAMER_WITH_LIBFABRIC
      {"libfabric_tcp", "AMessageLongerThanItsSliceIsMalformed", truncation},
      {"libfabric_shm", "AMessageLongerThanItsSliceIsMalformed", truncation},
      {"libfabric_shm", "TenThousandMessagesWaitForTheirReceives", small_queues},
      {"libfabric_shm", "KilledWhileItReceives", lock_of_the_dead},
#endif
  };
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
#ifdef GOSSAMER_WITH_LIBFABRIC
  EXPECT_EQ(all_skips().size(), 4u);
#else
  EXPECT_EQ(all_skips().size(), 0u);
#endif
  for (const Skip& skip : all_skips()) {
    EXPECT_FALSE(skip.reason.empty()) << skip.test;
    EXPECT_TRUE(exists(skip)) << skip.test << "/" << skip.backend;
  }
}

}  // namespace
}  // namespace gossamer::transport
