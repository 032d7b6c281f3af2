#include "base/descriptors.h"

#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>

#include "base/text.h"

namespace gossamer {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// Descriptors below `limit` that are free: one above it, from before the limit was lowered, takes no room.
std::size_t free_below(std::size_t limit, DIR* open) {
  std::size_t used = 0;
  while (const dirent* entry = ::readdir(open)) {
    const std::string_view name = entry->d_name;
    std::size_t descriptor = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), descriptor);
    if (error == std::errc() && end == name.data() + name.size() && descriptor < limit) ++used;
  }
  return limit - std::min(limit, used) + 1;  // the folder's own is free again when it is closed
}

}  // namespace

Status check_descriptor_room(std::string_view purpose, std::size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  const std::unique_ptr<DIR, CloseFolder> open(::opendir("/proc/self/fd"));
  if (open == nullptr && errno != EMFILE && errno != ENFILE) return {};
  const std::size_t room = open == nullptr ? 0 : free_below(static_cast<std::size_t>(limit.rlim_cur), open.get());
  if (room >= needed) return {};
  return Error{Code::out_of_resources,
               text(purpose, " may need ", needed, " file descriptors, and this process may open ", room,
                    " more; raise the limit of open files (ulimit -n, now ", limit.rlim_cur, ")")};
}

void raise_descriptor_limit(std::size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  limit.rlim_cur = std::min(static_cast<rlim_t>(needed), limit.rlim_max);
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace gossamer
