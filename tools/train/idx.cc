#include "tools/train/idx.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace gossamer::tools {
namespace {

constexpr std::uint8_t unsigned_byte_type = 8;

std::uint32_t big_endian(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

struct CloseGz {
  void operator()(gzFile file) const { gzclose(file); }
};

// zlib reads plain files as they are and unpacks the others.
Result<std::vector<std::uint8_t>> read_whole(const std::string& path) {
  errno = 0;
  const std::unique_ptr<gzFile_s, CloseGz> file(gzopen(path.c_str(), "rb"));
  if (!file) return Error{Code::unavailable, text("cannot open ", path, ": ", std::strerror(errno))};
  gzbuffer(file.get(), 1 << 17);
  std::vector<std::uint8_t> out;
  std::size_t used = 0;
  while (true) {
    if (used > idx_bytes_max) {
      return Error{Code::malformed, text(path, " holds more than ", format_bytes(idx_bytes_max),
                                         ", which no file of this data set does")};
    }
    if (used == out.size()) out.resize(std::max<std::size_t>(1 << 20, out.size() * 2));
    const auto room = static_cast<unsigned>(std::min<std::size_t>(out.size() - used, 1 << 30));
    const int got = gzread(file.get(), out.data() + used, room);
    int code = Z_OK;
    if (got < 0) {
      const char* why = gzerror(file.get(), &code);
      return Error{Code::malformed, text("cannot read ", path, ": ", code == Z_ERRNO ? std::strerror(errno) : why)};
    }
    used += static_cast<std::size_t>(got);
    if (static_cast<unsigned>(got) < room) {
      // A gzip file that is cut short gives its last bytes and then Z_BUF_ERROR.
      static_cast<void>(gzerror(file.get(), &code));
      if (code != Z_OK && code != Z_STREAM_END) {
        return Error{Code::malformed,
                     text(path, " is cut short: the compressed data ends after ", used, " unpacked bytes")};
      }
      out.resize(used);
      return out;
    }
  }
}

}  // namespace

Result<IdxArray> decode_idx(const std::string& name, std::span<const std::uint8_t> bytes, std::uint32_t dimensions) {
  const auto malformed = [&](auto... parts) { return Error{Code::malformed, text(name, ": ", parts...)}; };
  const std::size_t header = 4 + std::size_t{4} * dimensions;
  if (bytes.size() < 4)
    return malformed("expected an IDX header of ", header, " bytes, found ", bytes.size(), " bytes");
  const std::uint32_t magic = big_endian(bytes.data());
  const std::uint32_t expected = std::uint32_t{unsigned_byte_type} << 8 | dimensions;
  if (magic != expected) {
    return malformed("expected IDX magic ", expected, " (unsigned bytes, ", dimensions, " dimensions), found ", magic);
  }
  if (bytes.size() < header)
    return malformed("expected an IDX header of ", header, " bytes, found ", bytes.size(), " bytes");
  IdxArray out;
  std::uint64_t count = 1;
  std::string shape;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const std::uint32_t size = big_endian(bytes.data() + 4 + std::size_t{4} * i);
    shape += (i == 0 ? "" : " x ") + std::to_string(size);
    out.sizes.push_back(size);
    count *= size;  // at most 2^28 before, 2^32 more: no overflow
    if (count > idx_bytes_max)
      return malformed("claims to hold ", shape, " values or more, over the limit of ", idx_bytes_max);
  }
  if (bytes.size() - header != count) {
    return malformed("expected ", count, " bytes (", shape, ") after the header, found ", bytes.size() - header);
  }
  out.values.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
  return out;
}

Result<IdxArray> read_idx(const std::string& folder, const std::string& name, std::uint32_t dimensions) {
  std::string path = folder + "/" + name;
  if (::access(path.c_str(), F_OK) != 0) {
    if (::access((path + ".gz").c_str(), F_OK) != 0) {
      return Error{Code::unavailable, text("there is neither ", path, " nor ", path, ".gz")};
    }
    path += ".gz";
  }
  Result<std::vector<std::uint8_t>> bytes = read_whole(path);
  if (!bytes.ok()) return std::move(bytes).error();
  return decode_idx(path, *bytes, dimensions);
}

}  // namespace gossamer::tools
