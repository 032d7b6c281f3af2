#include "make_transport.h"

#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport {

Result<std::unique_ptr<Transport>> make_transport(const TransportChoice& choice, const std::string& job) {
  if (choice.transport == "libfabric") return make_libfabric_transport({.job = job, .provider = choice.ways});
  GOSSAMER_CHECK(choice.transport == "ucx", choice.transport);
  auto made = ucx::make_ucx_transport_with({job, choice.ways});
  if (!made.ok()) return std::move(made).error();
  return std::unique_ptr<Transport>(std::move(*made));
}

}  // namespace gossamer::transport
