// What a session says of itself: recovered energy, whom it waited for, metrics.
#include "runtime/session/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include "runtime/algorithms/catalogue.h"
#include "tests/runtime/cluster_fixture.h"
#include "tests/runtime/thread_cluster.h"
#include "tests/support/metrics_text.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestCluster;
using testing::ThreadCluster;

double squares_of(const std::vector<float>& values) {
  double sum = 0.0;
  for (const float value : values) sum += double{value} * double{value};
  return sum;
}

std::vector<float> residual_of(Compressor& compressor) {
  return {compressor.residual().begin(), compressor.residual().end()};
}

// Goal: the recovered share is what it says. Method: every algorithm that holds something back, gs-SGD with rounded
// values too, three steps without momentum on three ranks: |residual before + gradient|^2, less |residual after|^2,
// over the first, computed here from gradients and residuals; none before the first step and after a load.
TEST(Report, RecoveredIsTheShareOfWhatCouldBeSent) {
  std::vector<ClusterCase> cases;
  for (const AlgorithmKind kind : all_algorithms())
    if (!row_of(kind).moves_everything()) cases.push_back({kind, 3, {}});
  cases.push_back({AlgorithmKind::gs_sgd, 3, {}, sketch::CellType::i8, sketch::CellType::i16});
  for (const ClusterCase& each : cases) {
    CompressorConfig config = testing::small_config(each);
    config.momentum = 0.0;
    // One tensor: the layout's order is the caller's.
    config.tensors = {{"w", 4101, false}};
    TestCluster cluster(3, config, 1);
    EXPECT_FALSE(recovered(report_of(*cluster.compressors[0], 3)).has_value()) << testing::case_name(each);
    double last = 0.0;
    for (std::uint32_t step = 0; step < 3; ++step) {
      std::vector<std::vector<float>> before;
      for (Compressor* const compressor : cluster.compressors) before.push_back(residual_of(*compressor));
      ASSERT_NO_FATAL_FAILURE(cluster.step(step));
      for (std::uint32_t r = 0; r < 3; ++r) {
        std::vector<float> offered = cluster.gradients(r, step)[0];
        for (std::size_t i = 0; i < offered.size(); ++i) offered[i] += before[r][i];
        const double all = squares_of(offered);
        const double expected = (all - squares_of(residual_of(*cluster.compressors[r]))) / all;
        const auto told = recovered(report_of(*cluster.compressors[r], 3));
        ASSERT_TRUE(told.has_value()) << testing::case_name(each);
        EXPECT_NEAR(*told, expected, 1e-9) << testing::case_name(each) << " rank " << r << " step " << step;
        EXPECT_GT(*told, 0.05);
        EXPECT_LT(*told, 1.0);
        last = *told;
      }
    }
    Compressor& loaded = *cluster.compressors[2];
    std::vector<std::byte> bytes(loaded.state_bytes());
    ASSERT_TRUE(loaded.save(bytes).ok());
    EXPECT_EQ(recovered(report_of(loaded, 3)), last);
    const auto state = read_state("state", bytes);
    ASSERT_TRUE(state.ok());
    const auto taken = loaded.take({&*state, 1}, false);
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    ASSERT_TRUE(loaded.load(*taken).ok());
    EXPECT_FALSE(recovered(report_of(loaded, 3)).has_value());
  }
}

// Goal: who waits says for whom. Method: a star of four, of which rank 2 starts 5 ms after the others; the root waits
// for it, and the rest wait for the root. A second step, in time, adds little.
TEST(Report, ALateRankIsNamed) {
  constexpr std::uint64_t late_ns = 5'000'000;
  TestCluster cluster({AlgorithmKind::dense, 4, topology::ScheduleKind::star});
  SimCluster& sim = *cluster.cluster;
  cluster.compress_all(0);
  for (const std::uint32_t r : {0u, 1u, 3u}) ASSERT_TRUE(cluster.compressors[r]->reduce().ok());
  sim.run_to(sim.clock().now_ns() + late_ns);
  ASSERT_TRUE(cluster.compressors[2]->reduce().ok());
  for (const auto& outcome : cluster.run()) ASSERT_EQ(outcome.code, Code::done);
  const auto waited = [&](std::uint32_t rank) { return sim.session(Rank{rank}).report().waited_for_ns; };
  const std::vector<std::uint64_t> root = waited(0);
  ASSERT_EQ(root.size(), 4u);
  EXPECT_GT(root[2], late_ns * 9 / 10);
  EXPECT_LT(root[0] + root[1] + root[3], late_ns / 10);
  EXPECT_GT(waited(1)[0], late_ns * 9 / 10);
  EXPECT_GT(waited(3)[0], late_ns * 9 / 10);
  const std::vector<std::uint64_t> late = waited(2);
  EXPECT_LT(late[0] + late[1] + late[2] + late[3], late_ns / 10);
  // What each waited is what its operation did: nothing is counted twice, and little is nobody's.
  const std::uint64_t waiting_ns = cluster.compressors[0]->stats().waiting_ns;
  const std::uint64_t told_ns = root[0] + root[1] + root[2] + root[3];
  EXPECT_LE(told_ns, waiting_ns);
  EXPECT_GT(told_ns, waiting_ns * 9 / 10);
  // Time between operations is nobody's, and computing is not waiting.
  sim.run_to(sim.clock().now_ns() + late_ns);
  ASSERT_NO_FATAL_FAILURE(cluster.step(1));
  const std::vector<std::uint64_t> after = waited(0);
  EXPECT_LE(after[0] + after[1] + after[2] + after[3] - told_ns, cluster.compressors[0]->stats().waiting_ns);
  EXPECT_LT(after[2] - root[2], late_ns / 10);
}

// Goal: on a real clock time in a wait is counted, and what the program does between two calls is not. Method: two
// ranks. First rank 1 starts only when rank 0's wait of 30 ms has ended in vain; then rank 0 computes for 30 ms, though
// all of rank 1's part has come, before it looks.
TEST(Report, OnlyWaitingIsCounted) {
  constexpr std::uint64_t limit_ns = 30'000'000;
  ThreadCluster cluster(2);
  std::atomic<int> turn{0};
  const auto pass_turn = [&](int to) {
    turn = to;
    turn.notify_all();
  };
  const auto await_turn = [&](int value) {
    for (int now = turn; now < value; now = turn) turn.wait(now);
  };
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    CompressorConfig config;
    config.algorithm = AlgorithmKind::dense;
    config.tensors = {{"w", 100, false}};
    config.schedule = topology::ScheduleKind::star;
    const auto made = session.make_compressor(config);
    ASSERT_TRUE(made.ok()) << made.error().message;
    Compressor& compressor = **made;
    const std::vector<float> gradient(100, 1.0f);
    const float* const pointer = gradient.data();
    const SteadyClock clock;
    ASSERT_TRUE(compressor.compress(&pointer).ok());
    if (rank == 1) await_turn(1);
    ASSERT_TRUE(compressor.reduce().ok());
    if (rank == 0) {
      const Status early = compressor.wait(limit_ns);
      ASSERT_FALSE(early.ok());
      EXPECT_EQ(early.error().code, Code::deadline);
      pass_turn(1);
    }
    ASSERT_TRUE(compressor.wait(20'000'000'000).ok());
    const std::uint64_t waited_ns = session.report().waited_for_ns[1 - rank];
    if (rank == 0) {
      EXPECT_GT(waited_ns, limit_ns * 9 / 10);
    }

    ASSERT_TRUE(compressor.compress(&pointer).ok());
    if (rank == 0) await_turn(2);
    ASSERT_TRUE(compressor.reduce().ok());
    if (rank == 1) pass_turn(2);
    if (rank == 0) {
      static_cast<void>(compressor.test());
      const std::uint64_t before_ns = session.report().waited_for_ns[1];
      for (const std::uint64_t end_ns = clock.now_ns() + limit_ns; clock.now_ns() < end_ns;) {
      }
      ASSERT_TRUE(compressor.wait(20'000'000'000).ok());
      EXPECT_LT(session.report().waited_for_ns[1] - before_ns, limit_ns / 2);
    } else {
      ASSERT_TRUE(compressor.wait(20'000'000'000).ok());
    }
    session.destroy_compressor(*made);
  });
}

CompressorReport example_compressor(const std::string& name) {
  CompressorReport report;
  report.name = name;
  report.tensors = 1;
  report.dimension = 100;
  report.stats.operations = 3;
  report.stats.total_bytes_sent = 9'007'199'254;
  report.stats.total_waiting_ns = 1'500'000'001;
  report.stats.gradient_norm = 3.0;
  report.total_dense_bytes = 1e12;
  report.residual_squares = 9.0;
  report.sent_squares = 27.0;
  return report;
}

SessionReport example_report() {
  SessionReport report;
  report.rank = Rank{1};
  report.rank_count = 3;
  report.host = "node\"7\"\\";
  report.job = "job\n\xff";
  report.way = "tcp";
  report.waited_for_ns = {0, 0, 2'500'000'000};
  report.compressors = {example_compressor("a"), example_compressor("b"), example_compressor("a")};
  report.compressors[2].stats.gradient_norm = 4.0;
  report.collectives = {{"sum", 3, {}}};
  return report;
}

// Goal: metrics are well formed whatever names are, base units, exact to the byte, and those of one name are one
// series. Method: a report with hostile names, and one of nothing; Prometheus' own check, where it is.
TEST(Metrics, AreWellFormedInBaseUnits) {
  const std::string metrics = metrics_of(example_report(), {});
  gossamer::testing::expect_well_formed(metrics);
  const std::string of = "session=\"job\\n\xef\xbf\xbd\",rank=\"1\"";
  EXPECT_THAT(metrics, HasSubstr("gossamer_session_info{" + of + ",host=\"node\\\"7\\\"\\\\\",transport=\"tcp\","));
  EXPECT_THAT(metrics, HasSubstr("# UNIT gossamer_waited_for_seconds seconds\ngossamer_waited_for_seconds_total{" + of +
                                 ",peer=\"2\"} 2.5\n"));
  EXPECT_THAT(metrics, Not(HasSubstr("peer=\"0\"")));
  EXPECT_THAT(metrics, HasSubstr("gossamer_sent_bytes_total{" + of + ",kind=\"compressor\",name=\"a\"} 18014398508\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_operations_total{" + of + ",kind=\"collective\",name=\"sum\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_exchange_seconds_total{" + of +
                                 ",kind=\"compressor\",name=\"b\",phase=\"waiting\"} 1.500000001\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_gradient_norm{" + of + ",name=\"a\"} 5\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_residual_norm{" + of + ",name=\"b\"} 3\n"));
  EXPECT_THAT(metrics, HasSubstr("gossamer_recovered_ratio{" + of + ",name=\"a\"} 0.75\n"));
  gossamer::testing::expect_well_formed(metrics_of({}, {}));
  gossamer::testing::expect_promtool_accepts(metrics);
}

// Goal: counters never fall when something is destroyed, nor does the file grow without end. Method: one that is gone
// beside one of its name, and one whose name nobody has; many names.
TEST(Metrics, KeepWhatIsGone) {
  PastReports past;
  past.add(example_compressor("b"));
  past.add(example_compressor("gone"));
  past.add(example_compressor("gone"));
  CompressorReport idle = example_compressor("never ran");
  idle.stats.operations = 0;
  past.add(idle);
  const std::string metrics = metrics_of(example_report(), past);
  gossamer::testing::expect_well_formed(metrics);
  EXPECT_THAT(metrics, HasSubstr("kind=\"compressor\",name=\"b\"} 6\n"));
  EXPECT_THAT(metrics, HasSubstr("kind=\"compressor\",name=\"gone\"} 6\n"));
  EXPECT_THAT(metrics, HasSubstr(",name=\"gone\"} 0.75\n"));  // as it was left
  EXPECT_THAT(metrics, Not(HasSubstr("never ran")));
  for (std::size_t i = 0; i < 2 * PastReports::names_max; ++i) past.add(example_compressor(text("many ", i)));
  EXPECT_EQ(past.compressors().size(), PastReports::names_max + 1);
  std::uint64_t operations = 0;
  for (const auto& [name, each] : past.compressors()) operations += each.stats.operations;
  EXPECT_EQ(operations, 3 * (3 + 2 * PastReports::names_max));
  EXPECT_EQ(past.compressors().count("(others)"), 1u);
}

// Goal: the JSON has the same numbers. Method: the same report.
TEST(Report, IsJsonOfTheSameNumbers) {
  const std::string json = json_of(example_report());
  EXPECT_THAT(json, HasSubstr("\"host\":\"node\\\"7\\\"\\\\\",\"transport\":\"tcp\",\"control_bytes_sent\":0,"
                              "\"waited_for_ns\":[0,0,2500000000],\"compressors\":[{\"name\":\"a\","));
  EXPECT_THAT(json, HasSubstr("\"residual_norm\":3,\"recovered\":0.75},{\"name\":\"b\","));
  EXPECT_THAT(json, HasSubstr("}],\"collectives\":[{\"name\":\"sum\",\"ranks\":3,\"operations\":0,"));
}

}  // namespace
}  // namespace gossamer::runtime
