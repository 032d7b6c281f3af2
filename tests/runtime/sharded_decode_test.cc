// Ranks that share the decode find what one rank finds alone.
#include "runtime/algorithms/parts/sharded_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "sketch/selection.h"
#include "tests/support/vectors.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;

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
    sum_histograms(*size.payload.shape());
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
// Goal: the ranks find exactly what one rank finds. Method: heavy-tailed vectors, short ones without a sample and
// long ones with it, from one coordinate wanted to all.
TEST(ShardedDecode, FindsWhatOneRankFinds) {
  for (const std::uint32_t p : rank_counts) {
    for (const std::uint64_t d : {2000u, 70'001u}) {
      const auto vector = rough_vector(p + d, d);
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
        ranks.load_vector(d, rough_vector(d, d));
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
  std::vector<float> looked_at = rough_vector(1, d);
  for (float& each : looked_at) each *= 1e-3f;
  const auto plan = sketch::SamplePlan::of(d);
  for (std::size_t block = 0; block < plan.blocks; ++block)
    for (std::size_t i = 0; i < sketch::SamplePlan::block_length; ++i)
      looked_at[plan.block_begin(block) + i] = 50.0f + static_cast<float>(i);
  std::vector<float> one_run = rough_vector(2, d);
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
  ranks.load_vector(3, rough_vector(3, d));
  ASSERT_TRUE(ranks.agree());
  std::vector<std::byte> list(sketch::index_list_bytes_max(wanted, d));
  const auto found = ranks.merge(0);
  ASSERT_TRUE(found.ok());
  const std::size_t alone = sketch::encode_index_list(*found, list);
  const auto together = std::accumulate(ranks.part_bytes.begin(), ranks.part_bytes.end(), std::uint64_t{0});
  EXPECT_LT(together, alone + alone / 50);
  for (const std::uint64_t bytes : ranks.part_bytes) EXPECT_LE(bytes, ranks.part_bytes_max());
}

// Goal: no bytes from outside lead out of bounds or to a wrong shape of H. Method: parts with bytes changed, cut and
// grown at random, on several ranks' worth of memory; what is read is still ascending and in range.
TEST(ShardedDecode, RandomDamageOfAPartIsMalformedOrHarmless) {
  constexpr std::uint64_t d = 3000;
  Random random(17);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    Ranks ranks(3, {d, 3, 300}, 150);
    ranks.load_vector(1, rough_vector(static_cast<std::uint64_t>(round) / 100, d));
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
  ranks.load_vector(1, rough_vector(1, 3000));
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
  ranks.load_vector(1, rough_vector(1, 70'000));
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
  ranks.load_vector(1, rough_vector(1, 70'000));
  ranks.load_on(2, rough_vector(2, 9000));
  const Status status = ranks.exchange();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::disagreement);
}

}  // namespace
}  // namespace gossamer::runtime
