// The functions of UCX that are called, under their own names.
//
// UCX is opened when it is first needed (transport/shared_library.h). Code in gossamer::transport::ucx that calls
// ucp_ep_create finds the pointer of this name here before the function that <ucp/api/ucp.h> declares. One that is not
// in the list does not link. ucp_init, which the header defines, is not: call ucp_init_version.
#pragma once

#include <ucp/api/ucp.h>
#include <ucs/debug/log_def.h>

#include "base/base.h"

#define GOSSAMER_UCX_FUNCTIONS(X)   \
  X(ucp_am_send_nbx)                \
  X(ucp_cleanup)                    \
  X(ucp_config_modify)              \
  X(ucp_config_read)                \
  X(ucp_config_release)             \
  X(ucp_context_print_info)         \
  X(ucp_context_query)              \
  X(ucp_ep_close_nbx)               \
  X(ucp_ep_create)                  \
  X(ucp_ep_flush_nbx)               \
  X(ucp_get_version_string)         \
  X(ucp_init_version)               \
  X(ucp_mem_map)                    \
  X(ucp_mem_unmap)                  \
  X(ucp_request_cancel)             \
  X(ucp_request_check_status)       \
  X(ucp_request_free)               \
  X(ucp_tag_msg_recv_nbx)           \
  X(ucp_tag_probe_nb)               \
  X(ucp_tag_recv_nbx)               \
  X(ucp_tag_send_nbx)               \
  X(ucp_worker_arm)                 \
  X(ucp_worker_create)              \
  X(ucp_worker_destroy)             \
  X(ucp_worker_flush_nbx)           \
  X(ucp_worker_get_address)         \
  X(ucp_worker_get_efd)             \
  X(ucp_worker_progress)            \
  X(ucp_worker_release_address)     \
  X(ucp_worker_set_am_recv_handler) \
  X(ucs_log_push_handler)           \
  X(ucs_status_string)

namespace gossamer::transport::ucx {

inline namespace functions {
#define GOSSAMER_UCX_POINTER(name) inline decltype(&::name) name = nullptr;
GOSSAMER_UCX_FUNCTIONS(GOSSAMER_UCX_POINTER)
#undef GOSSAMER_UCX_POINTER
}  // namespace functions

// Opens UCX and sets the pointers, where that has not been done. `unavailable`, with what to install, where it cannot
// be. The program's signals stay as they are. Any thread.
[[nodiscard]] Status load_functions();

}  // namespace gossamer::transport::ucx
