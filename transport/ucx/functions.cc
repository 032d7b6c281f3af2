#include "transport/ucx/functions.h"

#include <mutex>

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
  const auto library = SharedLibrary::open("libucp.so.0",
                                           "install UCX 1.13 or later (Debian: libucx0), name its folder in "
                                           "LD_LIBRARY_PATH, or use the libfabric transport");
  GOSSAMER_TRY(library);
#define GOSSAMER_UCX_FIND(name) GOSSAMER_TRY(library->find(functions::name, #name));
  GOSSAMER_UCX_FUNCTIONS(GOSSAMER_UCX_FIND)
#undef GOSSAMER_UCX_FIND
  return {};
}

}  // namespace

Status load_functions() {
  static std::mutex mutex;
  static bool loaded = false;
  const std::lock_guard lock(mutex);
  if (loaded) return {};
  const KeptSignals kept;
  GOSSAMER_TRY(open_and_find());
  loaded = true;
  return {};
}

}  // namespace gossamer::transport::ucx
