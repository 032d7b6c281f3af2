// A library that is opened when it is first needed, not with the program.
//
// Debian's libfabric brings a library that takes SIGINT, SIGTERM, SIGABRT and SIGSEGV from the program, calls exit in
// the handler and sleeps .2 s, all as it is loaded; UCX takes SIGHUP and the signals of crashes. A program that is only
// linked to Gossamer, or uses one of the two, owes nothing to the other.
#pragma once

#include <mutex>
#include <string>

#include "base/base.h"

namespace gossamer::transport {

class SharedLibrary {
 public:
  // Opens it for the life of the process, its names visible to nobody else. The dynamic linker looks where it would
  // have looked for a library linked to: LD_LIBRARY_PATH, the place that the build found it in, the system's.
  // `unavailable` where it is not there: the message has the linker's words and the `remedy`.
  [[nodiscard]] static Result<SharedLibrary> open(const char* file, const char* remedy);

  // Sets `function` to the function of this name; of this version where the library gives its functions versions.
  template <typename Function>
  Status find(Function*& function, const char* name, const char* version = nullptr) const {
    GOSSAMER_ASSIGN(auto found, find(name, version));
    function = reinterpret_cast<Function*>(found);
    return {};
  }

 private:
  SharedLibrary(void* handle, const char* file, const char* remedy) : handle_(handle), file_(file), remedy_(remedy) {}
  [[nodiscard]] Result<void*> find(const char* name, const char* version) const;

  void* handle_;  // never closed: its threads, its handlers of forks and exits, and its log's way to us stay
  const char* file_;
  const char* remedy_;
};

// Loads a library's functions once in a process, from any thread, and what the library does to signals meanwhile is
// undone. A load that failed is tried again by the next call.
class OnceLoaded {
 public:
  explicit OnceLoaded(Status (*loader)()) : loader_(loader) {}
  [[nodiscard]] Status load();

 private:
  Status (*const loader_)();
  std::mutex mutex_;
  bool loaded_ = false;
};

}  // namespace gossamer::transport
