// What stands before the data of a put that goes as a message, and what of it the target believes: nothing before
// view, key and bounds are checked, since the message may come late, or from a peer that is out of the view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/base.h"
#include "transport/transport.h"
#include "transport/ucx/regions.h"

namespace gossamer::transport::ucx {

inline constexpr std::uint32_t put_mark = 0x31505347;  // "GSP1": tells messages of another version apart

struct PutHeader {
  std::uint64_t serial = 0;  // of the region, from its key
  std::uint64_t offset = 0;
  std::uint32_t epoch = 0;
  std::uint32_t source = 0;
  std::uint32_t notice = 0;
  std::uint32_t mark = put_mark;
};
static_assert(sizeof(PutHeader) == 32, "no padding travels");

// Nothing for bytes that are no header: of another length or version, or with a notice that does not exist.
[[nodiscard]] std::optional<PutHeader> read_put_header(std::span<const std::byte> bytes);

// Where `bytes` of data may be written; null for a put that is late, foreign or out of bounds.
[[nodiscard]] const Region* put_target(const PutHeader& put, std::size_t bytes, const Exports& exports, Epoch epoch,
                                       std::size_t rank_count);

}  // namespace gossamer::transport::ucx
