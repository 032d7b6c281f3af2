#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command_fixture.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

// Goal: a graph is measured, printed, read back from a file, and a file that is wrong is data that are wrong. Method:
// the default over five ranks; its text with one share changed, cut short, and missing.
TEST_F(Command, GraphMeasuresWhatItPrints) {
  const Ran table = run({"graph", "--ranks=5"});
  EXPECT_EQ(table.status, 0) << table.errors;
  EXPECT_THAT(table.output, HasSubstr("one-peer      5      1       5"));
  const Ran printed = run({"graph", "--ranks=5", "--text"});
  ASSERT_EQ(printed.status, 0) << printed.errors;
  const std::string path = folder_ / "graph";
  const auto from_file = [&](const std::string& content) {
    std::ofstream(path) << content;
    return run({"graph", "--file=" + path});
  };
  EXPECT_EQ(from_file(printed.output).output, table.output);
  std::string changed = printed.output;
  changed.replace(changed.find("1/2"), 3, "1/3");
  const Ran refused = from_file(changed);
  EXPECT_EQ(refused.status, 3);
  EXPECT_THAT(refused.errors,
              HasSubstr(path + " is refused: rank 0 in round 0 takes 0.5 of others and gives 0.333333"));
  const Ran cut = from_file(printed.output.substr(0, 100));
  EXPECT_EQ(cut.status, 3);
  EXPECT_THAT(cut.errors, HasSubstr(path + ": graph text, line "));
  const Ran missing = run({"graph", "--file=" + (folder_ / "none")});
  EXPECT_EQ(missing.status, 3);
  EXPECT_THAT(missing.errors, HasSubstr("cannot read " + (folder_ / "none") + ": No such file or directory"));
  const Ran folder = run({"graph", "--file=" + folder_.path()});
  EXPECT_EQ(folder.status, 3);
  EXPECT_THAT(folder.errors, HasSubstr("cannot read " + folder_.path() + ": Is a directory"));
}

}  // namespace
}  // namespace gossamer::tools
