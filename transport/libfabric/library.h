// libfabric as a library: its version, its errors, its objects with one owner.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/base.h"
#include "transport/libfabric/functions.h"

namespace gossamer::transport::libfabric {

// The interface that this code is written to: libfabric gives newer libraries' behaviour of that version.
inline constexpr std::uint32_t interface_version = FI_VERSION(1, 17);

// A libfabric object, closed when it goes. What cannot be closed (FI_EBUSY: the provider still holds transfers
// of a dead peer, seen with tcp) is left behind and told to the log.
struct CloseObject {
  template <typename Object>
  void operator()(Object* object) const {
    close(&object->fid);
  }

 private:
  static void close(fid* object);
};
template <typename Object>
using Owned = std::unique_ptr<Object, CloseObject>;

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

[[nodiscard]] std::string library_version();

// What an error number means for the one who started a send or receive. Connection errors are peer_lost.
// Takes libfabric's numbers with either sign.
[[nodiscard]] Code completion_code(ssize_t error);

// "libfabric could not <what>: <libfabric's words>".
[[nodiscard]] Error library_error(Code code, std::string_view what, ssize_t error);

}  // namespace gossamer::transport::libfabric
