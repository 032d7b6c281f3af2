#include "transport/environment.h"

#include <cstdlib>

namespace gossamer::transport {
namespace {

std::mutex& environment_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

ScopedEnvironment::ScopedEnvironment() : lock_(environment_mutex()) {}

ScopedEnvironment::~ScopedEnvironment() {
  for (const std::string& name : names_) ::unsetenv(name.c_str());
}

void ScopedEnvironment::set_unless_set(const std::string& name, const std::string& value) {
  if (std::getenv(name.c_str()) != nullptr) return;
  ::setenv(name.c_str(), value.c_str(), 0);
  names_.push_back(name);
}

}  // namespace gossamer::transport
