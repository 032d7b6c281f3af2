// What every algorithm promises, on every schedule and for many P.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using testing::ClusterFamily;
using testing::TestCluster;
using topology::ScheduleKind;

std::vector<ClusterFamily> all_families() {
  std::vector<ClusterFamily> families;
  std::vector<std::optional<ScheduleKind>> schedules = {std::nullopt};
  schedules.insert(schedules.end(), topology::all_schedules().begin(), topology::all_schedules().end());
  for (const AlgorithmKind algorithm : all_algorithms())
    for (const auto& schedule : schedules) families.push_back({{algorithm, 0, schedule}, {1, 2, 3, 4, 6, 8, 13}});
  // Cells and values of other types, on the schedules that slice payloads and that do not.
  using sketch::CellType;
  std::vector types = {std::pair(CellType::i8, CellType::i16), std::pair(CellType::f16, CellType::i16)};
  for (const CellType cells : sketch::wire_cell_types())
    if (cells != CellType::f32) types.emplace_back(cells, CellType::f32);
  for (const CellType values : row_of(AlgorithmKind::gs_sgd).values)
    if (values != CellType::f32) types.emplace_back(CellType::f32, values);
  for (const auto& [cells, values] : types)
    for (const ScheduleKind schedule : {ScheduleKind::butterfly, ScheduleKind::circulant})
      families.push_back({{AlgorithmKind::gs_sgd, 0, schedule, cells, values}, {1, 2, 3, 8, 13}});
  return families;
}

// Goal: as many ranks as a session can have get the same bits, and all others hear of a death by name. Method: a step
// of gs-SGD and of dense each, then rank 200 is killed in the middle of another one.
TEST(Cluster, OfAsManyRanksAsASessionCanHave) {
  for (const AlgorithmKind algorithm : {AlgorithmKind::gs_sgd, AlgorithmKind::dense}) {
    TestCluster test(ClusterCase{algorithm, session_ranks_max, std::nullopt});
    ASSERT_NO_FATAL_FAILURE(test.step(0));
    const std::vector<float> expected = test.dense_update(0);
    for (std::uint32_t r = 1; r < test.rank_count(); ++r) ASSERT_EQ(test.dense_update(r), expected) << "rank " << r;
    test.compress_all(1);
    test.cluster->kill(Rank{200});
    test.alive[200] = false;
    test.reduce_all();
    const auto outcomes = test.run();
    for (std::uint32_t r = 0; r < test.rank_count(); ++r) {
      if (r == 200) continue;
      ASSERT_EQ(outcomes[r].code, Code::peer_lost) << "rank " << r;
      ASSERT_EQ(outcomes[r].error.rank, Rank{200}) << "rank " << r;
    }
  }
}

class EveryAlgorithm : public ::testing::TestWithParam<ClusterFamily> {};

// Goal: all ranks get the same update, bit for bit, in every step. Method: several steps, updates compared.
TEST_P(EveryAlgorithm, GivesEveryRankTheSameBits) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    TestCluster test(c);
    for (std::uint32_t step = 0; step < 4; ++step) {
      ASSERT_NO_FATAL_FAILURE(test.step(step));
      const std::vector<float> expected = test.dense_update(0);
      for (std::uint32_t r = 1; r < test.rank_count(); ++r) ASSERT_EQ(test.dense_update(r), expected) << "rank " << r;
    }
  }
}

// Goal: no gradient mass is lost or made: what was applied plus what the residuals hold is all that came
// in. Method: momentum 0 and gradients on a grid, so that all sums are exact.
TEST_P(EveryAlgorithm, AppliedPlusResidualIsAllThatCameIn) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    CompressorConfig config = testing::small_config(c);
    config.momentum = 0.0;
    const std::uint32_t p = c.rank_count;
    TestCluster test(p, config, 7);
    std::vector<double> came_in;
    std::vector<double> applied;
    for (std::uint32_t step = 0; step < 5; ++step) {
      ASSERT_NO_FATAL_FAILURE(test.step(step));
      std::size_t at = 0;
      for (std::uint32_t r = 0; r < p; ++r) {
        at = 0;
        for (const auto& tensor : test.gradients(r, step)) {
          came_in.resize(std::max(came_in.size(), at + tensor.size()));
          for (const float value : tensor) came_in[at++] += value;
        }
      }
      const auto update = test.dense_update(0);
      applied.resize(update.size());
      for (std::size_t i = 0; i < update.size(); ++i) applied[i] += static_cast<double>(update[i]) * p;
    }
    const Layout& layout = test.compressors[0]->layout();
    for (std::size_t t = 0; t < layout.tensor_count(); ++t) {
      for (std::uint64_t i = 0; i < layout.tensor(t).count; ++i) {
        double held = 0.0;
        for (std::uint32_t r = 0; r < p; ++r)
          if (const auto residual = test.compressors[r]->residual(); !residual.empty())
            held += residual[layout.inner_offset(t) + i];
        const std::uint64_t at = layout.outer_offset(t) + i;
        // Division by a P that is no power of two rounds once.
        ASSERT_NEAR(applied[at] + held, came_in[at], 1e-5 * (1.0 + std::abs(came_in[at])))
            << layout.tensor(t).name << "[" << i << "]";
      }
    }
  }
}

// The payloads that a step of this algorithm merges, in order (docs/algorithms.md); the lists of the other two
// algorithms come before them.
std::vector<sketch::PayloadShape> merged_payloads(const ClusterCase& c, const CompressorShape& shape) {
  using sketch::CellType;
  using sketch::PayloadShape;
  const CellType values = sketch::widen_for(c.values, c.rank_count);
  const std::uint64_t exact = shape.layout.exact();
  if (c.algorithm == AlgorithmKind::dense) return {{shape.layout.dimension(), 2, c.values}};
  if (c.algorithm != AlgorithmKind::gs_sgd) return {};
  const PayloadShape second_pass{shape.candidates + exact, 2, values};
  const std::uint64_t cells = std::uint64_t{shape.rows} * shape.columns;
  if (sketch::is_integer(c.cells)) return {{0, 3}, {cells, 0, sketch::widen_for(c.cells, c.rank_count)}, second_pass};
  return {{cells, sketch::is_integer(c.values) ? 2u : 1u, c.cells}, second_pass};
}

// What a rank sends of an all-reduce: the slices of its program's sends.
std::uint64_t bytes_sent_of(const ClusterCase& c, std::uint32_t rank, std::uint64_t payload_bytes) {
  topology::ScheduleRequest request{c.schedule.value_or(ScheduleKind::ring), topology::Collective::all_reduce,
                                    c.rank_count};
  if (!c.schedule)
    request.kind =
        topology::choose_schedule(request.collective, c.rank_count, payload_bytes, topology::CostModel{})->kind;
  const std::uint32_t slices = *topology::slice_count(request);
  std::uint64_t bytes = 0;
  const auto program = topology::make_program(request, Rank{rank});
  for (const topology::Round& round : program->rounds)
    for (const topology::Step& step : round.steps)
      if (step.kind == topology::StepKind::send)
        bytes += topology::slice_begin(payload_bytes, step.slices.first + step.slices.count, slices) -
                 topology::slice_begin(payload_bytes, step.slices.first, slices);
  return bytes;
}

// What the ranks of an algorithm that gathers lists send at least, together: each rank's list goes to all others, with
// one byte or more an index, and top-k's with a value of four.
std::uint64_t bytes_of_lists_min(const ClusterCase& c, const CompressorShape& shape) {
  const std::uint64_t p = c.rank_count;
  return c.algorithm == AlgorithmKind::top_k ? (p - 1) * p * shape.k * 5 : (p - 1) * p * ((shape.k + p - 1) / p);
}

// Goal: bytes are booked as they were sent, on every rank. Method: gs-SGD and dense, whose payloads have fixed sizes,
// exactly, from the payloads and the schedule's program; the others' lists vary, so that their sum has a least size.
TEST_P(EveryAlgorithm, BooksTheBytesThatItSends) {
  for (const ClusterCase& c : GetParam().cases()) {
    SCOPED_TRACE(testing::case_name(c));
    TestCluster test(c);
    ASSERT_NO_FATAL_FAILURE(test.step(0));
    const auto shape = resolve(testing::small_config(c));
    ASSERT_TRUE(shape.ok());
    const auto payloads = merged_payloads(c, *shape);
    std::uint64_t sent = 0;
    for (std::uint32_t r = 0; r < c.rank_count; ++r) {
      const auto& stats = test.compressors[r]->stats();
      EXPECT_EQ(stats.exchange_ns, stats.waiting_ns + stats.wire_ns + stats.compute_ns);
      EXPECT_EQ(stats.operations, 1u);
      std::uint64_t expected = 0;
      for (const sketch::PayloadShape& payload : payloads) expected += bytes_sent_of(c, r, payload.bytes());
      if (!payloads.empty() || c.rank_count == 1)
        EXPECT_EQ(stats.bytes_sent, expected) << "rank " << r;
      else
        EXPECT_GT(stats.bytes_sent, 0u) << "rank " << r;
      sent += stats.bytes_sent;
    }
    if (payloads.empty()) {
      EXPECT_GE(sent, bytes_of_lists_min(c, *shape));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cluster, EveryAlgorithm, ::testing::ValuesIn(all_families()),
                         [](const auto& each) { return each.param.name(); });

// Goal: a circulant gs-SGD step sends 2 (P-1)/P of both payloads, as the cost table says. Method: exact count
// up to the rounding of slices to cache lines.
TEST(Bytes, CirculantGsSgdSendsItsShareOfBothPayloads) {
  const ClusterCase c{AlgorithmKind::gs_sgd, 4, ScheduleKind::circulant};
  TestCluster test(c);
  ASSERT_NO_FATAL_FAILURE(test.step(0));
  const auto shape = resolve(testing::small_config(c));
  ASSERT_TRUE(shape.ok());
  const double cells = static_cast<double>(shape->rows) * shape->columns;
  const double values = static_cast<double>(shape->candidates + shape->layout.exact());
  const double expected = 2.0 * 3.0 / 4.0 * 4.0 * (cells + values);
  EXPECT_NEAR(static_cast<double>(test.compressors[0]->stats().bytes_sent), expected, 4 * 64 * 2 + 48);
}

// Goal: with integer cells and values the update has the same bits on every schedule: merging them does not depend
// on the order. Method: several steps on all schedules, P that is and is not a power of two.
TEST(IntegerCells, GiveTheSameUpdateOnEverySchedule) {
  for (const std::uint32_t p : {2u, 4u, 6u, 13u}) {
    for (const sketch::CellType cells : {sketch::CellType::i8, sketch::CellType::i16}) {
      std::vector<std::vector<float>> expected;
      for (const ScheduleKind schedule : topology::all_schedules()) {
        TestCluster test(ClusterCase{AlgorithmKind::gs_sgd, p, schedule, cells, sketch::CellType::i16});
        std::vector<std::vector<float>> updates;
        for (std::uint32_t step = 0; step < 4; ++step) {
          ASSERT_NO_FATAL_FAILURE(test.step(step));
          updates.push_back(test.dense_update(0));
        }
        if (expected.empty()) expected = updates;
        ASSERT_EQ(updates, expected) << p << " ranks, " << topology::schedule_kind_name(schedule);
      }
    }
  }
}

// Goal: 8-bit cells and 16-bit values send a quarter and a half of the bytes, and a round of three words. Method:
// exact count up to the rounding of slices to cache lines.
TEST(Bytes, IntegerCellsSendTheirShare) {
  const ClusterCase c{AlgorithmKind::gs_sgd, 4, ScheduleKind::circulant, sketch::CellType::i8, sketch::CellType::i16};
  TestCluster test(c);
  ASSERT_NO_FATAL_FAILURE(test.step(0));
  const auto shape = resolve(testing::small_config(c));
  ASSERT_TRUE(shape.ok());
  const double cells = static_cast<double>(shape->rows) * shape->columns;
  const double values = static_cast<double>(shape->candidates + shape->layout.exact());
  const double expected = 2.0 * 3.0 / 4.0 * (cells + 2.0 * values);
  EXPECT_NEAR(static_cast<double>(test.compressors[0]->stats().bytes_sent), expected, 4 * 64 * 2 + 2 * 24 + 48);
}

// Goal: a sketch of 8-bit cells finds what one of f32 finds, nearly. Method: heavy coordinates far above the rest,
// the same in both updates.
TEST(IntegerCells, FindTheHeavyCoordinates) {
  for (const std::uint32_t p : {2u, 4u, 8u, 16u}) {
    CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, p, std::nullopt});
    config.columns = 1024;
    config.momentum = 0.0;
    config.cells = sketch::CellType::i8;
    TestCluster test(p, config, 3);
    ASSERT_NO_FATAL_FAILURE(test.step(0));
    const std::vector<float> update = test.dense_update(0);
    std::vector<float> sum;
    for (std::uint32_t r = 0; r < p; ++r) {
      std::size_t at = 0;
      for (const auto& tensor : test.gradients(r, 0)) {
        sum.resize(std::max(sum.size(), at + tensor.size()));
        for (const float value : tensor) sum[at++] += value;
      }
    }
    std::vector<float> magnitudes(sum);
    for (float& value : magnitudes) value = std::abs(value);
    std::nth_element(magnitudes.begin(), magnitudes.begin() + 40, magnitudes.end(), std::greater<>());
    int found = 0;
    for (std::size_t i = 0; i < sum.size(); ++i)
      if (std::abs(sum[i]) > magnitudes[40] && update[i] != 0.0f) ++found;
    EXPECT_GE(found, 36) << "of the 40 largest, " << p << " ranks";
  }
}

// Goal: dense in 16-bit floats halves the bytes, gives every rank the same bits and is near the f32 sum. Method: all
// schedules against f32.
TEST(DenseAlgorithm, HalvesItsBytesInHalfFloats) {
  for (const ScheduleKind schedule : topology::all_schedules()) {
    TestCluster full(ClusterCase{AlgorithmKind::dense, 6, schedule});
    ASSERT_NO_FATAL_FAILURE(full.step(0));
    const auto expected = full.dense_update(0);
    for (const sketch::CellType values : {sketch::CellType::bf16, sketch::CellType::f16}) {
      TestCluster half(ClusterCase{AlgorithmKind::dense, 6, schedule, sketch::CellType::f32, values});
      ASSERT_NO_FATAL_FAILURE(half.step(0));
      const auto update = half.dense_update(0);
      for (std::uint32_t r = 1; r < 6; ++r) ASSERT_EQ(half.dense_update(r), update);
      for (std::size_t i = 0; i < update.size(); ++i) ASSERT_NEAR(update[i], expected[i], 0.05);
      EXPECT_NEAR(static_cast<double>(half.compressors[0]->stats().bytes_sent),
                  static_cast<double>(full.compressors[0]->stats().bytes_sent) / 2, 2048);
    }
  }
}

// Goal: types that an algorithm cannot use are refused with what it can. Method: the wrong pairs.
TEST(CellsOfACompressor, WrongTypesAreRefused) {
  using sketch::CellType;
  const auto message_of = [](AlgorithmKind algorithm, CellType cells, CellType values) {
    CompressorConfig config = testing::small_config({algorithm, 4, std::nullopt});
    config.cells = cells;
    config.values = values;
    const auto shape = resolve(config);
    return shape.ok() ? std::string() : shape.error().message;
  };
  EXPECT_EQ(message_of(AlgorithmKind::gs_sgd, CellType::i32, CellType::f32),
            "cells is i32, expected f32, bf16, f16, i8 or i16");
  EXPECT_EQ(message_of(AlgorithmKind::dense, CellType::i8, CellType::f32),
            "cells is i8, but dense has no sketch: expected f32");
  EXPECT_EQ(message_of(AlgorithmKind::gs_sgd, CellType::i8, CellType::bf16),
            "values is bf16, expected f32 or i16 for gs-sgd");
  EXPECT_EQ(message_of(AlgorithmKind::dense, CellType::f32, CellType::i16),
            "values is i16, expected f32, bf16 or f16 for dense");
  EXPECT_EQ(message_of(AlgorithmKind::top_k, CellType::f32, CellType::i16), "values is i16, expected f32 for top-k");
}

// Goal: dense with momentum is plain momentum SGD. Method: compared with the textbook recurrence.
TEST(DenseAlgorithm, IsMomentumSgd) {
  TestCluster test(ClusterCase{AlgorithmKind::dense, 4, std::nullopt});
  std::vector<float> u;
  for (std::uint32_t step = 0; step < 3; ++step) {
    ASSERT_NO_FATAL_FAILURE(test.step(step));
    const auto update = test.dense_update(0);
    u.resize(update.size());
    std::vector<double> mean(update.size());
    for (std::uint32_t r = 0; r < 4; ++r) {
      std::size_t at = 0;
      for (const auto& tensor : test.gradients(r, step))
        for (const float value : tensor) mean[at++] += value / 4.0;
    }
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = 0.9f * u[i] + static_cast<float>(mean[i]);
    ASSERT_EQ(update, u);
  }
}

// Goal: exact tensors follow plain momentum SGD under every sparse algorithm. Method: the biases' update
// against the textbook recurrence.
TEST(ExactTensors, FollowPlainMomentumSgd) {
  for (const AlgorithmKind kind : {AlgorithmKind::gs_sgd, AlgorithmKind::shared_top_k, AlgorithmKind::top_k}) {
    TestCluster test(ClusterCase{kind, 4, std::nullopt});
    std::vector<float> u(30);
    for (std::uint32_t step = 0; step < 4; ++step) {
      ASSERT_NO_FATAL_FAILURE(test.step(step));
      std::vector<double> mean(30);
      for (std::uint32_t r = 0; r < 4; ++r)
        for (std::size_t i = 0; i < 30; ++i) mean[i] += test.gradients(r, step)[1][i] / 4.0;
      const auto update = test.dense_update(0);
      for (std::size_t i = 0; i < 30; ++i) {
        u[i] = 0.9f * u[i] + static_cast<float>(mean[i]);
        ASSERT_NEAR(update[3000 + i], u[i], 1e-5) << algorithm_name(kind) << " step " << step;
      }
    }
  }
}

// Goal: the clip bounds each rank's norm. Method: momentum 0, one rank, density 1: the update is the clipped gradient.
TEST(Clip, BoundsTheNormOfARanksGradient) {
  CompressorConfig config = testing::small_config({AlgorithmKind::dense, 1, std::nullopt});
  config.clip = 0.5;
  config.momentum = 0.0;
  TestCluster test(1, config, 1);
  ASSERT_NO_FATAL_FAILURE(test.step(0));
  double squares = 0.0;
  for (const float value : test.dense_update(0)) squares += static_cast<double>(value) * value;
  EXPECT_NEAR(std::sqrt(squares), 0.5, 1e-5);
}

// Goal: the published variant applies k coordinates and keeps the others in the residual; HEAVYMIX works in
// the whole step. Method: counts, and the same bits on all ranks.
TEST(GsSgdVariants, KeepKAndHeavymixGiveTheSameBitsEverywhere) {
  CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 4, std::nullopt});
  config.keep_k = true;
  config.selection = SelectionKind::heavymix;
  TestCluster test(4, config, 3);
  const auto shape = resolve(config);
  ASSERT_TRUE(shape.ok());
  for (std::uint32_t step = 0; step < 3; ++step) {
    ASSERT_NO_FATAL_FAILURE(test.step(step));
    for (std::uint32_t r = 1; r < 4; ++r) ASSERT_EQ(test.dense_update(r), test.dense_update(0));
    ASSERT_EQ(test.compressors[0]->update()->values.size(), shape->k + shape->layout.exact());
  }
}

// Goal: gs-SGD finds what is heavy only in the sum, which no rank could name by itself. Method: eight ranks
// share a spike that is below every rank's own noise.
TEST(GsSgd, FindsWhatIsHeavyOnlyInTheSum) {
  CompressorConfig config;
  config.tensors = {{"w", 20'000, false}};
  config.columns = 2048;
  config.rows = 5;
  config.density = 0.005;
  config.momentum = 0.0;
  config.clip = 0.0;
  constexpr std::uint32_t p = 8;
  TestCluster test(p, config, 5);
  for (std::uint32_t r = 0; r < p; ++r) {
    std::vector<std::vector<float>> g(1, std::vector<float>(20'000));
    Random random(r + 1);
    for (float& value : g[0]) value = static_cast<float>(random.normal() * 0.1);
    g[0][12'345] = 0.9f;
    for (std::uint32_t own = 0; own < 200; ++own) g[0][r * 2000 + own * 7] = (own + r) % 2 == 0 ? 1.0f : -1.0f;
    test.compress(r, g);
  }
  test.reduce_all();
  for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::done);
  EXPECT_NEAR(test.dense_update(3)[12'345], 0.9f, 1e-4f);
}

}  // namespace
}  // namespace gossamer::runtime
