#include "tools/info/memory_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_device.h"
#include "transport/simulation.h"

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;

// The kind's probe, over a network whose clock moves with the probe.
std::optional<MemoryProbe> probe_of(MemoryKind kind) {
  VirtualClock clock;
  const auto network = transport::make_sim_network({}, clock);
  const auto transport = network->make_transport();
  const auto step = [&] {
    if (const auto next = network->next_event_ns()) clock.advance_to(std::max(*next, clock.now_ns()));
  };
  for (const MemoryProbe& probe : probe_memory(*transport, step))
    if (probe.kind == kind) return probe;
  return std::nullopt;
}

// Goal: host memory is sent and compared. Method: the simulated network, which moves it directly.
TEST(MemoryProbeTest, HostMemoryIsMovedDirectly) {
  const auto probe = probe_of(MemoryKind::host);
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->path, MemoryPath::direct);
  EXPECT_TRUE(probe->is_verified) << probe->problem;
  EXPECT_EQ(describe_probe(*probe), "moved directly, verified");
}

// Goal: memory that the transport cannot move is staged, and what arrives is compared on the device. Method: the fake
// device, whose copies end late; without it, its kind is not spoken of.
TEST(MemoryProbeTest, DeviceMemoryIsStaged) {
  EXPECT_FALSE(probe_of(MemoryKind::fake_device));
  gossamer::testing::FakeDevice device({.seed = 1, .polls_max = 20});
  const auto probe = probe_of(MemoryKind::fake_device);
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->path, MemoryPath::staged);
  EXPECT_TRUE(probe->is_verified) << probe->problem;
  EXPECT_EQ(describe_probe(*probe), "staged through the host, verified (fake device)");
}

// Goal: a device that fails is told with its words. Method: broken, and without memory.
TEST(MemoryProbeTest, AFailureIsToldWithItsReason) {
  gossamer::testing::FakeDevice device;
  device.break_copies(true);
  const auto broken = probe_of(MemoryKind::fake_device);
  device.break_copies(false);
  ASSERT_TRUE(broken);
  EXPECT_FALSE(broken->is_verified);
  EXPECT_THAT(describe_probe(*broken), HasSubstr("FAILED (fake device): the fake device is broken"));
  device.fail_allocation_after(1);
  EXPECT_THAT(describe_probe(*probe_of(MemoryKind::fake_device)), HasSubstr("4.0 MiB"));
}

}  // namespace
}  // namespace gossamer::tools
