#include "transport/shared_library.h"

#include <dlfcn.h>

namespace gossamer::transport {

Result<SharedLibrary> SharedLibrary::open(const char* file, const char* remedy) {
  // Now, since a function that is missing later ends the process. Local, since libraries of this kind have names that
  // a program may have as well.
  void* const handle = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return SharedLibrary(handle, file, remedy);
  const char* const why = ::dlerror();
  return Error{Code::unavailable,
               text("cannot load ", file, " (", why != nullptr ? why : "no reason given", "); ", remedy)};
}

Result<void*> SharedLibrary::find(const char* name, const char* version) const {
  void* const found = version == nullptr ? ::dlsym(handle_, name) : ::dlvsym(handle_, name, version);
  if (found != nullptr) return found;
  return Error{Code::unavailable, text(file_, " has no function ", name, version == nullptr ? "" : " of version ",
                                       version == nullptr ? "" : version, "; ", remedy_)};
}

Status OnceLoaded::load() {
  const std::lock_guard lock(mutex_);
  if (loaded_) return {};
  const KeptSignals kept;
  GOSSAMER_TRY(loader_());
  loaded_ = true;
  return {};
}

}  // namespace gossamer::transport
