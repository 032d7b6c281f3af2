// A started plan allocates nothing and takes no lock: global operator new and the C library's locks count.
#include <gtest/gtest.h>
#include <unistd.h>

#include <barrier>
#include <thread>

#include "tests/runtime/cluster_fixture.h"
#include "tests/support/allocations.h"
#include "tests/support/locks.h"

namespace gossamer::runtime {
namespace {

// A network without bytes: every rank is alone, so only our own code runs.
// Goal: compress, reduce, wait and recover allocate nothing once warm. Method: P = 1, counted over twenty steps.
TEST(Allocation, AStartedPlanAllocatesNothing) {
  std::vector<CompressorConfig> configs;
  for (const AlgorithmKind kind : all_algorithms()) configs.push_back(testing::small_config({kind, 1, std::nullopt}));
  configs.push_back(configs[0]);
  configs.back().name = "gs-sgd, sharded";
  configs.back().decode = DecodeKind::sharded;
  for (const CompressorConfig& config : configs) {
    testing::TestCluster test(1, config, 1);
    const auto g = test.gradients(0, 0);
    const float* pointers[] = {g[0].data(), g[1].data(), g[2].data(), g[3].data()};
    Compressor& compressor = *test.compressors[0];
    Driver& driver = test.cluster->session(Rank{0}).driver();
    VirtualClock& clock = const_cast<VirtualClock&>(test.cluster->clock());
    const auto step = [&] {
      bool ok = compressor.compress(pointers).ok() && compressor.reduce().ok();
      for (int pass = 0; pass < 100 && driver.busy_until_ns() >= clock.now_ns(); ++pass) {
        clock.advance_to(driver.busy_until_ns() + 1);
        driver.progress();
      }
      const auto code = compressor.test();
      return ok && code.ok() && *code == Code::done && compressor.update().ok();
    };
    ASSERT_TRUE(step());
    ASSERT_TRUE(step());
    const std::uint64_t before = gossamer::testing::allocation_count();
    bool all = true;
    for (int i = 0; i < 20; ++i) all &= step();
    EXPECT_EQ(gossamer::testing::allocation_count(), before) << algorithm_name(config.algorithm) << " " << config.name;
    EXPECT_TRUE(all);
  }
}

// ---- between ranks -----------------------------------------------------------------------------

struct Between {
  std::string name;
  ProgressMode progress;
};
void PrintTo(const Between& each, std::ostream* out) { *out << each.name; }

class StartedPlans : public ::testing::TestWithParam<Between> {};

// An address of this process's own, so that tests that run side by side do not meet.
std::string own_rendezvous(std::uint32_t number) {
  const auto pid = static_cast<std::uint32_t>(::getpid());
  return text("127.", 1 + pid / 62'500 % 250, ".", pid / 250 % 250, ".", 1 + pid % 250, ":", 20'000 + number);
}

// Goal: steps with real messages allocate nothing once warm, on any rank, in any thread of ours, and the caller's
// thread takes no lock; only where another thread progresses, a wait that sleeps does. Method: ranks as threads of one
// process over UCX, all algorithms; operator new is counted over ten steps that all ranks begin and end together, and
// locks are in the threads that call. The lease is off, since the service threads' beats allocate, apart from plans;
// one thread computes, since several share their work under a lock.
TEST_P(StartedPlans, AllocateAndLockNothingBetweenRanks) {
  std::uint32_t number = 0;
  for (const std::uint32_t p : {2u, 3u})
    for (const AlgorithmKind kind : all_algorithms()) {
      const std::string rendezvous = own_rendezvous(number++);
      std::size_t marks[2] = {};
      int mark = 0;
      std::barrier together(p, [&]() noexcept {
        if (mark < 2) marks[mark++] = gossamer::testing::allocation_count();
      });
      std::vector<std::string> troubles(p);
      std::vector<std::size_t> locks(p);
      const auto run_rank = [&](std::uint32_t rank) -> Status {
        const SettingsRequest request = {
            {"rank", text(rank)},
            {"rank_count", text(p)},
            {"rendezvous", rendezvous},
            {"job", text("allocation-", ::getpid())},
            {"progress", std::string(find_choice(progress_choices, static_cast<int>(GetParam().progress))->name)},
            {"transport", "ucx"},
            {"threads", "1"},
            {"lease", "0"}};
        auto session = Session::join(request);
        GOSSAMER_TRY(session);
        const CompressorConfig config = testing::small_config({kind, p, std::nullopt});
        auto compressor = (*session)->make_compressor(config);
        GOSSAMER_TRY(compressor);
        std::vector<std::vector<float>> g;
        for (const Tensor& tensor : config.tensors) {
          g.emplace_back(tensor.count);
          for (std::size_t i = 0; i < tensor.count; ++i) g.back()[i] = static_cast<float>((i * 7 + rank) % 101) / 64.0f;
        }
        const float* const pointers[] = {g[0].data(), g[1].data(), g[2].data(), g[3].data()};
        const auto steps = [&](int count) -> Status {
          for (int i = 0; i < count; ++i) {
            const std::size_t before = gossamer::testing::own_lock_count();
            GOSSAMER_TRY((*compressor)->compress(pointers));
            GOSSAMER_TRY((*compressor)->reduce());
            GOSSAMER_TRY((*compressor)->test());
            const std::size_t started = gossamer::testing::own_lock_count();
            GOSSAMER_TRY((*compressor)->wait(20'000'000'000));
            const std::size_t ended = gossamer::testing::own_lock_count();
            locks[rank] += (GetParam().progress == ProgressMode::inline_only ? ended : started) - before;
          }
          return {};
        };
        const Status warm = steps(3);
        together.arrive_and_wait();
        const Status counted = steps(10);
        together.arrive_and_wait();
        GOSSAMER_TRY(warm);
        return counted;
      };
      std::vector<std::thread> ranks;
      for (std::uint32_t r = 0; r < p; ++r)
        ranks.emplace_back([&, r] {
          if (const Status status = run_rank(r); !status.ok()) troubles[r] = status.error().message;
        });
      for (std::thread& rank : ranks) rank.join();
      for (std::uint32_t r = 0; r < p; ++r) ASSERT_EQ(troubles[r], "") << "rank " << r;
      for (std::uint32_t r = 0; r < p; ++r) EXPECT_EQ(locks[r], 0u) << algorithm_name(kind) << ", rank " << r;
      EXPECT_EQ(marks[1], marks[0]) << algorithm_name(kind) << ", " << p << " ranks";
    }
}

INSTANTIATE_TEST_SUITE_P(, StartedPlans,
                         ::testing::Values(Between{"ucx_inline", ProgressMode::inline_only},
                                           Between{"ucx_thread", ProgressMode::thread}),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace gossamer::runtime
