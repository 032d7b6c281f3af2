#include "tools/launch/line_relay.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gossamer::tools {

void LineRelay::emit(std::string& out, bool ends) {
  out += prefix_;
  if (is_continued_) out += continued;
  out += partial_;
  out += '\n';
  partial_.clear();
  is_continued_ = !ends;
}

std::string LineRelay::feed(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t room = line_bytes_max - partial_.size();
    const std::size_t end = bytes.find('\n');
    if (end != std::string_view::npos && end <= room) {
      partial_ += bytes.substr(0, end);
      emit(out, true);
      bytes.remove_prefix(end + 1);
    } else if (bytes.size() <= room) {
      partial_ += bytes;
      bytes = {};
    } else {
      partial_ += bytes.substr(0, room);
      emit(out, false);
      bytes.remove_prefix(room);
    }
  }
  return out;
}

std::string LineRelay::finish() {
  std::string out;
  if (!partial_.empty()) emit(out, true);
  is_continued_ = false;
  return out;
}

void OutputQueue::push(int descriptor, std::string block) {
  if (block.empty()) return;
  bytes_ += block.size();
  blocks_.push_back({descriptor, std::move(block)});
}

int OutputQueue::write_some() {
  Block& block = blocks_.front();
  const std::size_t want = std::min<std::size_t>(block.text.size() - block.written, PIPE_BUF);
  const ssize_t wrote = ::write(block.descriptor, block.text.data() + block.written, want);
  if (wrote < 0) {
    if (errno == EINTR || errno == EAGAIN) return 0;
    const int error = errno;
    const int descriptor = block.descriptor;
    std::erase_if(blocks_, [descriptor](const Block& other) { return other.descriptor == descriptor; });
    bytes_ = 0;
    for (const Block& other : blocks_) bytes_ += other.text.size() - other.written;
    return error;
  }
  block.written += static_cast<std::size_t>(wrote);
  bytes_ -= static_cast<std::size_t>(wrote);
  if (block.written == block.text.size()) blocks_.pop_front();
  return 0;
}

void OutputQueue::clear() {
  blocks_.clear();
  bytes_ = 0;
}

}  // namespace gossamer::tools
