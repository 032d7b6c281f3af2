// Two processes and something between them that moves bytes: what `bench transport` measures.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

using Blob = std::vector<std::byte>;

// Gives the peer `mine` and returns what it gave, over the pair's socket.
using Exchange = std::function<Result<Blob>(const Blob& mine)>;

inline constexpr std::uint64_t channel_deadline_ns = 20'000'000'000;

// Both ends call the same function with the same numbers; `leads` at one of them.
class Channel {
 public:
  virtual ~Channel() = default;
  // `count` messages there and back, one under way at a time.
  virtual Status ping_pong(std::size_t bytes, std::size_t count, bool leads) = 0;
  // `count` messages from the leader, several under way; then one of 1 B back.
  virtual Status stream(std::size_t bytes, std::size_t count, bool leads) = 0;
};

// The blocks that messages are sent from and received into, equally long; they outlive the channel. Channels that are
// compared share them: the same copy between pages in other places of memory takes up to a fifth more or less.
struct ChannelMemory {
  std::span<std::byte> out;
  std::span<std::byte> in;
};

using ChannelMaker = std::function<Result<std::unique_ptr<Channel>>(const Exchange&, const ChannelMemory&)>;

// For loops that wait: over once they have waited too long. Looks at the clock every few thousand calls.
class TimeLimit {
 public:
  [[nodiscard]] bool is_over() {
    if ((++calls_ & 0xffff) != 0) [[likely]]
      return false;
    const std::uint64_t now_ns = clock_.now_ns();
    if (end_ns_ == 0) end_ns_ = now_ns + channel_deadline_ns;
    return now_ns >= end_ns_;
  }

 private:
  SteadyClock clock_;
  std::uint64_t calls_ = 0;
  std::uint64_t end_ns_ = 0;
};

[[nodiscard]] inline Error silent_peer_error() {
  return {Code::deadline, text("the other process has not answered for ", format_duration(channel_deadline_ns))};
}

// How many messages of this size may be under way in a stream.
[[nodiscard]] constexpr std::size_t stream_window(std::size_t bytes) { return bytes <= std::size_t{1} << 20 ? 16 : 4; }

}  // namespace gossamer::tools
