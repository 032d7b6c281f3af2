#include "transport/ucx/put_header.h"

#include <cstring>

#include "transport/start_checks.h"

namespace gossamer::transport::ucx {

std::optional<PutHeader> read_put_header(std::span<const std::byte> bytes) {
  PutHeader put;
  if (bytes.size() != sizeof put) return std::nullopt;
  std::memcpy(&put, bytes.data(), sizeof put);
  if (put.mark != put_mark || put.notice >= notice_count) return std::nullopt;
  return put;
}

const Region* put_target(const PutHeader& put, std::size_t bytes, const Exports& exports, Epoch epoch,
                         std::size_t rank_count) {
  if (put.epoch != epoch.value || put.source >= rank_count) return nullptr;
  const Region* const region = exports.find(put.serial);
  return region != nullptr && put_fits(put.offset, bytes, region->bytes) ? region : nullptr;
}

}  // namespace gossamer::transport::ucx
