// The host twin of a buffer on a device, without a driver; and computing through pinned memory.
#include "runtime/engine/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "runtime/algorithms/parts/device_pump.h"
#include "tests/support/allocations.h"
#include "tests/support/fake_device.h"

namespace gossamer::runtime {
namespace {

using gossamer::testing::DeviceArray;
using gossamer::testing::FakeDevice;
using ::testing::HasSubstr;

Stage stage_over(DeviceArray<std::byte>& buffer, topology::ScheduleKind kind, std::uint32_t rank_count) {
  Stage stage;
  stage.schedule =
      topology::make_rank_schedule({kind, topology::Collective::all_reduce, rank_count, {}}, Rank{0}).value();
  stage.bytes_max = buffer.size();
  stage.buffer = buffer.data();
  stage.kind = MemoryKind::fake_device;
  return stage;
}

// Goal: bytes come down in the order in which the schedule needs them, go up when their slice has its last word, and a
// run allocates nothing. Method: the ring of two ranks by hand (rank 0 sends slice 1, merges slice 0, sends it,
// receives slice 1), twice over, with copies that end late; the device then holds what was written.
TEST(MirrorTest, CopiesInTheOrderOfNeed) {
  constexpr std::uint64_t bytes = 4 << 20;
  FakeDevice fake({.seed = 9, .polls_max = 4});
  std::vector<std::byte> contents(bytes);
  for (std::size_t i = 0; i < bytes; ++i) contents[i] = static_cast<std::byte>(i * 7 / 64);
  DeviceArray<std::byte> buffer(fake, contents);
  auto made = Mirror::make(fake, stage_over(buffer, topology::ScheduleKind::ring, 2), nullptr);
  ASSERT_TRUE(made.ok());
  Mirror& mirror = **made;
  // The program as it is, so that this test needs no knowledge of the ring.
  const auto program =
      topology::make_program({topology::ScheduleKind::ring, topology::Collective::all_reduce, 2, {}}, Rank{0});
  const std::uint64_t half = bytes / 2;
  const std::uint64_t before = gossamer::testing::allocation_count();
  std::uint64_t came_early = 0;
  for (int run = 0; run < 2; ++run) {
    mirror.begin(bytes);
    bool is_first = true;
    for (const topology::Round& round : program->rounds) {
      for (const topology::Step& step : round.steps) {
        const std::uint64_t offset = step.slices.first * half;
        const std::uint64_t size = step.slices.count * half;
        if (step.kind == topology::StepKind::receive) {
          while (!mirror.may_receive(offset, size)) ASSERT_TRUE(mirror.progress(0).ok());
          std::fill_n(mirror.data() + offset, size, std::byte{static_cast<unsigned char>(run + 1)});
          mirror.written(offset, size);
          continue;
        }
        while (!mirror.is_down(offset, size)) ASSERT_TRUE(mirror.progress(0).ok());
        if (step.kind == topology::StepKind::receive_merge) {
          for (std::uint64_t i = offset; i < offset + size; ++i) mirror.data()[i] ^= std::byte{0xff};
          mirror.written(offset, size);
        } else if (is_first) {
          if (!mirror.is_down(half - offset, half)) ++came_early;  // the first slice does not wait for the other
          is_first = false;
        }
      }
    }
    EXPECT_FALSE(mirror.is_up());
    while (!mirror.is_up()) ASSERT_TRUE(mirror.progress(0).ok());
    EXPECT_EQ(mirror.under_way(), 0u);
  }
  EXPECT_EQ(gossamer::testing::allocation_count(), before);
  EXPECT_EQ(came_early, 2u);
  const auto after = buffer.values();
  std::size_t received = 0;
  std::size_t merged_twice = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    received += after[i] == std::byte{2} ? 1u : 0u;
    merged_twice += after[i] == contents[i] ? 1u : 0u;
  }
  EXPECT_GE(received, half);
  EXPECT_GE(merged_twice, half);
}

// Goal: a mirror that is given up has nothing under way afterwards, and the device keeps what it had from then on.
// Method: drained at moments while bytes come down and go up, then the device's bytes are changed and stay changed.
TEST(MirrorTest, NothingLandsAfterADrain) {
  constexpr std::uint64_t bytes = 8 << 20;
  FakeDevice fake({.seed = 4, .polls_max = 7});
  DeviceArray<std::byte> buffer(fake, bytes);
  auto made = Mirror::make(fake, stage_over(buffer, topology::ScheduleKind::butterfly, 2), nullptr);
  ASSERT_TRUE(made.ok());
  Mirror& mirror = **made;
  for (int moment = 0; moment < 200; moment += 9) {
    mirror.begin(bytes);
    bool is_written = false;
    for (int pass = 0; pass < moment; ++pass) {
      ASSERT_TRUE(mirror.progress(0).ok());
      if (!is_written && mirror.is_down(0, bytes)) {
        mirror.written(0, bytes);
        is_written = true;
      }
    }
    ASSERT_TRUE(mirror.drain().ok());
    EXPECT_EQ(mirror.under_way(), 0u);
    const std::vector<std::byte> marked(bytes, static_cast<std::byte>(moment));
    buffer.set(marked);
    for (int pass = 0; pass < 50; ++pass) ASSERT_FALSE(mirror.progress(0).value());
    EXPECT_EQ(fake.copies_under_way(), 0);
    ASSERT_EQ(buffer.values(), marked);
  }
}

// Goal: a device that hangs ends a drain with an error in about a second, and the copies stay known as under way.
// Method: the fake device told to; mended at the end.
TEST(MirrorTest, ADrainOfADeviceThatHangsEnds) {
  FakeDevice fake;
  DeviceArray<std::byte> buffer(fake, 1 << 20);
  auto made = Mirror::make(fake, stage_over(buffer, topology::ScheduleKind::butterfly, 2), nullptr);
  ASSERT_TRUE(made.ok());
  (*made)->begin(1 << 20);
  fake.hang(true);
  ASSERT_TRUE((*made)->progress(0).ok());
  const SteadyClock clock;
  const std::uint64_t before_ns = clock.now_ns();
  EXPECT_THAT((*made)->drain().error().message, HasSubstr("hangs"));
  EXPECT_LT(clock.now_ns() - before_ns, 5'000'000'000u);
  EXPECT_GT((*made)->under_way(), 0u);
  fake.hang(false);
  EXPECT_TRUE((*made)->drain().ok());
  EXPECT_EQ((*made)->under_way(), 0u);
}

// Goal: a pass over device vectors sees each element once, in order, writes what it computed, and allocates nothing.
// Method: lengths around the pieces' borders; one vector read, one read and written in place, one of bytes written
// only.
TEST(DevicePumpTest, ComputesOnEveryElementOnce) {
  FakeDevice fake({.seed = 6, .polls_max = 5});
  auto pump = DevicePump::make(fake);
  ASSERT_TRUE(pump.ok());
  for (const std::size_t count : {0u, 1u, 65'535u, 65'536u, 65'537u, 400'000u}) {
    std::vector<std::uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1u);
    DeviceArray<std::uint32_t> source(fake, numbers);
    DeviceArray<std::uint32_t> sums(fake, numbers);
    DeviceArray<std::uint8_t> low(fake, count);
    const std::uint64_t before = gossamer::testing::allocation_count();
    std::uint64_t next = 0;
    const DevicePump::Vector vectors[] = {{source.data()}, {sums.data(), 4, true, true}, {low.data(), 1, false, true}};
    const Status status = pump->run(count, vectors, [&](std::uint64_t first, std::size_t n, auto at) {
      next = first == next ? next + n : ~std::uint64_t{0};
      const auto* const from = reinterpret_cast<const std::uint32_t*>(at[0]);
      auto* const to = reinterpret_cast<std::uint32_t*>(at[1]);
      for (std::size_t i = 0; i < n; ++i) {
        to[i] += 2 * from[i];
        at[2][i] = static_cast<std::byte>(from[i]);
      }
    });
    ASSERT_TRUE(status.ok());
    EXPECT_EQ(gossamer::testing::allocation_count(), before);
    EXPECT_EQ(next, count);
    const auto sum_values = sums.values();
    const auto low_values = low.values();
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(sum_values[i], 3 * (i + 1));
      ASSERT_EQ(low_values[i], (i + 1) % 256);
    }
  }
}

}  // namespace
}  // namespace gossamer::runtime
