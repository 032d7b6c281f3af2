// How long a real session's joining may take: one init timeout in all, whatever keeps it waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <thread>

#include "runtime/control/mesh.h"
#include "runtime/runtime.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {
namespace {

using std::chrono::steady_clock;

// Goal: a peer that comes late and then stops takes from one init timeout, and gets no new one at each stage. Method: a
// rank 1 that joins the mesh when two thirds of rank 0's time are over, says that its transport is ready, and then does
// nothing more.
TEST(JoinDeadline, OneInitTimeoutHoldsForAllStages) {
  constexpr std::uint64_t timeout_ns = 1'500'000'000;
  const unsigned pid = static_cast<unsigned>(::getpid());
  const std::string rendezvous = text("127.", 1 + pid % 250, ".", pid / 250 % 250, ".1:20000");
  const auto begin = steady_clock::now();
  std::unique_ptr<Control> one;
  std::jthread peer([&] {
    MeshOptions options;
    options.rank = Rank{1};
    options.rank_count = 2;
    options.rendezvous = rendezvous;
    options.job = "deadline";
    options.lease_ns = 0;
    const std::vector<Field> shared = {{"library version", version},
                                       {"wire version", text(wire_version)},
                                       {"hash version", text(sketch::hash_version)},
                                       {"byte order", std::endian::native == std::endian::little ? "little" : "big"},
                                       {"transport", "ucx"},
                                       {"cost", "auto"},
                                       {"trace", "off"},
                                       {"libfabric provider", "none"},
                                       {"topology file", "none"},
                                       {"schedule", "by cost"}};
    // Time that rank 0 spends waiting, and no wait for anything.
    std::this_thread::sleep_until(begin + std::chrono::milliseconds(1'000));
    auto joined = make_control_mesh(options, shared);
    ASSERT_TRUE(joined.ok()) << joined.error().message;
    one = *std::move(joined);
    const std::vector<Field> ready = {
        {"transport error", "none"}, {"threads error", "none"}, {"topology error", "none"}};
    static_cast<void>(one->agree("transport", ready, timeout_ns));
  });
  const SettingsRequest request = {{"rank", "0"},
                                   {"rank_count", "2"},
                                   {"rendezvous", rendezvous},
                                   {"job", "deadline"},
                                   {"transport", "ucx"},
                                   {"lease", "0"},
                                   {"init_timeout", seconds_text(timeout_ns)}};
  const auto joined = Session::join(request);
  const auto took = steady_clock::now() - begin;
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(joined.error().code, Code::deadline) << joined.error().message;
  EXPECT_EQ(joined.error().rank, Rank{1});
  EXPECT_THAT(joined.error().message, ::testing::HasSubstr("that is what was left of the init timeout of 1.5 s"));
  EXPECT_GE(took, std::chrono::nanoseconds(timeout_ns));
  // Without one deadline for all it were at least 2.5 s.
  EXPECT_LT(took, std::chrono::milliseconds(2'400));
}

}  // namespace
}  // namespace gossamer::runtime
