#include "transport/shared_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gossamer::transport {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Goal: a library that is not there is `unavailable`, with its name, the linker's reason and what to do.
TEST(SharedLibrary, ThatIsMissingIsUnavailableWithTheRemedy) {
  const auto library = SharedLibrary::open("libgossamer_no_such.so.7", "install it");
  ASSERT_FALSE(library.ok());
  EXPECT_EQ(library.error().code, Code::unavailable);
  EXPECT_THAT(library.error().message, AllOf(HasSubstr("cannot load libgossamer_no_such.so.7 ("),
                                             HasSubstr("No such file"), HasSubstr("); install it")));
}

// Goal: a library of another age is told of by the function that it lacks; the version counts. Method: the C library,
// whose functions have versions.
TEST(SharedLibrary, WithoutAFunctionIsUnavailableAndVersionsCount) {
  const auto library = SharedLibrary::open("libc.so.6", "install another");
  ASSERT_TRUE(library.ok()) << library.error().message;
  int (*absolute)(int) = nullptr;
  ASSERT_TRUE(library->find(absolute, "abs").ok());
  EXPECT_EQ(absolute(-3), 3);
  int (*missing)(int) = nullptr;
  EXPECT_THAT(library->find(missing, "gossamer_no_such").error().message,
              AllOf(HasSubstr("libc.so.6 has no function gossamer_no_such; install another")));
  EXPECT_THAT(library->find(missing, "abs", "GLIBC_0.1").error().message,
              HasSubstr("libc.so.6 has no function abs of version GLIBC_0.1; install another"));
}

// Goal: a library is loaded once, and one that was not there yet may come. Method: a loader that fails once and counts.
TEST(OnceLoaded, TriesAgainUntilItSucceedsAndNeverAfter) {
  static int calls = 0;
  OnceLoaded library([]() -> Status {
    ++calls;
    if (calls == 1) return Error{Code::unavailable, "not yet"};
    return {};
  });
  EXPECT_EQ(library.load().error().message, "not yet");
  EXPECT_TRUE(library.load().ok());
  EXPECT_TRUE(library.load().ok());
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace gossamer::transport
