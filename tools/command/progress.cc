#include "tools/command/progress.h"

#include <unistd.h>

#include <cstdio>

namespace gossamer::tools {
namespace {
constexpr std::uint64_t redraw_ns = 100'000'000;
constexpr std::uint64_t bar_width = 24;
}  // namespace

ProgressLine::ProgressLine(bool shown) : shown_(shown), terminal_(shown && isatty(2) != 0) {}

ProgressLine::~ProgressLine() {
  if (drawn_) std::fputs("\n", stderr);
}

void ProgressLine::update(const std::string& label, std::uint64_t done, std::uint64_t total, const std::string& note) {
  if (!terminal_) return;
  const std::uint64_t now = clock_.now_ns();
  if (drawn_ && now - last_ns_ < redraw_ns) return;
  last_ns_ = now;
  drawn_ = true;
  const std::uint64_t filled = total == 0 ? 0 : bar_width * done / total;
  std::string bar(filled, '#');
  bar.resize(bar_width, '.');
  // One write, so that no other process's text comes in between; the bar is cut by the terminal, not wrapped.
  const std::string line = text("\r\x1b[2K", label, " [", bar, "] ", done, "/", total, "  ", note);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void ProgressLine::finish_line(const std::string& content) {
  if (!shown_) return;
  const std::string line = (drawn_ ? "\r\x1b[2K" : "") + content + "\n";
  drawn_ = false;
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace gossamer::tools
