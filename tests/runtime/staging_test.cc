// Plans over device memory: staged by the driver, in simulated clusters with the fake device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "tests/runtime/device_cluster.h"

namespace gossamer::runtime {
namespace {

using gossamer::testing::FakeDevice;
using testing::dense_config;
using testing::DeviceCluster;
using testing::DeviceClusterOptions;
using ::testing::HasSubstr;
using topology::ScheduleKind;

constexpr MemoryKind host = MemoryKind::host;
constexpr MemoryKind device = MemoryKind::fake_device;

DeviceClusterOptions options_for(std::vector<MemoryKind> memory, std::uint64_t dimension, std::uint64_t seed = 1) {
  DeviceClusterOptions options;
  options.cluster.rank_count = static_cast<std::uint32_t>(memory.size());
  options.cluster.network.seed = seed;
  options.memory = std::move(memory);
  options.config = dense_config(dimension);
  return options;
}

struct StagedCase {
  ScheduleKind schedule;
  sketch::CellType values;
};

class EverySchedule : public ::testing::TestWithParam<StagedCase> {};

// Goal: ranks with gradients on a device get the bits that ranks with gradients on the host get, and send as many
// bytes, in any mixture. Method: rank counts 1 to 6, three steps with momentum, device memory on no, every second and
// every rank; the payload is longer than two units; the fake device faults on any access by the host.
TEST_P(EverySchedule, GivesTheBitsOfHostMemory) {
  FakeDevice fake({.seed = 3, .polls_max = 6});
  for (std::uint32_t p = 1; p <= 6; ++p) {
    std::vector<std::vector<std::vector<float>>> results;  // by mixture and step
    std::vector<std::uint64_t> bytes;
    for (const std::uint32_t mixture : {0u, 1u, 2u}) {
      std::vector<MemoryKind> memory;
      for (std::uint32_t r = 0; r < p; ++r)
        memory.push_back(mixture == 2 || (mixture == 1 && r % 2 == 0) ? device : host);
      DeviceClusterOptions options = options_for(memory, 150'007);
      options.config.schedule = GetParam().schedule;
      options.config.values = GetParam().values;
      DeviceCluster test(fake, options);
      auto& steps = results.emplace_back();
      for (std::uint32_t step = 0; step < 3; ++step) {
        ASSERT_NO_FATAL_FAILURE(test.step(step));
        steps.push_back(test.applied(0));
        for (std::uint32_t r = 1; r < p; ++r) ASSERT_EQ(test.applied(r), steps.back()) << p << " ranks, rank " << r;
      }
      bytes.push_back(test.compressors[p - 1]->stats().total_bytes_sent);
      EXPECT_EQ(fake.copies_under_way(), 0);
    }
    EXPECT_EQ(results[1], results[0]) << p << " ranks";
    EXPECT_EQ(results[2], results[0]) << p << " ranks";
    EXPECT_EQ(bytes, std::vector<std::uint64_t>(3, bytes[0]));
  }
}

INSTANTIATE_TEST_SUITE_P(Staging, EverySchedule,
                         ::testing::Values(StagedCase{ScheduleKind::binomial_tree, sketch::CellType::f32},
                                           StagedCase{ScheduleKind::butterfly, sketch::CellType::f32},
                                           StagedCase{ScheduleKind::circulant, sketch::CellType::bf16},
                                           StagedCase{ScheduleKind::ring, sketch::CellType::f32},
                                           StagedCase{ScheduleKind::star, sketch::CellType::f16}),
                         [](const auto& each) {
                           std::string name(topology::schedule_kind_name(each.param.schedule));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Goal: each byte of a payload crosses the bus at most once in each direction for the exchange. Method: the fake
// device counts; a ring of four ranks, all on the device; what compress, prepare and the test itself copy is known.
TEST(Staging, CopiesEachByteOnceInEachDirection) {
  FakeDevice fake;
  constexpr std::uint64_t dimension = 400'000;
  DeviceClusterOptions options = options_for({device, device, device, device}, dimension);
  options.config.schedule = ScheduleKind::ring;
  options.config.momentum = 0.9;
  DeviceCluster test(fake, options);
  const std::uint64_t before = fake.bytes_copied();
  ASSERT_NO_FATAL_FAILURE(test.step(0));
  // By rank: the test's gradients; compress reads and writes; prepare reads two vectors and writes one; two words
  // each way.
  const std::uint64_t computing = (1 + 2 + 3) * dimension * 4 + 32;
  const std::uint64_t staging = 2 * (dimension * 4 + 16);
  EXPECT_EQ(fake.bytes_copied() - before, 4 * (computing + staging));
}

// Goal: copying overlaps with the wire. Method: virtual time of one ring step over a slow bus and a slow network,
// against the same network with host memory: less than that time, one copy down and one up together, by a good part;
// and more than the time with a bus that costs nothing.
TEST(Staging, OverlapsCopiesWithTheWire) {
  FakeDevice fake;
  constexpr std::uint64_t dimension = 2'000'000;  // 8 MB, 0.8 ms at 10 B/ns
  const auto duration_ns = [&](MemoryKind kind, const CopyCost& copy) {
    DeviceClusterOptions options = options_for({kind, kind, kind, kind}, dimension);
    options.config.schedule = ScheduleKind::ring;
    options.cluster.compute.copy = copy;
    DeviceCluster test(fake, options);
    test.step(0);
    return test.compressors[0]->stats().exchange_ns;
  };
  const std::uint64_t copy_ns = 8'000'000 / 10;
  const std::uint64_t on_host = duration_ns(host, {});
  const std::uint64_t free_copies = duration_ns(device, {.start_ns = 0, .ns_per_byte = 0.0});
  const std::uint64_t staged = duration_ns(device, {.start_ns = 5'000, .ns_per_byte = 0.1});
  EXPECT_LT(free_copies, on_host + on_host / 20);
  EXPECT_GT(staged, free_copies + copy_ns / 4);
  EXPECT_LT(staged, on_host + 2 * copy_ns * 3 / 4);
}

// Goal: a run with staging replays exactly from its seed. Method: two clusters, equal hashes of all events; another
// seed, another hash.
TEST(Staging, ReplaysFromItsSeed) {
  FakeDevice fake;
  const auto hash = [&](std::uint64_t seed) {
    DeviceCluster test(fake, options_for({device, host, device}, 300'000, seed));
    test.step(0);
    test.step(1);
    return test.cluster->event_hash();
  };
  EXPECT_EQ(hash(1), hash(1));
  EXPECT_NE(hash(1), hash(2));
}

// Goal: a gradient on a device that is not finite is named on every rank, and leaves no trace. Method: NaN deep in the
// second tensor; then a step that equals that of a cluster without the failed one.
TEST(Staging, NamesAGradientThatIsNotFinite) {
  FakeDevice fake;
  constexpr std::uint64_t dimension = 300'000;
  DeviceCluster with(fake, options_for({device, host, device}, dimension));
  DeviceCluster without(fake, options_for({device, host, device}, dimension));
  for (DeviceCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(0));
  for (std::uint32_t r = 0; r < 3; ++r) {
    auto g = with.gradients(r, 9);
    if (r == 2) g[1][77'777] = std::numeric_limits<float>::quiet_NaN();
    ASSERT_TRUE(with.compress(r, g).ok());
    ASSERT_TRUE(with.compressors[r]->reduce().ok());
  }
  for (const Error& outcome : with.run()) {
    EXPECT_EQ(outcome.code, Code::not_finite) << outcome.message;
    EXPECT_EQ(outcome.rank, Rank{2});
    EXPECT_EQ(outcome.index, 200'000u + 77'777u);
  }
  for (DeviceCluster* test : {&with, &without}) ASSERT_NO_FATAL_FAILURE(test->step(1));
  for (std::uint32_t r = 0; r < 3; ++r) EXPECT_EQ(with.applied(r), without.applied(0));
}

// Goal: clipping cuts a gradient on a device as one on the host. Method: a bound that bites, both kinds; the norm is
// summed in other pieces, so the scale may differ in its last bit.
TEST(Staging, ClipsAsOnTheHost) {
  FakeDevice fake;
  std::vector<std::vector<float>> results;
  for (const MemoryKind kind : {host, device}) {
    DeviceClusterOptions options = options_for({kind, kind}, 300'000);
    options.config.clip = 0.25;
    DeviceCluster test(fake, options);
    ASSERT_NO_FATAL_FAILURE(test.step(0));
    results.push_back(test.applied(1));
  }
  double difference = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    difference = std::max(difference, std::abs(double{results[0][i]} - results[1][i]));
    norm += double{results[0][i]} * results[0][i];
  }
  EXPECT_LT(difference, 1e-8);
  EXPECT_NEAR(std::sqrt(norm), 0.5 * 0.25 / std::sqrt(2.0),
              0.02);  // the mean of two nearly independent ones, half of it
}

class StagedDeaths : public ::testing::TestWithParam<ScheduleKind> {};

// Goal: when a rank dies at any moment, every survivor ends with its name, and no copy lands after an operation has
// ended. Method: kills over the whole step, also while copies are under way; when all have ended none is, and device
// memory can be filled again by compress; the cluster then goes away with nothing under way (the fake device checks).
TEST_P(StagedDeaths, LeaveNoCopyBehind) {
  constexpr std::uint32_t p = 4;
  FakeDevice fake({.seed = 11, .polls_max = 9});
  DeviceClusterOptions options = options_for({device, device, host, device}, 600'000);
  options.config.schedule = GetParam();
  options.cluster.compute.copy.ns_per_byte = 0.5;
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;
  {
    DeviceCluster probe(fake, options);
    begin_ns = probe.cluster->clock().now_ns();
    ASSERT_NO_FATAL_FAILURE(probe.step(0));
    end_ns = probe.cluster->clock().now_ns();
  }
  int copying = 0;
  for (std::uint32_t moment = 0; moment < 16; ++moment) {
    options.cluster.network.seed = moment + 1;
    DeviceCluster test(fake, options);
    const std::uint32_t victim = moment % p;
    ASSERT_NO_FATAL_FAILURE(test.start(0));
    test.cluster->run_to(begin_ns + (end_ns - begin_ns) * moment / 16);
    for (std::uint32_t r = 0; r < p; ++r)
      if (test.cluster->session(Rank{r}).driver().is_copying()) copying |= 1 << moment;
    test.cluster->kill(Rank{victim});
    test.alive[victim] = false;
    const auto outcomes = test.run();
    for (std::uint32_t r = 0; r < p; ++r) {
      if (r == victim || outcomes[r].code == Code::done) continue;  // it may have had everything before the death
      ASSERT_EQ(outcomes[r].code, Code::peer_lost) << "rank " << r << ", moment " << moment << outcomes[r].message;
      ASSERT_EQ(outcomes[r].rank, Rank{victim});
      ASSERT_FALSE(test.cluster->session(Rank{r}).driver().is_copying());
    }
    for (std::uint32_t r = 0; r < p; ++r) {
      if (r == victim) continue;
      ASSERT_TRUE(test.compress(r, test.gradients(r, 1)).ok());
    }
  }
  EXPECT_GT(std::popcount(static_cast<unsigned>(copying)), 4);
  EXPECT_EQ(fake.copies_under_way(), 0);
}

INSTANTIATE_TEST_SUITE_P(Schedules, StagedDeaths,
                         ::testing::Values(ScheduleKind::binomial_tree, ScheduleKind::butterfly, ScheduleKind::ring),
                         [](const auto& each) {
                           std::string name(topology::schedule_kind_name(each.param));
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Goal: a compressor that goes in the middle of an exchange takes its copies with it. Method: destroyed while copies
// are under way; the fake device stops the process for a copy into memory that is gone, and for memory that is kept.
TEST(Staging, ADestroyedCompressorTakesItsCopiesWithIt) {
  FakeDevice fake({.seed = 2, .polls_max = 30});
  DeviceClusterOptions options = options_for({device, device}, 600'000);
  options.cluster.compute.copy.ns_per_byte = 1.0;
  DeviceCluster test(fake, options);
  ASSERT_NO_FATAL_FAILURE(test.start(0));
  test.cluster->run_to(test.cluster->clock().now_ns() + 300'000);
  ASSERT_TRUE(test.cluster->session(Rank{0}).driver().is_copying());
  for (std::uint32_t r = 0; r < 2; ++r) test.cluster->session(Rank{r}).destroy_compressor(test.compressors[r]);
  EXPECT_EQ(fake.copies_under_way(), 0);
}

// Goal: a device that breaks is an error on its rank, with its words: in compress, in the exchange, in apply. Method:
// the fake device told to, at each of the three moments, and mended before the session goes.
TEST(Staging, ABrokenDeviceIsAnError) {
  FakeDevice fake;
  DeviceCluster test(fake, options_for({device, host}, 300'000));
  ASSERT_NO_FATAL_FAILURE(test.step(0));
  const auto update = test.compressors[0]->update();
  ASSERT_TRUE(update.ok());
  gossamer::testing::DeviceArray<float> weights(fake, 300'000);
  float* const pointers[] = {weights.data(), weights.data() + 200'000};
  const float* const gradients[] = {weights.data(), weights.data() + 200'000};
  fake.break_copies(true);
  EXPECT_EQ(test.compressors[0]->apply_to(pointers, *update, 1.0f).error().code, Code::unavailable);
  EXPECT_EQ(test.compressors[0]->compress(gradients).error().code, Code::unavailable);
  fake.break_copies(false);
  ASSERT_NO_FATAL_FAILURE(test.start(1));
  fake.break_copies(true);
  const auto outcomes = test.run(1'000'000'000);
  EXPECT_EQ(outcomes[0].code, Code::unavailable);
  EXPECT_THAT(outcomes[0].message, HasSubstr("broken"));
  EXPECT_EQ(outcomes[1].code, Code::pending);  // its wait has a deadline of its own
  fake.break_copies(false);
}

// Goal: what memory cannot be used for is said at once. Method: gs-SGD in device memory, a kind without a device, a
// gradient on the host for a compressor on the device, and no memory left on it.
TEST(Staging, RefusesWithASentence) {
  CompressorConfig config = dense_config(3000);
  config.memory = device;
  EXPECT_THAT(resolve(config).error().message, HasSubstr("on no device"));
  FakeDevice fake;
  EXPECT_TRUE(resolve(config).ok());
  config.algorithm = AlgorithmKind::gs_sgd;
  EXPECT_THAT(resolve(config).error().message, HasSubstr("memory is fake-device, but gs-sgd takes"));
  DeviceCluster test(fake, options_for({device}, 3000));
  const std::vector<float> values(3000);
  const float* const gradients[] = {values.data(), values.data() + 2000};
  const Status refused = test.compressors[0]->compress(gradients);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("gradient of tensor \"w\" is not in fake-device memory"));
  config.algorithm = AlgorithmKind::dense;
  fake.fail_allocation_after(1);
  EXPECT_EQ(test.cluster->session(Rank{0}).make_compressor(config).error().code, Code::out_of_resources);
  fake.fail_allocation_after(1000);
}

}  // namespace
}  // namespace gossamer::runtime
