// Notices of puts: how many have come, and who waits for them.
//
// A notice comes as a completion of the target's queue, with 32 bits that the put carried; verbs has no more:
//
//   31        20 19         8 7        0
//   |  view 12  |  source 12  | notice 8 |
//
// So a view that can put has at most 4,096 ranks, and a put that was begun in a former view is known by its view.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/base.h"
#include "transport/requests.h"
#include "transport/transport.h"

namespace gossamer::transport::libfabric {

inline constexpr std::size_t notice_ranks_max = 1u << 12;

[[nodiscard]] constexpr std::uint32_t encode_notice(Epoch view, Rank source, Notice notice) {
  return (view.value & 0xfffu) << 20 | (source.value & 0xfffu) << 8 | (notice.value & 0xffu);
}

class Notices {
 public:
  explicit Notices(Requests& requests) : requests_(requests) {}

  void open(Epoch view, std::size_t rank_count);
  // Forgets all that has come. Waits still pending are not completed.
  void close();

  // A put's 32 bits have come. Ends a wait, or is kept for one; of another view: dropped.
  void arrive(std::uint64_t data);

  // Completed at once where the notice is here already.
  [[nodiscard]] Token start_wait(Rank peer, Notice notice, std::uint64_t context);
  void cancel(Record& wait);
  // Ends all waits for this peer as peer_lost.
  void fail(Rank peer);

 private:
  struct Slot {
    RecordList waits;  // oldest first
    std::uint64_t arrived = 0;
  };
  using Slots = std::array<Slot, notice_count>;

  [[nodiscard]] Slot& slot(std::uint32_t peer, std::uint32_t notice);

  Requests& requests_;
  Epoch view_;
  std::vector<std::unique_ptr<Slots>> peers_;  // made when first used: 6 KiB each
};

}  // namespace gossamer::transport::libfabric
