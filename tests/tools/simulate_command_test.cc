// gossamer simulate and gossamer explain as a user runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/base.h"
#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

struct Told {
  int status = -1;
  std::string words;  // stdout and stderr
};

Told told_by(const std::string& arguments) {
  Told told;
  std::FILE* pipe = popen(text("'" GOSSAMER_COMMAND "' ", arguments, " 2>&1 </dev/null").c_str(), "r");
  if (pipe == nullptr) return told;
  for (int c; (c = std::fgetc(pipe)) != EOF;) told.words += static_cast<char>(c);
  const int status = pclose(pipe);
  told.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return told;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Goal: a run tells what it found in all three forms. Method: a butterfly of 1,024 ranks on a tree with few links up.
TEST(SimulateCommand, WritesTableDocumentAndPicture) {
  const TemporaryFolder folder;
  const std::string json = folder / "simulate.json";
  const std::string plot = folder / "simulate.svg";
  const Told told = told_by("simulate --ranks 1024 --schedule butterfly --fabric fat-tree:oversubscription=4 --json " +
                            json + " --plot " + plot);
  ASSERT_EQ(told.status, 0) << told.words;
  EXPECT_THAT(told.words, HasSubstr("all-reduce of 1.0 MiB over 1024 ranks on fat-tree of 2 levels"));
  EXPECT_THAT(told.words, HasSubstr("busiest links"));
  EXPECT_THAT(told.words, HasSubstr("critical path"));
  const nlohmann::json document = nlohmann::json::parse(content_of(json), nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_EQ(document.at("schema"), "gossamer.simulate/1");
  EXPECT_GT(document.at("rows").at(0).at("path_waiting_us"), 0);
  EXPECT_THAT(content_of(plot), HasSubstr("64 ranks are shown"));
}

// Goal: both commands' JSON may go to stdout. Method: it parses as a whole.
TEST(SimulateCommand, JsonToStdoutTakesThePlaceOfTheTable) {
  const Told simulated = told_by("simulate --ranks 4 --json -");
  const Told explained = told_by("explain --ranks 64 --bytes 1K:64M --json -");
  EXPECT_EQ(nlohmann::json::parse(simulated.words, nullptr, false).value("schema", ""), "gossamer.simulate/1");
  EXPECT_EQ(nlohmann::json::parse(explained.words, nullptr, false).value("schema", ""), "gossamer.explain/1");
}

// Goal: what is wrong ends with the status for its kind, and says what was expected. Method: one of each.
TEST(SimulateCommand, WrongInputEndsWithItsStatus) {
  const TemporaryFolder folder;
  const auto expect = [](const std::string& arguments, int status, const std::string& words) {
    const Told told = told_by(arguments);
    EXPECT_EQ(told.status, status) << arguments << ": " << told.words;
    EXPECT_THAT(told.words, HasSubstr(words)) << arguments;
  };
  expect("simulate --ranks 0", 2, "gossamer simulate: a fabric is for 1 to 65536 ranks, not 0");
  expect("simulate --fabric web", 2, "unknown fabric \"web\": expected one of flat, fat-tree, dragonfly, torus");
  expect("simulate --schedule ring,star --plot x.svg", 2, "--plot draws one schedule");
  expect("simulate --plot x.png", 2, "the picture is SVG; expected a name in .svg");
  expect("simulate --fabric file:" + (folder / "nothing"), 3, "No such file or directory");
  std::ofstream(folder / "fabric") << "gossamer-fabric 2\n";
  expect("simulate --fabric file:" + (folder / "fabric"), 3, "fabric text, line 1: expected \"gossamer-fabric 1\"");
  expect("simulate --json " + (folder / "no/folder"), 1, "cannot write");
  expect("explain --bytes many", 2, "--bytes: expected bytes as in 300, 64K");
}

}  // namespace
}  // namespace gossamer::tools
