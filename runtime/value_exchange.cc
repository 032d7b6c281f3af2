#include "runtime/value_exchange.h"

#include <algorithm>
#include <numeric>

namespace gossamer::runtime {

namespace {
constexpr std::uint32_t value_words = 2;
}

Result<ValueExchange> ValueExchange::make(const AlgorithmContext& context, std::uint64_t count_max) {
  ValueExchange exchange;
  exchange.count_max_ = count_max;
  exchange.sparse_ = context.shape.layout.sparse();
  exchange.exact_ = context.shape.layout.exact();
  auto buffer = Buffer::make(sketch::PayloadShape{count_max + exchange.exact_, value_words}.bytes());
  GOSSAMER_TRY(buffer);
  exchange.buffer_ = std::move(*buffer);
  return exchange;
}

Result<Stage> ValueExchange::stage(const AlgorithmContext& context, std::string label) const {
  Stage stage;
  stage.label = std::move(label);
  stage.bytes_max = sketch::PayloadShape{count_max_ + exact_, value_words}.bytes();
  stage.buffer = buffer_.data();
  auto schedule = schedule_stage(context, stage.label, topology::Collective::all_reduce, stage.bytes_max);
  GOSSAMER_TRY(schedule);
  stage.schedule = *schedule;
  return stage;
}

StageSize ValueExchange::fill(const Feedback& feedback, std::span<const std::uint32_t> indices,
                              std::uint64_t agreed_hash) {
  GOSSAMER_CHECK(indices.size() <= count_max_, "more coordinates than the plan has room for");
  shape_ = {indices.size() + exact_, value_words};
  hash_ = agreed_hash;
  const auto pending = feedback.pending();
  const auto cells = payload_cells(buffer_, shape_);
  sketch::gather(pending, indices, cells.first(indices.size()));
  std::copy(pending.begin() + static_cast<std::ptrdiff_t>(sparse_), pending.end(),
            cells.begin() + static_cast<std::ptrdiff_t>(indices.size()));
  // The gap between cells and words travels too: it must not carry old bytes.
  std::fill(buffer_.data() + shape_.cells * sizeof(float), buffer_.data() + shape_.words_offset(), std::byte{0});
  const HashWords words = make_hash_words(agreed_hash);
  write_word(buffer_, shape_, 0, words.least);
  write_word(buffer_, shape_, 1, words.most_inverted);
  return {shape_, 0};
}

Status ValueExchange::check() const {
  return check_hash_words({read_word(buffer_, shape_, 0), read_word(buffer_, shape_, 1)}, hash_);
}

void append_exact_range(const Layout& layout, std::span<std::uint32_t> out) {
  GOSSAMER_CHECK(out.size() == layout.exact(), "room for exactly the exact coordinates");
  std::iota(out.begin(), out.end(), static_cast<std::uint32_t>(layout.sparse()));
}

}  // namespace gossamer::runtime
