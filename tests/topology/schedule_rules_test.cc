#include "topology/schedule_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>

#include "every_request.h"

namespace gossamer::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string why(std::string_view rules) {
  const Result<ScheduleRules> parsed = parse_schedule_rules(rules);
  if (parsed.ok()) return "nothing wrong";
  EXPECT_EQ(parsed.error().code, Code::invalid_argument);
  return parsed.error().message;
}

// What the rules say of a payload: a kind's name, "file:PATH" or "by cost".
std::string answer(const ScheduleRules& rules, Collective collective, std::uint64_t bytes) {
  const ScheduleRule* rule = rules.find(collective, bytes);
  if (rule == nullptr) return "by cost";
  return in_words(rule->use);
}

// Goal: rules say what they seem to say. Method: several collectives, sizes at each edge, a file, and what no rule is
// about.
TEST(ScheduleRules, AnswerForCollectivesAndSizes) {
  const ScheduleRules rules = parse_schedule_rules(
                                  "all-reduce:0-4k:butterfly; 4k-1m : circulant ;broadcast:chain;reduce:"
                                  "2m-:file:/etc/a:b.txt")
                                  .value();
  const auto says = [&](Collective collective, std::uint64_t bytes) { return answer(rules, collective, bytes); };
  EXPECT_EQ(says(Collective::all_reduce, 0), "butterfly");
  EXPECT_EQ(says(Collective::all_reduce, 4'095), "butterfly");
  EXPECT_EQ(says(Collective::all_reduce, 4'096), "circulant");
  EXPECT_EQ(says(Collective::all_reduce, (1 << 20) - 1), "circulant");
  EXPECT_EQ(says(Collective::all_reduce, 1 << 20), "by cost");
  EXPECT_EQ(says(Collective::broadcast, 0), "chain");
  EXPECT_EQ(says(Collective::broadcast, UINT64_MAX), "chain");
  EXPECT_EQ(says(Collective::reduce, 1 << 20), "by cost");
  EXPECT_EQ(says(Collective::reduce, 2 << 20), "file:/etc/a:b.txt");
  EXPECT_EQ(says(Collective::all_gather, 10), "by cost");
}

// Goal: a rule without a collective is for every one that its kind knows, and gives way to a rule for one. Method: a
// butterfly, which has no broadcast, and a ring for all-gathers.
TEST(ScheduleRules, WithoutACollectiveAreForAllThatTheyFit) {
  const ScheduleRules rules = parse_schedule_rules("butterfly;all-gather:1g-:ring").value();
  EXPECT_EQ(answer(rules, Collective::all_reduce, 1), "butterfly");
  EXPECT_EQ(answer(rules, Collective::broadcast, 1), "by cost");
  EXPECT_EQ(answer(rules, Collective::all_gather, 1), "butterfly");
  EXPECT_EQ(answer(rules, Collective::all_gather, 1 << 30), "ring");
  EXPECT_EQ(answer(parse_schedule_rules("file:x").value(), Collective::reduce, 1), "file:x");
}

// Goal: two levels are a use like a kind, for what they can do. Method: both forms with collectives, sizes and without,
// and asked for what they do not know.
TEST(ScheduleRules, NameTwoLevels) {
  const ScheduleRules rules =
      parse_schedule_rules(
          "all-reduce:0-4k:leaders of binomial-tree and butterfly;4k-:rails of ring and circulant;"
          "broadcast:leaders of  chain and  ring")
          .value();
  EXPECT_EQ(answer(rules, Collective::all_reduce, 1), "leaders of binomial-tree and butterfly");
  EXPECT_EQ(answer(rules, Collective::all_reduce, 4'096), "rails of ring and circulant");
  EXPECT_EQ(answer(rules, Collective::broadcast, 1), "leaders of chain and ring");
  EXPECT_EQ(parse_schedule_rules(format_schedule_rules(rules)).value(), rules);
  const ScheduleRules general = parse_schedule_rules("leaders of binomial-tree and star").value();
  EXPECT_EQ(answer(general, Collective::reduce, 1), "leaders of binomial-tree and star");
  EXPECT_EQ(answer(general, Collective::all_gather, 1), "by cost");
  EXPECT_THAT(
      why("broadcast:rails of ring and ring"),
      StartsWith("schedule rules, character 11: expected two levels that know the collective broadcast, found"));
  EXPECT_THAT(why("all-reduce:leaders of butterfly and ring"), HasSubstr("two levels that know the collective"));
  EXPECT_THAT(why("leaders of ring"), StartsWith("schedule rules, character 1: expected two kinds of schedule, as in"));
}

// Goal: mistakes are named with their place. Method: one of each.
TEST(ScheduleRules, PointAtTheCharacterOfAMistake) {
  EXPECT_THAT(why(""), StartsWith("schedule rules, character 1: expected a kind of schedule (binomial-tree, "));
  EXPECT_THAT(why(""), HasSubstr("chain, or file:PATH), found nothing"));
  EXPECT_THAT(why("ring;"), StartsWith("schedule rules, character 6: expected a kind of schedule"));
  EXPECT_THAT(why("all-reduce:0-4k:bttrfly"), StartsWith("schedule rules, character 17: expected a kind of schedule"));
  EXPECT_THAT(why("all-reduce:0-4k:bttrfly"), HasSubstr("found \"bttrfly\""));
  EXPECT_EQ(
      why("allreduce:ring"),
      "schedule rules, character 1: expected a collective, bytes like 0-4k, a kind of schedule or file:PATH, found "
      "\"allreduce:ring\"");
  EXPECT_EQ(why("all-reduce: 4x-:ring"),
            "schedule rules, character 13: expected bytes like 0-4k or 4k-, found \"4x-\"");
  EXPECT_EQ(why("all-reduce:4k:ring"), "schedule rules, character 12: expected bytes like 0-4k or 4k-, found \"4k\"");
  EXPECT_EQ(why("0-4q:ring"), "schedule rules, character 3: expected bytes like 4k, 1m or 100, found \"4q\"");
  EXPECT_EQ(why("4k-4096:ring"), "schedule rules, character 4: expected more than 4096 bytes, found \"4096\"");
  EXPECT_EQ(why("0-99999999999g:ring"),
            "schedule rules, character 3: expected bytes like 4k, 1m or 100, found \"99999999999g\"");
  EXPECT_EQ(why("broadcast:butterfly"),
            "schedule rules, character 11: expected a kind of schedule that knows the collective broadcast, found "
            "\"butterfly\"");
  EXPECT_EQ(why("ring;reduce:file: "),
            "schedule rules, character 13: expected the path of a file after \"file:\", found nothing");
  EXPECT_EQ(
      why("all-reduce:0-8k:ring;4k-:star"),
      "schedule rules, character 22: expected a rule for other bytes than an earlier one's: both are for all-reduce "
      "of 4.0 KiB");
  EXPECT_EQ(why("ring;star"),
            "schedule rules, character 6: expected a rule for other bytes than an earlier one's: both are for every "
            "collective of 0 B");
  EXPECT_EQ(why(std::string(5'000, ' ')), "schedule rules have 5000 characters: at most 4096 are read");
}

// Goal: what is written is read back the same. Method: rules with every part, and random ones.
TEST(ScheduleRules, AreReadBackAsTheyAreWritten) {
  const std::string_view text = "1000-:ring;all-reduce:0-4k:butterfly;all-reduce:4k-1m:circulant;reduce:3g-:file:/a b";
  EXPECT_EQ(format_schedule_rules(parse_schedule_rules(text).value()), text);
}
RC_GTEST_PROP(ScheduleRules, AnyTextIsRefusedOrReadSoundly, (std::uint64_t seed)) {
  Random random(seed);
  constexpr std::string_view words[] = {"all-reduce",
                                        "broadcast",
                                        ":",
                                        ":",
                                        ";",
                                        "0-4k",
                                        "4k-",
                                        "1m-2g",
                                        "ring",
                                        "star",
                                        "file",
                                        "file:x",
                                        " ",
                                        "9",
                                        "-",
                                        "chain",
                                        "rails of ring and ring"};
  std::string text;
  for (std::uint64_t length = random.below(12); length > 0; --length) text += words[random.below(std::size(words))];
  const Result<ScheduleRules> parsed = parse_schedule_rules(text);
  if (!parsed.ok()) {
    RC_ASSERT(parsed.error().message.starts_with("schedule rules, character "));
    return;
  }
  const Result<ScheduleRules> again = parse_schedule_rules(format_schedule_rules(*parsed));
  RC_ASSERT(again.ok());
  RC_ASSERT(*again == *parsed);
}

// A file of this content, for as long as the test.
class WrittenFile {
 public:
  explicit WrittenFile(std::string_view content)
      : path_(::testing::TempDir() + "schedule_" + ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~WrittenFile() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Goal: a schedule that a user wrote is run only if it is right. Method: a kind's own text is proved; for another
// collective, size or root it is refused; with one word changed the proof's words come back behind the path.
TEST(LoadSchedule, ProvesWhatAUserWrote) {
  const Schedule butterfly = made({ScheduleKind::butterfly, Collective::all_reduce, 3, Rank{0}});
  const std::string text = format_schedule(butterfly);
  const WrittenFile right(text);
  EXPECT_EQ(load_schedule(right.path(), Collective::all_reduce, 3).value(), butterfly);
  // Nobody asks for the root of an all-reduce.
  EXPECT_TRUE(load_schedule(right.path(), Collective::all_reduce, 3, Rank{2}).ok());

  const auto refused = [&](const std::string& wrong, Collective collective, std::uint32_t ranks, Rank root = {}) {
    const WrittenFile file(wrong);
    const Result<Schedule> loaded = load_schedule(file.path(), collective, ranks, root);
    EXPECT_FALSE(loaded.ok());
    if (loaded.ok()) return std::string();
    EXPECT_THAT(loaded.error().message, StartsWith("schedule file " + file.path() + ": "));
    return loaded.error().message.substr(("schedule file " + file.path() + ": ").size());
  };
  EXPECT_EQ(refused(text, Collective::broadcast, 3),
            "the schedule is for the collective all-reduce, expected broadcast");
  EXPECT_EQ(refused(text, Collective::all_reduce, 4), "the schedule is over 3 ranks, expected 4");
  EXPECT_EQ(refused(format_schedule(made({ScheduleKind::star, Collective::broadcast, 3, Rank{1}})),
                    Collective::broadcast, 3, Rank{2}),
            "the schedule has root 1, expected 2");
  std::string lost = text;
  lost.replace(lost.find("receive 0+1 from 0"), 18, "idle");
  EXPECT_EQ(refused(lost, Collective::all_reduce, 3), "rank 0 in round 2 sends to rank 2 which has no receive for it");
  EXPECT_EQ(refused("gossamer", Collective::all_reduce, 3),
            "schedule text, line 1: expected \"gossamer-schedule 1\", found \"gossamer\"");
}

// Goal: what cannot be read is named. Method: no file, a folder, and a device without end.
TEST(LoadSchedule, NamesAFileThatCannotBeRead) {
  const auto why = [](const std::string& path) {
    const Result<Schedule> loaded = load_schedule(path, Collective::all_reduce, 2);
    EXPECT_FALSE(loaded.ok());
    if (loaded.ok()) return std::string();
    EXPECT_EQ(loaded.error().code, Code::unavailable);
    return loaded.error().message;
  };
  EXPECT_EQ(why("/nowhere/schedule"), "schedule file /nowhere/schedule: No such file or directory");
  EXPECT_EQ(why("/tmp"), "schedule file /tmp: is not a regular file");
  EXPECT_EQ(why("/dev/zero"), "schedule file /dev/zero: is not a regular file");
}

}  // namespace
}  // namespace gossamer::topology
