#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/text.h"
#include "base/unique_descriptor.h"

namespace gossamer {

Status write_whole_file(const std::string& path, std::span<const std::byte> bytes, Outlives outlives) {
  static std::atomic<std::uint32_t> files{0};  // two threads may write one path
  const std::string beside = text(path, ".", ::getpid(), "-", files.fetch_add(1), ".new");
  const auto failed = [&](std::string_view what) {
    const int why = errno;
    ::unlink(beside.c_str());
    return Error{Code::unavailable, text("cannot ", what, " ", path, ": ", std::strerror(why))};
  };
  UniqueDescriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file.is_open()) return failed("write");
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.value(), bytes.data(), std::min(bytes.size(), std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (outlives == Outlives::power && ::fsync(file.value()) != 0 && errno != EINVAL && errno != EROFS)
    return failed("write");
  file.close();
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("put into place");
  return {};
}

Status write_whole_file(const std::string& path, std::string_view words, Outlives outlives) {
  return write_whole_file(path, std::as_bytes(std::span(words)), outlives);
}

Result<std::vector<std::byte>> read_whole_file(const std::string& path) {
  const auto failed = [&] { return Error{Code::unavailable, text("cannot read ", path, ": ", std::strerror(errno))}; };
  const UniqueDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file.is_open() || ::fstat(file.value(), &about) != 0) return failed();
  if (!S_ISREG(about.st_mode)) return Error{Code::unavailable, text("cannot read ", path, ": it is no file")};
  std::vector<std::byte> bytes(static_cast<std::size_t>(about.st_size));
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t got = ::read(file.value(), bytes.data() + at, bytes.size() - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed();
    if (got == 0) break;
    at += static_cast<std::size_t>(got);
  }
  bytes.resize(at);
  return bytes;
}

std::string path_of_rank(std::string_view setting, Rank rank, std::uint32_t rank_count) {
  const std::size_t at = setting.find("%r");
  if (at != std::string_view::npos) return text(setting.substr(0, at), rank.value, setting.substr(at + 2));
  return rank_count > 1 ? text(setting, ".", rank.value) : std::string(setting);
}

}  // namespace gossamer
