// The log of the C interface, as lines.
#pragma once

#include <gossamer.h>

#include <string>
#include <utility>
#include <vector>

namespace gossamer::testing {

// Takes lines from this level on, until end() or its own end.
class LogLines {
 public:
  explicit LogLines(gossamer_log_level least) {
    gossamer_set_log(
        least,
        [](gossamer_log_level, const char* line, void* context) {
          static_cast<LogLines*>(context)->lines_.emplace_back(line);
        },
        this);
  }
  ~LogLines() { end(); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  std::vector<std::string> end() {
    gossamer_set_log(GOSSAMER_LOG_INFO, nullptr, nullptr);
    return std::exchange(lines_, {});
  }

 private:
  std::vector<std::string> lines_;
};

}  // namespace gossamer::testing
