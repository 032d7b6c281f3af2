#include "runtime/session/tensor_difference.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "runtime/control/fields.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

constexpr std::uint64_t blocks_max = 1024;
constexpr std::size_t name_bytes_max = std::size_t{64} << 10;

// | count, 8 B | exact, 1 B | name |; empty: there is no such tensor.
Blob describe_tensor(const Layout& layout, std::uint64_t index) {
  if (index >= layout.tensor_count()) return {};
  const Tensor& tensor = layout.tensor(index);
  const std::size_t name_bytes = std::min(tensor.name.size(), name_bytes_max);
  Blob blob(9 + name_bytes);
  std::memcpy(blob.data(), &tensor.count, sizeof tensor.count);
  blob[8] = std::byte{tensor.exact};
  if (name_bytes > 0) std::memcpy(blob.data() + 9, tensor.name.data(), name_bytes);
  return blob;
}

std::string_view name_in(const Blob& blob) {
  return blob.size() < 9 ? std::string_view()
                         : std::string_view(reinterpret_cast<const char*>(blob.data()) + 9, blob.size() - 9);
}

std::string show_tensor(const Blob& blob, const Blob& other) {
  if (blob.size() < 9) return "none";
  std::uint64_t count = 0;
  std::memcpy(&count, blob.data(), sizeof count);
  return text('"', shown_against(name_in(blob), name_in(other)), "\" ", count, blob[8] != std::byte{0} ? " exact" : "");
}

// The first index whose hashes differ in two lists of 8-byte hashes of one length.
std::optional<std::uint64_t> first_hash_that_differs(const Blob& a, const Blob& b, std::uint64_t count) {
  if (a.size() != count * 8 || b.size() != count * 8) return std::nullopt;
  const auto differs = std::mismatch(a.begin(), a.end(), b.begin()).first;
  if (differs == a.end()) return std::nullopt;
  return static_cast<std::uint64_t>(differs - a.begin()) / 8;
}

}  // namespace

std::uint64_t hash_tensors(const Layout& layout, std::uint64_t first, std::uint64_t last) {
  Blob all;
  for (std::uint64_t i = first; i < std::min<std::uint64_t>(last, layout.tensor_count()); ++i) {
    const Blob one = describe_tensor(layout, i);
    const std::uint64_t bytes = one.size();
    const auto* length = reinterpret_cast<const std::byte*>(&bytes);
    all.insert(all.end(), length, length + sizeof bytes);
    all.insert(all.end(), one.begin(), one.end());
  }
  return sketch::hash_bytes(all);
}

Error tensor_mismatch(Control& control, Rank own, const Layout& layout, const TensorList& a, const TensorList& b,
                      const Deadline& deadline) {
  const bool gives = own == a.rank || own == b.rank;
  std::uint64_t first = 0;
  std::uint64_t count = std::max(a.count, b.count);
  while (count > 1) {
    const std::uint64_t block = (count + blocks_max - 1) / blocks_max;
    const std::uint64_t blocks = (count + block - 1) / block;
    Blob mine;
    for (std::uint64_t i = 0; gives && i < blocks; ++i) {
      const std::uint64_t hash = hash_tensors(layout, first + i * block, first + std::min(count, (i + 1) * block));
      const auto* bytes = reinterpret_cast<const std::byte*>(&hash);
      mine.insert(mine.end(), bytes, bytes + sizeof hash);
    }
    const auto all = control.all_gather("compressor", mine, deadline.left_ns());
    const auto differs =
        all.ok() ? first_hash_that_differs((*all)[a.rank.value], (*all)[b.rank.value], blocks) : std::nullopt;
    if (!differs) break;
    first += *differs * block;
    count = std::min(block, count - *differs * block);
  }
  if (count == 1) {
    const auto all =
        control.all_gather("compressor", gives ? describe_tensor(layout, first) : Blob{}, deadline.left_ns());
    if (all.ok()) {
      const Blob& mine = (*all)[a.rank.value];
      const Blob& other = (*all)[b.rank.value];
      return {Code::mismatch,
              text("compressor: tensor ", first, ": rank ", a.rank.value, " has ", show_tensor(mine, other), ", rank ",
                   b.rank.value, " has ", show_tensor(other, mine)),
              b.rank};
    }
  }
  return {Code::mismatch,
          text("compressor: tensors: rank ", a.rank.value, " has ", a.count, " with hash ", hex(a.hash), ", rank ",
               b.rank.value, " has ", b.count, " with hash ", hex(b.hash)),
          b.rank};
}

}  // namespace gossamer::runtime
