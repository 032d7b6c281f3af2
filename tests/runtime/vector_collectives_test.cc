// Users' collectives, session by session: ranks as threads, every result beside a plain loop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>
#include <set>

#include "sketch/half.h"
#include "sketch/sketch.h"
#include "tests/runtime/thread_cluster.h"

namespace gossamer::runtime {
namespace {

using sketch::ElementType;
using sketch::ReduceOp;
using ::testing::HasSubstr;
using testing::ThreadCluster;
using Bytes = std::vector<std::byte>;

constexpr std::uint64_t limit_ns = 20'000'000'000;

// Small whole numbers: sums of 8 ranks are exact in every type.
Bytes values_of(const ElementVector& vector, std::uint32_t rank) {
  Bytes bytes(vector.bytes());
  for (std::uint64_t i = 0; i < vector.count; ++i) {
    const auto number = static_cast<int>(mix64(rank * 1000 + 7, i) % 7) + (vector.type == ElementType::u8 ? 0 : -3);
    const auto put = [&](auto value) { std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value); };
    switch (vector.type) {
      case ElementType::f32:
        put(static_cast<float>(number));
        break;
      case ElementType::f64:
        put(static_cast<double>(number));
        break;
      case ElementType::bf16:
        put(sketch::to_bf16(static_cast<float>(number)));
        break;
      case ElementType::f16:
        put(sketch::to_f16(static_cast<float>(number)));
        break;
      case ElementType::i8:
      case ElementType::u8:
        put(static_cast<std::uint8_t>(number));
        break;
      case ElementType::i32:
        put(static_cast<std::int32_t>(number));
        break;
      case ElementType::i64:
        put(static_cast<std::int64_t>(number));
        break;
    }
  }
  return bytes;
}

Bytes merged(const ElementVector& vector, std::span<const std::uint32_t> ranks) {
  Bytes sum = values_of(vector, ranks[0]);
  for (const std::uint32_t rank : ranks.subspan(1))
    sketch::reduce_elements(vector.type, vector.op, sum.data(), sum.data(), values_of(vector, rank).data(),
                            vector.count);
  if (vector.op == ReduceOp::mean)
    sketch::scale_elements(vector.type, 1.0 / static_cast<double>(ranks.size()), sum.data(), vector.count);
  return sum;
}

Bytes part(const Bytes& bytes, const ElementVector& vector, const ElementSlice& slice) {
  const std::uint64_t size = sketch::element_bytes(vector.type);
  return {bytes.begin() + static_cast<std::ptrdiff_t>(slice.first * size),
          bytes.begin() + static_cast<std::ptrdiff_t>((slice.first + slice.count) * size)};
}

struct Case {
  CollectiveKind kind = CollectiveKind::all_reduce;
  ElementVector vector;
  Rank root;
  bool is_in_place = false;
  std::optional<topology::ScheduleKind> schedule;
};

// Runs it twice on this rank and compares with plain loops; `ranks` by place.
void expect_right(Session& session, const Case& c, const std::vector<std::uint32_t>& ranks, bool is_group) {
  const std::uint32_t rank = session.rank().value;
  const auto place = static_cast<std::uint32_t>(std::find(ranks.begin(), ranks.end(), rank) - ranks.begin());
  const auto p = static_cast<std::uint32_t>(ranks.size());
  const bool is_root = c.root.value == place;
  const ElementSlice slice = slice_of(c.vector, place, p);
  const Bytes own = values_of(c.vector, rank);
  const std::uint64_t size = sketch::element_bytes(c.vector.type);

  Bytes input;
  Bytes output(c.vector.bytes() + 1, std::byte{0xee});  // one more: nothing is written behind the end
  const auto fill = [&] {
    if (c.is_in_place) {
      std::fill(output.begin(), output.end() - 1, std::byte{0xdd});
      if (c.kind == CollectiveKind::all_gather)
        std::copy_n(own.begin() + static_cast<std::ptrdiff_t>(slice.first * size), slice.count * size,
                    output.begin() + static_cast<std::ptrdiff_t>(slice.first * size));
      else if (c.kind != CollectiveKind::broadcast || is_root)
        std::copy(own.begin(), own.end(), output.begin());
    } else {
      input = c.kind == CollectiveKind::all_gather ? part(own, c.vector, slice) : own;
      std::fill(output.begin(), output.end() - 1, std::byte{0xdd});
    }
  };
  fill();
  CollectiveConfig config;
  config.kind = c.kind;
  config.vector = c.vector;
  config.root = c.root;
  config.input = c.is_in_place ? nullptr : input.data();
  config.output = output.data();
  config.schedule = c.schedule;
  std::vector<Rank> members;
  if (is_group)
    for (const std::uint32_t member : ranks) members.push_back(Rank{member});
  const auto made = session.make_collective(config, members);
  ASSERT_TRUE(made.ok()) << made.error().message;

  Bytes expected;
  switch (c.kind) {
    case CollectiveKind::all_reduce:
      expected = merged(c.vector, ranks);
      break;
    case CollectiveKind::reduce:
      if (is_root) expected = merged(c.vector, ranks);
      break;
    case CollectiveKind::broadcast:
      expected = values_of(c.vector, ranks[c.root.value]);
      break;
    case CollectiveKind::reduce_scatter:
      expected = part(merged(c.vector, ranks), c.vector, slice);
      break;
    case CollectiveKind::all_gather:
      for (std::uint32_t i = 0; i < p; ++i) {
        const Bytes theirs = part(values_of(c.vector, ranks[i]), c.vector, slice_of(c.vector, i, p));
        expected.insert(expected.end(), theirs.begin(), theirs.end());
      }
      break;
    case CollectiveKind::neighbor_reduce:
    case CollectiveKind::barrier:
      break;
  }
  for (int turn = 0; turn < 2; ++turn) {
    fill();
    ASSERT_TRUE((*made)->plan().start().ok());
    const Status ended = (*made)->plan().wait(limit_ns);
    ASSERT_TRUE(ended.ok()) << ended.error().message;
    const std::uint64_t at =
        c.kind == CollectiveKind::reduce_scatter && c.is_in_place ? slice.first * size : std::uint64_t{0};
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), output.begin() + static_cast<std::ptrdiff_t>(at)))
        << row_of(c.kind).name << " of " << c.vector.count << " " << sketch::element_type_name(c.vector.type) << " "
        << sketch::reduce_op_name(c.vector.op) << ", rank " << rank << " of " << p << ", turn " << turn;
    EXPECT_EQ(output.back(), std::byte{0xee}) << "written behind the end";
    if (!c.is_in_place && c.kind != CollectiveKind::all_gather) {
      EXPECT_EQ(input, own) << "the input is written to";
    }
  }
  session.destroy_collective(*made);
}

std::vector<std::uint32_t> all_ranks(std::uint32_t count) {
  std::vector<std::uint32_t> ranks(count);
  std::iota(ranks.begin(), ranks.end(), 0u);
  return ranks;
}

class VectorCollectives : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Ranks, VectorCollectives, ::testing::Values(1, 2, 3, 4, 6, 8));

// Goal: every collective does what it says, in place and not, for counts that P does not divide and for none, and
// again on its second start. Method: all kinds, every root, beside plain loops; a guard byte behind each buffer.
TEST_P(VectorCollectives, DoWhatPlainLoopsDo) {
  ThreadCluster cluster(GetParam());
  cluster.on_each([&](std::uint32_t, Session& session) {
    for (const CollectiveRow& row : all_collectives)
      if (row.kind != CollectiveKind::neighbor_reduce)  // neighbor_reduce_test.cc
        for (const std::uint64_t count : {0u, 1u, 5u, 16u, 17u, 1000u, 4099u})
          for (const bool is_in_place : {false, true})
            for (std::uint32_t root = 0; root < (row.has_root ? GetParam() : 1); ++root) {
              if (row.has_root && root > 1 && count > 17) continue;
              expect_right(session, {row.kind, {ElementType::f32, ReduceOp::sum, count}, Rank{root}, is_in_place, {}},
                           all_ranks(GetParam()), false);
              if (::testing::Test::HasFatalFailure()) return;
            }
  });
  EXPECT_EQ(cluster.letters(), 0u);
}

// Goal: every type under every operator that fits it. Method: small whole numbers, whose sums are exact in all types;
// f16's mean divides before, so it is compared within a rounding elsewhere.
TEST_P(VectorCollectives, KnowEveryTypeAndOperator) {
  ThreadCluster cluster(GetParam());
  cluster.on_each([&](std::uint32_t, Session& session) {
    for (const ElementType type : sketch::all_element_types())
      for (const ReduceOp op : sketch::all_reduce_ops()) {
        if (!sketch::op_fits(type, op)) continue;
        if (type == ElementType::f16 && op == ReduceOp::mean && (GetParam() & (GetParam() - 1)) != 0) continue;
        for (const CollectiveKind kind :
             {CollectiveKind::all_reduce, CollectiveKind::reduce, CollectiveKind::reduce_scatter}) {
          expect_right(session, {kind, {type, op, 1003}, Rank{0}, false, {}}, all_ranks(GetParam()), false);
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
  });
}

// Goal: integers have the same bits on every schedule. Method: each kind of schedule that knows the collective, named.
TEST_P(VectorCollectives, OfIntegersAreTheSameOnEverySchedule) {
  ThreadCluster cluster(GetParam());
  cluster.on_each([&](std::uint32_t, Session& session) {
    for (const topology::ScheduleKind schedule : topology::all_schedules())
      for (const CollectiveRow& row : all_collectives) {
        if (row.kind == CollectiveKind::neighbor_reduce) continue;
        for (const ElementType type : {ElementType::i8, ElementType::i64})
          expect_right(session, {row.kind, {type, ReduceOp::sum, 301}, Rank{0}, true, schedule}, all_ranks(GetParam()),
                       false);
        if (::testing::Test::HasFatalFailure()) return;
      }
  });
}

// Goal: several in flight, started in another order on each rank, do not meet. Method: five all-reduces of different
// factors; each rank starts them from another one on.
TEST_P(VectorCollectives, InFlightTogetherAreStartedInAnyOrder) {
  constexpr std::size_t several = 5;
  ThreadCluster cluster(GetParam());
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    std::vector<std::vector<std::int64_t>> data(several, std::vector<std::int64_t>(777));
    std::vector<Collective*> made;
    for (std::size_t i = 0; i < several; ++i) {
      CollectiveConfig config;
      config.vector = {ElementType::i64, ReduceOp::sum, data[i].size()};
      config.output = reinterpret_cast<std::byte*>(data[i].data());
      const auto collective = session.make_collective(config);
      ASSERT_TRUE(collective.ok()) << collective.error().message;
      made.push_back(*collective);
    }
    for (int turn = 0; turn < 10; ++turn) {
      for (std::size_t i = 0; i < several; ++i) std::fill(data[i].begin(), data[i].end(), rank + 100 * i);
      for (std::size_t i = 0; i < several; ++i) ASSERT_TRUE(made[(i + rank) % several]->plan().start().ok());
      for (Collective* const collective : made) ASSERT_TRUE(collective->plan().wait(limit_ns).ok());
      const std::int64_t p = cluster.rank_count();
      for (std::size_t i = 0; i < several; ++i)
        EXPECT_THAT(data[i], ::testing::Each(p * (p - 1) / 2 + p * 100 * static_cast<std::int64_t>(i)));
    }
    for (Collective* const collective : made) session.destroy_collective(collective);
  });
}

// Goal: one-off all-reduces, small and large, of every operator. Method: beside plain loops.
TEST_P(VectorCollectives, OneOffCallsSumSmallAndLargeVectors) {
  ThreadCluster cluster(GetParam());
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    for (const std::uint64_t count : {0u, 1u, 2048u, 2049u, 300'001u})
      for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::mean}) {
        const ElementVector vector{ElementType::f32, op, count};
        Bytes data = values_of(vector, rank);
        const Status status = session.all_reduce(vector, data.data(), limit_ns);
        ASSERT_TRUE(status.ok()) << status.error().message;
        EXPECT_EQ(data, merged(vector, all_ranks(GetParam()))) << count;
      }
    EXPECT_TRUE(session.barrier(limit_ns).ok());
  });
}

// Goal: nobody leaves a barrier before all have come. Method: a count that each rank raises before it.
TEST_P(VectorCollectives, ABarrierHoldsUntilAllHaveCome) {
  std::atomic<std::uint32_t> came{0};
  ThreadCluster cluster(GetParam());
  cluster.on_each([&](std::uint32_t, Session& session) {
    CollectiveConfig config;
    config.kind = CollectiveKind::barrier;
    const auto barrier = session.make_collective(config);
    ASSERT_TRUE(barrier.ok()) << barrier.error().message;
    for (std::uint32_t turn = 1; turn <= 20; ++turn) {
      came.fetch_add(1);
      ASSERT_TRUE((*barrier)->plan().start().ok());
      ASSERT_TRUE((*barrier)->plan().wait(limit_ns).ok());
      EXPECT_GE(came.load(), turn * GetParam());
    }
  });
}

// Goal: groups of any ranks in any order, overlapping, at once with the whole session. Method: three groups of six
// ranks and a session-wide sum in flight meanwhile.
TEST(VectorCollectivesOfGroups, ReduceAmongTheirOwn) {
  ThreadCluster cluster(6);
  const std::vector<std::vector<std::uint32_t>> groups = {{4, 0, 2}, {1, 3}, {5, 4, 3, 2, 1}};
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    std::vector<std::int32_t> all(1000, static_cast<std::int32_t>(rank));
    CollectiveConfig config;
    config.vector = {ElementType::i32, ReduceOp::sum, all.size()};
    config.output = reinterpret_cast<std::byte*>(all.data());
    const auto whole = session.make_collective(config);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    ASSERT_TRUE((*whole)->plan().start().ok());
    for (const auto& group : groups) {
      if (std::find(group.begin(), group.end(), rank) == group.end()) continue;
      for (const CollectiveRow& row : all_collectives) {
        if (row.kind == CollectiveKind::neighbor_reduce) continue;
        expect_right(session, {row.kind, {ElementType::i32, ReduceOp::sum, 1003}, Rank{1}, false, {}}, group, true);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
    ASSERT_TRUE((*whole)->plan().wait(limit_ns).ok());
    EXPECT_THAT(all, ::testing::Each(15));
    session.destroy_collective(*whole);
  });
  EXPECT_EQ(cluster.letters(), 0u);
}

// Goal: ranks that differ in a field are told which, with both values; what comes next works. Method: each field in
// turn is another one on rank 1.
TEST(VectorCollectivesThatDiffer, AreRefusedOnAllWithBothValues) {
  ThreadCluster cluster(3);
  struct Difference {
    const char* words;
    void (*change)(CollectiveConfig&);
  };
  const std::vector<Difference> differences = {
      {"count: rank 0 has 10, rank 1 has 11", [](CollectiveConfig& c) { c.vector.count = 11; }},
      {"type: rank 0 has f32, rank 1 has i32", [](CollectiveConfig& c) { c.vector.type = ElementType::i32; }},
      {"op: rank 0 has sum, rank 1 has max", [](CollectiveConfig& c) { c.vector.op = ReduceOp::max; }},
      {"root: rank 0 has 0, rank 1 has 2", [](CollectiveConfig& c) { c.root = Rank{2}; }},
      {"kind: rank 0 has reduce, rank 1 has all-reduce",
       [](CollectiveConfig& c) { c.kind = CollectiveKind::all_reduce; }},
      {"schedule: rank 0 has auto, rank 1 has star",
       [](CollectiveConfig& c) { c.schedule = topology::ScheduleKind::star; }},
  };
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    for (const Difference& difference : differences) {
      std::vector<double> data(11);
      CollectiveConfig config;
      config.kind = CollectiveKind::reduce;
      config.vector = {ElementType::f32, ReduceOp::sum, 10};
      config.output = reinterpret_cast<std::byte*>(data.data());
      if (rank == 1) difference.change(config);
      const auto made = session.make_collective(config);
      ASSERT_FALSE(made.ok());
      EXPECT_EQ(made.error().code, Code::mismatch);
      EXPECT_THAT(made.error().message, HasSubstr(difference.words));
    }
    expect_right(session, {CollectiveKind::reduce, {ElementType::f32, ReduceOp::sum, 10}, Rank{0}, true, {}},
                 all_ranks(3), false);
  });
}

// Goal: what is wrong with one rank's buffers or numbers is said, there and to the others. Method: each mistake in
// turn.
TEST(VectorCollectivesCalledWrongly, SayWhatIsWrong) {
  ThreadCluster cluster(2);
  std::vector<float> block(100);
  auto* const memory = reinterpret_cast<std::byte*>(block.data());
  CollectiveConfig good;
  good.vector = {ElementType::f32, ReduceOp::sum, 10};
  good.input = memory;
  good.output = memory + 200;
  struct Mistake {
    const char* words;
    CollectiveConfig config;
  };
  std::vector<Mistake> mistakes;
  const auto add = [&](const char* words, auto change) {
    CollectiveConfig config = good;
    change(config);
    mistakes.push_back({words, config});
  };
  add("input and output overlap", [&](CollectiveConfig& c) { c.output = memory + 4; });
  add("output is NULL, expected 10 elements", [&](CollectiveConfig& c) { c.output = nullptr; });
  add("input and output are NULL", [&](CollectiveConfig& c) {
    c.kind = CollectiveKind::reduce;
    c.input = nullptr;
    c.output = nullptr;
  });
  add("root is 2, expected a rank from 0 to 1",
      [&](CollectiveConfig& c) { c.kind = CollectiveKind::broadcast, c.root = Rank{2}; });
  add("mean", [&](CollectiveConfig& c) { c.vector.type = ElementType::i32, c.vector.op = ReduceOp::mean; });
  add("bit-or", [&](CollectiveConfig& c) { c.vector.op = ReduceOp::bit_or; });
  add("count is", [&](CollectiveConfig& c) { c.vector.count = std::uint64_t{1} << 60; });
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    for (const Mistake& mistake : mistakes) {
      const auto made = session.make_collective(rank == 1 ? mistake.config : good);
      ASSERT_FALSE(made.ok());
      EXPECT_EQ(made.error().code, rank == 1 ? Code::invalid_argument : Code::mismatch) << made.error().message;
      EXPECT_THAT(made.error().message, HasSubstr(mistake.words));
    }
  });
}

// Goal: a rank that names a group it is not in hears so at once, alone. Method: it does.
TEST(VectorCollectivesOfGroups, AreForTheirMembers) {
  ThreadCluster cluster(3);
  const auto made = cluster.session(2).make_collective(CollectiveConfig{}, {Rank{0}, Rank{1}});
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().message, HasSubstr("rank 2 is outside the group"));
}

}  // namespace
}  // namespace gossamer::runtime
