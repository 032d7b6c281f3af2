#include "base/tick_clock.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace gossamer {
namespace {

// Goal: it is the kernel's clock, and never goes back. Method: readings for 50 ms, each between two of the kernel's;
// what both may differ by is the time between two looks at the kernel's clock and at the counter.
TEST(TickClock, IsTheKernelsClockAndNeverGoesBack) {
  constexpr std::uint64_t allowed_ns = 1'000;
  const SteadyClock kernel;
  const TickClock ticks;
  std::uint64_t latest_ns = 0;
  const std::uint64_t end_ns = kernel.now_ns() + 50'000'000;
  std::uint64_t after_ns = 0;
  while (after_ns < end_ns) {
    const std::uint64_t before_ns = kernel.now_ns();
    const std::uint64_t now_ns = ticks.now_ns();
    after_ns = kernel.now_ns();
    ASSERT_GE(now_ns + allowed_ns, before_ns);
    ASSERT_LE(now_ns, after_ns + allowed_ns);
    ASSERT_GE(now_ns, latest_ns);
    latest_ns = now_ns;
  }
}

// Goal: it goes by the processor's counter exactly where the kernel does. Method: the kernel's own word, against what
// the clock says once it has been in use for some milliseconds.
TEST(TickClock, GoesByTheCounterWhereTheKernelDoes) {
  std::string source;
  std::ifstream("/sys/devices/system/clocksource/clocksource0/current_clocksource") >> source;
  const SteadyClock kernel;
  const TickClock ticks;
  bool counts = false;
  const std::uint64_t end_ns = kernel.now_ns() + 20'000'000;
  while (!counts && kernel.now_ns() < end_ns) {
    (void)ticks.now_ns();
    counts = ticks.counts_ticks();
  }
#if defined(__x86_64__)
  EXPECT_EQ(counts, source == "tsc");
#else
  EXPECT_FALSE(counts);
#endif
}

}  // namespace
}  // namespace gossamer
