#include <gtest/gtest.h>

#include <string_view>

namespace gossamer::sketch {
namespace {

// Goal: the number of tests that skip without a device is known. Method: a count of the registered ones; change the
// number with the tests.
TEST(CudaTests, ThisManyNeedADevice) {
  constexpr int expected = 18;
  int count = 0;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const std::string_view name = all.GetTestSuite(i)->name();
    if (name == "CudaCells" || name == "CudaEncode" || name == "CudaDecode")
      count += all.GetTestSuite(i)->total_test_count();
  }
  EXPECT_EQ(count, expected);
}

}  // namespace
}  // namespace gossamer::sketch
