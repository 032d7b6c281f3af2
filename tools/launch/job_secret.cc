#include "tools/launch/job_secret.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace gossamer::tools {

namespace {

Error no_secret(const char* what) {
  return Error{Code::out_of_resources, text("cannot ", what, " for the session secret: ", std::strerror(errno))};
}

}  // namespace

Result<std::string> make_job_secret() {
  const char* given = std::getenv("GOSSAMER_SECRET");
  // A descriptor's number means something in the process that it was given to, and nothing in its children.
  const bool inherited = given != nullptr && std::string_view(given).starts_with("fd:");
  if (given != nullptr && *given != '\0' && !inherited) return std::string();
  std::array<unsigned char, 32> random;
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    return no_secret("get random numbers");
  std::string digits;
  digits.reserve(2 * random.size());  // a copy that is left behind would not be wiped
  for (const unsigned char byte : random) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  explicit_bzero(random.data(), random.size());
  return digits;
}

Result<UniqueDescriptor> hold_secret(const std::string& digits) {
  if (digits.empty()) return UniqueDescriptor();
  const UniqueDescriptor low(memfd_create("gossamer-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  UniqueDescriptor out(low.is_open() ? fcntl(low.value(), F_DUPFD_CLOEXEC, 10) : -1);
  if (!out.is_open()) return no_secret("open memory");
  const bool kept = fchmod(out.value(), S_IRUSR) == 0 &&
                    ::write(out.value(), digits.data(), digits.size()) == static_cast<ssize_t>(digits.size()) &&
                    fcntl(out.value(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
  if (!kept) return no_secret("keep memory");
  return out;
}

}  // namespace gossamer::tools
