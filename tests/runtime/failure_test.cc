// What goes wrong, and that it goes wrong in the same way on every rank.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "runtime/session/compressor_part.h"
#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using ::testing::HasSubstr;
using testing::TestCluster;
using topology::ScheduleKind;

// Goal: a rank that aborts ends its own operations with CANCELLED and the others' with PEER_LOST, those that follow as
// well. Method: an operation that rank 2 never starts.
TEST(Abort, IsCancelledHereAndALossElsewhere) {
  TestCluster test(ClusterCase{AlgorithmKind::gs_sgd, 3, std::nullopt});
  const std::array expected = {Code::cancelled, Code::peer_lost};
  for (const bool is_first : {true, false}) {
    test.compress_all(0);
    for (std::uint32_t r = 0; r < 2; ++r) ASSERT_TRUE(test.compressors[r]->reduce().ok());
    if (is_first) test.cluster->session(Rank{0}).abort();
    const auto outcomes = test.run();
    for (std::uint32_t r = 0; r < 2; ++r) {
      EXPECT_EQ(outcomes[r].code, expected[r]) << outcomes[r].error.message;
      EXPECT_EQ(outcomes[r].error.rank, Rank{0});
      EXPECT_THAT(outcomes[r].error.message, HasSubstr("rank 0 is lost: it aborted the session"));
    }
  }
}

class EveryAlgorithmFails : public ::testing::TestWithParam<AlgorithmKind> {};

// Goal: NaN or infinity on one rank fails the step on every rank with that rank and index, and leaves no
// trace. Method: two clusters with the same steps, one has a failed step between; the next updates are equal.
TEST_P(EveryAlgorithmFails, WithoutATraceWhenOneGradientIsNotFinite) {
  // gs-SGD draws a new seed for each operation, so its twin fails a step as well, by another rank and index.
  const auto fail_a_step = [&](TestCluster& test, std::uint32_t rank, std::size_t tensor, std::size_t index,
                               float value, std::uint64_t flat) {
    for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
      auto g = test.gradients(r, 99);
      if (r == rank) g[tensor][index] = value;
      test.compress(r, g);
    }
    test.reduce_all();
    for (const auto& outcome : test.run()) {
      ASSERT_EQ(outcome.code, Code::not_finite) << outcome.error.message;
      EXPECT_EQ(outcome.error.rank, Rank{rank});
      EXPECT_EQ(outcome.error.index, flat);
      EXPECT_THAT(outcome.error.message, HasSubstr(text("rank ", rank)));
      EXPECT_THAT(outcome.error.message, HasSubstr(text("first at index ", index, " of tensor \"",
                                                        testing::small_model()[tensor].name, "\" (coordinate ", flat)));
    }
  };
  TestCluster one(ClusterCase{GetParam(), 4, std::nullopt});
  TestCluster two(ClusterCase{GetParam(), 4, std::nullopt});
  for (TestCluster* test : {&one, &two}) ASSERT_NO_FATAL_FAILURE(test->step(0));
  ASSERT_NO_FATAL_FAILURE(fail_a_step(one, 2, 0, 17, std::numeric_limits<float>::quiet_NaN(), 17));
  ASSERT_NO_FATAL_FAILURE(fail_a_step(two, 1, 2, 5, -std::numeric_limits<float>::infinity(), 3000 + 30 + 5));
  for (std::uint32_t r = 0; r < 4; ++r) {
    const auto a = one.compressors[r]->residual();
    const auto b = two.compressors[r]->residual();
    ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    EXPECT_FALSE(one.compressors[r]->update().ok());
  }
  for (TestCluster* test : {&one, &two}) ASSERT_NO_FATAL_FAILURE(test->step(1));
  for (std::uint32_t r = 0; r < 4; ++r) ASSERT_EQ(one.dense_update(r), two.dense_update(0));
}

// Goal: the failed step's gradient is nowhere: neither residual nor momentum of any rank has it. Method: one cluster
// with a failed step, one without: residuals are equal after it, and all later updates. A sketch has another seed after
// it, by design, and names other coordinates: there residuals are equal wherever neither cluster has sent them.
TEST_P(EveryAlgorithmFails, AsIfTheStepHadNeverBeen) {
  const bool is_sketched = row_of(GetParam()).is_sketched;
  TestCluster with(ClusterCase{GetParam(), 4, std::nullopt});
  TestCluster without(ClusterCase{GetParam(), 4, std::nullopt});
  for (TestCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(0));
  for (std::uint32_t r = 0; r < 4; ++r) {
    auto g = with.gradients(r, 50);
    if (r == 3) g[2][0] = std::numeric_limits<float>::infinity();
    with.compress(r, g);
  }
  with.reduce_all();
  for (const auto& outcome : with.run()) ASSERT_EQ(outcome.code, Code::not_finite);
  const auto residuals = [&](std::uint32_t r) {
    return std::pair(with.compressors[r]->residual(), without.compressors[r]->residual());
  };
  for (std::uint32_t r = 0; r < 4; ++r) {
    const auto [a, b] = residuals(r);
    ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
  std::array<std::vector<bool>, 4> sent;  // by rank: coordinates that either cluster has sent, and so set to 0
  for (std::uint32_t step = 1; step < 3; ++step) {
    for (TestCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(step));
    if (!is_sketched) {
      ASSERT_EQ(with.dense_update(1), without.dense_update(1));
      continue;
    }
    for (std::uint32_t r = 0; r < 4; ++r) {
      const auto [a, b] = residuals(r);
      sent[r].resize(a.size());
      std::size_t held = 0;  // by both
      for (std::size_t i = 0; i < a.size(); ++i) {
        if (a[i] == 0.0f || b[i] == 0.0f) sent[r][i] = true;
        if (sent[r][i]) continue;
        ASSERT_EQ(a[i], b[i]) << "rank " << r << ", coordinate " << i << ", step " << step;
        ++held;
      }
      EXPECT_GT(held, a.size() / 2);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Algorithms, EveryAlgorithmFails,
                         ::testing::ValuesIn(std::vector<AlgorithmKind>(all_algorithms().begin(),
                                                                        all_algorithms().end())),
                         [](const auto& each) {
                           std::string name(algorithm_name(each.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

struct DeathCase {
  AlgorithmKind algorithm;
  ScheduleKind schedule;
};

void PrintTo(const DeathCase& each, std::ostream* out) {
  *out << algorithm_name(each.algorithm) << ", " << topology::schedule_kind_name(each.schedule);
}

class DeathOnEverySchedule : public ::testing::TestWithParam<DeathCase> {};

// Goal: a rank that dies at any moment of a step makes every survivor end with peer_lost that names it,
// on every schedule. Method: kills at moments spread over the step's virtual time, each victim in turn.
TEST_P(DeathOnEverySchedule, NamesTheLostRankOnEverySurvivor) {
  constexpr std::uint32_t p = 5;
  const ClusterCase c{GetParam().algorithm, p, GetParam().schedule};
  TestCluster probe(c);
  ASSERT_NO_FATAL_FAILURE(probe.step(0));
  const std::uint64_t duration_ns = probe.cluster->clock().now_ns();
  std::uint32_t named = 0;
  for (std::uint32_t moment = 0; moment < 12; ++moment) {
    TestCluster test(c, moment + 1);
    const std::uint32_t victim = moment % p;
    test.compress_all(0);
    test.reduce_all();
    test.cluster->run_to(duration_ns * moment / 12);
    test.cluster->kill(Rank{victim});
    test.alive[victim] = false;
    const auto outcomes = test.run();
    for (std::uint32_t r = 0; r < p; ++r) {
      if (r == victim) continue;
      // A rank that has got everything before the death may end done: never pending.
      ASSERT_NE(outcomes[r].code, Code::pending)
          << "rank " << r << " hangs, victim " << victim << ", moment " << moment;
      if (outcomes[r].code == Code::done) continue;
      ASSERT_EQ(outcomes[r].code, Code::peer_lost) << outcomes[r].error.message;
      ASSERT_EQ(outcomes[r].error.rank, Rank{victim});
      ++named;
    }
    // Who dies before it has sent anything leaves nobody done.
    if (moment == 0) {
      ASSERT_EQ(named, p - 1);
    }
    // And the next step fails on all, with the same rank.
    test.compress_all(1);
    test.reduce_all();
    const auto next = test.run();
    for (std::uint32_t r = 0; r < p; ++r) {
      if (r == victim) continue;
      ASSERT_EQ(next[r].code, Code::peer_lost) << next[r].error.message;
      ASSERT_EQ(next[r].error.rank, Rank{victim}) << next[r].error.message;
    }
  }
}

std::vector<DeathCase> death_cases() {
  std::vector<DeathCase> cases;
  for (const AlgorithmKind algorithm : all_algorithms())
    for (const ScheduleKind schedule : topology::all_schedules()) cases.push_back({algorithm, schedule});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Schedules, DeathOnEverySchedule, ::testing::ValuesIn(death_cases()), [](const auto& each) {
  return testing::case_name({each.param.algorithm, 5, each.param.schedule});
});

// Goal: a rank that is stopped in a step is given up by all others when its lease is over, at that virtual moment, and
// fails its own operation when it goes on. Method: each victim, stopped a tenth into a step.
TEST(Lease, StoppedRankEndsTheStepOnAllRanks) {
  for (std::uint32_t victim = 0; victim < 4; ++victim) {
    TestCluster test(ClusterCase{AlgorithmKind::gs_sgd, 4, std::nullopt});
    ASSERT_NO_FATAL_FAILURE(test.step(0));
    test.compress_all(1);
    test.reduce_all();
    const std::uint64_t stopped_ns = test.cluster->clock().now_ns() + 1'000;
    test.cluster->run_to(stopped_ns);
    test.cluster->stop(Rank{victim});
    const auto ended = [&](std::uint32_t r) {
      const auto code = test.compressors[r]->test();
      return !code.ok() && code.error().code == Code::peer_lost;
    };
    EXPECT_TRUE(test.cluster->run_until(
        [&] {
          for (std::uint32_t r = 0; r < 4; ++r)
            if (r != victim && !ended(r)) return false;
          return true;
        },
        60'000'000'000));
    EXPECT_EQ(test.cluster->clock().now_ns(), stopped_ns + 5'000'000'000);
    for (std::uint32_t r = 0; r < 4; ++r) {
      if (r == victim) continue;
      const auto code = test.compressors[r]->test();
      ASSERT_FALSE(code.ok());
      EXPECT_EQ(code.error().rank, Rank{victim});
      EXPECT_THAT(code.error().message, HasSubstr("it has not answered for 5.0 s"));
    }
    test.cluster->resume(Rank{victim});
    EXPECT_TRUE(test.cluster->run_until([&] { return ended(victim); }, 1'000'000'000));
    EXPECT_THAT(test.compressors[victim]->test().error().message, HasSubstr("it gave this rank up"));
  }
}

// Goal: who waits too long is told who waits for whom, where and since when. Method: rank 1 never starts; in the
// first round of a circulant schedule over four ranks each swaps with the one two away.
TEST(Waiting, SaysWhoWaitsForWhom) {
  TestCluster test(ClusterCase{AlgorithmKind::gs_sgd, 4, ScheduleKind::circulant});
  ASSERT_NO_FATAL_FAILURE(test.step(0));
  test.compress_all(1);
  for (const std::uint32_t r : {0u, 2u, 3u}) ASSERT_TRUE(test.compressors[r]->reduce().ok());
  test.cluster->run_to(test.cluster->clock().now_ns() + 5'000'000'000);
  const auto wait_of = [&](std::uint32_t r) {
    return test.cluster->session(Rank{r}).driver().describe_wait(0, 5'000'000'000);
  };
  EXPECT_THAT(wait_of(3), ::testing::MatchesRegex(
                              "rank 3 waits for rank 1, gs-sgd step 2, sketch reduce-scatter slice [0-9], 5.0 s"));
  for (const std::uint32_t r : {0u, 2u})
    EXPECT_THAT(wait_of(r), ::testing::MatchesRegex(text("rank ", r,
                                                         " waits for rank [13], gs-sgd step 2, sketch "
                                                         "reduce-scatter slice [0-9], 5.0 s")));
}

// Goal: a started plan is busy until its operation ends. Method: second reduce, compress and recover in between.
TEST(OperationOrder, IsCheckedAndExplained) {
  TestCluster test(ClusterCase{AlgorithmKind::gs_sgd, 2, std::nullopt});
  Compressor& compressor = *test.compressors[0];
  EXPECT_EQ(compressor.reduce().error().code, Code::invalid_argument);
  EXPECT_EQ(compressor.update().error().code, Code::invalid_argument);
  test.compress_all(0);
  ASSERT_TRUE(compressor.reduce().ok());
  EXPECT_EQ(compressor.reduce().error().code, Code::busy);
  const auto g = test.gradients(0, 1);
  const std::vector<const float*> pointers = {g[0].data(), g[1].data(), g[2].data(), g[3].data()};
  EXPECT_EQ(compressor.compress(pointers.data()).error().code, Code::busy);
  EXPECT_EQ(compressor.update().error().code, Code::busy);
  ASSERT_TRUE(test.compressors[1]->reduce().ok());
  for (const auto& outcome : test.run()) EXPECT_EQ(outcome.code, Code::done);
  EXPECT_TRUE(compressor.update().ok());
}

// What two ranks of this configuration compare, beside the tensors.
std::vector<Field> compared_fields(const CompressorConfig& config) {
  const auto shape = resolve(config);
  GOSSAMER_CHECK(shape.ok(), shape.ok() ? "" : shape.error().message);
  std::vector<Field> fields = shared_fields(*shape);
  const CompressorPart part = make_compressor_part(*shape, {});
  for (std::size_t i = 0; i < derived_names.size(); ++i)
    fields.push_back({std::string(derived_names[i]), text(part.derived[i])});
  return fields;
}

// Why rank 1 refuses `other` where rank 0 has `config`.
Error refusal_of(const CompressorConfig& config, const CompressorConfig& other) {
  SimClusterOptions options;
  options.rank_count = 2;
  const auto cluster = SimCluster::make(options);
  EXPECT_TRUE(cluster.ok() && (*cluster)->session(Rank{0}).make_compressor(config).ok());
  const auto second = (*cluster)->session(Rank{1}).make_compressor(other);
  EXPECT_FALSE(second.ok());
  return second.ok() ? Error{Code::done, "taken"} : second.error();
}

// Goal: peers whose compressors differ are refused with field and both values. Method: each field that is compared, by
// a change of it alone or before the others; a field without a change fails.
TEST(Mismatch, NamesFieldAndBothValues) {
  const std::map<std::string, void (*)(CompressorConfig&)> changes = {
      {"algorithm", [](CompressorConfig& c) { c.algorithm = AlgorithmKind::shared_top_k; }},
      {"name", [](CompressorConfig& c) { c.name = "another"; }},
      {"cells", [](CompressorConfig& c) { c.cells = sketch::CellType::bf16; }},
      {"values", [](CompressorConfig& c) { c.values = sketch::CellType::i16; }},
      {"clip", [](CompressorConfig& c) { c.clip = 2.0; }},
      {"momentum", [](CompressorConfig& c) { c.momentum = 0.5; }},
      {"seed", [](CompressorConfig& c) { c.seed = 2; }},
      {"selection", [](CompressorConfig& c) { c.selection = SelectionKind::heavymix; }},
      {"decode", [](CompressorConfig& c) { c.decode = DecodeKind::sharded; }},
      {"keep_k", [](CompressorConfig& c) { c.keep_k = true; }},
      {"schedule", [](CompressorConfig& c) { c.schedule = ScheduleKind::ring; }},
      {"rows", [](CompressorConfig& c) { c.rows = 5; }},
      {"columns", [](CompressorConfig& c) { c.columns = 128; }},
      {"k",
       [](CompressorConfig& c) {
         c.density = 0.03;
         c.oversampling = 2.0 * 0.02 / 0.03;
       }},
      {"candidates", [](CompressorConfig& c) { c.oversampling = 3.0; }},
  };
  const CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 2, std::nullopt});
  const std::vector<Field> fields = compared_fields(config);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string& name = fields[i].name;
    if (name == "dimension") continue;  // it follows from the tensors, which are compared first: the next test
    SCOPED_TRACE(name);
    const auto change = changes.find(name);
    ASSERT_NE(change, changes.end());
    CompressorConfig other = config;
    change->second(other);
    const std::string changed = compared_fields(other)[i].value;
    ASSERT_NE(changed, fields[i].value);
    const Error error = refusal_of(config, other);
    EXPECT_EQ(error.code, Code::mismatch);
    EXPECT_EQ(error.message, text("compressor: ", name, ": rank 0 has ", fields[i].value, ", rank 1 has ", changed));
  }
}

// Goal: so are peers that differ in any option with names. Method: each option, its default against each other name.
TEST(Mismatch, NamesEveryOptionAndBothNames) {
  for (const OptionRow& option : all_options)
    for (const Choice& choice : option.choices.subspan(1)) {
      SimClusterOptions options;
      options.rank_count = 2;
      auto cluster = SimCluster::make(options);
      ASSERT_TRUE(cluster.ok());
      CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 2, std::nullopt});
      ASSERT_TRUE((*cluster)->session(Rank{0}).make_compressor(config).ok());
      option.set(config, choice.number);
      const auto second = (*cluster)->session(Rank{1}).make_compressor(config);
      ASSERT_FALSE(second.ok()) << option.field;
      EXPECT_EQ(second.error().code, Code::mismatch);
      EXPECT_THAT(second.error().message,
                  HasSubstr(text(option.field, ": rank 0 has ", option.choices[0].name, ", rank 1 has ", choice.name)));
    }
}

// Goal: so are tensors that differ; a rank that was called wrongly keeps its own words. Method: another count, another
// name, another exactness and another number of tensors; a density that nothing can have.
TEST(Mismatch, NamesTensorsAndBothHashes) {
  const CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 2, std::nullopt});
  const auto in_words = [](const CompressorConfig& each) {
    const CompressorPart part = make_compressor_part(*resolve(each), {});
    return text(part.tensor_count, " with hash ", hex(part.tensors_hash));
  };
  const std::vector<void (*)(CompressorConfig&)> changes = {
      [](CompressorConfig& c) { c.tensors[0].count = 3001; },
      [](CompressorConfig& c) { c.tensors[0].name = "other"; },
      [](CompressorConfig& c) { c.tensors[1].exact = false; },
      [](CompressorConfig& c) { c.tensors.pop_back(); },
  };
  for (const auto& change : changes) {
    CompressorConfig other = config;
    change(other);
    ASSERT_NE(in_words(other), in_words(config));
    const Error error = refusal_of(config, other);
    EXPECT_EQ(error.code, Code::mismatch);
    EXPECT_EQ(error.message,
              text("compressor: tensors: rank 0 has ", in_words(config), ", rank 1 has ", in_words(other)));
  }
  CompressorConfig wrong = config;
  wrong.density = 7.0;
  const Error mistake = refusal_of(config, wrong);
  EXPECT_EQ(mistake.code, Code::invalid_argument);
  EXPECT_THAT(mistake.message, HasSubstr("density is 7"));
}

}  // namespace
}  // namespace gossamer::runtime
