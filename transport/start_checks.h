// Checks that every transport makes of a start.
#pragma once

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::transport {

// invalid_argument with the numbers when the slice reaches outside its region.
[[nodiscard]] Error slice_error(const Slice& slice);

[[nodiscard]] inline bool slice_fits(const Slice& slice) {
  return slice.bytes <= slice.region.bytes && slice.offset <= slice.region.bytes - slice.bytes;
}

// Errors that a start gives at once, in the same words for every transport.
[[nodiscard]] Error no_view_error();
[[nodiscard]] Error peer_range_error(Rank peer, std::size_t rank_count);
[[nodiscard]] Error peer_lost_error(Rank peer);

[[nodiscard]] Error unregistered_error(const Region& region);
[[nodiscard]] Error unknown_remote_error(const RemoteRegion& remote);

// Checks what a view must be for any transport: a rank inside it, no empty address.
[[nodiscard]] Status check_view(const View& view);

}  // namespace gossamer::transport
