#include "skips.h"

namespace gossamer::transport {

const std::vector<Skip>& all_skips() {
  static const char* const no_shared_memory = "the backend was told to use no shared memory, so nothing can be mapped";
  static const std::vector<Skip> skips = {
      {"ucx_tcp", "ARegionOfAPeerIsReadInPlace", no_shared_memory},
      {"ucx_tcp", "ReleaseEdgesKeepReadersFromSeeingTheNextRound", no_shared_memory},
      {"ucx_tcp", "AMappingOutlivesItsOwnersDeath", no_shared_memory},
  };
  return skips;
}

void OverBackends::SetUp() {
  const std::string full = testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string test = full.substr(0, full.find('/'));
  for (const Skip& skip : all_skips()) {
    if (skip.backend == GetParam().name && skip.test == test) GTEST_SKIP() << skip.reason;
  }
}

namespace {

// Goal: a test is skipped for a written reason, and skips do not grow unnoticed. Method: their number, and that
// each names a backend that exists.
TEST(ConformanceSkips, TheirNumberIsPinned) {
  EXPECT_EQ(all_skips().size(), 3u);
  for (const Skip& skip : all_skips()) {
    EXPECT_FALSE(skip.reason.empty()) << skip.test;
    bool known = false;
    for (const Backend& backend : all_backends()) known = known || backend.name == skip.backend;
    EXPECT_TRUE(known) << skip.backend;
  }
}

}  // namespace
}  // namespace gossamer::transport
