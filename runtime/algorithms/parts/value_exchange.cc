#include "runtime/algorithms/parts/value_exchange.h"

#include <algorithm>

namespace gossamer::runtime {

namespace {
constexpr std::uint32_t value_words = 2;
}

Result<ValueExchange> ValueExchange::make(const AlgorithmContext& context, std::uint64_t count_max) {
  ValueExchange exchange;
  exchange.count_max_ = count_max;
  exchange.rank_count_ = context.rank_count;
  exchange.sparse_ = context.shape.layout.sparse();
  exchange.exact_ = context.shape.layout.exact();
  if (sketch::is_integer(context.shape.values)) {
    exchange.type_ = sketch::widen_for(context.shape.values, context.rank_count);
    exchange.rounding_.level_max = sketch::level_max_of(exchange.type_, context.rank_count);
    exchange.values_.resize(count_max + exchange.exact_);
  }
  GOSSAMER_ASSIGN(exchange.buffer_,
                  Buffer::make(sketch::PayloadShape{count_max + exchange.exact_, value_words, exchange.type_}.bytes()));
  return exchange;
}

Result<Stage> ValueExchange::stage(const AlgorithmContext& context, std::string label) const {
  return merging_stage(context, std::move(label), {count_max_ + exact_, value_words, type_}, buffer_.data());
}

StageSize ValueExchange::fill(const Feedback& feedback, std::span<const std::uint32_t> indices,
                              std::uint64_t agreed_hash, float magnitude) {
  GOSSAMER_CHECK(indices.size() <= count_max_, "more coordinates than the plan has room for");
  shape_ = {indices.size() + exact_, value_words, type_};
  hash_ = agreed_hash;
  const bool rounds = needs_magnitude();
  const auto cells = rounds ? std::span(values_).first(shape_.cells) : payload_cells(buffer_, shape_);
  const auto pending = feedback.pending();
  sketch::gather(pending, indices, cells.first(indices.size()));
  std::copy(pending.begin() + static_cast<std::ptrdiff_t>(sparse_), pending.end(),
            cells.begin() + static_cast<std::ptrdiff_t>(indices.size()));
  if (rounds) {
    constexpr float magnitude_min = 0x1p-90f;  // keeps the scale finite; what is smaller stays in the residual
    rounding_.scale = static_cast<float>(rounding_.level_max) / std::max(magnitude, magnitude_min);
    sketch::quantise(cells, rounding_.scale, rounding_.level_max, type_, {buffer_.data(), shape_.cells_bytes()});
  }
  // The gap between cells and words travels too: it must not carry old bytes.
  std::fill(buffer_.data() + shape_.cells_bytes(), buffer_.data() + shape_.words_offset(), std::byte{0});
  const HashWords words = make_hash_words(agreed_hash);
  write_word(buffer_, shape_, 0, words.least);
  write_word(buffer_, shape_, 1, words.most_inverted);
  return {shape_, 0};
}

Status ValueExchange::check() const {
  return check_hash_words({read_word(buffer_, shape_, 0), read_word(buffer_, shape_, 1)}, hash_);
}

Result<std::span<float>> ValueExchange::take_means(const Layout& layout, std::span<const std::uint32_t> indices) {
  float share = 1.0f / static_cast<float>(rank_count_);
  auto means = needs_magnitude() ? std::span(values_).first(shape_.cells) : payload_cells(buffer_, shape_);
  if (needs_magnitude()) {
    sketch::widen(type_, {buffer_.data(), shape_.cells_bytes()}, means);
    share /= rounding_.scale;
  }
  for (float& value : means) value *= share;
  if (const std::size_t at = sketch::first_non_finite(means); at < means.size()) {
    const std::uint64_t inner = at < indices.size() ? indices[at] : sparse_ + (at - indices.size());
    return overflow("the sum over ranks", layout.to_outer(inner), layout);
  }
  return means;
}

}  // namespace gossamer::runtime
