#include "runtime/algorithms/parts/feedback.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sketch/sketch.h"

namespace gossamer::runtime {

void GradientScan::cut_to(double clip) {
  is_clipped = clip > 0.0 && std::isfinite(norm) && norm > clip;
  if (is_clipped) scale = static_cast<float>(clip / norm);
}

namespace {
// Pieces that threads share; sums over pieces are added in order.
constexpr std::uint64_t piece_length = std::uint64_t{1} << 20;
constexpr std::uint64_t absorb_length = std::uint64_t{1} << 16;

std::uint32_t pieces_of(std::uint64_t count, std::uint64_t length) {
  return static_cast<std::uint32_t>((count + length - 1) / length);
}
}  // namespace

std::size_t scan_pieces_max(const Layout& layout) { return pieces_of(layout.dimension(), piece_length); }

GradientScan scan_gradients(const Layout& layout, const float* const* gradients, double clip, ThreadPool* pool,
                            std::span<double> sums) {
  GradientScan scan;
  double squares = 0.0;
  for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
    const std::span<const float> gradient(gradients[i], layout.tensor(i).count);
    const std::uint32_t pieces = pieces_of(gradient.size(), piece_length);
    run_parts(pool, pieces, [&](std::uint32_t piece, std::uint32_t) {
      const std::uint64_t first = piece * piece_length;
      sums[piece] = sketch::sum_squares(gradient.subspan(first, std::min(piece_length, gradient.size() - first)));
    });
    squares = std::accumulate(sums.begin(), sums.begin() + pieces, squares);
  }
  scan.norm = std::sqrt(squares);
  if (!std::isfinite(squares)) {
    for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
      const std::uint64_t count = layout.tensor(i).count;
      const std::size_t at = sketch::first_non_finite({gradients[i], count});
      if (at == count) continue;
      scan.first_non_finite = layout.outer_offset(i) + at;
      return scan;
    }
  }
  scan.cut_to(clip);
  return scan;
}

Result<Feedback> Feedback::make(const Layout& layout, ThreadPool* pool) {
  Feedback feedback;
  feedback.dimension_ = layout.dimension();
  feedback.sparse_ = layout.sparse();
  feedback.pool_ = pool;
  feedback.sums_.resize(scan_pieces_max(layout));
  for (int generation = 0; generation < 2; ++generation) {
    for (Buffer* buffer : {&feedback.u_[generation], &feedback.v_[generation]}) {
      GOSSAMER_ASSIGN(*buffer, Buffer::make(layout.dimension() * sizeof(float)));
    }
  }
  return feedback;
}

void Feedback::absorb(const Layout& layout, const Input& input) {
  run_parts(pool_, pieces_of(dimension_, absorb_length), [&](std::uint32_t piece, std::uint32_t) {
    const std::uint64_t first = piece * absorb_length;
    absorb_range(layout, input, first, std::min(absorb_length, dimension_ - first));
  });
}

void Feedback::absorb_range(const Layout& layout, const Input& input, std::uint64_t first, std::uint64_t count) {
  layout.for_each_part(first, count, [&](std::size_t tensor, std::uint64_t offset, std::uint64_t at, std::uint64_t n) {
    const auto part = [&](const Buffer& buffer) { return buffer.as<float>(dimension_).subspan(at, n); };
    sketch::accumulate({input.gradients[tensor] + offset, n}, input.scale, input.momentum,
                       {part(u_[current_]), part(v_[current_])}, {part(u_[1 - current_]), part(v_[1 - current_])});
  });
}

Feedback::Extent Feedback::pending_extent() {
  const std::span<const float> v = pending();
  const std::uint32_t pieces = pieces_of(sparse_, piece_length);
  std::atomic<float> magnitude{sketch::largest_magnitude(v.subspan(sparse_))};
  run_parts(pool_, pieces, [&](std::uint32_t piece, std::uint32_t) {
    const std::uint64_t first = piece * piece_length;
    const auto values = v.subspan(first, std::min(piece_length, sparse_ - first));
    sums_[piece] = sketch::sum_squares(values);
    const float own = sketch::largest_magnitude(values);
    for (float before = magnitude.load(); before < own && !magnitude.compare_exchange_weak(before, own);) {
    }
  });
  const double squares = std::accumulate(sums_.begin(), sums_.begin() + pieces, 0.0);
  return {magnitude.load(), static_cast<float>(std::sqrt(squares))};
}

void Feedback::commit(std::span<const std::uint32_t> sent, const SentRounding& rounding) {
  current_ = 1 - current_;
  const auto u = u_[current_].as<float>(dimension_);
  const auto v = v_[current_].as<float>(dimension_);
  const float step = rounding.scale > 0.0f ? 1.0f / rounding.scale : 0.0f;
  const auto limit = static_cast<float>(rounding.level_max);
  // As sketch::quantise rounds; a cut level leaves the rest here too.
  const auto left_of = [&](float value) {
    if (rounding.scale == 0.0f) return 0.0f;
    return value - std::clamp(std::nearbyint(value * rounding.scale), -limit, limit) * step;
  };
  for (std::size_t k = 0; k < sent.size(); ++k) {
    prefetch_ahead(u.data(), sent, k);
    prefetch_ahead(v.data(), sent, k);
    const std::uint32_t i = sent[k];
    u[i] = 0.0f;
    v[i] = left_of(v[i]);
  }
  for (float& value : v.subspan(sparse_)) value = left_of(value);
}

}  // namespace gossamer::runtime
