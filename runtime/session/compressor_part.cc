#include "runtime/session/compressor_part.h"

#include <cstring>

#include "runtime/session/tensor_difference.h"

namespace gossamer::runtime {

namespace {

constexpr std::size_t head_bytes = 20;

}  // namespace

CompressorPart make_compressor_part(const CompressorShape& shape, PlanOffer offer) {
  CompressorPart part;
  part.tensor_count = shape.layout.tensor_count();
  part.tensors_hash = hash_tensors(shape.layout, 0, shape.layout.tensor_count());
  part.offer = std::move(offer);
  part.derived = {shape.layout.dimension(), shape.rows, shape.columns, shape.k, shape.candidates};
  return part;
}

Blob encode_compressor_part(const CompressorPart& part) {
  const Blob offer = encode_offer(part.offer);
  const auto offer_bytes = static_cast<std::uint32_t>(offer.size());
  Blob blob(head_bytes + offer.size() + sizeof part.derived);
  std::byte* at = blob.data();
  const auto write = [&](const void* bytes, std::size_t count) {
    std::memcpy(at, bytes, count);
    at += count;
  };
  write(&part.tensor_count, sizeof part.tensor_count);
  write(&part.tensors_hash, sizeof part.tensors_hash);
  write(&offer_bytes, sizeof offer_bytes);
  write(offer.data(), offer.size());
  write(part.derived.data(), sizeof part.derived);
  return blob;
}

Result<CompressorPart> decode_compressor_part(std::span<const std::byte> bytes, Rank rank) {
  CompressorPart part;
  std::uint32_t offer_bytes = 0;
  if (bytes.size() >= head_bytes) std::memcpy(&offer_bytes, bytes.data() + head_bytes - 4, sizeof offer_bytes);
  if (bytes.size() < head_bytes || bytes.size() != head_bytes + offer_bytes + sizeof part.derived)
    return Error{Code::malformed,
                 text("the part of rank ", rank.value, " in making a compressor has ", bytes.size(),
                      " B, which is not what it says"),
                 rank};
  std::memcpy(&part.tensor_count, bytes.data(), sizeof part.tensor_count);
  std::memcpy(&part.tensors_hash, bytes.data() + 8, sizeof part.tensors_hash);
  GOSSAMER_ASSIGN(part.offer, decode_offer(bytes.subspan(head_bytes, offer_bytes), rank));
  std::memcpy(part.derived.data(), bytes.data() + head_bytes + offer_bytes, sizeof part.derived);
  return part;
}

Status check_derived(std::span<const CompressorPart> parts) {
  for (std::size_t r = 1; r < parts.size(); ++r)
    for (std::size_t i = 0; i < derived_names.size(); ++i)
      if (parts[r].derived[i] != parts[0].derived[i])
        return Error{Code::mismatch,
                     text("compressor: ", derived_names[i], ": rank 0 has ", parts[0].derived[i], ", rank ", r, " has ",
                          parts[r].derived[i]),
                     Rank{static_cast<std::uint32_t>(r)}};
  return {};
}

}  // namespace gossamer::runtime
