#include "base/base.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numbers>

namespace gossamer {

void fail_check(const char* condition, const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "gossamer: broken invariant %s at %s:%d: %.*s\n", condition, file, line,
               static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

std::string_view code_name(Code code) {
  switch (code) {
#define GOSSAMER_CODE_CASE(name, value, remedy) \
  case Code::name:                              \
    return #name;
    GOSSAMER_CODE_TABLE(GOSSAMER_CODE_CASE)
#undef GOSSAMER_CODE_CASE
  }
  return "unknown";
}

std::string_view code_remedy(Code code) {
  switch (code) {
#define GOSSAMER_CODE_CASE(name, value, remedy) \
  case Code::name:                              \
    return remedy;
    GOSSAMER_CODE_TABLE(GOSSAMER_CODE_CASE)
#undef GOSSAMER_CODE_CASE
  }
  return "report a defect in Gossamer";
}

std::uint64_t SteadyClock::now_ns() const {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

void VirtualClock::advance_to(std::uint64_t now_ns) {
  GOSSAMER_CHECK(now_ns >= now_ns_, "a clock never goes back");
  now_ns_ = now_ns;
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

namespace {
struct LogState {
  std::mutex mutex;
  LogSink sink;
};
LogState& log_state() {
  static LogState state;
  return state;
}
}  // namespace

void set_log_sink(LogLevel least, LogSink sink) {
  LogState& state = log_state();
  const std::lock_guard lock(state.mutex);
  log_least = sink ? static_cast<int>(least) : static_cast<int>(LogLevel::error) + 1;
  state.sink = std::move(sink);
}

void log(LogLevel level, std::string_view message) {
  if (!is_log_enabled(level)) return;
  LogState& state = log_state();
  std::string line;
  if (log_speaker != nullptr && !log_speaker->empty()) message = line = text(*log_speaker, ": ", message);
  const std::lock_guard lock(state.mutex);
  if (state.sink) state.sink(level, message);
}

}  // namespace gossamer
