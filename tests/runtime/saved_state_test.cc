// What outlives a step: saved, loaded, and everything that a saved state must not be.
#include "runtime/session/saved_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "runtime/algorithms/catalogue.h"
#include "sketch/sketch.h"
#include "tests/runtime/cluster_fixture.h"
#include "tests/runtime/thread_cluster.h"

namespace gossamer::runtime {
namespace {

using testing::ClusterCase;
using ::testing::HasSubstr;
using testing::TestCluster;
using testing::ThreadCluster;

using Bytes = std::vector<std::byte>;

Bytes save(Compressor& compressor) {
  Bytes bytes(compressor.state_bytes());
  const Status saved = compressor.save(bytes);
  EXPECT_TRUE(saved.ok()) << saved.error().message;
  return bytes;
}

std::vector<Bytes> save_all(TestCluster& cluster) {
  std::vector<Bytes> states;
  for (Compressor* const compressor : cluster.compressors) states.push_back(save(*compressor));
  return states;
}

std::vector<SavedState> read_all(const std::vector<Bytes>& bytes) {
  std::vector<SavedState> states;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto state = read_state(text("state ", i), bytes[i]);
    EXPECT_TRUE(state.ok()) << state.error().message;
    if (state.ok()) states.push_back(std::move(*state));
  }
  return states;
}

// The states are spans of the bytes.
std::vector<SavedState> read_all(std::vector<Bytes>&&) = delete;

// Each rank with all states.
void load_all(TestCluster& cluster, const std::vector<Bytes>& bytes) {
  const auto states = read_all(bytes);
  for (Compressor* const compressor : cluster.compressors) {
    const auto taken = compressor->take(states, false);
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    const Status loaded = compressor->load(*taken);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  }
}

// By tensor, the sum over ranks of each number.
std::map<std::string, std::vector<double>> sums_of(const std::vector<Bytes>& bytes, Kept which) {
  std::map<std::string, std::vector<double>> sums;
  for (const SavedState& state : read_all(bytes)) {
    if (which == Kept::residual ? !state.kept.residual : !state.kept.momentum) continue;
    for (const SavedTensor& tensor : state.tensors) {
      auto& sum = sums[tensor.name];
      sum.resize(tensor.count);
      const std::size_t at = which == Kept::residual ? tensor.residual_at : tensor.momentum_at;
      for (std::size_t i = 0; i < tensor.count; ++i) {
        float value = 0.0f;
        std::memcpy(&value, state.bytes.data() + at + i * sizeof value, sizeof value);
        sum[i] += value;
      }
    }
  }
  return sums;
}

std::vector<ClusterCase> cases_of(std::uint32_t rank_count) {
  std::vector<ClusterCase> cases;
  for (const AlgorithmKind algorithm : all_algorithms()) cases.push_back({algorithm, rank_count, {}});
  cases.push_back({AlgorithmKind::gs_sgd, rank_count, {}, sketch::CellType::i8, sketch::CellType::i16});
  return cases;
}

// Goal: training resumed from a state gives the bits that it would have had. Method: six steps, against three, a state
// of each rank, and the other three in a new cluster that got the states; every algorithm of the catalogue.
TEST(SavedState, ResumedTrainingHasTheBitsOfUnbrokenTraining) {
  for (const std::uint32_t p : {1u, 2u, 4u}) {
    for (const ClusterCase& c : cases_of(p)) {
      SCOPED_TRACE(testing::case_name(c));
      TestCluster whole(c);
      std::vector<Bytes> states;
      std::vector<std::vector<float>> expected;
      for (std::uint32_t step = 0; step < 6; ++step) {
        if (step == 3) states = save_all(whole);
        ASSERT_NO_FATAL_FAILURE(whole.step(step));
        if (step >= 3) expected.push_back(whole.dense_update(0));
      }
      TestCluster resumed(c);
      ASSERT_NO_FATAL_FAILURE(resumed.step(9));  // what it had is replaced
      ASSERT_NO_FATAL_FAILURE(load_all(resumed, states));
      EXPECT_FALSE(resumed.compressors[0]->update().ok()) << "the update of before is gone";
      for (std::uint32_t step = 3; step < 6; ++step) {
        ASSERT_NO_FATAL_FAILURE(resumed.step(step));
        for (std::uint32_t r = 0; r < p; ++r) ASSERT_EQ(resumed.dense_update(r), expected[step - 3]) << "step " << step;
      }
      EXPECT_EQ(save_all(resumed), save_all(whole));
    }
  }
}

// Goal: a session of another size goes on with the same sums over ranks, and its ranks agree. Method: residual and
// momentum on a grid, so that sums are exact; from each of five sizes to each.
TEST(SavedState, AnotherNumberOfRanksKeepsTheSumsOverRanks) {
  for (const AlgorithmKind algorithm : all_algorithms()) {
    for (const std::uint32_t from : {1u, 2u, 3u, 4u, 5u}) {
      CompressorConfig config = testing::small_config({algorithm, from, {}});
      config.momentum = 0.5;
      TestCluster before(from, config, 1);
      for (std::uint32_t step = 0; step < 2; ++step) ASSERT_NO_FATAL_FAILURE(before.step(step));
      const auto states = save_all(before);
      for (const std::uint32_t to : {1u, 2u, 3u, 5u}) {
        SCOPED_TRACE(text(algorithm_name(algorithm), " from ", from, " to ", to));
        TestCluster after(to, config, 1);
        ASSERT_NO_FATAL_FAILURE(load_all(after, states));
        const auto loaded = save_all(after);
        EXPECT_EQ(sums_of(loaded, Kept::residual), sums_of(states, Kept::residual));
        if (algorithm == AlgorithmKind::dense)  // each has the mean's
          EXPECT_EQ(sums_of({loaded.back()}, Kept::momentum), sums_of({states[0]}, Kept::momentum));
        else
          EXPECT_EQ(sums_of(loaded, Kept::momentum), sums_of(states, Kept::momentum));
        ASSERT_NO_FATAL_FAILURE(after.step(2));
        for (std::uint32_t r = 1; r < to; ++r) ASSERT_EQ(after.dense_update(r), after.dense_update(0));
      }
    }
  }
}

// Goal: tensors are found by name, over whatever compressors they are spread, before and after. Method: two
// compressors' states into one of another order, and that one's back into two; each tensor's numbers stay.
TEST(SavedState, OtherBucketsFindTheirTensorsByName) {
  const auto with = [](std::vector<Tensor> tensors) {
    CompressorConfig config = testing::small_config({AlgorithmKind::top_k, 2, {}});
    config.tensors = std::move(tensors);
    return config;
  };
  const Tensor a{"a", 900, false}, b{"b", 40, true}, c{"c", 500, false};
  TestCluster first(2, with({a, b}), 1), second(2, with({c}), 2), both(2, with({c, b, a}), 3);
  for (std::uint32_t step = 0; step < 2; ++step) {
    ASSERT_NO_FATAL_FAILURE(first.step(step));
    ASSERT_NO_FATAL_FAILURE(second.step(step + 7));
  }
  for (std::uint32_t r = 0; r < 2; ++r) {
    const std::vector<Bytes> apart = {save(*first.compressors[r]), save(*second.compressors[r])};
    const auto states = read_all(apart);
    const auto taken = both.compressors[r]->take(states, false);
    ASSERT_TRUE(taken.ok()) << taken.error().message;
    ASSERT_TRUE(both.compressors[r]->load(*taken).ok());
    const std::vector<Bytes> together = {save(*both.compressors[r])};
    for (const Kept which : {Kept::residual, Kept::momentum})
      EXPECT_EQ(sums_of(together, which), sums_of(apart, which));
    const auto joined = read_all(together);
    for (const auto& [cluster, bytes] : {std::pair{&first, &apart[0]}, std::pair{&second, &apart[1]}}) {
      const auto back = cluster->compressors[r]->take(joined, false);
      ASSERT_TRUE(back.ok()) << back.error().message;
      ASSERT_TRUE(cluster->compressors[r]->load(*back).ok());
      EXPECT_EQ(sums_of({save(*cluster->compressors[r])}, Kept::residual), sums_of({*bytes}, Kept::residual));
    }
  }
  // A layer that was put on is new; that is said first.
  TestCluster larger(2, with({a, b, {"d", 10, false}}), 1);
  const auto saved = save_all(first);
  const auto states = read_all(saved);
  const auto refused = larger.compressors[0]->take(states, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::mismatch);
  EXPECT_THAT(refused.error().message, HasSubstr("tensor \"d\" is in none of the states"));
  const auto taken = larger.compressors[0]->take(states, true);
  ASSERT_TRUE(taken.ok()) << taken.error().message;
  EXPECT_EQ(taken->found, (std::vector<bool>{true, true, false}));
}

// Goal: a state that keeps no vectors, only step and tensors, is loaded however long its tensors are. Method: dense
// without momentum, which keeps none; the state is shorter than one of its tensors.
TEST(SavedState, AStateWithoutVectorsKeepsTheStep) {
  CompressorConfig config = testing::small_config({AlgorithmKind::dense, 2, {}});
  config.momentum = 0;
  config.tensors = {{"weights", 100'000, false}, {"bias", 4, true}};
  TestCluster saved(2, config, 1), loaded(2, config, 1);
  ASSERT_NO_FATAL_FAILURE(saved.step(0));
  const auto states = save_all(saved);
  ASSERT_LT(states[0].size(), 1000u);
  ASSERT_NO_FATAL_FAILURE(load_all(loaded, states));
  EXPECT_EQ(save_all(loaded), states);
}

class Refused : public ::testing::Test {
 protected:
  Refused() : cluster(2, config, 1) {
    cluster.step(0);
    states = save_all(cluster);
  }
  // What is said of bytes that were changed; with a right checksum, unless it is that.
  static Error refusal(Bytes bytes, bool mends_checksum = true) {
    if (mends_checksum && bytes.size() > 32) {
      const std::span<const std::byte> all(bytes);
      const std::uint64_t sum = mix64(sketch::hash_bytes(all.first(24)), sketch::hash_bytes(all.subspan(32)));
      std::memcpy(bytes.data() + 24, &sum, sizeof sum);
    }
    const auto state = read_state("the state", bytes);
    EXPECT_FALSE(state.ok());
    return state.ok() ? Error{Code::done, ""} : state.error();
  }
  template <typename Number>
  [[nodiscard]] Bytes with(std::size_t at, Number number) const {
    Bytes bytes = states[0];
    std::memcpy(bytes.data() + at, &number, sizeof number);
    return bytes;
  }
  CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 2, {}});
  TestCluster cluster;
  std::vector<Bytes> states;
};

// Goal: what is no state is MALFORMED with its reason, and one of a newer library MISMATCH. Method: a right state with
// each field changed, at every length, with each byte of its numbers' first part changed, and with numbers that are
// none.
TEST_F(Refused, WhatIsNoStateIsNamed) {
  const Bytes& right = states[0];
  EXPECT_TRUE(read_state("the state", right).ok());
  for (std::size_t bytes = 0; bytes < right.size(); bytes += bytes < 300 ? 1 : 997) {
    const Error error = refusal(Bytes(right.begin(), right.begin() + static_cast<std::ptrdiff_t>(bytes)), false);
    EXPECT_EQ(error.code, Code::malformed) << bytes;
    EXPECT_THAT(error.message, HasSubstr(bytes < 32 ? "are no saved state" : "it was cut off")) << bytes;
  }
  Bytes longer = right;
  longer.push_back(std::byte{0});
  EXPECT_THAT(refusal(longer, false).message, HasSubstr("cut off or added to"));
  for (std::size_t at = 32; at < 400; ++at) {
    Bytes changed = right;
    changed[at] ^= std::byte{1};
    EXPECT_THAT(refusal(changed, false).message, HasSubstr("its checksum is wrong")) << at;
  }
  EXPECT_THAT(refusal(with<char>(0, 'X')).message, HasSubstr("are no saved state"));
  const Error newer = refusal(with<std::uint32_t>(8, 2));
  EXPECT_EQ(newer.code, Code::mismatch);
  EXPECT_THAT(newer.message,
              HasSubstr("a newer Gossamer saved it, in version 2 of the format; this one reads up to 1"));
  EXPECT_THAT(refusal(with<std::uint32_t>(12, 9)).message, HasSubstr("its head is none"));
  EXPECT_THAT(refusal(with<std::uint32_t>(32, 77)).message, HasSubstr("its algorithm is 77"));
  EXPECT_THAT(refusal(with<std::uint32_t>(36, 2)).message, HasSubstr("its head is none"));  // rank 2 of 2
  EXPECT_THAT(refusal(with<std::uint64_t>(56, 1u << 30)).message, HasSubstr("it says that it has 1073741824 tensors"));
  EXPECT_THAT(refusal(with<std::uint64_t>(72, std::uint64_t{1} << 62)).message, HasSubstr("its tensor 0 of 4 is none"));
  EXPECT_THAT(refusal(with<std::uint64_t>(72, 2999)).message, HasSubstr("B of numbers"));
  const std::size_t residual = read_state("", right)->tensors[2].residual_at;
  for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const Error error = refusal(with(residual + 4 * 1100, wrong));
    EXPECT_EQ(error.code, Code::malformed);
    EXPECT_THAT(error.message, HasSubstr("the residual of tensor \"w2\" is NaN or infinite at index 1100"));
  }
}

// Goal: a right state in the wrong place is refused, and says what is wrong. Method: each way to mix states up.
TEST_F(Refused, AStateThatDoesNotBelongIsNamed) {
  const auto words = [&](const CompressorConfig& other, const std::vector<Bytes>& given, std::uint32_t ranks = 2) {
    TestCluster wrong(ranks, other, 1);
    const auto read = read_all(given);
    const auto taken = wrong.compressors[0]->take(read, false);
    EXPECT_FALSE(taken.ok());
    if (taken.ok()) return std::string();
    EXPECT_EQ(taken.error().code, given.empty() ? Code::invalid_argument : Code::mismatch);
    return taken.error().message;
  };
  EXPECT_THAT(words(config, {}), HasSubstr("no saved states are given"));
  EXPECT_THAT(words(config, {states[1]}),
              HasSubstr("rank 0 of 2 takes over what rank 0 of 2 had of tensor \"w1\", and that is in none"));
  EXPECT_THAT(words(config, {states[0]}, 1), HasSubstr("what rank 1 of 2 had"));
  EXPECT_THAT(words(config, {states[0], states[0]}), HasSubstr("is in two of the states"));
  CompressorConfig other = config;
  other.tensors[2].count = 1100;
  EXPECT_THAT(words(other, states), HasSubstr("tensor \"w2\" has 1100 elements here, and 1101 in the state"));
  other = config;
  other.tensors[1].exact = false;
  EXPECT_THAT(words(other, states), HasSubstr("tensor \"b1\" is not exact here"));
  other = config;
  other.tensors[0].name = "of another model";
  EXPECT_THAT(words(other, states), HasSubstr("tensor \"of another model\" is in none of the states"));
  other = testing::small_config({AlgorithmKind::top_k, 2, {}});
  EXPECT_THAT(words(other, states), HasSubstr("a state of gs-sgd cannot go on as top-k"));
  TestCluster three(3, config, 1);
  EXPECT_THAT(words(config, {states[0], save(*three.compressors[0])}), HasSubstr("a session of 3 ranks is beside"));
}

// Goal: all ranks load, or none does; a rank that cannot tells all others, and the next load works. Method: ranks as
// threads; one with a foreign state, then with a state of another step, then right.
TEST(SavedState, LoadsOnAllRanksOrOnNone) {
  CompressorConfig config = testing::small_config({AlgorithmKind::gs_sgd, 2, {}});
  TestCluster source(2, config, 1);
  ASSERT_NO_FATAL_FAILURE(source.step(0));
  const auto one_step = save_all(source);
  ASSERT_NO_FATAL_FAILURE(source.step(1));
  const auto two_steps = save_all(source);
  ThreadCluster cluster(2);
  cluster.on_each([&](std::uint32_t rank, Session& session) {
    const auto made = session.make_compressor(config);
    ASSERT_TRUE(made.ok()) << made.error().message;
    const auto load = [&](Result<std::vector<SavedState>> states) {
      const Status status = session.load_states(**made, states, false, 0);
      return status.ok() ? Error{Code::done, ""} : status.error();
    };
    const Bytes fresh = save(**made);
    Error error = load(rank == 1 ? Result<std::vector<SavedState>>(Error{Code::malformed, "no state at all"})
                                 : Result<std::vector<SavedState>>(read_all(one_step)));
    EXPECT_EQ(error.code, Code::malformed) << error.message;
    EXPECT_THAT(error.message, HasSubstr("no state at all"));
    error = load(read_all(rank == 1 ? two_steps : one_step));
    EXPECT_EQ(error.code, Code::mismatch) << error.message;
    EXPECT_THAT(error.message, HasSubstr("step: rank 0 has 1, rank 1 has 2"));
    EXPECT_EQ(save(**made), fresh);
    error = load(read_all(two_steps));
    EXPECT_EQ(error.code, Code::done) << error.message;
    EXPECT_EQ(save(**made), two_steps[rank]);
  });
}

}  // namespace
}  // namespace gossamer::runtime
