#include "tools/launch/frames.h"

#include <charconv>

namespace gossamer::tools {
namespace {

// "signal 2"
constexpr std::size_t head_bytes_max = 64;

}  // namespace

std::string frame_text(std::string_view kind, std::string_view body) {
  std::string out = text(kind, " ", body.size(), "\n");
  out += body;
  return out;
}

Result<std::optional<Frame>> FrameReader::next() {
  const auto wrong = [this] {
    std::string begin = held_.substr(0, 40);
    for (char& each : begin) each = each >= ' ' && each <= '~' ? each : '?';
    return Error{Code::invalid_argument, text("no frame begins with \"", begin, "\"")};
  };
  const std::size_t end = held_.find('\n');
  if (end == std::string::npos) {
    if (held_.size() > head_bytes_max) return wrong();
    return std::optional<Frame>();
  }
  const std::size_t blank = held_.find(' ');
  if (blank == 0 || blank > end || end > head_bytes_max) return wrong();
  std::size_t length = 0;
  const auto [at, error] = std::from_chars(held_.data() + blank + 1, held_.data() + end, length);
  if (error != std::errc{} || at != held_.data() + end || length > body_bytes_max) return wrong();
  if (held_.size() - end - 1 < length) return std::optional<Frame>();
  Frame frame{held_.substr(0, blank), held_.substr(end + 1, length)};
  held_.erase(0, end + 1 + length);
  return std::optional(std::move(frame));
}

std::optional<std::string> FrameReader::next_line() {
  const std::size_t end = held_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = held_.substr(0, end);
  held_.erase(0, end + 1);
  return line;
}

}  // namespace gossamer::tools
