#include "transport/ucx/functions.h"

#include "transport/environment.h"
#include "transport/shared_library.h"

namespace gossamer::transport::ucx {
namespace {

Status open_and_find() {
  // KeptSignals undoes what it does to signals; these keep it from doing it, for signals that come to other threads
  // meanwhile. Without effect on what it prints when it aborts.
  ScopedEnvironment environment;
  environment.set_unless_set("UCX_ERROR_SIGNALS", "");
  environment.set_unless_set("UCX_DEBUG_SIGNO", "0");
  GOSSAMER_ASSIGN(const auto library,
                  SharedLibrary::open("libucp.so.0",
                                      "install UCX 1.13 or later (Debian: libucx0), name its folder in "
                                      "LD_LIBRARY_PATH, or use the libfabric transport"));
#define GOSSAMER_UCX_FIND(name) GOSSAMER_TRY(library.find(functions::name, #name));
  GOSSAMER_UCX_FUNCTIONS(GOSSAMER_UCX_FIND)
#undef GOSSAMER_UCX_FIND
  return {};
}

}  // namespace

Status load_functions() {
  static OnceLoaded library(open_and_find);
  return library.load();
}

}  // namespace gossamer::transport::ucx
