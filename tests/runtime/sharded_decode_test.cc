// Ranks that share the decode find what one rank finds alone; and what a part from outside may not do.
#include "runtime/sharded_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

#include "sketch/selection.h"
#include "tests/runtime/cluster_fixture.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using ::testing::HasSubstr;
using testing::TestCluster;
using topology::ScheduleKind;

// All ranks of one decode in one thread, without an engine: the sums and the gathering are done by hand.
class Ranks {
 public:
  Ranks(std::uint32_t count, const sketch::SketchShape& shape, std::uint64_t candidates) : wanted_(candidates) {
    CompressorConfig config;
    config.tensors = {{"w", shape.dimension, false}};
    config.rows = shape.rows;
    config.columns = shape.columns;
    config.decode = DecodeKind::sharded;
    for (std::uint32_t r = 0; r < count; ++r) {
      AlgorithmContext context;
      context.shape = resolve(config).value();
      context.shape.candidates = candidates;
      context.rank = Rank{r};
      context.rank_count = count;
      Each each;
      each.sketch = std::move(sketch::make_count_sketch(shape, candidates)).value();
      each.decode = std::move(ShardedDecode::make(context)).value();
      each.histogram = each.decode.histogram_stage(context).value();
      each.candidates = each.decode.candidates_stage(context).value();
      ranks_.push_back(std::move(each));
    }
  }

  void load(std::uint64_t seed, std::span<const float> cells) {
    for (Each& each : ranks_) each.sketch->load(seed, cells);
  }
  void load_vector(std::uint64_t seed, std::span<const float> vector) {
    std::vector<float> cells(ranks_[0].sketch->shape().cells());
    ranks_[0].sketch->encode(seed, vector, cells);
    load(seed, cells);
  }

  void load_on(std::uint32_t rank, std::span<const float> cells) { ranks_[rank].sketch->load(1, cells); }

  // Up to the gathered parts; the first error that a rank finds.
  [[nodiscard]] Status exchange() {
    StageSize size;
    for (Each& each : ranks_) size = each.decode.fill_histogram(*each.sketch);
    sum_histograms(size.shape);
    part_bytes.clear();
    for (Each& each : ranks_) {
      const auto filled = each.decode.fill_candidates(*each.sketch);
      GOSSAMER_TRY(filled);
      part_bytes.push_back(filled->own_bytes);
    }
    for (std::uint32_t from = 0; from < ranks_.size(); ++from)
      for (std::uint32_t to = 0; to < ranks_.size(); ++to)
        if (from != to) std::memcpy(part(to, from), part(from, from), part_bytes[from]);
    return {};
  }

  [[nodiscard]] Result<std::vector<std::uint32_t>> merge(std::uint32_t rank) {
    std::vector<std::uint32_t> candidates(wanted_, 0xffffffffu);
    GOSSAMER_TRY(ranks_[rank].decode.merge(part_bytes, candidates));
    return candidates;
  }

  // Whether every rank finds what a single one does.
  [[nodiscard]] ::testing::AssertionResult agree() {
    if (const Status status = exchange(); !status.ok()) return ::testing::AssertionFailure() << status.error().message;
    std::vector<std::uint32_t> expected(wanted_);
    for (std::uint32_t r = 0; r < ranks_.size(); ++r) {
      const auto found = merge(r);
      if (!found.ok()) return ::testing::AssertionFailure() << found.error().message;
      if (r == 0) ranks_[0].sketch->select_top(expected);
      if (*found != expected) return ::testing::AssertionFailure() << "rank " << r << " found other coordinates";
    }
    return ::testing::AssertionSuccess();
  }

  // Part of rank `from` as it lies on rank `to`.
  [[nodiscard]] std::byte* part(std::uint32_t to, std::uint32_t from) {
    return ranks_[to].candidates.buffer + from * part_stride(ranks_[to].candidates.bytes_max);
  }
  [[nodiscard]] std::uint64_t part_bytes_max() const { return ranks_[0].candidates.bytes_max; }

  std::vector<std::uint64_t> part_bytes;
  std::uint64_t counted = 0;        // by all histograms together
  bool corrupts_histogram = false;  // as if bits had changed on the way, equally everywhere

 private:
  struct Each {
    std::unique_ptr<sketch::CountSketch> sketch;
    ShardedDecode decode;
    Stage histogram;
    Stage candidates;
  };

  void sum_histograms(const sketch::PayloadShape& shape) {
    std::vector<std::byte> sum(ranks_[0].histogram.buffer, ranks_[0].histogram.buffer + shape.bytes());
    for (std::size_t r = 1; r < ranks_.size(); ++r)
      sketch::merge(shape, 0, sum.data(), ranks_[r].histogram.buffer, shape.bytes());
    if (corrupts_histogram) std::memset(sum.data() + shape.cells_bytes() - 64, 0x11, 64);
    counted = 0;
    for (std::size_t i = 0; i < shape.cells; ++i) {
      std::uint32_t cell = 0;
      std::memcpy(&cell, sum.data() + i * sizeof cell, sizeof cell);
      counted += cell;
    }
    for (Each& each : ranks_) std::memcpy(each.histogram.buffer, sum.data(), sum.size());
  }

  std::uint64_t wanted_;
  std::vector<Each> ranks_;
};

constexpr std::uint32_t rank_counts[] = {1, 2, 3, 4, 6, 8, 13};

std::vector<float> heavy_tailed(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  std::vector<float> values(size);
  for (float& value : values) {
    const double x = random.normal();
    value = static_cast<float>(x * x * x);
  }
  return values;
}

// Goal: the ranks find exactly what one rank finds. Method: heavy-tailed vectors, short ones without a sample and
// long ones with it, from one coordinate wanted to all.
TEST(ShardedDecode, FindsWhatOneRankFinds) {
  for (const std::uint32_t p : rank_counts) {
    for (const std::uint64_t d : {2000u, 70'001u}) {
      const auto vector = heavy_tailed(p + d, d);
      for (const std::uint64_t wanted : {std::uint64_t{1}, d / 100, d / 25, d - 1, d}) {
        Ranks ranks(p, {d, 3, 900}, wanted);
        ranks.load_vector(wanted, vector);
        ASSERT_TRUE(ranks.agree()) << p << " ranks, " << wanted << " of " << d;
      }
    }
  }
}

// Goal: slices may be empty. Method: fewer coordinates than ranks, and a few more.
TEST(ShardedDecode, WorksWithFewerCoordinatesThanRanks) {
  for (std::uint64_t d = 1; d <= 20; ++d) {
    for (const std::uint32_t p : rank_counts) {
      for (std::uint64_t wanted = 1; wanted <= d; ++wanted) {
        Ranks ranks(p, {d, 1, 1}, wanted);
        ranks.load_vector(d, heavy_tailed(d, d));
        ASSERT_TRUE(ranks.agree()) << p << " ranks, " << wanted << " of " << d;
      }
    }
  }
}

// Goal: ties go to the lower index, however many there are. Method: all estimates equal, all zero, and of few values
// as those of 8-bit cells are; with and without a sample.
TEST(ShardedDecode, TiesGoToTheLowerIndex) {
  for (const std::uint32_t p : rank_counts) {
    for (const std::uint64_t d : {3000u, 50'000u}) {
      Random random(d);
      std::vector<float> levels(1000);
      for (float& each : levels) each = static_cast<float>(random.below(7)) - 3;
      for (const auto& cells : {std::vector<float>(1000, 1.0f), std::vector<float>(1000, 0.0f), levels}) {
        for (const std::uint64_t wanted : {std::uint64_t{1}, d / 50, d / 3, d}) {
          Ranks ranks(p, {d, 1, 1000}, wanted);
          ranks.load(4, cells);
          ASSERT_TRUE(ranks.agree()) << p << " ranks, " << wanted << " of " << d << ", first cell " << cells[0];
        }
      }
    }
  }
}

// Goal: a sample that promises too much costs time, not exactness; nor does one that saw nothing of what is heavy.
// Method: heavy exactly where the sample looks, so that fewer are above its key than wanted; heavy in one short run
// only, more than two octaves above the key.
TEST(ShardedDecode, IsExactWhereTheSampleIsFarOff) {
  constexpr std::uint64_t d = 70'000;
  constexpr std::uint64_t wanted = d / 20;
  std::vector<float> looked_at = heavy_tailed(1, d);
  for (float& each : looked_at) each *= 1e-3f;
  const auto plan = sketch::SamplePlan::of(d);
  for (std::size_t block = 0; block < plan.blocks; ++block)
    for (std::size_t i = 0; i < sketch::SamplePlan::block_length; ++i)
      looked_at[plan.block_begin(block) + i] = 50.0f + static_cast<float>(i);
  std::vector<float> one_run = heavy_tailed(2, d);
  for (std::size_t i = 0; i < 3 * wanted; ++i) one_run[30'000 + i] = 1000.0f + static_cast<float>(i);
  for (const std::uint32_t p : rank_counts) {
    Ranks ranks(p, {d, 3, 40'000}, wanted);
    ranks.load_vector(9, looked_at);
    ASSERT_TRUE(ranks.agree()) << p;
    EXPECT_LT(ranks.counted, wanted) << "the second look was not needed";
    ranks.load_vector(10, one_run);
    ASSERT_TRUE(ranks.agree()) << p;
    EXPECT_GE(ranks.counted, wanted);
  }
}

// Goal: the parts together take a little more than a byte a candidate, and never more than their room. Method: a long
// heavy-tailed vector, |H| a twenty-fifth of it, and the bytes of the index list of all of H beside them.
TEST(ShardedDecode, PartsTakeLittleMoreThanTheIndexListOfAllCandidates) {
  constexpr std::uint64_t d = 400'000;
  constexpr std::uint64_t wanted = d / 25;
  Ranks ranks(4, {d, 3, 8000}, wanted);
  ranks.load_vector(3, heavy_tailed(3, d));
  ASSERT_TRUE(ranks.agree());
  std::vector<std::byte> list(sketch::index_list_bytes_max(wanted, d));
  const auto found = ranks.merge(0);
  ASSERT_TRUE(found.ok());
  const std::size_t alone = sketch::encode_index_list(*found, list);
  const auto together = std::accumulate(ranks.part_bytes.begin(), ranks.part_bytes.end(), std::uint64_t{0});
  EXPECT_LT(together, alone + alone / 50);
  for (const std::uint64_t bytes : ranks.part_bytes) EXPECT_LE(bytes, ranks.part_bytes_max());
}

// Goal: the border is where the counts say. Method: by hand; buckets of all keys and of those above one.
TEST(FindBorder, IsTheBucketInWhichTheCountIsReached) {
  std::vector<std::uint32_t> counts(KeyBuckets::count);
  counts[2047] = 3;
  counts[1000] = 5;
  counts[10] = 2;
  const KeyBuckets all = KeyBuckets::above(-1);
  const Border first = find_border(all, counts, 3);
  EXPECT_EQ(first.low, 2047 << 20);
  EXPECT_EQ(first.high, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(first.above, 0u);
  EXPECT_EQ(first.wanted, 3u);
  const Border second = find_border(all, counts, 4);
  EXPECT_EQ(second.low, 1000 << 20);
  EXPECT_EQ(second.high, (1001 << 20) - 1);
  EXPECT_EQ(second.above, 3u);
  EXPECT_EQ(second.wanted, 1u);
  EXPECT_EQ(second.key_bytes(), 3u);
  const Border none = find_border(all, counts, 11);
  EXPECT_EQ(none.above, 10u);
  EXPECT_EQ(none.wanted, 0u);
  const KeyBuckets few = KeyBuckets::above(99);
  EXPECT_EQ(few.of(100), 0u);
  EXPECT_EQ(few.of(100 + 8192), 1u);
  EXPECT_EQ(few.of(std::numeric_limits<std::int32_t>::max()), 2047u);
  const Border third = find_border(few, counts, 9);
  EXPECT_EQ(third.low, 100 + 10 * 8192);
  EXPECT_EQ(third.high, 100 + 11 * 8192 - 1);
  EXPECT_EQ(third.key_bytes(), 2u);
  // Keys that end in the middle of the buckets.
  const Border last = find_border(KeyBuckets::above(std::numeric_limits<std::int32_t>::max() - 1), counts, 1);
  EXPECT_EQ(last.low, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(last.high, std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(last.key_bytes(), 0u);
}

// A part by hand, and what reading it says.
struct PartCase {
  Border border{1000, 1000 + 8191, 4, 3};
  std::vector<std::uint32_t> above = {1, 5, 90};
  std::vector<std::uint32_t> in_border = {0, 7};
  std::vector<std::int32_t> keys = {1000, 1000 + 8191};
  std::uint64_t length = 100;
  std::vector<std::byte> bytes = std::vector<std::byte>(1000);

  PartCase() { write(); }
  void write() {
    bytes.resize(1000);
    bytes.resize(write_share({above, in_border, keys}, border, bytes));
  }
  [[nodiscard]] std::string read() {
    std::vector<std::uint32_t> to_above(border.above);
    std::vector<std::uint32_t> to_border(border.wanted);
    std::vector<std::int32_t> to_keys(border.wanted);
    // Bytes in memory of their own, so that a sanitizer sees a read beyond them.
    const std::vector<std::byte> exactly(bytes.begin(), bytes.end());
    const auto share = read_share(exactly, length, border, {to_above, to_border, to_keys});
    if (!share.ok()) {
      EXPECT_EQ(share.error().code, Code::malformed);
      return share.error().message;
    }
    above.assign(share->above.begin(), share->above.end());
    in_border.assign(share->border.begin(), share->border.end());
    keys.assign(share->border_keys.begin(), share->border_keys.end());
    return "read";
  }
};

// Goal: a part comes back as it was written. Method: one with both lists, one whose keys are equal, one without any.
TEST(CandidatePart, ComesBackAsItWasWritten) {
  PartCase part;
  EXPECT_EQ(part.read(), "read");
  EXPECT_EQ(part.above, (std::vector<std::uint32_t>{1, 5, 90}));
  EXPECT_EQ(part.in_border, (std::vector<std::uint32_t>{0, 7}));
  EXPECT_EQ(part.keys, (std::vector<std::int32_t>{1000, 1000 + 8191}));
  const std::size_t bytes = part.bytes.size();
  part.keys = {1234, 1234};
  part.write();
  EXPECT_EQ(part.bytes.size(), bytes - 2) << "one key for both";
  part.keys.clear();
  EXPECT_EQ(part.read(), "read");
  EXPECT_EQ(part.keys, (std::vector<std::int32_t>{1234, 1234}));
  part.above.clear();
  part.in_border.clear();
  part.keys.clear();
  part.length = 0;
  part.write();
  EXPECT_EQ(part.read(), "read");
  EXPECT_TRUE(part.above.empty() && part.in_border.empty());
}

// Goal: each thing that can be wrong with a part is malformed and named. Method: one at a time.
TEST(CandidatePart, EachWrongPartIsMalformed) {
  const auto message = [](auto change) {
    PartCase part;
    change(part);
    return part.read();
  };
  const auto put = [](PartCase& part, std::size_t at, std::uint64_t word) {
    std::memcpy(part.bytes.data() + at, &word, sizeof word);
  };
  EXPECT_THAT(message([](PartCase& p) { p.bytes.resize(15); }), HasSubstr("a part of 15 B, expected at least 16"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.clear(); }), HasSubstr("a part of 0 B"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 8, 4); }), HasSubstr("4 border keys, expected at most 3"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 8, ~std::uint64_t{0}); }), HasSubstr("border keys, expected at most"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 0, 1000); }), HasSubstr("a list of 1000 B"));
  EXPECT_THAT(message([&](PartCase& p) { put(p, 0, ~std::uint64_t{0}); }), HasSubstr("claims 2 border keys"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.resize(18); }), HasSubstr("claims 2 border keys"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.pop_back(); }), HasSubstr("in the border: index list"));
  EXPECT_THAT(message([](PartCase& p) { p.bytes.push_back(std::byte{0}); }), HasSubstr("follow the last of 2 indices"));
  EXPECT_THAT(message([](PartCase& p) { p.length = 90; }), HasSubstr("index 90; the dimension is 90"));
  EXPECT_THAT(message([](PartCase& p) { p.border.above = 2; }), HasSubstr("above the border: index list"));
  EXPECT_THAT(message([](PartCase& p) { p.border.high -= 1; }), HasSubstr("a border key 8191 above 1000"));
  EXPECT_THAT(message([](PartCase& p) {
                p.in_border[1] = 5;
                p.write();
              }),
              HasSubstr("stands above the border and in it"));
  EXPECT_THAT(message([](PartCase& p) {
                p.bytes.pop_back();  // of the list 2, 0, 7: count, first index, gap
                p.bytes[p.bytes.size() - 2] = std::byte{1};
              }),
              HasSubstr("1 indices in the border with 2 keys"));
}

// Goal: no bytes from outside lead out of bounds or to a wrong shape of H. Method: parts with bytes changed, cut and
// grown at random, on several ranks' worth of memory; what is read is still ascending and in range.
TEST(CandidatePart, RandomDamageIsMalformedOrHarmless) {
  constexpr std::uint64_t d = 3000;
  Random random(17);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Ranks ranks(3, {d, 3, 300}, 150);
    ranks.load_vector(1, heavy_tailed(static_cast<std::uint64_t>(round) / 100, d));
    ASSERT_TRUE(ranks.exchange().ok());
    for (std::uint64_t changes = 1 + random.below(3); changes != 0; --changes) {
      const auto from = static_cast<std::uint32_t>(random.below(3));
      std::uint64_t& bytes = ranks.part_bytes[from];
      const std::uint64_t kind = random.below(4);
      if (kind == 0 && bytes != 0) bytes = random.below(bytes);
      if (kind == 1) bytes = std::min(bytes + 1 + random.below(20), ranks.part_bytes_max());
      if (kind >= 2 && bytes != 0)
        ranks.part(0, from)[random.below(bytes)] ^= static_cast<std::byte>(1u << random.below(8));
    }
    const auto found = ranks.merge(0);
    if (!found.ok()) {
      ++refused;
      ASSERT_EQ(found.error().code, Code::malformed);
      continue;
    }
    ASSERT_LT(found->back(), d);
    ASSERT_EQ(std::adjacent_find(found->begin(), found->end(), std::greater_equal<>()), found->end());
  }
  EXPECT_GT(refused, 1500);
}

// Goal: a part that a peer damaged ends the decode with its rank. Method: one byte of rank 2's header.
TEST(ShardedDecode, AMalformedPartNamesItsRank) {
  Ranks ranks(4, {3000, 3, 300}, 150);
  ranks.load_vector(1, heavy_tailed(1, 3000));
  ASSERT_TRUE(ranks.exchange().ok());
  ranks.part(1, 2)[0] ^= std::byte{0x40};
  const auto found = ranks.merge(1);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::malformed);
  EXPECT_THAT(found.error().message, HasSubstr("candidates of rank 2"));
  EXPECT_TRUE(ranks.merge(0).ok()) << "rank 0 has the parts as they were sent";
}

// Goal: a histogram that is wrong leads to an error on every rank, not to another H. Method: large counts in the
// highest buckets, which nobody has coordinates for.
TEST(ShardedDecode, AWrongHistogramEndsInAnErrorEverywhere) {
  Ranks ranks(4, {70'000, 3, 3000}, 2800);
  ranks.load_vector(1, heavy_tailed(1, 70'000));
  ranks.corrupts_histogram = true;
  ASSERT_TRUE(ranks.exchange().ok());
  for (std::uint32_t r = 0; r < 4; ++r) {
    const auto found = ranks.merge(r);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, Code::malformed);
    EXPECT_THAT(found.error().message, HasSubstr("expected 0 and at least 2800"));
  }
}

// Goal: ranks that hold different sketches are found out. Method: one rank's cells are another vector's.
TEST(ShardedDecode, RanksWithDifferentSketchesDisagree) {
  Ranks ranks(4, {70'000, 3, 3000}, 2800);
  ranks.load_vector(1, heavy_tailed(1, 70'000));
  ranks.load_on(2, heavy_tailed(2, 9000));
  const Status status = ranks.exchange();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::disagreement);
}

struct ClusterShape {
  std::uint32_t rank_count;
  ScheduleKind schedule;
  sketch::CellType cells;
};

void PrintTo(const ClusterShape& c, std::ostream* out) {
  *out << c.rank_count << " ranks, " << topology::schedule_kind_name(c.schedule) << ", "
       << sketch::cell_type_name(c.cells);
}

class ShardedCluster : public ::testing::TestWithParam<ClusterShape> {};

// Goal: with sharded decode every rank gets the update that whole decode gives, bit for bit. Method: both clusters
// over several steps; residuals too.
TEST_P(ShardedCluster, GivesTheUpdateOfWholeDecode) {
  const ClusterShape& c = GetParam();
  const auto values = c.cells == sketch::CellType::f32 ? sketch::CellType::f32 : sketch::CellType::i16;
  CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, c.rank_count, c.schedule, c.cells, values});
  TestCluster whole(c.rank_count, config, 5);
  config.decode = DecodeKind::sharded;
  TestCluster sharded(c.rank_count, config, 5);
  for (std::uint32_t step = 0; step < 4; ++step) {
    ASSERT_NO_FATAL_FAILURE(whole.step(step));
    ASSERT_NO_FATAL_FAILURE(sharded.step(step));
    const auto expected = whole.dense_update(0);
    for (std::uint32_t r = 0; r < c.rank_count; ++r) {
      ASSERT_EQ(sharded.dense_update(r), expected) << "rank " << r << ", step " << step;
      const auto kept = sharded.compressors[r]->residual();
      ASSERT_TRUE(std::ranges::equal(kept, whole.compressors[r]->residual())) << "rank " << r << ", step " << step;
    }
  }
}

std::vector<ClusterShape> cluster_shapes() {
  std::vector<ClusterShape> shapes;
  for (const ScheduleKind schedule : {ScheduleKind::binomial_tree, ScheduleKind::butterfly, ScheduleKind::circulant,
                                      ScheduleKind::ring, ScheduleKind::star})
    for (const std::uint32_t p : rank_counts)
      for (const auto cells : {sketch::CellType::f32, sketch::CellType::i8}) shapes.push_back({p, schedule, cells});
  return shapes;
}

INSTANTIATE_TEST_SUITE_P(Cluster, ShardedCluster, ::testing::ValuesIn(cluster_shapes()), [](const auto& each) {
  std::string name = text(each.param.rank_count, "_", topology::schedule_kind_name(each.param.schedule), "_",
                          sketch::cell_type_name(each.param.cells));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Goal: gradients that are all zero, and models with fewer coordinates than ranks, go through. Method: whole decode
// beside it; zero gradients, then others.
TEST(ShardedGsSgd, GoesThroughZerosAndTinyModels) {
  for (const std::uint64_t d : {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{40'000}}) {
    CompressorConfig config;
    config.tensors = {{"w", d, false}};
    config.columns = static_cast<std::uint32_t>(std::min<std::uint64_t>(d, 700));
    config.density = 0.05;
    config.decode = DecodeKind::sharded;
    TestCluster sharded(8, config, 2);
    config.decode = DecodeKind::whole;
    TestCluster whole(8, config, 2);
    for (TestCluster* each : {&sharded, &whole}) {
      for (std::uint32_t r = 0; r < 8; ++r) each->compress(r, {std::vector<float>(d, 0.0f)});
      each->reduce_all();
      for (const auto& outcome : each->run()) ASSERT_EQ(outcome.code, Code::done) << outcome.error.message;
      ASSERT_NO_FATAL_FAILURE(each->step(1));
    }
    ASSERT_EQ(sharded.dense_update(3), whole.dense_update(3)) << d;
  }
}

// Goal: a non-finite gradient ends the operation on every rank before anything is decoded, and the next one works.
// Method: one NaN on one rank, f32 and i8 cells.
TEST(ShardedGsSgd, ANonFiniteGradientEndsItEverywhere) {
  for (const auto cells : {sketch::CellType::f32, sketch::CellType::i8}) {
    CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 4, std::nullopt, cells});
    config.decode = DecodeKind::sharded;
    TestCluster test(4, config, 2);
    for (std::uint32_t r = 0; r < 4; ++r) {
      auto g = test.gradients(r, 0);
      if (r == 2) g[2][17] = std::numeric_limits<float>::quiet_NaN();
      test.compress(r, g);
    }
    test.reduce_all();
    for (const auto& outcome : test.run()) ASSERT_EQ(outcome.code, Code::not_finite);
    ASSERT_NO_FATAL_FAILURE(test.step(1));
  }
}

// Goal: sharded decode is refused where there is nothing to shard. Method: the other algorithms, and HEAVYMIX.
TEST(ShardedGsSgd, IsForGsSgdWithSelectionTop) {
  const auto message = [](AlgorithmKind algorithm, SelectionKind selection) {
    CompressorConfig config = testing::small_config({algorithm, 4, std::nullopt});
    config.selection = selection;
    config.decode = DecodeKind::sharded;
    const auto shape = resolve(config);
    return shape.ok() ? std::string("accepted") : shape.error().message;
  };
  EXPECT_EQ(message(AlgorithmKind::gs_sgd, SelectionKind::top), "accepted");
  EXPECT_EQ(message(AlgorithmKind::gs_sgd, SelectionKind::heavymix),
            "decode is sharded with selection heavymix, expected selection top, or decode whole");
  EXPECT_EQ(message(AlgorithmKind::dense, SelectionKind::top),
            "decode is sharded, but dense has no sketch: expected whole");
}

}  // namespace
}  // namespace gossamer::runtime
