// What sentences say of a transport, and that part of the contract which not every transport has.
#include "transport/transport.h"

namespace gossamer::transport {

namespace {

constexpr std::string_view direct_access = "direct access to a peer's memory";

Error not_offered(const Transport& transport, std::string_view what) {
  return Error{Code::unavailable, text("the ", transport.capabilities().name, " transport has no ", what,
                                       " here; use sends and receives (see can_map)")};
}

}  // namespace

std::string describe_way(const Capabilities& capabilities) {
  std::string ways;
  for (const std::string& way : capabilities.ways) ways += (ways.empty() ? " (" : ", ") + way;
  return text(capabilities.name, ways, ways.empty() ? "" : ")", capabilities.device.empty() ? "" : " on ",
              capabilities.device);
}

Result<Region> Transport::allocate_memory(std::size_t) { return not_offered(*this, "memory of its own"); }

Result<RegionKey> Transport::export_region(const Region&) { return not_offered(*this, direct_access); }

Result<RemoteRegion> Transport::import_region(Rank, const RegionKey&) { return not_offered(*this, direct_access); }

void Transport::release_remote(const RemoteRegion&) {}

Result<const std::byte*> Transport::map_remote(const RemoteRegion&) { return not_offered(*this, direct_access); }

}  // namespace gossamer::transport
