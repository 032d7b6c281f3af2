// What sentences say of a transport, and the one-sided part of the contract for transports that have none.
#include "transport/transport.h"

namespace gossamer::transport {

namespace {

Error not_offered(const Transport& transport, std::string_view what) {
  return Error{Code::unavailable, text("the ", transport.capabilities().name, " transport has no ", what,
                                       " here; use sends and receives (see can_put and can_map)")};
}

}  // namespace

std::string describe_way(const Capabilities& capabilities) {
  std::string ways;
  for (const std::string& way : capabilities.ways) ways += (ways.empty() ? " (" : ", ") + way;
  return text(capabilities.name, ways, ways.empty() ? "" : ")", capabilities.device.empty() ? "" : " on ",
              capabilities.device);
}

Result<Region> Transport::allocate_memory(std::size_t) { return not_offered(*this, "memory of its own"); }

Result<RegionKey> Transport::export_region(const Region&) { return not_offered(*this, "puts"); }

Result<RemoteRegion> Transport::import_region(Rank, const RegionKey&) { return not_offered(*this, "puts"); }

void Transport::release_remote(const RemoteRegion&) {}

Result<Token> Transport::start_put(const RemoteRegion&, std::size_t, const Slice&, Notice, std::uint64_t) {
  return not_offered(*this, "puts");
}

Result<Token> Transport::start_await_notice(Rank, Notice, std::uint64_t) { return not_offered(*this, "puts"); }

Result<const std::byte*> Transport::map_remote(const RemoteRegion&) {
  return not_offered(*this, "direct access to a peer's memory");
}

}  // namespace gossamer::transport
