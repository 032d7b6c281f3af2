#include "sketch/selection.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "inputs.h"

namespace gossamer::sketch {
namespace {

// By a full sort: largest |value| first, ties to the lower index, then ascending.
std::vector<std::uint32_t> largest_by_sorting(const std::vector<float>& values, std::size_t count) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return std::abs(values[a]) > std::abs(values[b]); });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<std::uint32_t> largest_by_selector(const std::vector<float>& values, std::size_t count) {
  const auto selector = std::move(make_selector(values.size(), count)).value();
  std::vector<std::uint32_t> indices(count, 0xffffffffu);
  selector->select_largest(values, indices);
  return indices;
}

// Vectors that a sampled threshold may get wrong.
std::vector<std::pair<std::string, std::vector<float>>> hard_vectors(std::size_t size) {
  std::vector<float> ramp(size);
  for (std::size_t i = 0; i < size; ++i) ramp[i] = static_cast<float>(i) * 0.25F;
  std::vector<float> falling(ramp.rbegin(), ramp.rend());
  std::vector<float> steps = ramp;
  for (float& value : steps) value = std::floor(value / 1000.0F);
  std::vector<float> late(size, 0.0F);  // all that is heavy stands in one short run
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 700); ++i) late[size - 1 - i] = 1.0F + ramp[i];
  std::vector<float> sparse(size, 0.0F);
  for (std::size_t i = 0; i < size; i += 97) sparse[i] = i % 2 == 0 ? -3.0F : 2.0F;
  std::vector<float> unlike = rough_vector(3, size);
  unlike[size / 2] = std::numeric_limits<float>::infinity();
  unlike[size / 3] = std::numeric_limits<float>::denorm_min();
  return {{"rough", rough_vector(1, size)},
          {"coarse, with many ties", coarse_vector(2, size)},
          {"zeros", std::vector<float>(size, 0.0F)},
          {"zeros of both signs", std::vector<float>(size, -0.0F)},
          {"all equal", std::vector<float>(size, -4.0F)},
          {"ascending", ramp},
          {"descending", falling},
          {"steps", steps},
          {"heavy at the end", late},
          {"sparse", sparse},
          {"with infinity and a denormal", unlike}};
}

// Goal: the selector is exact whatever the vector is. Method: a full sort beside it; hard vectors, counts from
// none to all, every target.
TEST(Selector, AgreesWithAFullSort) {
  with_each_target([] {
    for (const std::size_t size : {std::size_t{1}, std::size_t{63}, std::size_t{1025}, std::size_t{70'001}}) {
      for (const auto& [name, values] : hard_vectors(size)) {
        for (const std::size_t count :
             {std::size_t{0}, std::size_t{1}, size / 1000, size / 50, size / 2, size - 1, size}) {
          ASSERT_EQ(largest_by_selector(values, count), largest_by_sorting(values, count))
              << name << ", " << count << " of " << size;
        }
      }
    }
  });
}

// Goal: NaN ranks above infinity, so that it is found, not lost. Method: one of each.
TEST(Selector, NanRanksAboveInfinity) {
  std::vector<float> values = rough_vector(1, 20'000);
  values[15'000] = std::numeric_limits<float>::quiet_NaN();
  values[2] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(largest_by_selector(values, 1), std::vector<std::uint32_t>{15'000});
  EXPECT_EQ(largest_by_selector(values, 2), (std::vector<std::uint32_t>{2, 15'000}));
}

// Goal: a selection larger than announced still works. Method: announce 1, ask for more, then for less.
TEST(Selector, GrowsBeyondWhatWasAnnounced) {
  const std::vector<float> values = rough_vector(1, 30'000);
  const auto selector = std::move(make_selector(values.size(), 1)).value();
  for (const std::size_t count : {std::size_t{20'000}, std::size_t{10}}) {
    std::vector<std::uint32_t> indices(count);
    selector->select_largest(values, indices);
    EXPECT_EQ(indices, largest_by_sorting(values, count));
  }
}

// Goal: wrong sizes are refused. Method: one of each.
TEST(Selector, ImpossibleSizesAreRefused) {
  EXPECT_EQ(make_selector(0, 0).error().code, Code::invalid_argument);
  EXPECT_EQ(make_selector(std::uint64_t{1} << 32, 5).error().code, Code::invalid_argument);
  EXPECT_EQ(make_selector(10, 11).error().code, Code::invalid_argument);
}

// Goal: the rank statistic is right for any keys. Method: a full sort beside it; keys close together, far apart
// and equal.
RC_GTEST_PROP(KeyOfRank, AgreesWithAFullSort, ()) {
  const auto spread = *rc::gen::element<std::int32_t>(1, 3, 5000, std::numeric_limits<std::int32_t>::max());
  const auto keys = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(0, spread)));
  const auto repeat = *rc::gen::inRange<std::size_t>(1, 60);
  std::vector<std::int32_t> many;
  for (std::size_t i = 0; i < repeat; ++i) many.insert(many.end(), keys.begin(), keys.end());
  const auto rank = *rc::gen::inRange<std::size_t>(0, many.size());
  const RankedKey found = key_of_rank(many, rank);
  std::sort(many.begin(), many.end(), std::greater<>());
  RC_ASSERT(found.key == many[rank]);
  RC_ASSERT(found.above == static_cast<std::size_t>(std::find(many.begin(), many.end(), found.key) - many.begin()));
}

// Goal: cutting down in the middle of a run loses nothing and keeps no late tie. Method: values a few units in the
// last place apart, many times what the memory holds, no first threshold; a full sort beside it.
TEST(TopSelection, IsExactThoughItIsCutManyTimes) {
  with_each_target([] {
    Random random(12);
    for (const std::uint64_t levels : {1u, 2u, 3u, 50u, 100'000u}) {
      std::vector<float> values(60'000);
      for (float& value : values) {
        value = std::bit_cast<float>(0x3f800000u + static_cast<std::uint32_t>(random.below(levels)));
      }
      for (const std::size_t count : {1u, 10u, 3000u}) {
        TopSelection selection;
        ASSERT_TRUE(selection.reserve(count, values.size()));
        selection.start(count, -1);
        for (std::size_t first = 0; first < values.size(); first += 1000) {
          selection.offer(first, std::span(values).subspan(first, 1000));
        }
        const auto found = selection.finish();
        ASSERT_EQ(std::vector<std::uint32_t>(found.begin(), found.end()), largest_by_sorting(values, count))
            << levels << " levels, " << count << " wanted";
      }
    }
  });
}

// Few distinct values, of which many equal the one at the border; and two vectors that deceive a sampled threshold:
// what is above the border stands in the sample alone (so that too few ties are taken), or nowhere in it.
std::vector<std::pair<std::string, std::vector<float>>> vectors_of_few_levels(std::size_t size) {
  Random random(7);
  std::vector<float> normal(size);
  for (float& value : normal) value = static_cast<float>(std::nearbyint(4 * random.normal()));
  std::vector<float> late = normal;
  for (std::size_t i = 0; i < size / 2; ++i) late[i] = std::clamp(late[i], -8.0F, 8.0F);
  const SamplePlan plan = SamplePlan::of(size);
  std::vector<float> promising(size, 2.0F);
  std::vector<float> hidden(size, 3.0F);
  for (std::size_t block = 0; block < plan.blocks; ++block) {
    for (std::size_t i = 0; i < SamplePlan::block_length; ++i) {
      promising[plan.block_begin(block) + i] = i % 20 == 0 ? -3.0F : 2.0F;
      hidden[plan.block_begin(block) + i] = 2.0F;
    }
  }
  return {{"normal", normal},
          {"high levels in the second half", late},
          {"high levels in the sample alone", promising},
          {"high levels outside the sample", hidden}};
}

// Goal: of many values that equal the border's, the first ones are chosen, whatever the sample said and in whatever
// order threads look. Method: vectors of few levels and a full sort beside them; one and several threads.
TEST(SelectTopOf, GivesTheBordersTiesToTheFirst) {
  const std::size_t size = 800'003;
  for (const auto& [name, values] : vectors_of_few_levels(size)) {
    const auto values_at = [&values = values](std::uint64_t first, std::size_t n, std::uint32_t) {
      return std::span<const float>(values).subspan(first, n);
    };
    for (const std::size_t count : {std::size_t{1}, size / 100, size / 30, size / 2}) {
      const std::vector<std::uint32_t> expected = largest_by_sorting(values, count);
      for (const std::uint32_t threads : {1u, 2u, 5u}) {
        const auto pool = std::move(ThreadPool::make({threads, false})).value();
        TopSelection selection;
        ASSERT_TRUE(selection.reserve(count, size, threads));
        const auto found = select_top_of(selection, pool.get(), size, count, -1, values_at);
        ASSERT_EQ(std::vector<std::uint32_t>(found.begin(), found.end()), expected)
            << name << ", " << count << " wanted, " << threads << " threads";
      }
    }
  }
}

// Goal: ties that cannot be chosen are not taken, and a promise that is not kept shows. Method: 300 values of one level
// above 3,000 of the border's; promises that are right, missing and too high.
TEST(TopSelection, TakesNoMoreTiesThanMayBeChosen) {
  constexpr std::int32_t below_border = 0x3f7fffff;  // the key below that of 1
  std::vector<float> values(3300, 1.0F);
  for (std::size_t i = 0; i < 300; ++i) values[i * 11 + 10] = 2.0F;
  const auto select = [&](std::size_t count, std::size_t sure_above) {
    TopSelection selection;
    EXPECT_TRUE(selection.reserve(3300, values.size()));
    selection.start(count, below_border, sure_above);
    for (std::size_t first = 0; first < values.size(); first += 100) {
      selection.offer(first, std::span(values).subspan(first, 100));
    }
    const auto found = selection.finish();
    return std::vector<std::uint32_t>(found.begin(), found.end());
  };
  const std::vector<std::uint32_t> expected = largest_by_sorting(values, 400);
  EXPECT_EQ(select(400, 0), expected);
  EXPECT_EQ(select(400, 250), expected);
  EXPECT_EQ(select(400, 300), expected);
  const std::vector<std::uint32_t> fewer = select(1000, 900);
  EXPECT_GE(fewer.size(), 400u);
  EXPECT_LT(fewer.size(), 600u);
  EXPECT_EQ(select(1000, 0), largest_by_sorting(values, 1000));
}

// Goal: select_top is exact. Method: a full sort of the same estimates; vectors with many ties, counts from none
// to all, every target.
TEST(SelectTop, AgreesWithAFullSortOfTheEstimates) {
  with_each_target([] {
    for (const auto& [dimension, columns] : {std::pair{50'000u, 900u}, {3000u, 5000u}, {1u, 1u}, {40'000u, 4096u}}) {
      const SketchShape shape{.dimension = dimension, .rows = 3, .columns = columns};
      const auto sketch = make_fast(shape);
      for (const auto& [name, vector] : hard_vectors(dimension)) {
        if (name == "with infinity and a denormal") continue;  // not a gradient
        sketch->load(8, encode_with(*sketch, 8, vector));
        const std::vector<float> estimates = estimates_of(*sketch);
        for (const std::size_t count : {0u, 1u, dimension / 100, dimension / 10, dimension}) {
          ASSERT_EQ(top_of(*sketch, count), largest_by_sorting(estimates, count))
              << name << ", " << count << " of " << dimension;
        }
      }
    }
  });
}

// Goal: the fast sketch and the reference choose the same coordinates. Method: random shapes and counts.
RC_GTEST_PROP(SelectTop, AgreesWithTheReference, ()) {
  const SketchShape shape{.dimension = *rc::gen::inRange<std::uint64_t>(1, 9000),
                          .rows = 2 * *rc::gen::inRange<std::uint32_t>(0, 8) + 1,
                          .columns = *rc::gen::inRange<std::uint32_t>(1, 2000)};
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto count = *rc::gen::inRange<std::size_t>(0, shape.dimension + 1);
  const auto fast = make_fast(shape);
  const auto reference = make_reference(shape);
  const std::vector<float> cells = encode_with(*fast, seed, rough_vector(seed, shape.dimension));
  fast->load(seed, cells);
  reference->load(seed, cells);
  RC_ASSERT(top_of(*fast, count) == top_of(*reference, count));
}

// Goal: a selection in a range finds what the reference finds there, keys included, and the sampled key is the
// reference's. Method: ranges of every kind in a sketch of heavy tails, ties and zeros; every target.
TEST(SelectRange, AgreesWithTheReferenceOnEveryTarget) {
  with_each_target([] {
    const SketchShape shape{.dimension = 40'001, .rows = 3, .columns = 3000};
    const auto fast = make_fast(shape);
    const auto reference = make_reference(shape);
    const std::vector<std::vector<float>> loads = {rough_vector(3, shape.cells()), coarse_vector(4, shape.cells()),
                                                   std::vector<float>(shape.cells(), 0.0F)};
    for (const std::vector<float>& cells : loads) {
      fast->load(21, cells);
      reference->load(21, cells);
      std::vector<float> estimates(shape.dimension);
      fast->estimate(0, estimates);
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{1600}, std::size_t{40'001}}) {
        const std::int32_t key = fast->sample_key(count);
        ASSERT_EQ(key, reference->sample_key(count)) << count;
        for (const CoordinateRange& range : {CoordinateRange{0, 40'001}, CoordinateRange{1027, 9000},
                                             CoordinateRange{40'000, 1}, CoordinateRange{17, 0}}) {
          for (const std::int32_t above : {-1, key}) {
            const KeyedCoordinates ours = fast->select_range(range, count, above);
            const KeyedCoordinates theirs = reference->select_range(range, count, above);
            ASSERT_TRUE(std::ranges::equal(ours.offsets, theirs.offsets)) << count << " from " << range.first;
            ASSERT_TRUE(std::ranges::equal(ours.keys, theirs.keys)) << count << " from " << range.first;
            for (std::size_t i = 0; i < ours.keys.size(); ++i) {
              ASSERT_EQ(ours.keys[i], kernels::key_of(estimates[range.first + ours.offsets[i]]));
            }
          }
        }
      }
    }
  });
}

// Goal: a sampled key is exceeded by about as many as asked for. Method: heavy tails; counted.
TEST(SampleKey, IsExceededByALittleMoreThanWanted) {
  const SketchShape shape{.dimension = 300'000, .rows = 3, .columns = 30'000};
  const auto sketch = make_fast(shape);
  sketch->load(2, encode_with(*sketch, 2, rough_vector(5, shape.dimension)));
  const std::int32_t key = sketch->sample_key(12'000);
  EXPECT_GE(key, 0);
  const std::size_t found = sketch->select_range({0, shape.dimension}, shape.dimension, key).keys.size();
  EXPECT_GE(found, 12'000u);
  EXPECT_LE(found, 20'000u);
}

// Goal: keep_largest keeps order and gives ties to the first. Method: a stable sort beside it.
RC_GTEST_PROP(KeepLargest, AgreesWithAStableSort, ()) {
  const auto spread = *rc::gen::element<std::int32_t>(1, 3, 5000);
  auto keys = *rc::gen::nonEmpty(rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(0, spread)));
  const auto count = *rc::gen::inRange<std::size_t>(1, keys.size() + 1);
  std::vector<std::uint32_t> offsets(keys.size());
  std::iota(offsets.begin(), offsets.end(), 0u);
  std::vector<std::uint32_t> expected = offsets;
  std::ranges::stable_sort(expected, [&](std::uint32_t a, std::uint32_t b) { return keys[a] > keys[b]; });
  expected.resize(count);
  const std::int32_t least = keys[expected.back()];
  std::ranges::sort(expected);
  const std::vector<std::int32_t> before = keys;
  RC_ASSERT(keep_largest(offsets, keys, count) == least);
  offsets.resize(count);
  RC_ASSERT(offsets == expected);
  for (std::size_t i = 0; i < count; ++i) RC_ASSERT(keys[i] == before[offsets[i]]);
}

// Goal: HEAVYMIX cuts, fills and repeats itself as the reference says. Method: k from so small that nothing
// qualifies to so large that all do; fills of nothing, of a few, of most others, of all; every target.
TEST(SelectHeavymix, AgreesWithTheReferenceForAnyThreshold) {
  with_each_target([] {
    const SketchShape shape{.dimension = 20'000, .rows = 3, .columns = 3000};
    const auto fast = make_fast(shape);
    const auto reference = make_reference(shape);
    const std::vector<float> cells = encode_with(*fast, 21, rough_vector(6, shape.dimension));
    fast->load(21, cells);
    reference->load(21, cells);
    for (const std::uint64_t k : {1u, 30u, 1000u, 1'000'000u}) {
      for (const std::size_t count : {0u, 1u, 50u, 2000u, 15'000u, 20'000u}) {
        std::vector<std::uint32_t> ours(count);
        std::vector<std::uint32_t> theirs(count);
        fast->select_heavymix(k, ours);
        reference->select_heavymix(k, theirs);
        ASSERT_EQ(ours, theirs) << "k = " << k << ", count = " << count;
        ASSERT_EQ(std::adjacent_find(ours.begin(), ours.end(), std::greater_equal<>()), ours.end());
      }
    }
  });
}

// Goal: the threshold is l^2 / k, inclusive. Method: four equal values without collisions: l^2 is 4 v^2, so k = 4
// takes all four and k = 3 none but random ones.
TEST(SelectHeavymix, ThresholdIsTheSquaredNormOverK) {
  const SketchShape shape{.dimension = 1000, .rows = 1, .columns = 1000};
  std::vector<float> vector(shape.dimension, 0.0F);
  const std::vector<std::uint32_t> heavy = {10, 200, 201, 999};
  for (const std::uint32_t t : heavy) vector[t] = t % 2 == 0 ? 3.0F : -3.0F;
  const auto sketch = make_fast(shape);
  sketch->load(2, encode_with(*sketch, 2, vector));
  std::vector<std::uint32_t> found(4);
  sketch->select_heavymix(4, found);
  EXPECT_EQ(found, heavy);
  sketch->select_heavymix(3, found);
  EXPECT_NE(found, heavy);
}

// Goal: the fill is seeded by the loaded seed. Method: nothing qualifies; equal seeds agree, others do not.
TEST(SelectHeavymix, FillFollowsTheSeed) {
  const SketchShape shape{.dimension = 5000, .rows = 1, .columns = 5000};
  const std::vector<float> flat(shape.dimension, 1.0F);
  const auto sketch = make_fast(shape);
  std::vector<std::vector<std::uint32_t>> fills;
  for (const std::uint64_t seed : {1u, 1u, 2u}) {
    sketch->load(seed, encode_with(*sketch, seed, flat));
    sketch->select_heavymix(1, fills.emplace_back(200));
  }
  EXPECT_EQ(fills[0], fills[1]);
  EXPECT_NE(fills[0], fills[2]);
}

}  // namespace
}  // namespace gossamer::sketch
