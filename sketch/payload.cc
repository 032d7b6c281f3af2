// Payloads: the merge of the fixed-shape one, the codec of the index list, and the hash.
#include <algorithm>
#include <cstring>

#include "sketch/kernels.h"
#include "sketch/sketch.h"
#include "xxhash.h"

namespace gossamer::sketch {

void merge(const PayloadShape& shape, std::uint64_t offset, std::byte* into, const std::byte* from,
           std::uint64_t bytes) {
  GOSSAMER_CHECK(offset % 8 == 0 && bytes % 8 == 0, "merge: a part that does not begin and end at multiples of 8");
  GOSSAMER_CHECK(offset <= shape.bytes() && bytes <= shape.bytes() - offset, "merge: a part beyond the payload");
  const std::uint64_t end = offset + bytes;
  const std::uint64_t cells_end = std::min(end, shape.cells_bytes());
  if (offset < cells_end) kernels::merge_cells(shape.type, into, from, (cells_end - offset) / cell_bytes(shape.type));
  for (std::uint64_t at = std::max(offset, shape.words_offset()); at < end; at += 8) {
    std::uint64_t ours = 0;
    std::uint64_t theirs = 0;
    std::memcpy(&ours, into + (at - offset), 8);
    std::memcpy(&theirs, from + (at - offset), 8);
    ours = std::min(ours, theirs);
    std::memcpy(into + (at - offset), &ours, 8);
  }
}

// ---- index lists -------------------------------------------------------------------------------
//
// LEB128 of the count, of the first index, then of each index minus the one before it (at least 1). Each
// number in its shortest form, so a list has exactly one encoding and equal lists have equal hashes.
namespace {

constexpr int digit_bits = 7;
constexpr std::size_t number_bytes_max = 5;  // 32 bits

class Writer {
 public:
  explicit Writer(std::span<std::byte> out) : out_(out) {}
  void put(std::uint64_t number) {
    do {
      GOSSAMER_CHECK(used_ < out_.size(), "encode_index_list: less room than index_list_bytes_max");
      const std::uint64_t rest = number >> digit_bits;
      out_[used_++] = static_cast<std::byte>((number & 0x7f) | (rest != 0 ? 0x80 : 0));
      number = rest;
    } while (number != 0);
  }
  [[nodiscard]] std::size_t used() const { return used_; }

 private:
  std::span<std::byte> out_;
  std::size_t used_ = 0;
};

Error malformed(std::size_t position, std::string_view what) {
  return Error{Code::malformed, text("index list, byte ", position, ": ", what)};
}

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  // False if there is no number in shortest form below 2^35 here.
  [[nodiscard]] bool take(std::uint64_t& number) {
    number = 0;
    for (std::size_t digit = 0; digit < number_bytes_max && position_ < bytes_.size(); ++digit) {
      const auto byte = std::to_integer<std::uint64_t>(bytes_[position_++]);
      number |= (byte & 0x7f) << (digit * digit_bits);
      if ((byte & 0x80) == 0) return byte != 0 || digit == 0;
    }
    return false;
  }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - position_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace

// A gap that needs one more byte than 7 b bits is at least 2^(7 b), and all gaps together are below the
// dimension.
std::size_t index_list_bytes_max(std::uint64_t count, std::uint64_t dimension) {
  std::uint64_t bytes = number_bytes_max + count;
  for (std::uint64_t wide = dimension >> digit_bits; wide != 0; wide >>= digit_bits) bytes += std::min(count, wide);
  return bytes;
}

std::size_t encode_index_list(std::span<const std::uint32_t> indices, std::span<std::byte> out) {
  Writer writer(out);
  writer.put(indices.size());
  std::uint32_t before = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    GOSSAMER_CHECK(i == 0 || indices[i] > before, "encode_index_list: indices that do not ascend");
    writer.put(indices[i] - before);
    before = indices[i];
  }
  return writer.used();
}

Result<std::size_t> decode_index_list(std::span<const std::byte> bytes, std::uint64_t dimension,
                                      std::span<std::uint32_t> indices) {
  Reader reader(bytes);
  std::uint64_t count = 0;
  if (!reader.take(count)) return malformed(reader.position(), "the count is cut short or not in shortest form");
  if (count > indices.size()) {
    return malformed(reader.position(), text("a list of ", count, " indices; at most ", indices.size(), " expected"));
  }
  std::uint64_t index = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t gap = 0;
    if (!reader.take(gap)) {
      return malformed(reader.position(), text("index ", i, " of ", count, " is cut short or not in shortest form"));
    }
    if (i != 0 && gap == 0) return malformed(reader.position(), text("index ", i, " repeats the one before"));
    index += gap;
    if (index >= dimension || index > UINT32_MAX) {
      return malformed(reader.position(), text("index ", index, "; the dimension is ", dimension));
    }
    indices[i] = static_cast<std::uint32_t>(index);
  }
  if (reader.left() != 0) {
    return malformed(reader.position(), text(reader.left(), " bytes follow the last of ", count, " indices"));
  }
  return static_cast<std::size_t>(count);
}

std::uint64_t hash_bytes(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace gossamer::sketch
