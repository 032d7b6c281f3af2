#include "tools/bench/bare_libfabric.h"

namespace gossamer::tools {

bool has_libfabric() { return false; }

Result<std::unique_ptr<Channel>> make_bare_libfabric_channel(const std::string& /*provider*/,
                                                             const Exchange& /*exchange*/,
                                                             const ChannelMemory& /*memory*/) {
  return Error{Code::unavailable, "this build has no libfabric"};
}

}  // namespace gossamer::tools
