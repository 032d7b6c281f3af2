// One line on stderr that says how far the work is.
#pragma once

#include <cstdint>
#include <string>

#include "base/base.h"

namespace gossamer::tools {

// On a terminal a bar that is redrawn at most ten times a second; elsewhere nothing until `finish_line`. One thread.
class ProgressLine {
 public:
  // `shown` false: prints nothing at all (every rank but the first).
  explicit ProgressLine(bool shown);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update(const std::string& label, std::uint64_t done, std::uint64_t total, const std::string& note);
  // Ends the line with `text`, on a terminal in place of the bar.
  void finish_line(const std::string& text);

 private:
  bool shown_;
  bool terminal_;
  bool drawn_ = false;  // a bar stands on the line
  std::uint64_t last_ns_ = 0;
  SteadyClock clock_;
};

}  // namespace gossamer::tools
