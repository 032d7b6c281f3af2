#include "topology/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "topology/text_reader.h"

namespace gossamer::topology {

Result<std::string> read_text_file(std::string_view what, const std::string& path) {
  const auto unreadable = [&](std::string_view why) {
    return Error{Code::unavailable, text(what, " file ", path, ": ", why)};
  };
  const UniqueDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value() < 0) return unreadable(std::strerror(errno));
  struct stat status {};
  if (::fstat(file.value(), &status) != 0) return unreadable(std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return unreadable("is not a regular file");
  std::string content;
  std::array<char, 65'536> piece;
  while (content.size() <= TextReader::text_bytes_max) {
    const ssize_t got = ::read(file.value(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(std::strerror(errno));
    if (got == 0) break;
    content.append(piece.data(), static_cast<std::size_t>(got));
  }
  return content;
}

}  // namespace gossamer::topology
