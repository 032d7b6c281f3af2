// Settings that the libraries underneath read from the environment and nowhere else.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace gossamer::transport {

// Sets variables for as long as it lives, unless the user has set them, and serialises all that
// do so. Some settings of UCX and libfabric are read from the environment only, while things are set up, so they
// need not stay, and no child process inherits them. Other threads must not call setenv meanwhile.
class ScopedEnvironment {
 public:
  ScopedEnvironment();
  ~ScopedEnvironment();
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

  void set_unless_set(const std::string& name, const std::string& value);

 private:
  std::unique_lock<std::mutex> lock_;
  std::vector<std::string> names_;
};

}  // namespace gossamer::transport
