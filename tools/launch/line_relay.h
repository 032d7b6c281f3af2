// Text of several peers on one terminal: whole lines only, each with its rank in front.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace gossamer::tools {

// Cuts one peer's stream into lines. A line longer than `line_bytes_max` comes out in several, each but the first with
// `continued` behind the prefix, so that a peer that never ends its line cannot fill the memory.
class LineRelay {
 public:
  static constexpr std::size_t line_bytes_max = 1 << 20;
  static constexpr std::string_view continued = "[continued] ";

  explicit LineRelay(std::string prefix) : prefix_(std::move(prefix)) {}

  // Takes more of the stream and returns the lines that are complete by now, each ending in '\n'.
  [[nodiscard]] std::string feed(std::string_view bytes);
  // The stream has ended: returns what stood after its last '\n', as a line, or nothing.
  [[nodiscard]] std::string finish();

 private:
  // `ends`: with its own end, not with the bound.
  void emit(std::string& out, bool ends);

  std::string prefix_;
  std::string partial_;        // of the line that has not ended; at most line_bytes_max
  bool is_continued_ = false;  // a part of that line has come out
};

// Bytes that wait to be written to descriptors. A block is written out whole before the next begins, so
// lines never mix, also where both descriptors are one terminal. Descriptors are borrowed.
class OutputQueue {
 public:
  void push(int descriptor, std::string block);
  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Whom the first block waits for. Only when not empty.
  [[nodiscard]] int front_descriptor() const { return blocks_.front().descriptor; }
  // Writes at most a pipe's atomic unit of the first block: with POLLOUT seen, that does not block. Returns
  // 0, or the errno of a descriptor that takes nothing more; its blocks are dropped then.
  [[nodiscard]] int write_some();
  void clear();

 private:
  struct Block {
    int descriptor;
    std::string text;
    std::size_t written = 0;
  };
  std::deque<Block> blocks_;
  std::size_t bytes_ = 0;  // not yet written, of all blocks
};

}  // namespace gossamer::tools
