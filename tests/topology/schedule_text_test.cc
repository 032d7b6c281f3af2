#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "every_request.h"

namespace gossamer::topology {
namespace {

// Goal: the text form is what its documentation shows. Method: the drawing of the smallest fold.
TEST(ScheduleText, IsOneLineARound) {
  EXPECT_EQ(format_schedule(made({ScheduleKind::butterfly, Collective::all_reduce, 3, Rank{0}})),
            "gossamer-schedule 1\n"
            "kind butterfly\n"
            "collective all-reduce\n"
            "ranks 3\n"
            "root 0\n"
            "slices 1\n"
            "rank 0\n"
            "merge 0+1 from 2\n"
            "send 0+1 to 1; merge 0+1 from 1\n"
            "send 0+1 to 2\n"
            "rank 1\n"
            "idle\n"
            "send 0+1 to 0; merge 0+1 from 0\n"
            "rank 2\n"
            "send 0+1 to 0\n"
            "idle\n"
            "receive 0+1 from 0\n"
            "end\n");
}

// Goal: what is written is read back the same. Method: there and back for every request to 40 ranks.
TEST(ScheduleText, IsReadBackAsItWasWritten) {
  for (std::uint32_t ranks = 1; ranks <= 40; ++ranks) {
    for (const ScheduleRequest& request : every_request(ranks)) {
      const Schedule schedule = made(request);
      const Result<Schedule> parsed = parse_schedule(format_schedule(schedule));
      ASSERT_TRUE(parsed.ok()) << in_words(request) << ": " << parsed.error().message;
      ASSERT_EQ(*parsed, schedule) << in_words(request);
    }
  }
}

// Goal: schedules are told apart by every part of them. Method: change each part of one.
TEST(ScheduleText, SchedulesThatDifferInAnyPartAreNotEqual) {
  const Schedule schedule = made({ScheduleKind::ring, Collective::all_reduce, 4, Rank{0}});
  const auto differs = [&](auto change) {
    Schedule other = schedule;
    change(other);
    return !(other == schedule);
  };
  EXPECT_TRUE(differs([](Schedule& s) { s.request.kind = ScheduleKind::circulant; }));
  EXPECT_TRUE(differs([](Schedule& s) { s.request.collective = Collective::broadcast; }));
  EXPECT_TRUE(differs([](Schedule& s) { s.request.rank_count = 5; }));
  EXPECT_TRUE(differs([](Schedule& s) { s.request.root = Rank{1}; }));
  EXPECT_TRUE(differs([](Schedule& s) { s.slice_count = 5; }));
  EXPECT_TRUE(differs([](Schedule& s) { s.programs[1].rounds[0].steps[0].peer = Rank{3}; }));
}

// Goal: comments, blank lines and foreign line ends are read. Method: a schedule that has them.
TEST(ScheduleText, PassesOverCommentsAndBlankLines) {
  const Result<Schedule> parsed = parse_schedule(
      "# two ranks\r\n\r\ngossamer-schedule 1\r\nkind star\ncollective broadcast\n ranks 2\nroot 1\nslices 1\n"
      "rank 0\n\treceive 0+1 from 1\n\n# the root\nrank 1\nsend 0+1 to 0\nend");
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(*parsed, made({ScheduleKind::star, Collective::broadcast, 2, Rank{1}}));
}

// Goal: a mistake is answered with its line, what was expected and what was found. Method: one of each.
TEST(ScheduleText, MistakesAreNamedWithTheirLine) {
  const std::string good = format_schedule(made({ScheduleKind::star, Collective::broadcast, 2, Rank{1}}));
  const auto why = [&](std::string_view part, std::string_view instead) {
    std::string bad = good;
    const std::size_t at = bad.find(part);
    EXPECT_NE(at, std::string::npos);
    bad.replace(at, part.size(), instead);
    const Result<Schedule> parsed = parse_schedule(bad);
    EXPECT_FALSE(parsed.ok());
    if (parsed.ok()) return std::string();
    EXPECT_EQ(parsed.error().code, Code::malformed);
    return parsed.error().message;
  };
  EXPECT_EQ(why("gossamer-schedule 1", "gossamer-schedule 2"),
            "schedule text, line 1: expected \"gossamer-schedule 1\", found \"gossamer-schedule 2\"");
  EXPECT_EQ(why("kind star", "kind snow"),
            "schedule text, line 2: expected the name of a schedule kind, found \"kind snow\"");
  EXPECT_EQ(why("kind star\n", ""), "schedule text, line 2: expected \"kind ...\", found \"collective broadcast\"");
  EXPECT_EQ(why("broadcast", "scatter"),
            "schedule text, line 3: expected the name of a collective, found \"collective scatter\"");
  for (const std::string_view ranks : {"ranks 0", "ranks 65537", "ranks -2", "ranks 99999999999", "ranks 2x"}) {
    EXPECT_EQ(why("ranks 2", ranks),
              text("schedule text, line 4: expected \"ranks\" and a number from 1 to 65536, found \"", ranks, "\""));
  }
  EXPECT_EQ(why("root 1", "root 2"),
            "schedule text, line 5: expected \"root\" and a number from 0 to 1, found \"root 2\"");
  EXPECT_EQ(why("slices 1", "slices 0"),
            "schedule text, line 6: expected \"slices\" and a number from 1 to 65536, found \"slices 0\"");
  EXPECT_EQ(why("rank 1\n", "rank 3\n"), "schedule text, line 9: expected \"rank 1\", or a round, found \"rank 3\"");
  EXPECT_EQ(why("from 1", "from 2"),
            "schedule text, line 8: expected steps with one of the 2 ranks, other than 0, as peer, found \"receive 0+1 "
            "from 2\"");
  EXPECT_EQ(why("from 1", "from 0"),
            "schedule text, line 8: expected steps with one of the 2 ranks, other than 0, as peer, found \"receive 0+1 "
            "from 0\"");
  EXPECT_EQ(why("send 0+1", "send 0+2"),
            "schedule text, line 10: expected steps with a range of the 1 slices, found \"send 0+2 to 0\"");
  EXPECT_EQ(
      why("send 0+1", "send 4294967295+4294967295"),
      "schedule text, line 10: expected steps with a range of the 1 slices, found \"send 4294967295+4294967295 to "
      "0\"");
  const std::string like =
      "expected steps like \"send 0+2 to 1; receive 2+1 from 3; merge 3+1 from 3\", or \"idle\", found ";
  EXPECT_EQ(why("send 0+1 to 0", "push 0+1 to 0"), "schedule text, line 10: " + like + "\"push 0+1 to 0\"");
  EXPECT_EQ(why("send 0+1 to 0", "send 0+1 from 0"), "schedule text, line 10: " + like + "\"send 0+1 from 0\"");
  EXPECT_EQ(why("send 0+1 to 0", "send 0+1 to 0;"), "schedule text, line 10: " + like + "\"send 0+1 to 0;\"");
  EXPECT_EQ(why("send 0+1 to 0", "send 0+1 to 0\x01" + std::string(60, 'x')),
            "schedule text, line 10: " + like + "\"send 0+1 to 0?" + std::string(26, 'x') + "...\"");
  EXPECT_EQ(why("end\n", ""),
            "schedule text, line 10: expected \"end\" after the last rank's rounds, found the end of the text");
  EXPECT_EQ(why("end\n", "rank 2\nend\n"),
            "schedule text, line 11: expected \"end\" after the last rank's rounds, found \"rank 2\"");
  EXPECT_EQ(why("end\n", "end\nend\n"), "schedule text, line 12: expected nothing after \"end\", found \"end\"");
  EXPECT_EQ(parse_schedule("").error().message,
            "schedule text, line 0: expected \"gossamer-schedule 1\", found the end of the text");
}

// Goal: a text that is too long is refused before it is read. Method: 65 MiB of blank lines.
TEST(ScheduleText, RefusesTooLongATextUnread) {
  const Result<Schedule> parsed = parse_schedule(std::string(std::size_t{65} << 20, '\n'));
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().message, "the schedule has 65.0 MiB of text: at most 64.0 MiB are read");
}

// Any schedule of the right shape, sensible or not.
Schedule arbitrary_schedule() {
  Schedule schedule;
  schedule.request.kind =
      *rc::gen::elementOf(std::vector<ScheduleKind>(all_schedules().begin(), all_schedules().end()));
  schedule.request.collective =
      *rc::gen::elementOf(std::vector<Collective>(std::begin(every_collective), std::end(every_collective)));
  schedule.request.rank_count = *rc::gen::inRange<std::uint32_t>(1, 6);
  schedule.request.root.value = *rc::gen::inRange<std::uint32_t>(0, schedule.request.rank_count);
  schedule.slice_count = *rc::gen::inRange<std::uint32_t>(1, 9);
  for (std::uint32_t rank = 0; rank < schedule.request.rank_count; ++rank) {
    Program& program = schedule.programs.emplace_back();
    program.rounds.resize(*rc::gen::inRange<std::size_t>(0, 4));
    if (schedule.request.rank_count == 1) continue;
    for (Round& round : program.rounds) {
      round.steps.resize(*rc::gen::inRange<std::size_t>(0, 4));
      for (Step& step : round.steps) {
        step.kind = static_cast<StepKind>(*rc::gen::inRange(1, 4));
        const std::uint32_t distance = *rc::gen::inRange<std::uint32_t>(1, schedule.request.rank_count);
        step.peer.value = (rank + distance) % schedule.request.rank_count;
        step.slices.first = *rc::gen::inRange<std::uint32_t>(0, schedule.slice_count);
        step.slices.count = *rc::gen::inRange<std::uint32_t>(1, schedule.slice_count - step.slices.first + 1);
      }
    }
  }
  return schedule;
}

// Goal: every schedule survives the text form, and the proof takes any. Method: random schedules of the
// right shape; the proof may say what it likes but must come to an end, as it does for the parsed one.
RC_GTEST_PROP(ScheduleText, AnyScheduleIsReadBackAndProvedAlike, ()) {
  const Schedule schedule = arbitrary_schedule();
  const Result<Schedule> parsed = parse_schedule(format_schedule(schedule));
  RC_ASSERT(parsed.ok());
  RC_ASSERT(*parsed == schedule);
  RC_ASSERT(reason(check_schedule(*parsed)) == reason(check_schedule(schedule)));
}

// One byte of the text replaced, some removed, some repeated, or the rest cut off.
void damage(std::string& input, Random& random) {
  const std::size_t at = random.below(input.size());
  switch (random.below(5)) {
    case 0:
      input[at] = static_cast<char>(random.below(256));
      break;
    case 1:
      input.erase(at, 1 + random.below(20));
      break;
    case 2:
      input.insert(at, input.substr(random.below(input.size()), 30));
      break;
    case 3:
      input[at] = "0123456789+; \n#"[random.below(15)];
      break;
    default:
      input.resize(at);
  }
}

// Goal: malformed text is refused with a line, or read as something that can be written and proved; it
// never breaks the reader. Method: right texts, each damaged in 50 ways by one to three blows.
RC_GTEST_PROP(ScheduleText, DamagedTextIsRefusedOrReadSoundly, (std::uint64_t seed)) {
  Random random(seed);
  const ScheduleKind kind = all_schedules()[random.below(all_schedules().size())];
  const std::uint32_t ranks = 1 + static_cast<std::uint32_t>(random.below(5));
  const std::string good = format_schedule(made({kind, Collective::all_reduce, ranks, Rank{0}}));
  for (int i = 0; i < 50; ++i) {
    std::string damaged = good;
    for (std::uint64_t blows = 1 + random.below(3); blows > 0 && !damaged.empty(); --blows) damage(damaged, random);
    const Result<Schedule> parsed = parse_schedule(damaged);
    if (!parsed.ok()) {
      RC_ASSERT(parsed.error().code == Code::malformed);
      RC_ASSERT(parsed.error().message.starts_with("schedule text, line "));
      continue;
    }
    const Result<Schedule> again = parse_schedule(format_schedule(*parsed));
    RC_ASSERT(again.ok());
    RC_ASSERT(*again == *parsed);
    static_cast<void>(check_schedule(*parsed));
  }
}

// Goal: bytes that have nothing to do with schedules are refused. Method: random strings.
RC_GTEST_PROP(ScheduleText, AnyBytesAreRefused, (const std::string& bytes)) {
  RC_ASSERT(!parse_schedule(bytes).ok());
  RC_ASSERT(!parse_schedule("gossamer-schedule 1\n" + bytes).ok());
}

}  // namespace
}  // namespace gossamer::topology
