// UCX as a process-wide library: its environment, its log, its errors.
#pragma once

#include <ucs/type/status.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"

namespace gossamer::transport::ucx {

// Sets variables for as long as it lives, unless the user has set them, and serialises all that
// do so. UCX reads some settings from the environment only (`ucp_config_modify` accepts them and
// does nothing); it reads them while a context and worker are made, so they need not stay, and no
// child process inherits them. Other threads must not call setenv meanwhile.
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

// Sends UCX's messages to the log of `base` instead of to stdout, once for the process. A user who
// set UCX_LOG_LEVEL or UCX_LOG_FILE gets UCX's own output as well.
void route_log();

// Whether a list as in UCX_TLS (empty: not set) lets UCX choose the posix shared-memory transport,
// the one that puts files in /dev/shm, or any shared-memory transport.
[[nodiscard]] bool allows_posix(std::string_view transports);
[[nodiscard]] bool allows_shared_memory(std::string_view transports);

// What a status means for the one who started a send or receive. Connection errors are peer_lost.
[[nodiscard]] Code completion_code(ucs_status_t status);

// "UCX could not <what>: <UCX's words>".
[[nodiscard]] Error status_error(Code code, std::string_view what, ucs_status_t status);

}  // namespace gossamer::transport::ucx
