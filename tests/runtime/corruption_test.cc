// What one changed bit in one message does to a step. Networks have checksums; this is what stands behind them.
//
// The table that this prints is the one in docs/footguns.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <string>

#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using testing::TestCluster;
using topology::ScheduleKind;
using transport::FaultKind;
using transport::FaultOptions;

enum class Effect : std::uint8_t {
  none,         // every rank has the bits of a run without faults
  found,        // at least one rank ended with an error
  same_on_all,  // another update, the same on all ranks
  ranks_differ  // updates that differ between ranks, and no error in this step
};
constexpr std::size_t effect_count = 4;

struct Tally {
  std::array<std::uint32_t, effect_count> by_effect{};
  std::map<Code, std::uint32_t> codes;  // of the first error found
  [[nodiscard]] std::uint32_t operator[](Effect effect) const { return by_effect[static_cast<std::size_t>(effect)]; }
};

// The effect of one changed bit in one message; nothing where the sender has no such message.
std::optional<Effect> effect_of(const ClusterCase& c, const FaultOptions& options, const std::vector<float>& expected,
                                Tally& tally) {
  TestCluster test(c, options);
  test.compress_all(0);
  test.reduce_all();
  const auto outcomes = test.run();
  const Rank sender = options.events[0].rank;
  const std::uint64_t changed = test.cluster->faults(sender).counts()[FaultKind::corrupt];
  if (changed == 0) return std::nullopt;
  EXPECT_EQ(changed, 1u) << "seed " << options.seed;
  const auto failed =
      std::find_if(outcomes.begin(), outcomes.end(), [](const auto& each) { return each.code < Code::done; });
  if (failed != outcomes.end()) {
    ++tally.codes[failed->code];
    return Effect::found;
  }
  bool all_as_expected = true;
  bool all_equal = true;
  for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
    // Without an error somewhere nobody may be left waiting.
    EXPECT_EQ(outcomes[r].code, Code::done) << "rank " << r << ", seed " << options.seed;
    if (outcomes[r].code != Code::done) return Effect::found;
    all_as_expected &= test.dense_update(r) == expected;
    all_equal &= test.dense_update(r) == test.dense_update(0);
  }
  if (all_as_expected) return Effect::none;
  return all_equal ? Effect::same_on_all : Effect::ranks_differ;
}

Tally measure(const ClusterCase& c, std::uint64_t first_seed, std::uint32_t count) {
  TestCluster plain(c);
  plain.step(0);
  const std::vector<float> expected = plain.dense_update(0);
  Tally tally;
  std::uint32_t hits = 0;
  for (std::uint64_t seed = first_seed; hits < count; ++seed) {
    GOSSAMER_CHECK(seed < first_seed + 100 * count, "messages to change");
    Random random(seed);
    FaultOptions options{.seed = seed};
    options.events = {{.kind = FaultKind::corrupt,
                       .rank = Rank{static_cast<std::uint32_t>(random.below(c.rank_count))},
                       .message = random.below(12)}};
    const auto effect = effect_of(c, options, expected, tally);
    if (!effect) continue;
    ++hits;
    ++tally.by_effect[static_cast<std::size_t>(*effect)];
  }
  return tally;
}

class Corruption : public ::testing::TestWithParam<AlgorithmKind> {};
INSTANTIATE_TEST_SUITE_P(, Corruption,
                         ::testing::ValuesIn(std::vector<AlgorithmKind>(all_algorithms().begin(),
                                                                        all_algorithms().end())),
                         [](const auto& each) {
                           std::string name(algorithm_name(each.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Goal: a changed bit never hangs or crashes a rank, and how often it is found, harmless or silent is known.
// Method: 60 single bits for each schedule, in any message of one step of four ranks; the tally is printed.
TEST_P(Corruption, OfOneBitIsFoundOrSilentButNeverHangs) {
  Tally all;
  std::uint32_t messages = 0;
  for (const ScheduleKind schedule : topology::all_schedules()) {
    const Tally tally = measure({GetParam(), 4, schedule}, 1, 60);
    messages += 60;
    for (std::size_t i = 0; i < effect_count; ++i) all.by_effect[i] += tally.by_effect[i];
    for (const auto& [code, count] : tally.codes) all.codes[code] += count;
  }
  std::printf("%-13s %u messages: found %u, no effect %u, wrong and the same on all ranks %u, ranks differ %u; codes",
              std::string(algorithm_name(GetParam())).c_str(), messages, all[Effect::found], all[Effect::none],
              all[Effect::same_on_all], all[Effect::ranks_differ]);
  for (const auto& [code, count] : all.codes) std::printf(" %s %u", std::string(code_name(code)).c_str(), count);
  std::printf("\n");
  // What finds it: a length, a list or a flag that cannot be, or coordinates that differ; never a defect's words.
  for (const auto& [code, count] : all.codes)
    EXPECT_TRUE(code == Code::malformed || code == Code::disagreement || code == Code::not_finite)
        << code_name(code) << " " << count << " times";
  // Where ranks agree on coordinates by a hash, some of it is found; dense has no such agreement.
  if (GetParam() != AlgorithmKind::dense) {
    EXPECT_GT(all[Effect::found], 0u);
  }
  // The median over the rows of a sketch hides a single wrong cell.
  if (GetParam() == AlgorithmKind::gs_sgd) {
    EXPECT_GT(all[Effect::none], 100u);
  }
}

}  // namespace
}  // namespace gossamer::runtime
