// In place of all else in this folder, in a build without libfabric.
#include "transport/transport.h"

namespace gossamer::transport {

Result<std::unique_ptr<Transport>> make_libfabric_transport(const LibfabricOptions&) {
  return Error{Code::unavailable,
               "this Gossamer was built without libfabric; use the ucx transport, or build it with "
               "-DGOSSAMER_LIBFABRIC=ON (package libfabric-dev)"};
}

std::vector<std::string> libfabric_providers() { return {}; }

}  // namespace gossamer::transport
