// What a launcher and its agent on another host say to each other, over the pipes of a program like ssh.
//
//   launcher                              agent (`gossamer run --agent`)
//      |                <── "gossamer-agent VERSION\n"      behind whatever a shell says when it starts
//      |── job ──────────────────────────────►|              program, folder, ranks, environment, the secret
//      |◄───────────────────────────── ready ─|              rank 0's host: where the ranks meet
//      |── start ─────────────────────────────►|             once every host is ready
//      |── signal, input ─────────────────────►|
//      |◄─────────── out, err, took, end ─────|
//      |── beat, ◄── beat                                    silence means that the other host is gone
//      |── (the pipe ends) ───────────────────►|             every rank there is killed
//
// A frame is its kind, a blank, the length of its body in bytes and a line feed, then the body.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::tools {

struct Frame {
  std::string kind;
  std::string body;
};

inline constexpr std::string_view agent_greeting = "gossamer-agent ";

[[nodiscard]] std::string frame_text(std::string_view kind, std::string_view body = {});

// Cuts a stream into frames.
class FrameReader {
 public:
  static constexpr std::size_t body_bytes_max = 16 << 20;

  void feed(std::string_view bytes) { held_ += bytes; }
  // Nothing: more must come. Errors: invalid_argument, for bytes that no frame begins with; then nothing more is read.
  [[nodiscard]] Result<std::optional<Frame>> next();
  // A line without its end, for what stands before the first frame; nothing where none is complete.
  [[nodiscard]] std::optional<std::string> next_line();
  // What has been fed and not been read.
  [[nodiscard]] const std::string& held() const { return held_; }

 private:
  std::string held_;
};

}  // namespace gossamer::tools
