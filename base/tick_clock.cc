#include "base/tick_clock.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace gossamer {

namespace {

constexpr std::uint64_t window_ns = 1'000'000;
constexpr double two_to_32 = 4294967296.0;
// Between two looks at the counter with one at the kernel's clock between them; more, and something came between.
constexpr std::uint64_t pair_ticks_max = 1'000;

std::uint64_t read_ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

// The kernel has checked that the counter runs evenly, never stops and is the same on all processors.
bool does_kernel_trust_ticks() {
#if defined(__x86_64__)
  std::string source;
  std::ifstream("/sys/devices/system/clocksource/clocksource0/current_clocksource") >> source;
  return source == "tsc";
#else
  return false;
#endif
}

}  // namespace

TickClock::TickClock() : is_trusted_(does_kernel_trust_ticks()) {}

std::uint64_t TickClock::now_ns() const {
  const std::uint64_t passed = read_ticks() - anchor_.ticks;
  if (passed >= window_ticks_) [[unlikely]]
    return ask_kernel();
  latest_ns_ = std::max(latest_ns_, anchor_.ns + (passed * ns_per_tick_32_ >> 32));
  return latest_ns_;
}

std::uint64_t TickClock::ask_kernel() const {
  const std::uint64_t before = read_ticks();
  const std::uint64_t ns = kernel_.now_ns();
  const std::uint64_t between = read_ticks() - before;
  latest_ns_ = std::max(latest_ns_, ns);
  window_ticks_ = 0;
  if (!is_trusted_ || between > pair_ticks_max) return latest_ns_;
  anchor_ = {before + between / 2, ns};
  // A machine that has moved to another host counts on from elsewhere.
  const bool is_behind = anchor_.ticks <= first_.ticks;
  if (first_.ns == 0 || is_behind) first_ = anchor_;
  if (anchor_.ns < first_.ns + window_ns) return latest_ns_;
  const double ticks_per_ns =
      static_cast<double>(anchor_.ticks - first_.ticks) / static_cast<double>(anchor_.ns - first_.ns);
  if (ticks_per_ns < 0.1 || ticks_per_ns > 10.0) {
    first_ = anchor_;
    return latest_ns_;
  }
  ns_per_tick_32_ = static_cast<std::uint64_t>(std::llround(two_to_32 / ticks_per_ns));
  window_ticks_ = static_cast<std::uint64_t>(std::llround(static_cast<double>(window_ns) * ticks_per_ns));
  return latest_ns_;
}

}  // namespace gossamer
