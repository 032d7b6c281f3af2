// Logging goes to a callback that the program sets; the library itself prints nothing.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace gossamer {

enum class LogLevel : int { debug = 0, info = 1, warning = 2, error = 3 };

using LogSink = std::function<void(LogLevel, std::string_view)>;

// Replaces the sink of this process; an empty one turns logging off. Any thread; the sink itself
// may be called from any thread, one call at a time, and must not log.
void set_log_sink(LogLevel least, LogSink sink);

[[nodiscard]] bool is_log_enabled(LogLevel level);
void log(LogLevel level, std::string_view message);

}  // namespace gossamer
