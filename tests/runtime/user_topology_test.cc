// A topology file: who reads it, whom it is for, what comes of it, and sessions that run that.
#include "runtime/session/user_topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "runtime/engine/schedule_stage.h"
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

// Two hosts, whose ranks are dealt out in turn.
constexpr const char* interleaved = R"(gossamer-topology 1
ranks 6
host a 0 2 4
host b 1 3 5
near 2,0.1
far 50,8
far-links 1
order 4 0 2 1 3 5
schedule all-reduce:0-4k:ring;all-reduce:4k-:rails of ring and butterfly
schedule broadcast:chain
end
)";

SchedulePolicy policy_of(std::string_view text, bool cost_is_given = false) {
  SchedulePolicy policy;
  policy.hosts = {"a", "b", "a", "b", "a", "b"};
  return with_topology(std::move(policy), topology::parse_topology_file(text, "f").value(), cost_is_given);
}

Result<Stage> stage_of(const ScheduleWish& wish, std::uint64_t bytes) {
  Stage stage;
  stage.label = "test";
  GOSSAMER_TRY(schedule_stage(wish, bytes, "plan", stage));
  return stage;
}
std::string schedule_of(const ScheduleWish& wish, std::uint64_t bytes) { return stage_of(wish, bytes)->schedule.name; }

// Goal: every collective that a file orders is right, with its ranks' own slices and root, by rule, by kind and by
// cost, among all and in a group. Method: the programs of all ranks together are proved.
TEST(TopologyFile, OrdersEveryCollective) {
  const SchedulePolicy policy = policy_of(interleaved);
  const std::vector<Rank> group = {Rank{5}, Rank{0}, Rank{3}, Rank{4}};
  for (const bool is_group : {false, true}) {
    const std::uint32_t ranks = is_group ? 4 : 6;
    for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::broadcast,
                                        Collective::reduce_scatter, Collective::reduce}) {
      for (const std::optional<ScheduleKind> kind :
           {std::optional<ScheduleKind>(), std::optional(ScheduleKind::ring), std::optional(ScheduleKind::butterfly)}) {
        for (const std::uint64_t bytes : {64u, 1u << 20}) {
          topology::Schedule whole{{ScheduleKind::ring, collective, ranks, Rank{2}}, 1, {}};
          for (std::uint32_t rank = 0; rank < ranks; ++rank) {
            ScheduleWish wish{.collective = collective,
                              .rank = Rank{rank},
                              .rank_count = ranks,
                              .root = Rank{2},
                              .kind = kind,
                              .policy = &policy};
            if (is_group) wish.members = group;
            const auto stage = stage_of(wish, bytes);
            ASSERT_TRUE(stage.ok()) << stage.error().message;
            EXPECT_THAT(stage->schedule.name, HasSubstr("in the file's order"));
            EXPECT_EQ(stage->schedule.own_slice, collective == Collective::all_gather ? rank : 0);
            whole.slice_count = stage->schedule.slice_count;
            whole.programs.push_back(stage->schedule.program);
            if (!is_group) continue;
            for (topology::Round& round : whole.programs.back().rounds)
              for (topology::Step& step : round.steps)
                step.peer =
                    Rank{static_cast<std::uint32_t>(std::find(group.begin(), group.end(), step.peer) - group.begin())};
          }
          const Status status = topology::check_schedule(whole);
          EXPECT_TRUE(status.ok()) << topology::collective_name(collective) << ": " << status.error().message;
        }
      }
    }
  }
}

// Goal: who says what comes first: a kind, the user's rule, the file's rule, the cost. Method: one after the other;
// costs that were given stand; without the file it is as if there were none; a group goes by cost.
TEST(TopologyFile, StandsBehindWhatIsSaidOutright) {
  SchedulePolicy policy = policy_of(interleaved);
  ScheduleWish wish{.rank_count = 6, .policy = &policy};
  EXPECT_EQ(schedule_of(wish, 64), "ring in the file's order");
  EXPECT_EQ(schedule_of(wish, 4'096), "rails of ring and butterfly in the file's order");
  EXPECT_DOUBLE_EQ(policy.cost.far.beta_ns_per_byte, 8);
  EXPECT_EQ(policy.without_topology->cost.far.beta_ns_per_byte, SchedulePolicy().cost.far.beta_ns_per_byte);
  policy.rules = topology::parse_schedule_rules("all-reduce:0-1k:star").value();
  EXPECT_EQ(schedule_of(wish, 64), "star in the file's order");
  EXPECT_EQ(schedule_of(wish, 2'048), "ring in the file's order");
  wish.kind = ScheduleKind::butterfly;
  EXPECT_EQ(schedule_of(wish, 64), "butterfly in the file's order");
  wish.kind.reset();
  wish.policy = policy.without_topology.get();
  EXPECT_THAT(schedule_of(wish, 64), ::testing::Not(HasSubstr("order")));
  EXPECT_EQ(policy_of(interleaved, true).cost.far.beta_ns_per_byte, SchedulePolicy().cost.far.beta_ns_per_byte);

  const std::vector<Rank> group = {Rank{0}, Rank{1}};
  EXPECT_THAT(schedule_of({.rank_count = 2, .policy = &policy, .members = group}, 64),
              ::testing::Not(StartsWith("ring")));
  const std::vector<Rank> one_host = {Rank{0}, Rank{2}, Rank{4}};
  EXPECT_THAT(schedule_of({.rank_count = 3, .policy = &policy, .members = one_host}, 2'048),
              ::testing::Not(HasSubstr("order")));
}

// Goal: ranks compare the file's bytes, not its path; what cannot be read, or is none, is told. Method: the field and
// the trouble of each.
TEST(TopologyFile, IsComparedByItsBytes) {
  EXPECT_EQ(read_user_topology("").field.value, "none");
  const tools::TemporaryFolder folder;
  std::ofstream(folder / "a") << interleaved;
  std::ofstream(folder / "b") << interleaved;
  const UserTopology first = read_user_topology(folder / "a");
  EXPECT_TRUE(first.file.has_value());
  EXPECT_FALSE(first.trouble.has_value());
  EXPECT_EQ(first.field.value, read_user_topology(folder / "b").field.value);
  std::ofstream(folder / "b") << "# changed\n" << interleaved;
  EXPECT_NE(first.field.value, read_user_topology(folder / "b").field.value);
  std::ofstream(folder / "b") << "gossamer-topology 9";
  const UserTopology other = read_user_topology(folder / "b");
  EXPECT_EQ(other.trouble->code, Code::malformed);
  EXPECT_THAT(other.trouble->message, StartsWith("topology file " + (folder / "b") + ":1: expected version 1"));
  const UserTopology none = read_user_topology(folder / "none");
  EXPECT_EQ(none.trouble->code, Code::unavailable);
  EXPECT_EQ(none.trouble->message, "topology file " + (folder / "none") + ": No such file or directory");
}

// Goal: a file of another cluster is refused with what differs. Method: as it should be, another number of ranks,
// another host, a name that is the system's.
TEST(TopologyFile, OfAnotherClusterIsRefused) {
  const auto file = topology::parse_topology_file(interleaved, "f").value();
  EXPECT_TRUE(check_same_cluster(file, "f", Rank{1}, 6, "b").ok());
  EXPECT_THAT(check_same_cluster(file, "f", Rank{1}, 4, "b").error().message,
              StartsWith("topology file f is of 6 ranks, and this session has 4: "));
  const Status elsewhere = check_same_cluster(file, "f", Rank{1}, 6, "a");
  EXPECT_EQ(elsewhere.error().code, Code::invalid_argument);
  EXPECT_THAT(elsewhere.error().message, StartsWith("topology file f has rank 1 on host b, and here it is on a: it is "
                                                    "of another cluster, or ranks were placed otherwise"));
  EXPECT_EQ(host_name("given"), "given");
  EXPECT_FALSE(host_name("").empty());
}

// Goal: sums in a file's order are right. Method: dense steps whose sums are exact, by its rules and by cost, end with
// the bits of a tree's in the ranks' own order.
TEST(TopologyFile, LeavesTheBitsOfExactSums) {
  const auto updates = [&](const SchedulePolicy& policy, std::optional<ScheduleKind> kind = {}) {
    SimClusterOptions options;
    options.rank_count = 6;
    options.policy = policy;
    TestCluster cluster(options, small_config({.algorithm = AlgorithmKind::dense, .rank_count = 6, .schedule = kind}));
    std::vector<float> all;
    for (std::uint32_t step = 0; step < 3; ++step) {
      cluster.step(step);
      for (std::uint32_t rank = 0; rank < 6; ++rank) {
        const std::vector<float> update = cluster.dense_update(rank);
        all.insert(all.end(), update.begin(), update.end());
      }
    }
    return all;
  };
  const std::vector<float> expected = updates({}, ScheduleKind::binomial_tree);
  const SchedulePolicy ordered = policy_of(interleaved);
  EXPECT_EQ(updates(ordered), expected);
  EXPECT_EQ(updates(ordered, ScheduleKind::ring), expected);
  std::string by_cost(interleaved);
  by_cost.replace(by_cost.find("schedule all"), by_cost.find("end\n") - by_cost.find("schedule all"), "");
  EXPECT_EQ(updates(policy_of(by_cost)), expected);
}

}  // namespace
}  // namespace gossamer::runtime
