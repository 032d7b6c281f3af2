// Logging goes to a callback that the program sets; the library itself prints nothing.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace gossamer {

enum class LogLevel : int { debug = 0, info = 1, warning = 2, error = 3 };

using LogSink = std::function<void(LogLevel, std::string_view)>;

// Replaces the sink of this process; an empty one turns logging off. Any thread; the sink itself
// may be called from any thread, one call at a time, and must not log.
void set_log_sink(LogLevel least, LogSink sink);

inline constinit std::atomic<int> log_least{static_cast<int>(LogLevel::error) +
                                            1};  // set_log_sink's, while there is one
[[nodiscard]] inline bool is_log_enabled(LogLevel level) {
  return static_cast<int>(level) >= log_least.load(std::memory_order_relaxed);
}
// With who speaks before it, where this thread does for somebody: "rank 3 of 8 on node7: ...".
void log(LogLevel level, std::string_view message);

// For whom this thread speaks at present; null: for nobody in particular. Reading it is a call.
inline constinit thread_local const std::string* log_speaker = nullptr;

// While this lives, the thread speaks for `who`, which outlives it. What make_thread makes meanwhile does too, for
// good. Null: nothing changes, and nothing is read.
class LogScope {
 public:
  explicit LogScope(const std::string* who) : is_set_(who != nullptr) {
    if (is_set_) outer_ = std::exchange(log_speaker, who);
  }
  ~LogScope() {
    if (is_set_) log_speaker = outer_;
  }
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

 private:
  const bool is_set_;
  const std::string* outer_ = nullptr;
};

}  // namespace gossamer
