#include "transport/libfabric/library.h"

#include <rdma/fi_errno.h>

#include <cstdlib>

namespace gossamer::transport::libfabric {

void CloseObject::close(fid* object) {
  const int result = fi_close(object);
  if (result != 0 && is_log_enabled(LogLevel::info)) {
    log(LogLevel::info, text("libfabric keeps an object of class ", object->fclass, ": ", fi_strerror(-result)));
  }
}

std::string library_version() {
  const std::uint32_t version = fi_version();
  return text(FI_MAJOR(version), ".", FI_MINOR(version));
}

Code completion_code(ssize_t error) {
  switch (std::abs(error)) {
    case 0:
      return Code::done;
    case FI_ECANCELED:
      return Code::cancelled;
    case FI_ETRUNC:
    case FI_EMSGSIZE:
      return Code::malformed;
    case FI_ENOTCONN:
    case FI_ECONNRESET:
    case FI_ECONNREFUSED:
    case FI_ECONNABORTED:
    case FI_ESHUTDOWN:
    case FI_EHOSTUNREACH:
    case FI_EHOSTDOWN:
    case FI_ENETUNREACH:
    case FI_ETIMEDOUT:
    case FI_EIO:
    case EPIPE:
      return Code::peer_lost;
    case FI_ENOMEM:
    case FI_ENOSPC:
    case FI_EMFILE:
      return Code::out_of_resources;
    default:
      return Code::unavailable;
  }
}

Error library_error(Code code, std::string_view what, ssize_t error) {
  return {code, text("libfabric could not ", what, ": ", fi_strerror(static_cast<int>(std::abs(error))))};
}

}  // namespace gossamer::transport::libfabric
