// Files of the IDX format (LeCun): a big-endian header and unsigned bytes, plain or gzip.
//
//   0  0  type  n | size of dimension 1 | ... | size of dimension n | values, last dimension fastest
//   one byte each | 4 bytes each                                    | one byte each (type 8)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {

struct IdxArray {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint8_t> values;  // product of sizes
};

// No file of ours is larger once unpacked; a gzip bomb stops here.
inline constexpr std::size_t idx_bytes_max = std::size_t{256} << 20;

// Reads untrusted bytes. `name` is for messages, `dimensions` the number of dimensions that is expected.
// Errors: malformed, with what was expected and what was found.
[[nodiscard]] Result<IdxArray> decode_idx(const std::string& name, std::span<const std::uint8_t> bytes,
                                          std::uint32_t dimensions);

// Reads FOLDER/NAME, or FOLDER/NAME.gz where the first is not there. Errors: unavailable, malformed.
[[nodiscard]] Result<IdxArray> read_idx(const std::string& folder, const std::string& name, std::uint32_t dimensions);

}  // namespace gossamer::tools
