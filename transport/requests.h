// The starts of one transport: from start to completion to the poll that gives it out.
//
//             acquire             finish (the library's end)     pop_finished
//    free ───────────► pending ───────────────────────► finished ───────────► free
//     ▲                   │ abandon (the start failed at once)                  │
//     └───────────────────┴─────────────────────────────────────────────────────┘
//
// A pending start that the library will not end (see fail_peer) is orphaned: a second record
// carries its completion, while the first stays out of use until the library's end of it, if that ever comes.
//
// Records live in blocks that never move (the library keeps pointers to them) and are used again; memory
// grows only when more starts are under way than ever before. Each record is in exactly one list:
// free, pending with its peer, or finished. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport {

enum class StartKind : std::uint8_t { send, receive };

struct Record {
  enum class State : std::uint8_t { free, pending, finished, orphaned };

  Record* previous = nullptr;
  Record* next = nullptr;
  void* owner = nullptr;    // whoever handles the library's callback
  void* request = nullptr;  // the library's; null until the start returned it
  std::uint64_t context = 0;
  std::size_t bytes = 0;
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // so that a token of a former use finds nothing
  std::uint32_t peer = 0;
  Code code = Code::done;
  StartKind kind = StartKind::send;
  State state = State::free;
  bool peer_failed = false;  // fail_peer came while it was pending
};

// A doubly linked list through the records themselves.
class RecordList {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] Record* first() const { return first_; }
  void append(Record& record);
  void prepend(Record& record);
  void remove(Record& record);

 private:
  Record* first_ = nullptr;
  Record* last_ = nullptr;
};

class Requests {
 public:
  // A record in state pending, appended to `pending`.
  [[nodiscard]] Record& acquire(StartKind kind, Rank peer, std::uint64_t context, RecordList& pending);
  // The start failed at once: as if it had never been.
  void abandon(Record& record, RecordList& pending);
  void finish(Record& record, RecordList& pending, Code code, std::size_t bytes);

  // Gives a pending start the completion that the library withholds.
  void orphan(Record& record, RecordList& pending, Code code);
  // The library has ended an orphan: its record may be used again.
  void end_orphan(Record& record);

  // Takes the oldest finished record as a completion.
  [[nodiscard]] bool pop_finished(Completion& completion);
  void drop_finished();
  // The library has forgotten all starts: each record is free again, without a completion. Forget the lists of
  // pending ones as well.
  void drop_all();

  [[nodiscard]] bool has_finished() const { return !finished_.empty(); }
  [[nodiscard]] std::size_t pending_count() const { return pending_count_; }
  [[nodiscard]] std::size_t orphan_count() const { return orphan_count_; }
  [[nodiscard]] static Token token(const Record& record);
  // The pending record of a token, or null when it is no longer pending.
  [[nodiscard]] Record* find(Token token);

 private:
  static constexpr std::size_t block_records = 128;
  using Block = std::array<Record, block_records>;

  void grow();
  void release(Record& record);

  std::vector<std::unique_ptr<Block>> blocks_;
  RecordList free_;
  RecordList finished_;
  std::size_t pending_count_ = 0;
  std::size_t orphan_count_ = 0;
};

}  // namespace gossamer::transport
