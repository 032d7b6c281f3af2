#include "tools/bench/bare_libfabric.h"

namespace gossamer::tools {

bool built_with_libfabric() { return false; }

Result<std::unique_ptr<Link>> make_bare_libfabric_link(const std::string& /*provider*/, const Exchange& /*exchange*/,
                                                       const LinkMemory& /*memory*/) {
  return Error{Code::unavailable, "this build has no libfabric"};
}

}  // namespace gossamer::tools
