// A program's locale has no say in what Gossamer writes, compares and reads, and stays the program's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <sstream>

#include "tests/c_api/peer_group.h"

namespace gossamer::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::chrono::seconds patience{30};

// Runs a rank with `environment` beside one without and looks at what both say. `points`: what the first one's locale
// makes of decimal points, C's and C++'s.
void expect_one_session(const std::map<std::string, std::string>& environment, const std::string& points) {
  PeerGroupOptions options;
  options.rank_count = 2;
  options.environment = {{"LOCALE", "classic"}};
  options.environment_of[1] = environment;
  PeerGroup group(options);
  for (const unsigned rank : {0u, 1u}) {
    ASSERT_TRUE(group.wait_for_end(rank, patience)) << group.output(rank);
    const std::string& output = group.output(rank);
    EXPECT_EQ(group.status(rank), 0) << output;
    EXPECT_THAT(output, HasSubstr("points " + (rank == 1 ? points : ". .") + "\n"));
    EXPECT_THAT(output, HasSubstr("2.5"));
    EXPECT_THAT(output, HasSubstr("locales kept\ndone\n"));
    std::istringstream lines(output);
    int files = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("file ")) continue;
      ++files;
      EXPECT_THAT(line, Not(HasSubstr(".")));
    }
    EXPECT_GT(files, 0) << output;
  }
}

// Goal: a rank with 1.234,5 and one with 1234.5 are of one session: leases and dimensions are equal, files have plain
// names, and the locale is left alone. Method: a C++ locale of the test's own.
TEST(GuestLocale, ARankWithItsOwnNumbersJoinsOneWithout) { expect_one_session({{"LOCALE", "facet"}}, ". ,"); }

// Goal: the same for a program in German, in C and in C++. Method: the locale is made here, in a folder of its own.
TEST(GuestLocale, ARankInGermanJoinsOneInEnglish) {
  std::string folder = (std::filesystem::temp_directory_path() / "gossamer-locale-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string make = "localedef -i de_DE -f UTF-8 " + folder + "/de_DE.UTF-8 >" + folder + "/words 2>&1";
  const bool made = std::system(make.c_str()) == 0;
  if (made) {
    expect_one_session({{"LOCALE", "user"}, {"LOCPATH", folder}, {"LC_ALL", "de_DE.UTF-8"}}, ", ,");
  }
  std::filesystem::remove_all(folder);
  if (!made) GTEST_SKIP() << "localedef makes no de_DE.UTF-8 here: install the package locales";
}

}  // namespace
}  // namespace gossamer::testing
