#include "transport/libfabric/functions.h"

#include "transport/environment.h"
#include "transport/shared_library.h"

namespace gossamer::transport::libfabric {
namespace {

Status open_and_find() {
  // KeptSignals undoes what libpsm_infinipath does to signals; this keeps it from doing it, for signals that come to
  // other threads meanwhile.
  ScopedEnvironment environment;
  environment.set_unless_set("IPATH_NO_BACKTRACE", "1");
  GOSSAMER_ASSIGN(const auto library,
                  SharedLibrary::open("libfabric.so.1",
                                      "install libfabric 1.17 or later (Debian: libfabric1), name its folder in "
                                      "LD_LIBRARY_PATH, or use the ucx transport"));
#define GOSSAMER_LIBFABRIC_FIND(name, version) GOSSAMER_TRY(library.find(functions::name, #name, version));
  GOSSAMER_LIBFABRIC_FUNCTIONS(GOSSAMER_LIBFABRIC_FIND)
#undef GOSSAMER_LIBFABRIC_FIND
  return {};
}

}  // namespace

Status load_functions() {
  static OnceLoaded library(open_and_find);
  return library.load();
}

}  // namespace gossamer::transport::libfabric
