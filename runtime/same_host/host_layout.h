// What lies where in the area that a rank gives to the ranks of its host, and how a payload is cut for it.
//
//   | counter | asleep | part 0 | part 1 | part 2 | ...  as many parts as caches like, topology::host_depth or more
//    128 B     128 B     | stamp | piece of slice 0 | stamp | piece of slice 1 | ...
//                         64 B
//
// Small payloads travel with the counter, in one line where they fit: whoever sees the number has the bytes.
//
//   |   -     | asleep | part 0 | part 1 | part 2 | ...
//                        | counter, stamp, payload |
//
// A stamp says of which operation the bytes behind it are. A rank writes its own area only.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "topology/host_schedule.h"

namespace gossamer::runtime {

// Up to here each rank merges everything itself, with one synchronisation: less to do than to wait for each other
// again.
[[nodiscard]] constexpr std::uint64_t host_inline_bytes_max(std::uint32_t rank_count) {
  return std::clamp<std::uint64_t>(8192 / rank_count, 512, 4096);
}

class HostLayout {
 public:
  // For payloads of at most `bytes_max`.
  [[nodiscard]] static HostLayout make(topology::Collective collective, std::uint32_t rank_count, Rank root,
                                       std::uint64_t bytes_max);

  [[nodiscard]] const topology::HostRequest& request() const { return request_; }
  [[nodiscard]] bool is_inline() const { return request_.form == topology::HostForm::whole; }
  [[nodiscard]] std::uint32_t depth() const { return depth_; }
  [[nodiscard]] std::uint64_t area_bytes() const { return first_part + depth_ * part_bytes_; }

  // How a payload of so many bytes is cut: the same on all ranks.
  struct Cut {
    std::uint32_t passes = 1;
    std::uint64_t piece_bytes = 0;
  };
  [[nodiscard]] Cut cut(std::uint64_t bytes) const;

  // What a pass works on: bytes of the payload, and where they and their stamp are in the area.
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t in_area = 0;
    std::uint64_t stamp_at = 0;
  };
  // `pass` counts within the operation, `part` is where it is in the area.
  [[nodiscard]] Piece piece(std::uint64_t payload_bytes, const Cut& cut, std::uint32_t pass, std::uint32_t part,
                            std::uint32_t slice) const {
    const std::uint64_t begin = topology::slice_begin(payload_bytes, slice, slice_count_);
    const std::uint64_t end = topology::slice_begin(payload_bytes, slice + 1, slice_count_);
    const std::uint64_t in_part = first_part + part * part_bytes_;
    if (is_inline()) return {begin, end - begin, in_part + inline_at + begin, in_part + inline_at / 2};
    const std::uint64_t from = begin + pass * cut.piece_bytes;
    const std::uint64_t bytes = from < end ? std::min(cut.piece_bytes, end - from) : 0;
    const std::uint64_t in_area = in_part + slice * (stamp_bytes + piece_bytes_max_);
    return {from, bytes, in_area + stamp_bytes, in_area};
  }

  // The counter that says the end of a pass's first tick, where payloads are inline; else the only one.
  [[nodiscard]] std::uint64_t counter_at(std::uint32_t part) const {
    return is_inline() ? first_part + part * part_bytes_ : 0;
  }
  // Whom the rank sleeps for, counted from 1; 0: it is awake.
  static constexpr std::uint64_t asleep_at = 128;

 private:
  HostLayout() = default;
  static constexpr std::uint64_t first_part = 256;
  static constexpr std::uint64_t stamp_bytes = 64;
  static constexpr std::uint64_t inline_at = 16;

  topology::HostRequest request_;
  std::uint32_t slice_count_ = 1;
  std::uint32_t depth_ = topology::host_depth;
  std::uint64_t piece_bytes_max_ = 0;
  std::uint64_t part_bytes_ = 0;
};

// Of an area, its own or another's: what other processes write is read whole, and believed to grow, no more.
using HostCounter = std::atomic<std::uint64_t>;
using HostFlag = std::atomic<std::uint32_t>;
static_assert(HostCounter::is_always_lock_free && HostFlag::is_always_lock_free, "areas are shared by processes");

}  // namespace gossamer::runtime
