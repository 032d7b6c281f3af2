// UCX as a process-wide library: its log, its errors, its lists of transports.
#pragma once

#include <ucs/type/status.h>

#include <string>
#include <string_view>

#include "base/base.h"

namespace gossamer::transport::ucx {

// Sends UCX's messages to the log of `base` instead of to stdout, once for the process. A user who
// set UCX_LOG_LEVEL or UCX_LOG_FILE gets UCX's own output as well.
void route_log();

// Whether a list as in UCX_TLS (empty: not set) lets UCX choose the posix shared-memory transport,
// the one that puts files in /dev/shm, any shared-memory transport, TCP, or any of InfiniBand and RoCE.
[[nodiscard]] bool allows_posix(std::string_view transports);
[[nodiscard]] bool allows_shared_memory(std::string_view transports);
[[nodiscard]] bool allows_tcp(std::string_view transports);
[[nodiscard]] bool allows_rdma(std::string_view transports);

// What a status means for the one who started a send or receive. Connection errors are peer_lost.
[[nodiscard]] Code completion_code(ucs_status_t status);

// "UCX could not <what>: <UCX's words>".
[[nodiscard]] Error status_error(Code code, std::string_view what, ucs_status_t status);

}  // namespace gossamer::transport::ucx
