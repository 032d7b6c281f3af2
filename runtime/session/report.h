// What a session has done so far, as one line of JSON; gossamer.h says what its keys mean.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/session/collective.h"
#include "runtime/session/compressor.h"

namespace gossamer::runtime {

struct ReportHead {
  std::uint32_t rank = 0;
  std::uint32_t rank_count = 1;
  std::string way;  // what moves the bytes
  std::uint64_t control_bytes_sent = 0;
};
// Without the closing bracket: lists follow.
[[nodiscard]] std::string report_head(const ReportHead& head);
// Reads the whole residual, where no operation is in flight.
[[nodiscard]] std::string report_of(Compressor& compressor, std::uint32_t rank_count);
[[nodiscard]] std::string report_of(Collective& collective);

}  // namespace gossamer::runtime
