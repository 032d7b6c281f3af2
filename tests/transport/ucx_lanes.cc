#include "ucx_lanes.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport::ucx {

struct UcxConnections {
  [[nodiscard]] static ucp_ep_h at(UcxTransport& transport, Rank peer) {
    Endpoints& endpoints = transport.endpoints_;
    return peer.value < endpoints.size() ? endpoints.at(peer.value).endpoint : nullptr;
  }
};

std::string lanes_of(Transport& transport, Rank peer) {
  ucp_ep_h const endpoint = UcxConnections::at(dynamic_cast<UcxTransport&>(transport), peer);
  void* const library = ::dlopen("libucp.so.0", RTLD_LAZY | RTLD_NOLOAD);
  void* const function = library == nullptr ? nullptr : ::dlsym(library, "ucp_ep_print_info");
  if (endpoint == nullptr || function == nullptr) return {};
  char* buffer = nullptr;
  std::size_t bytes = 0;
  FILE* const stream = ::open_memstream(&buffer, &bytes);
  if (stream == nullptr) return {};
  reinterpret_cast<decltype(&::ucp_ep_print_info)>(function)(endpoint, stream);
  std::fclose(stream);
  std::string description(buffer, bytes);
  std::free(buffer);
  ::dlclose(library);
  return description;
}

}  // namespace gossamer::transport::ucx
