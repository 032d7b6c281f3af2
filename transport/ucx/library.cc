#include "transport/ucx/library.h"

#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <mutex>

#include "transport/ucx/functions.h"

namespace gossamer::transport::ucx {
namespace {

LogLevel log_level(ucs_log_level_t level) {
  // UCX calls a refused connection an error; to us a lost peer is a normal event.
  if (level <= UCS_LOG_LEVEL_WARN) return LogLevel::warning;
  if (level <= UCS_LOG_LEVEL_INFO) return LogLevel::info;
  return LogLevel::debug;
}

bool user_wants_ucx_output() {
  static const bool wanted = std::getenv("UCX_LOG_LEVEL") != nullptr || std::getenv("UCX_LOG_FILE") != nullptr;
  return wanted;
}

// UCX warns of variables that it did not read: of ours where it has no device for TCP.
bool is_of_own_variable(std::string_view message) {
  return message.starts_with("unused env variable: UCX_TCP_CONN_NB (");
}

ucs_log_func_rc_t log_handler(const char* file, unsigned line, const char* /*function*/, ucs_log_level_t level,
                              const ucs_log_component_config_t* /*component*/, const char* format, va_list arguments) {
  if (is_log_enabled(log_level(level))) {
    std::array<char, 512> message{};
    va_list copy;
    va_copy(copy, arguments);
    std::vsnprintf(message.data(), message.size(), format, copy);
    va_end(copy);
    if (is_of_own_variable(message.data())) return UCS_LOG_FUNC_RC_STOP;
    log(log_level(level), text("UCX: ", message.data(), " (", file, ":", line, ")"));
  }
  const bool fatal = level == UCS_LOG_LEVEL_FATAL;
  return fatal || user_wants_ucx_output() ? UCS_LOG_FUNC_RC_CONTINUE : UCS_LOG_FUNC_RC_STOP;
}

// Whether one of `names` is allowed by a comma-separated list; "^a,b" allows all but a and b.
bool list_allows(std::string_view list, std::initializer_list<std::string_view> names) {
  if (list.empty()) return true;
  const bool negated = list.front() == '^';
  if (negated) list.remove_prefix(1);
  bool named = false;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    for (const std::string_view name : names) named = named || item == name;
  }
  return named != negated;
}

}  // namespace

void route_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    static_cast<void>(user_wants_ucx_output());
    ucs_log_push_handler(log_handler);
  });
}

bool allows_posix(std::string_view transports) { return list_allows(transports, {"posix", "mm", "sm", "shm", "all"}); }

bool allows_tcp(std::string_view transports) { return list_allows(transports, {"tcp", "all"}); }

bool allows_rdma(std::string_view transports) {
  return list_allows(transports, {"ib", "rc", "rc_v", "rc_x", "rc_verbs", "rc_mlx5", "ud", "ud_v", "ud_x", "ud_verbs",
                                  "ud_mlx5", "dc", "dc_x", "dc_mlx5", "all"});
}

bool allows_shared_memory(std::string_view transports) {
  return list_allows(transports, {"posix", "sysv", "xpmem", "mm", "sm", "shm", "all"});
}

Code completion_code(ucs_status_t status) {
  switch (status) {
    case UCS_OK:
      return Code::done;
    case UCS_ERR_CANCELED:
      return Code::cancelled;
    case UCS_ERR_MESSAGE_TRUNCATED:
      return Code::malformed;
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_ENDPOINT_TIMEOUT:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_REJECTED:
    case UCS_ERR_SHMEM_SEGMENT:  // attaching to the memory of a process that is gone
    case UCS_ERR_IO_ERROR:
      return Code::peer_lost;
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
      return Code::out_of_resources;
    default:
      return Code::unavailable;
  }
}

Error status_error(Code code, std::string_view what, ucs_status_t status) {
  return {code, text("UCX could not ", what, ": ", ucs_status_string(status))};
}

}  // namespace gossamer::transport::ucx
