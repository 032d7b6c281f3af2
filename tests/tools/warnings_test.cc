#include "tools/train/warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace gossamer::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Goal: each region where gs-SGD was seen to fail is warned of, and nothing else. Method: one choice at a time, on
// either side of its border; every row of the list is met.
TEST(DivergenceWarnings, NameTheChoiceInEachBadRegion) {
  struct Case {
    void (*change)(TrainConfig&);
    const char* begin;
    const char* choice;
  };
  const std::vector<Case> cases = {
      {[](TrainConfig& c) { c.density = 0.001; }, "--density 0.1 %: ", "--density below 0.5 %"},
      {[](TrainConfig& c) { c.oversampling = 1; }, "--oversampling 1: ", "--oversampling below 2"},
      {[](TrainConfig& c) { c.rows = 1; }, "--rows 1: ", "--rows 1"},
      {[](TrainConfig& c) { c.columns = 1000; },
       "--columns 1000 for 10433 chosen coordinates: ", "--columns below half of the chosen coordinates"},
      {[](TrainConfig& c) { c.selection = "heavymix"; }, "--selection heavymix: ", "--selection heavymix"},
      {[](TrainConfig& c) { c.momentum = 0.9; }, "--momentum 0.9: ", "--momentum from 0.7"},
      {[](TrainConfig& c) { c.clip = 0; }, "--clip 0 with --rate 0.7: ", "--clip 0 with --rate from 0.7"},
      {[](TrainConfig& c) { c.rate = 2; }, "--rate 2: ", "--rate from 1.5"},
      {[](TrainConfig& c) { c.keep_k = true; }, "--keep-k: ", "--keep-k"}};
  ASSERT_EQ(cases.size(), all_warnings().size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    TrainConfig config;
    cases[i].change(config);
    EXPECT_EQ(all_warnings()[i].choice, cases[i].choice);
    EXPECT_THAT(divergence_warnings(config, "gs-sgd"),
                ElementsAre(AllOf(StartsWith(cases[i].begin), HasSubstr("docs/benchmarks.md"),
                                  ::testing::EndsWith(cases[i].choice))));
    EXPECT_THAT(divergence_warnings(config, "shared-top-k"), IsEmpty());
  }
  const auto warnings = [](auto change) {
    TrainConfig config;
    change(config);
    return divergence_warnings(config, "gs-sgd");
  };
  EXPECT_THAT(warnings([](TrainConfig&) {}), IsEmpty());
  EXPECT_THAT(warnings([](TrainConfig& c) { c.density = 0.005; }), IsEmpty());
  EXPECT_THAT(warnings([](TrainConfig& c) { c.oversampling = 2; }), IsEmpty());
  EXPECT_THAT(warnings([](TrainConfig& c) { c.columns = 5217; }), IsEmpty());
  EXPECT_THAT(warnings([](TrainConfig& c) { c.momentum = 0.6; }), IsEmpty());
  EXPECT_THAT(warnings([](TrainConfig& c) {
                c.clip = 0;
                c.rate = 0.6;
              }),
              IsEmpty());
  EXPECT_THAT(warnings([](TrainConfig& c) {
                c.clip = 0;
                c.rate = 2;
              }),
              ElementsAre(StartsWith("--clip 0 with --rate 2: ")));
}

// Goal: each warning has its figures, and no figures are left of a warning that is gone. Method: the table of the docs,
// row by row.
TEST(DivergenceWarnings, EachHasItsRowInTheDocs) {
  std::ifstream docs(GOSSAMER_BENCHMARKS);
  ASSERT_TRUE(docs.is_open()) << GOSSAMER_BENCHMARKS;
  std::vector<std::string> choices;
  bool is_inside = false;
  for (std::string line; std::getline(docs, line);) {
    if (line.starts_with("## ")) is_inside = line == "## Choices that lose accuracy";
    if (is_inside && line.starts_with("| `--")) choices.push_back(line.substr(3, line.find("` |") - 3));
  }
  std::vector<std::string> expected;
  for (const WarningRow& row : all_warnings()) expected.emplace_back(row.choice);
  EXPECT_EQ(choices, expected);
}

}  // namespace
}  // namespace gossamer::tools
