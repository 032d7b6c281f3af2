// Plan numbers, and collectives in which one rank alone fails: ranks as threads, with the right values to compare.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "runtime/collectives/chunk_work.h"
#include "tests/runtime/thread_cluster.h"

namespace gossamer::runtime {
namespace {

using ::testing::HasSubstr;
using testing::ThreadCluster;

CompressorConfig dense(const std::string& name, std::uint64_t count) {
  CompressorConfig config;
  config.name = name;
  config.algorithm = AlgorithmKind::dense;
  config.tensors = {{"w", count, false}};
  config.momentum = 0.0;
  config.clip = 0.0;
  return config;
}

// Starts a step whose gradient is `value` everywhere.
Status start_step(Compressor& compressor, float value) {
  const std::vector<float> gradient(compressor.layout().dimension(), value);
  const float* const pointer = gradient.data();
  GOSSAMER_TRY(compressor.compress(&pointer));
  return compressor.reduce();
}

// The mean that a step ended with, or NaN where it did not end well.
float mean_of(Compressor& compressor) {
  if (!compressor.wait(10'000'000'000).ok()) return std::numeric_limits<float>::quiet_NaN();
  return compressor.update()->values[0];
}

// Every rank makes two compressors of one shape and exchanges both, in an order of its own; each mean is its own's.
void expect_two_layers_apart(ThreadCluster& cluster) {
  const auto p = static_cast<float>(cluster.rank_count());
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    const auto a = session.make_compressor(dense("a", 100));
    const auto b = session.make_compressor(dense("b", 100));
    ASSERT_TRUE(a.ok() && b.ok()) << (a.ok() ? b.error().message : a.error().message);
    const auto own = static_cast<float>(rank);
    Compressor& first = rank % 2 == 0 ? **a : **b;
    ASSERT_TRUE(start_step(first, &first == *a ? own : 100.0f + own).ok());
    Compressor& second = rank % 2 == 0 ? **b : **a;
    ASSERT_TRUE(start_step(second, &second == *a ? own : 100.0f + own).ok());
    EXPECT_EQ(mean_of(**a), (p - 1) / 2) << "rank " << rank;
    EXPECT_EQ(mean_of(**b), 100.0f + (p - 1) / 2) << "rank " << rank;
    session.destroy_compressor(*a);
    session.destroy_compressor(*b);
  });
}

class RankCounts : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Plans, RankCounts, ::testing::Values(2, 3, 4));

// Goal: a compressor that one rank cannot make is made on none: all hear of it at once, nothing stays registered, and
// the compressors made afterwards are not mixed. Method: each registration of each rank in turn fails; then two layers
// of one shape are exchanged.
TEST_P(RankCounts, ACompressorThatOneRankCannotMakeIsMadeOnNone) {
  ThreadCluster cluster(GetParam());
  for (std::uint32_t failing = 0; failing < GetParam(); ++failing) {
    for (int number = 0; number < 2; ++number) {
      cluster.fail_registration(failing, number);
      cluster.on_each([&](std::uint32_t rank, Session& session) {
        const auto made = session.make_compressor(dense("a", 100));
        ASSERT_FALSE(made.ok()) << "rank " << rank << ", registration " << number;
        EXPECT_EQ(made.error().code, Code::out_of_resources);
        EXPECT_EQ(made.error().message, rank == failing ? "no memory can be locked (injected)"
                                                        : text("compressor made: rank ", failing,
                                                               " failed: no memory can be locked (injected)"));
        if (rank != failing) {
          EXPECT_EQ(made.error().rank, Rank{failing});
        }
      });
      for (std::uint32_t rank = 0; rank < GetParam(); ++rank) EXPECT_EQ(cluster.registered(rank), 0) << rank;
    }
    expect_two_layers_apart(cluster);
  }
  EXPECT_EQ(cluster.letters(), 0u);
}

// Goal: the same for the plan of a large broadcast. Method: one rank's registration fails in the first; the second has
// the right bytes.
TEST_P(RankCounts, ABroadcastThatOneRankCannotPrepareFailsOnAll) {
  ThreadCluster cluster(GetParam());
  for (std::uint32_t failing = 0; failing < GetParam(); ++failing) {
    cluster.fail_registration(failing, 1);
    cluster.on_each([&](std::uint32_t rank, Session& session) {
      std::vector<std::byte> data(100'000, std::byte(rank == failing ? 7 : 1));
      const Status failed = session.broadcast(data, Rank{failing}, 0);
      ASSERT_FALSE(failed.ok()) << "rank " << rank;
      EXPECT_EQ(failed.error().code, Code::out_of_resources);
      if (rank != failing) {
        EXPECT_THAT(failed.error().message, HasSubstr(text("rank ", failing, " failed")));
      }
      const Status done = session.broadcast(data, Rank{failing}, 0);
      ASSERT_TRUE(done.ok()) << done.error().message;
      EXPECT_EQ(data, std::vector<std::byte>(100'000, std::byte{7}));
    });
    expect_two_layers_apart(cluster);
  }
}

// Goal: what an operation that was given up has left on the way never ends in a later plan. Method: one rank sends its
// part of a step, another never comes, and all destroy the compressor; the next of its shape has another gradient.
TEST_P(RankCounts, AMessageOfAPlanThatWasGivenUpMeetsNoLaterOne) {
  ThreadCluster cluster(GetParam());
  for (int round = 0; round < 3; ++round) {
    cluster.on_each([&](std::uint32_t rank, Session& session) {
      const auto made = session.make_compressor(dense("a", 100));
      ASSERT_TRUE(made.ok());
      if (rank > 0) {
        ASSERT_TRUE(start_step(**made, 1000.0f).ok());
        for (int i = 0; i < 10; ++i) ASSERT_EQ(*(*made)->test(), Code::pending);
      }
      session.destroy_compressor(*made);
    });
    EXPECT_GT(cluster.letters(), 0u);
    expect_two_layers_apart(cluster);
  }
}

// Goal: a session has no end: numbers of removed plans are used again. Method: more compressors one after the other
// than there are numbers, each exchanged once; a step that ends as not finite on all ranks is no obstacle.
TEST(PlanNumbers, AreUsedAgain) {
  constexpr int rounds = 4200;
  ThreadCluster cluster(2);
  std::array<std::uint32_t, 2> last{};
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    for (int round = 0; round < rounds; ++round) {
      const auto made = session.make_compressor(dense("a", 4));
      ASSERT_TRUE(made.ok()) << round << ": " << made.error().message;
      last[rank] = (*made)->plan().number();
      const bool is_finite = round % 5 != 0;
      ASSERT_TRUE(start_step(**made, is_finite ? static_cast<float>(round) : std::nanf("")).ok());
      const Status ended = (*made)->wait(10'000'000'000);
      ASSERT_EQ(ended.ok() ? Code::done : ended.error().code, is_finite ? Code::done : Code::not_finite);
      if (is_finite) {
        ASSERT_EQ((*made)->update()->values[0], static_cast<float>(round));
      }
      session.destroy_compressor(*made);
    }
  });
  EXPECT_EQ(last, (std::array<std::uint32_t, 2>{0, 0}));
  EXPECT_EQ(cluster.letters(), 0u);
}

// Goal: a broadcast of any size has the right bytes, from every root, over and over, with what else goes on. Method:
// sizes about the limits of what travels with the agreement and of chunks; roots in turn; a compressor between.
TEST_P(RankCounts, BroadcastsOfEverySizeAndRootAreRight) {
  ThreadCluster cluster(GetParam());
  constexpr std::size_t chunk = ChunkWork::chunk_bytes;
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    for (std::uint32_t round = 0; round < 2 * GetParam(); ++round) {
      const Rank root{round % GetParam()};
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{8192}, std::size_t{8193}, chunk - 1,
                                      chunk, chunk + 1, 2 * chunk + 5}) {
        std::vector<std::byte> right(bytes);
        for (std::size_t i = 0; i < bytes; ++i) right[i] = std::byte(i * 31 + i / chunk + round);
        std::vector<std::byte> data = rank == root.value ? right : std::vector<std::byte>(bytes, std::byte{0xee});
        const Status done = session.broadcast(data, root, 0);
        ASSERT_TRUE(done.ok()) << done.error().message;
        ASSERT_TRUE(data == right) << "rank " << rank << ", " << bytes << " B from rank " << root.value;
      }
    }
  });
  expect_two_layers_apart(cluster);
  EXPECT_EQ(cluster.letters(), 0u);
}

// Goal: a broadcast that one rank leaves at its own deadline costs the others no longer than theirs, ends in the time
// that was given, and the next one is right. Method: the root's deadline is over when the agreement is, or in the
// middle, as it happens; what must hold holds for both.
TEST(Broadcast, EndsWithinItsDeadlineAndTheNextOneIsRight) {
  ThreadCluster cluster(3);
  std::array<std::uint64_t, 3> took_ns{};
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    const SteadyClock clock;
    std::vector<std::byte> data(20 * ChunkWork::chunk_bytes, std::byte(rank));
    ASSERT_TRUE(session.broadcast(data, Rank{1}, 0).ok());
    for (const std::uint64_t limit_ns : {1u, 200'000u, 1'000'000u, 3'000'000u}) {
      const std::uint64_t before_ns = clock.now_ns();
      const Status first = session.broadcast(data, Rank{1}, rank == 1 ? limit_ns : 500'000'000);
      took_ns[rank] = std::max(took_ns[rank], clock.now_ns() - before_ns);
      if (!first.ok()) {
        EXPECT_EQ(first.error().code, Code::deadline) << first.error().message;
      }
      std::fill(data.begin(), data.end(), std::byte(rank + 10));
      const Status second = session.broadcast(data, Rank{1}, 0);
      ASSERT_TRUE(second.ok()) << second.error().message;
      ASSERT_TRUE(data == std::vector<std::byte>(data.size(), std::byte{11})) << "rank " << rank;
    }
  });
  for (const std::uint64_t ns : took_ns) EXPECT_LT(ns, 1'500'000'000u);
}

// Goal: the draw is the lowest number that is free everywhere with one ledger, else one that nobody ever had. Method:
// offers by hand.
TEST(PlanNumbers, DrawIsTheLowestNumberThatAllCallCleanOrANewOne) {
  const Ledger clean{3, 77, false};
  const Ledger other{4, 78, false};
  const PlanOffer a{10, std::nullopt, {{2, clean}, {5, clean}, {7, clean}}};
  const PlanOffer b{12, std::nullopt, {{2, other}, {5, clean}, {7, clean}}};
  const PlanOffer c{10, std::nullopt, {{7, clean}}};
  EXPECT_EQ(*draw_plan(std::vector{a}), (PlanDraw{2, clean}));
  EXPECT_EQ(*draw_plan(std::vector{a, b}), (PlanDraw{5, clean}));
  EXPECT_EQ(*draw_plan(std::vector{a, b, c}), (PlanDraw{7, clean}));
  EXPECT_EQ(*draw_plan(std::vector{a, b, PlanOffer{3, {}, {}}}), (PlanDraw{12, {}}));
  const auto full = draw_plan(std::vector{a, PlanOffer{4096, {}, {}}});
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Code::out_of_resources);
  EXPECT_THAT(full.error().message, HasSubstr("at most 4096 plans at once"));
}

// Goal: a number whose last operation ended in the middle of a stage is not offered again, and ranks that ended at
// different stages do not have one ledger. Method: ledgers by hand.
TEST(PlanNumbers, OnlyTrafficThatEndedAlikeIsClean) {
  PlanNumbers numbers;
  for (const std::uint32_t number : {0u, 1u, 2u}) numbers.take(number);
  Ledger torn;
  torn.torn = true;
  numbers.give_back(1, torn);
  Ledger whole, early;
  whole.note(2);
  whole.note(2);
  early.note(1);
  early.note(2);
  EXPECT_NE(whole, early);
  numbers.give_back(2, whole);
  const PlanOffer offer = numbers.offer(10);
  EXPECT_EQ(offer.unused, 3u);
  EXPECT_EQ(offer.free, (std::vector<PlanDraw>{{2, whole}}));
  const auto back = decode_offer(encode_offer(offer), Rank{0});
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->free, offer.free);
}

// Goal: a plan is held in common only with one number and one ledger. Method: offers by hand.
TEST(PlanNumbers, HeldPlanIsUsedOnlyWhereAllUsedItAlike) {
  const PlanOffer a{3, PlanDraw{1, {5, 50, false}}, {}};
  const PlanOffer late{3, PlanDraw{1, {4, 40, false}}, {}};
  EXPECT_EQ(common_plan(std::vector{a, a}), a.held);
  EXPECT_EQ(common_plan(std::vector{a, late}), std::nullopt);
  EXPECT_EQ(common_plan(std::vector{a, PlanOffer{3, {}, {}}}), std::nullopt);
  EXPECT_EQ(common_plan(std::vector{PlanOffer{3, {}, {}}, a}), std::nullopt);
}

// What rank 0 reads where `change` was done to rank `odd`'s tensors.
std::string difference_of(std::uint32_t rank_count, std::uint32_t odd, std::size_t tensor_count,
                          const std::function<void(std::vector<Tensor>&)>& change) {
  ThreadCluster cluster(rank_count);
  std::vector<std::string> messages(rank_count);
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    CompressorConfig config = dense("a", 1);
    config.tensors.clear();
    for (std::size_t i = 0; i < tensor_count; ++i) config.tensors.push_back({text("layer.", i), 64, i % 2 == 1});
    if (rank == odd) change(config.tensors);
    const auto made = session.make_compressor(config);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, Code::mismatch);
    EXPECT_EQ(made.error().rank, Rank{odd == 0 ? 1 : odd});
    messages[rank] = made.error().message;
    EXPECT_TRUE(session.check_equal("next", {}, 0).ok());  // all are in step
  });
  for (const std::string& message : messages) EXPECT_EQ(message, messages[0]);
  expect_two_layers_apart(cluster);
  return messages[0];
}

// Goal: of many tensors the one that differs is named, with what both ranks have. Method: name, count and exactness of
// one, an exchange of two, one more and one less, in the first, the last and one in the middle; more tensors than one
// step of the search tells apart.
TEST(Mismatch, NamesTheTensorThatDiffers) {
  EXPECT_EQ(difference_of(2, 1, 391, [](auto& t) { t[300].name += ".renamed"; }),
            "compressor: tensor 300: rank 0 has \"layer.300\" 64, rank 1 has \"layer.300.renamed\" 64");
  EXPECT_EQ(difference_of(3, 2, 391, [](auto& t) { t[0].count = 63; }),
            "compressor: tensor 0: rank 0 has \"layer.0\" 64, rank 2 has \"layer.0\" 63");
  EXPECT_EQ(difference_of(3, 1, 5000, [](auto& t) { t[4998].exact = true; }),
            "compressor: tensor 4998: rank 0 has \"layer.4998\" 64, rank 1 has \"layer.4998\" 64 exact");
  EXPECT_EQ(difference_of(2, 0, 3000, [](auto& t) { std::swap(t[1500], t[1501]); }),
            "compressor: tensor 1500: rank 0 has \"layer.1501\" 64 exact, rank 1 has \"layer.1500\" 64");
  EXPECT_EQ(difference_of(4, 3, 20,
                          [](auto& t) {
                            t.push_back({"more", 1, false});
                          }),
            "compressor: tensor 20: rank 0 has none, rank 3 has \"more\" 1");
  EXPECT_EQ(difference_of(2, 1, 20, [](auto& t) { t.pop_back(); }),
            "compressor: tensor 19: rank 0 has \"layer.19\" 64 exact, rank 1 has none");
}

// Goal: names that part after the two hundred characters that are shown are shown where they part. Method: a long one.
TEST(Mismatch, ShowsLongNamesWhereTheyPart) {
  const std::string message = difference_of(2, 1, 1, [](auto& t) { t[0].name = std::string(500, 'n') + "right"; });
  EXPECT_THAT(message, HasSubstr("rank 0 has \"layer.0\" 64"));
  ThreadCluster cluster(2);
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    CompressorConfig config = dense("a", 1);
    config.tensors[0].name = std::string(500, 'n') + (rank == 0 ? "left" : "right");
    const auto made = session.make_compressor(config);
    ASSERT_FALSE(made.ok());
    EXPECT_THAT(made.error().message, ::testing::AllOf(HasSubstr("nnnleft\""), HasSubstr("nnnright\"")));
    EXPECT_LT(made.error().message.size(), 500u);
  });
}

// Goal: a rank that was called wrongly tells the others at once, keeps its own words, and the next collective works.
// Method: each blocking collective, each rank in turn.
TEST_P(RankCounts, AMistakeOfOneRankIsToldToAll) {
  ThreadCluster cluster(GetParam());
  const Error mistake{Code::invalid_argument, "gossamer_x: y is 6"};
  for (std::uint32_t wrong = 0; wrong < GetParam(); ++wrong) {
    cluster.on_each([&](std::uint32_t rank, Session& session) {
      std::optional<Error> own;
      if (rank == wrong) own = mistake;
      std::array<std::byte, 8> data{};
      const auto made = session.make_compressor(own ? Result<CompressorConfig>(*own) : dense("a", 10));
      const Status outcomes[] = {made.ok() ? Status() : Status(made.error()), session.broadcast(data, Rank{0}, 0, own),
                                 session.check_equal(rank == wrong ? "check_equal" : "weights", data, 0, own)};
      for (const Status& outcome : outcomes) {
        ASSERT_FALSE(outcome.ok());
        if (rank == wrong) {
          EXPECT_EQ(outcome.error().message, mistake.message);
          continue;
        }
        EXPECT_EQ(outcome.error().code, Code::mismatch);
        EXPECT_EQ(outcome.error().rank, Rank{wrong});
        EXPECT_THAT(outcome.error().message, HasSubstr(text("rank ", wrong, " was called wrongly: ", mistake.message)));
      }
      EXPECT_TRUE(session.check_equal("next", data, 0).ok());
    });
  }
  expect_two_layers_apart(cluster);
}

}  // namespace
}  // namespace gossamer::runtime
