// Notices of puts: which have come, and who waits for which.
//
// A notice comes on one of two ways. Puts of peers on this host, into memory that they have mapped, count in
// the board; all others come as messages and are counted by `tell`. A slot, one for each pair of rank and
// notice number, adds both up:
//
//   came = counter on the board + told        waits to end = came - ended
//
//   board (shared memory, new in each view)   asleep | counters of rank 0 | counters of rank 1 | ...
//
// Only rank r writes the counters of rank r, so it stores and needs no atomic addition. They count modulo 2^32.
//
// Sleeping: a store to memory wakes nobody. So whoever sleeps says so on the board first, and a peer that
// stores a counter looks at that afterwards and, where it is set, sends a message, which does wake. Either
// the sleeper sees the counter or the peer sees the sleeper, as all four accesses are sequentially consistent.
//
// Polling costs one load for each slot that somebody waits on, nothing for all others.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/base.h"
#include "transport/requests.h"
#include "transport/transport.h"
#include "transport/ucx/shared_block.h"

namespace gossamer::transport::ucx {

// Where a peer counts, as both sides see the board.
struct Board {
  std::uint32_t* words = nullptr;

  static constexpr std::size_t header_words = 16;  // a cache line: it is read by all, the counters by few
  [[nodiscard]] static std::size_t bytes(std::size_t rank_count) {
    return (header_words + rank_count * notice_count) * sizeof(std::uint32_t);
  }
  [[nodiscard]] std::atomic_ref<std::uint32_t> asleep() const { return std::atomic_ref(words[0]); }
  [[nodiscard]] std::atomic_ref<std::uint32_t> counter(std::size_t rank, std::size_t notice) const {
    return std::atomic_ref(words[header_words + rank * notice_count + notice]);
  }
};

class Notices {
 public:
  explicit Notices(Requests& requests) : requests_(requests) {}

  void open(std::size_t rank_count) { peers_.resize(rank_count); }
  // Ends every wait, as cancelled. What peers still count is counted nowhere.
  void close();

  // The name of the board, made at the first call in a view. 1 KiB for each rank.
  Result<std::uint64_t> board(const std::string& folder);

  Result<Token> start_wait(Rank peer, Notice notice, std::uint64_t context);
  void cancel(Record& wait);
  // Ends the waits that can end, the others of that peer as peer_lost.
  void fail(Rank peer);

  void tell(Rank peer, Notice notice);
  // Ends the waits whose notices have come.
  void deliver() {
    if (!waiting_.empty()) deliver_waiting();
  }

  // False when a notice that is waited for has come. After true, a peer that counts sends a message.
  [[nodiscard]] bool fall_asleep();
  void wake() {
    if (asleep_) set_asleep(false);
  }

 private:
  struct Slot {
    RecordList waits;  // oldest first
    std::uint32_t rank = 0;
    std::uint32_t notice = 0;
    std::uint32_t told = 0;
    std::uint32_t ended = 0;
  };
  using Slots = std::array<Slot, notice_count>;

  [[nodiscard]] Slot& slot(Rank peer, Notice notice);
  [[nodiscard]] std::uint32_t due(const Slot& slot) const;
  void deliver(Slot& slot);
  void deliver_waiting();
  void end_all(Slot& slot, Code code);
  void set_asleep(bool asleep);

  Requests& requests_;
  std::unique_ptr<SharedBlock> block_;
  Board board_;
  std::vector<std::unique_ptr<Slots>> peers_;  // made when first used
  std::vector<Slot*> waiting_;                 // those with waits
  bool asleep_ = false;
};

}  // namespace gossamer::transport::ucx
