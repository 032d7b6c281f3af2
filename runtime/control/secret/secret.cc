#include "runtime/control/secret/secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

constexpr std::string_view file_prefix = "file:";
constexpr std::string_view descriptor_prefix = "fd:";

std::optional<int> descriptor_of(std::string_view source) {
  if (!source.starts_with(descriptor_prefix)) return std::nullopt;
  const std::string_view digits = source.substr(descriptor_prefix.size());
  int number = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 0) return std::nullopt;
  return number;
}

std::optional<std::string> path_of(std::string_view source) {
  if (!source.starts_with(file_prefix) || source.size() == file_prefix.size()) return std::nullopt;
  return std::string(source.substr(file_prefix.size()));
}

// Up to one byte more than a secret may have, so that a longer one is seen. Reads a file from its beginning
// whatever others, who share the descriptor, have read of it; a pipe from where it is.
Result<std::string> read_bytes(int descriptor, const std::string& name) {
  std::string bytes(Secret::bytes_max + 1, '\0');
  std::size_t have = 0;
  bool seekable = true;
  while (have < bytes.size()) {
    const ssize_t got = seekable
                            ? ::pread(descriptor, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have))
                            : ::read(descriptor, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ESPIPE && seekable) {
      seekable = false;
      continue;
    }
    if (got < 0) {
      const int reason = errno;
      wipe(bytes);
      return Error{Code::unavailable, text("cannot read the session secret from ", name, ": ", std::strerror(reason),
                                           reason == EBADF ? "; does a program between the launcher and this one close "
                                                             "the descriptors that it inherits?"
                                                           : "")};
    }
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Result<Secret> secret_from(int descriptor, const std::string& name) {
  auto bytes = read_bytes(descriptor, name);
  GOSSAMER_TRY(bytes);
  const std::size_t last = bytes->find_last_not_of(" \t\r\n");
  const std::size_t length = last == std::string::npos ? 0 : last + 1;
  const bool fits = length >= Secret::bytes_min && length <= Secret::bytes_max;
  const Secret secret = fits ? Secret::of(std::string_view(*bytes).substr(0, length)) : Secret();
  wipe(*bytes);
  if (!fits) {
    return Error{Code::invalid_argument, text("the session secret in ", name,
                                              length < Secret::bytes_min ? text(" has ", length, " B") : " is too long",
                                              ", expected ", Secret::bytes_min, " to ", Secret::bytes_max,
                                              " B; make one with `head -c 32 /dev/urandom | base64`")};
  }
  return secret;
}

}  // namespace

Status check_secret_source(std::string_view source) {
  if (source.empty() || source == "none" || path_of(source) || descriptor_of(source)) return {};
  return Error{Code::invalid_argument,
               "secret (GOSSAMER_SECRET) says where the session secret is, never what it is; its value is not repeated "
               "here; expected file:PATH, fd:NUMBER or none"};
}

Secret Secret::of(std::string_view bytes) {
  Secret secret;
  secret.key_ = key_from(bytes);
  return secret;
}

Result<Secret> Secret::read(std::string_view source) {
  GOSSAMER_TRY(check_secret_source(source));
  Secret none;
  none.declined_ = source == "none";
  if (source.empty() || none.declined_) return none;
  if (const auto descriptor = descriptor_of(source)) {
    auto secret = secret_from(*descriptor, text("descriptor ", *descriptor));
    if (secret.ok()) ::fcntl(*descriptor, F_SETFD, FD_CLOEXEC);
    return secret;
  }
  const std::string path = *path_of(source);
  const UniqueDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat state = {};
  if (file.value() < 0 || ::fstat(file.value(), &state) != 0) {
    return Error{Code::unavailable,
                 text("cannot open the file of the session secret, ", path, ": ", std::strerror(errno))};
  }
  if (S_ISREG(state.st_mode) && (state.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return Error{Code::invalid_argument,
                 text("the file of the session secret, ", path,
                      ", can be read or written by every user of this host; take that away: chmod 600 ", path)};
  }
  return secret_from(file.value(), path);
}

}  // namespace gossamer::runtime
