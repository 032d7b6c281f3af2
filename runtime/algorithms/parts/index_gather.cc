#include "runtime/algorithms/parts/index_gather.h"

#include <algorithm>
#include <cstring>

namespace gossamer::runtime {

namespace {
// What every part begins with.
struct PartHeader {
  std::uint64_t flag = 0;
  std::uint64_t value_count = 0;
};
}  // namespace

Result<IndexGather> IndexGather::make(const AlgorithmContext& context, std::uint64_t count_max, bool with_values) {
  IndexGather gather;
  gather.dimension_ = context.shape.layout.sparse();
  gather.with_values_ = with_values;
  gather.bytes_max_ = sizeof(PartHeader) + sketch::index_list_bytes_max(count_max, gather.dimension_) +
                      (with_values ? count_max * sizeof(float) : 0);
  GOSSAMER_ASSIGN(gather.buffer_, Buffer::make(context.rank_count * part_stride(gather.bytes_max_)));
  gather.indices_.resize(count_max);
  if (with_values) gather.values_.resize(count_max);
  return gather;
}

Result<Stage> IndexGather::stage(const AlgorithmContext& context, std::string label) const {
  return gathering_stage(context, std::move(label), bytes_max_, bytes_max_ * context.rank_count, buffer_.data());
}

void IndexGather::fill(Rank rank, std::uint64_t flag, std::span<const std::uint32_t> indices,
                       std::span<const float> v) {
  std::byte* out = part(rank);
  const PartHeader header{flag, with_values_ ? indices.size() : 0};
  std::memcpy(out, &header, sizeof header);
  const std::size_t values_bytes = header.value_count * sizeof(float);
  if (values_bytes > 0) {
    sketch::gather(v, indices, std::span(values_).first(indices.size()));
    std::memcpy(out + sizeof header, values_.data(), values_bytes);
  }
  const std::size_t list_at = sizeof header + values_bytes;
  own_bytes_ =
      list_at + sketch::encode_index_list(indices, {out + list_at, static_cast<std::size_t>(bytes_max_) - list_at});
}

Status IndexGather::check_flags(std::span<const std::uint64_t> part_bytes, const Layout& layout) const {
  std::uint64_t least = no_flag;
  for (std::uint32_t r = 0; r < part_bytes.size(); ++r) {
    PartHeader header;
    if (part_bytes[r] < sizeof header)
      return Error{Code::malformed,
                   text("rank ", r, " sent a part of ", part_bytes[r], " B, expected at least ", sizeof header),
                   Rank{r}};
    std::memcpy(&header, part(Rank{r}), sizeof header);
    least = std::min(least, header.flag);
  }
  return check_flag(least, static_cast<std::uint32_t>(part_bytes.size()), layout);
}

Result<IndexGather::Part> IndexGather::read(Rank rank, std::uint64_t part_bytes) {
  PartHeader header;
  GOSSAMER_CHECK(part_bytes >= sizeof header, "a part is read after check_flags");
  std::memcpy(&header, part(rank), sizeof header);
  std::span<const std::byte> bytes(part(rank) + sizeof header, part_bytes - sizeof header);
  if (header.value_count > values_.size() || header.value_count * sizeof(float) > bytes.size())
    return Error{Code::malformed,
                 text("rank ", rank.value, " claims ", header.value_count, " values in ", part_bytes, " B"), rank};
  if (header.value_count > 0) std::memcpy(values_.data(), bytes.data(), header.value_count * sizeof(float));
  bytes = bytes.subspan(header.value_count * sizeof(float));
  const auto count = sketch::decode_index_list(bytes, dimension_, indices_);
  if (!count.ok())
    return Error{count.error().code, text("index list of rank ", rank.value, ": ", count.error().message), rank};
  if (with_values_ && *count != header.value_count)
    return Error{Code::malformed,
                 text("rank ", rank.value, " sent ", *count, " indices with ", header.value_count, " values"), rank};
  return Part{std::span<const std::uint32_t>(indices_).first(*count),
              std::span<const float>(values_).first(header.value_count)};
}

Status IndexGather::unite(std::span<const std::uint64_t> part_bytes, const Layout& layout,
                          std::vector<std::uint32_t>& named, FunctionRef<void(const Part&)> visit) {
  GOSSAMER_TRY(check_flags(part_bytes, layout));
  named.clear();
  for (std::uint32_t r = 0; r < part_bytes.size(); ++r) {
    GOSSAMER_ASSIGN(const auto part, read(Rank{r}, part_bytes[r]));
    visit(part);
    named.insert(named.end(), part.indices.begin(), part.indices.end());
  }
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  return {};
}

}  // namespace gossamer::runtime
