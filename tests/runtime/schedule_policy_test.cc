// Schedules of stages: by rule, from a file, by cost over hosts, among some ranks; and sessions that run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "runtime/engine/schedule_stage.h"
#include "runtime/session/user_schedules.h"
#include "tests/runtime/cluster_fixture.h"
#include "tests/tools/temporary_folder.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;
using testing::small_config;
using ::testing::StartsWith;
using testing::TestCluster;
using topology::Collective;
using topology::ScheduleKind;

// Distance 2 first: no kind does it.
constexpr const char* far_pairs_first = R"(gossamer-schedule 1
kind butterfly
collective all-reduce
ranks 4
root 0
slices 1
rank 0
send 0+1 to 2; merge 0+1 from 2
send 0+1 to 1; merge 0+1 from 1
rank 1
send 0+1 to 3; merge 0+1 from 3
send 0+1 to 0; merge 0+1 from 0
rank 2
send 0+1 to 0; merge 0+1 from 0
send 0+1 to 3; merge 0+1 from 3
rank 3
send 0+1 to 1; merge 0+1 from 1
send 0+1 to 2; merge 0+1 from 2
end
)";

SchedulePolicy with_rules(const std::string& setting) {
  UserSchedules schedules = read_user_schedules(setting);
  GOSSAMER_CHECK(!schedules.trouble, schedules.trouble ? schedules.trouble->message : "");
  SchedulePolicy policy;
  policy.rules = std::move(schedules.rules);
  policy.files = std::move(schedules.files);
  return policy;
}

// `hosts` of `ranks_each` ranks, over 1 Gbit/s.
SchedulePolicy over_hosts(std::uint32_t hosts, std::uint32_t ranks_each) {
  SchedulePolicy policy;
  for (std::uint32_t rank = 0; rank < hosts * ranks_each; ++rank) policy.hosts.push_back(text("h", rank / ranks_each));
  policy.cost = {topology::parse_cost_model("shared-memory").value(), topology::parse_cost_model("tcp-1g").value()};
  return policy;
}

Result<Stage> made(const ScheduleWish& wish, std::uint64_t bytes) {
  Stage stage;
  stage.label = "test";
  GOSSAMER_TRY(schedule_stage(wish, bytes, "plan", stage));
  return stage;
}
std::string name_of(const ScheduleWish& wish, std::uint64_t bytes) { return made(wish, bytes)->schedule.name; }

// Goal: the caller's kind wins over a rule, and a rule over the cost; what no rule is about goes by cost. Method: one
// wish after another over the same rules.
TEST(SchedulePolicy, TheCallerThenARuleThenTheCost) {
  const SchedulePolicy policy = with_rules("all-reduce:0-4k:star;reduce-scatter:ring");
  ScheduleWish wish{.rank_count = 4, .policy = &policy};
  EXPECT_EQ(name_of(wish, 100), "star");
  wish.kind = ScheduleKind::binomial_tree;
  EXPECT_EQ(name_of(wish, 100), "binomial-tree");
  wish.kind.reset();
  EXPECT_EQ(name_of(wish, 4'096), "butterfly");
  wish.collective = Collective::reduce_scatter;
  EXPECT_EQ(name_of(wish, 100), "ring");
  wish.kind = ScheduleKind::butterfly;  // which knows no reduce-scatter
  EXPECT_EQ(name_of(wish, 100), "ring");
}

// Goal: every collective has a schedule by cost, over one host and over several. Method: all of them, with a root that
// is not rank 0; their programs together are proved.
TEST(SchedulePolicy, EveryCollectiveHasASchedule) {
  for (const SchedulePolicy& policy : {SchedulePolicy{}, over_hosts(3, 2), over_hosts(1, 6), over_hosts(6, 1)}) {
    for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::broadcast,
                                        Collective::reduce_scatter, Collective::reduce}) {
      for (const std::uint64_t bytes : {64u, 1u << 20}) {
        topology::Schedule whole{{ScheduleKind::ring, collective, 6, Rank{4}}, 1, {}};
        for (std::uint32_t rank = 0; rank < 6; ++rank) {
          const auto stage =
              made({.collective = collective, .rank = Rank{rank}, .rank_count = 6, .root = Rank{4}, .policy = &policy},
                   bytes);
          ASSERT_TRUE(stage.ok()) << stage.error().message;
          EXPECT_EQ(stage->schedule.own_slice, collective == Collective::all_gather ? rank : 0);
          EXPECT_GT(stage->predicted_ns, 0.0);
          whole.slice_count = stage->schedule.slice_count;
          whole.programs.push_back(stage->schedule.program);
        }
        const Status status = topology::check_schedule(whole);
        EXPECT_TRUE(status.ok()) << topology::collective_name(collective) << ": " << status.error().message;
      }
    }
  }
}

// Goal: two levels are chosen where they pay. Method: 1 MB over two hosts of two, small and large; the same with every
// link alike, and with all ranks on one host.
TEST(SchedulePolicy, TwoLevelsAreChosenOverHosts) {
  SchedulePolicy policy = over_hosts(2, 3);
  EXPECT_THAT(name_of({.rank_count = 6, .policy = &policy}, 1 << 20), StartsWith("rails of "));
  EXPECT_THAT(name_of({.rank_count = 6, .policy = &policy}, 64), StartsWith("leaders of "));
  policy.cost.near = policy.cost.far;
  EXPECT_EQ(name_of({.rank_count = 6, .policy = &policy}, 1 << 20), "circulant");
  policy = over_hosts(1, 6);
  EXPECT_EQ(name_of({.rank_count = 6, .policy = &policy}, 1 << 20), "circulant");
}

// Goal: a group's schedule is over its own hosts, its slices and its root are the group's, its peers the session's.
// Method: of four hosts of two, one rank each, in an order of its own; and all of two hosts.
TEST(SchedulePolicy, AGroupHasItsOwnHostsAndThePeersOfTheSession) {
  const SchedulePolicy policy = over_hosts(4, 2);
  const std::vector<Rank> apart = {Rank{6}, Rank{0}, Rank{3}};
  ScheduleWish wish{.collective = Collective::broadcast,
                    .rank = Rank{0},
                    .rank_count = 3,
                    .root = Rank{2},
                    .kind = ScheduleKind::star,
                    .policy = &policy,
                    .members = apart};
  const auto receiver = made(wish, 100);
  ASSERT_EQ(receiver->schedule.program.rounds.size(), 1u);
  EXPECT_EQ(receiver->schedule.program.rounds[0].steps[0].peer, Rank{3});
  wish.rank = wish.root;
  const auto sender = made(wish, 100);
  std::vector<Rank> peers;
  for (const topology::Step& step : sender->schedule.program.rounds[0].steps) peers.push_back(step.peer);
  EXPECT_THAT(peers, ::testing::UnorderedElementsAre(Rank{6}, Rank{0}));

  wish = {.rank_count = 3, .policy = &policy, .members = apart};
  EXPECT_EQ(name_of(wish, 1 << 20), "circulant");
  const std::vector<Rank> together = {Rank{4}, Rank{5}, Rank{2}, Rank{3}};
  EXPECT_THAT(name_of({.rank_count = 4, .policy = &policy, .members = together}, 1 << 20), StartsWith("rails of "));
}

// Goal: a file alone is for what it fits, and the rest goes by cost; a file for a collective that is named must fit.
// Method: a file for an all-reduce over 4 ranks; its collective, another, another number of ranks; wrong, it is refused
// with the proof's words either way.
TEST(SchedulePolicy, AFileIsForWhatItFits) {
  const tools::TemporaryFolder folder;
  const std::string path = folder / "pairs.txt";
  std::ofstream(path) << far_pairs_first;
  SchedulePolicy policy = with_rules("file:" + path);
  EXPECT_EQ(name_of({.rank_count = 4, .policy = &policy}, 100), "file:" + path);
  EXPECT_EQ(name_of({.rank_count = 3, .policy = &policy}, 1 << 20), "circulant");
  EXPECT_EQ(name_of({.collective = Collective::broadcast, .rank_count = 4, .policy = &policy}, 100), "binomial-tree");

  const auto refused = [&](const ScheduleWish& wish) {
    const auto stage = made(wish, 100);
    EXPECT_FALSE(stage.ok());
    if (stage.ok()) return std::string();
    EXPECT_EQ(stage.error().code, Code::invalid_argument);
    return stage.error().message;
  };
  policy = with_rules("all-reduce:file:" + path);
  EXPECT_EQ(refused({.rank_count = 3, .policy = &policy}),
            "schedule file " + path + ": the schedule is over 4 ranks, expected 3");
  for (const std::string rule : {"file:", "all-reduce:file:"}) {
    std::string wrong = far_pairs_first;
    wrong.replace(wrong.find("merge 0+1 from 2"), 16, "receive 0+1 from 2");
    std::ofstream(path) << wrong;
    policy = with_rules(rule + path);
    EXPECT_THAT(refused({.rank = Rank{3}, .rank_count = 4, .policy = &policy}),
                StartsWith("schedule file " + path + ": "));
    std::ofstream(path) << far_pairs_first;
  }
}

// Goal: ranks compare their rules' text and the bytes of their files; what is no schedule is told when it is read.
// Method: the fields of no rules, of a file, of the file changed, of no file, of a file that is none.
TEST(UserSchedules, HaveFieldsThatTellFilesApart) {
  EXPECT_EQ(read_user_schedules("").fields.size(), 1u);
  const tools::TemporaryFolder folder;
  const std::string path = folder / "pairs.txt";
  const std::string setting = "all-reduce:file:" + path + ";reduce:chain";
  std::ofstream(path) << far_pairs_first;
  const UserSchedules first = read_user_schedules(setting);
  ASSERT_EQ(first.fields.size(), 2u);
  EXPECT_EQ(first.fields[0].value, setting);
  EXPECT_EQ(first.fields[1].name, "schedule file " + path);
  EXPECT_THAT(first.fields[1].value, StartsWith("hash "));
  std::ofstream(path) << "# changed\n" << far_pairs_first;
  const UserSchedules second = read_user_schedules(setting);
  EXPECT_NE(first.fields[1].value, second.fields[1].value);
  std::ofstream(path) << "gossamer";
  EXPECT_EQ(read_user_schedules(setting).trouble->message,
            "schedule file " + path + ": schedule text, line 1: expected \"gossamer-schedule 1\", found \"gossamer\"");
  std::filesystem::remove(path);
  const UserSchedules none = read_user_schedules(setting);
  EXPECT_EQ(none.fields[1].value, "No such file or directory");
  EXPECT_EQ(none.trouble->code, Code::unavailable);
}

// Goal: what the policy makes runs, and its sums are right. Method: dense steps whose sums are exact over a file's
// schedule, over rules and over two levels: the bits of a tree's.
TEST(SchedulePolicy, SessionsRunIt) {
  const tools::TemporaryFolder folder;
  std::ofstream(folder / "pairs.txt") << far_pairs_first;
  const auto updates = [&](const SchedulePolicy& policy, std::optional<ScheduleKind> kind = {}) {
    SimClusterOptions options;
    options.rank_count = 4;
    options.policy = policy;
    TestCluster cluster(options, small_config({.algorithm = AlgorithmKind::dense, .rank_count = 4, .schedule = kind}));
    std::vector<float> all;
    for (std::uint32_t step = 0; step < 3; ++step) {
      cluster.step(step);
      for (std::uint32_t rank = 0; rank < 4; ++rank) {
        const std::vector<float> update = cluster.dense_update(rank);
        all.insert(all.end(), update.begin(), update.end());
      }
    }
    return all;
  };
  const std::vector<float> expected = updates({}, ScheduleKind::binomial_tree);
  EXPECT_EQ(updates(with_rules("file:" + (folder / "pairs.txt"))), expected);
  EXPECT_EQ(updates(with_rules("0-1k:ring;1k-:star")), expected);
  EXPECT_EQ(updates(over_hosts(2, 2)), expected);
}

// Goal: a wrong file ends the making of a compressor with the proof's words on every rank. Method: a rank that
// overwrites what it should add to.
TEST(SchedulePolicy, AWrongFileIsToldOnEveryRank) {
  const tools::TemporaryFolder folder;
  std::string wrong = far_pairs_first;
  wrong.replace(wrong.find("merge 0+1 from 2"), 16, "receive 0+1 from 2");
  std::ofstream(folder / "wrong.txt") << wrong;
  SimClusterOptions options;
  options.rank_count = 4;
  options.policy = with_rules("file:" + (folder / "wrong.txt"));
  const auto cluster = std::move(SimCluster::make(options)).value();
  for (std::uint32_t rank = 0; rank < 4; ++rank) {
    const auto made = cluster->session(Rank{rank}).make_compressor(small_config({.rank_count = 4}));
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, Code::invalid_argument);
    EXPECT_THAT(made.error().message, HasSubstr("schedule file " + (folder / "wrong.txt") + ": rank 0 in round 0"));
  }
}

}  // namespace
}  // namespace gossamer::runtime
