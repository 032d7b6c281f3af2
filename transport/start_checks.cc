#include "transport/start_checks.h"

namespace gossamer::transport {

Error slice_error(const Slice& slice) {
  return {Code::invalid_argument,
          text("a slice of ", slice.bytes, " B at offset ", slice.offset, " does not fit in its region of ",
               slice.region.bytes, " B; register more memory or send less")};
}

Error no_view_error() { return {Code::invalid_argument, "no view is open; call open_view before the first start"}; }

Error peer_range_error(Rank peer, std::size_t rank_count) {
  return {
      Code::invalid_argument,
      text("rank ", peer.value, " is not in the view, which has ", rank_count, " ranks (0 to ", rank_count - 1, ")"),
      peer};
}

Error peer_lost_error(Rank peer) {
  return {Code::peer_lost, text("the connection to rank ", peer.value, " is closed: the peer is lost"), peer};
}

Error unregistered_error(const Region& region) {
  return {Code::invalid_argument, text("region ", region.id, " is not registered with this transport as ",
                                       memory_kind_name(region.kind), " memory")};
}

Error unknown_remote_error(const RemoteRegion& remote) {
  return {Code::invalid_argument,
          text("there is no remote region ", remote.id, " of rank ", remote.peer.value,
               ": it was released, or is of a view that is closed; import its key again"),
          remote.peer};
}

Status check_view(const View& view) {
  const std::size_t rank_count = view.addresses.size();
  if (rank_count == 0) return Error{Code::invalid_argument, "a view needs at least one rank; it has no addresses"};
  if (view.rank.value >= rank_count) return peer_range_error(view.rank, rank_count);
  for (std::size_t i = 0; i < rank_count; ++i) {
    if (view.addresses[i].empty()) {
      const Rank rank{static_cast<std::uint32_t>(i)};
      return Error{Code::invalid_argument,
                   text("the address of rank ", i, " is empty; give the bytes that its transport's address() returned"),
                   rank};
    }
  }
  return {};
}

}  // namespace gossamer::transport
