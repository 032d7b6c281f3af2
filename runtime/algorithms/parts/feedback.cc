#include "runtime/algorithms/parts/feedback.h"

#include <algorithm>
#include <array>
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

// What stays in the first cache level between two who read it.
constexpr std::uint64_t near_length = 4096;
// Vectors of so many that a step sweeps every cache several times over.
constexpr std::uint64_t beyond_caches = std::uint64_t{1} << 22;

std::uint32_t pieces_of(std::uint64_t count, std::uint64_t length) {
  return static_cast<std::uint32_t>((count + length - 1) / length);
}

void find_non_finite(const Layout& layout, const float* const* gradients, GradientScan& scan) {
  for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
    const std::uint64_t count = layout.tensor(i).count;
    const std::size_t at = sketch::first_non_finite({gradients[i], count});
    if (at == count) continue;
    scan.first_non_finite = layout.outer_offset(i) + at;
    return;
  }
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
  if (!std::isfinite(squares)) find_non_finite(layout, gradients, scan);
  if (!scan.first_non_finite) scan.cut_to(clip);
  return scan;
}

Result<Feedback> Feedback::make(const Layout& layout, float momentum, Measures measures, ThreadPool* pool) {
  Feedback feedback;
  feedback.dimension_ = layout.dimension();
  feedback.sparse_ = layout.sparse();
  feedback.momentum_ = momentum;
  feedback.measures_ = measures;
  feedback.pool_ = pool;
  feedback.sums_.resize(scan_pieces_max(layout));
  feedback.measured_.resize(pieces_of(layout.dimension(), range_alignment) + 1);
  for (int generation = 0; generation < 2; ++generation) {
    GOSSAMER_ASSIGN(feedback.v_[generation], Buffer::make(layout.dimension() * sizeof(float)));
    if (momentum == 0.0f) continue;
    GOSSAMER_ASSIGN(feedback.u_[generation], Buffer::make(layout.dimension() * sizeof(float)));
  }
  return feedback;
}

GradientScan Feedback::absorb(const Layout& layout, const float* const* gradients, double clip) {
  if (begin(layout, gradients, clip)) {
    run_parts(pool_, pieces_of(dimension_, absorb_length), [&](std::uint32_t piece, std::uint32_t) {
      const std::uint64_t first = piece * absorb_length;
      absorb_range(layout, first, std::min(absorb_length, dimension_ - first), nullptr);
    });
  }
  return end(layout);
}

bool Feedback::begin(const Layout& layout, const float* const* gradients, double clip) {
  gradients_ = gradients;
  std::fill(measured_.begin(), measured_.end(), Measured{});
  is_scanned_ = clip > 0.0;  // the bound needs the norm first
  scan_ = is_scanned_ ? scan_gradients(layout, gradients, clip, pool_, sums_) : GradientScan{};
  return !scan_.first_non_finite;
}

sketch::CountSketch::Upcoming Feedback::absorb_range(const Layout& layout, std::uint64_t first, std::uint64_t count,
                                                     float* copy) {
  Measured& measured = measured_[first / range_alignment];
  const bool is_read_late = dimension_ >= beyond_caches;
  alignas(64) std::array<float, near_length> own_copy;
  const auto absorb_part = [&](const float* gradient, std::uint64_t at, std::size_t n) {
    const auto part = [&](const Buffer& buffer) {
      return buffer.bytes() == 0 ? std::span<float>() : buffer.as<float>(dimension_).subspan(at, n);
    };
    std::span<float> near;
    if (copy != nullptr) near = {copy + (at - first), n};
    if (copy == nullptr && measures_ != Measures::nothing) near = std::span(own_copy).first(n);
    sketch::accumulate({gradient, n}, scan_.scale, momentum_, {part(u_[current_]), part(v_[current_])},
                       {part(u_[1 - current_]), part(v_[1 - current_]), near, is_read_late});
    if (!is_scanned_) measured.gradient_squares += sketch::sum_squares({gradient, n});
    if (measures_ == Measures::nothing) return;
    measured.magnitude = std::max(measured.magnitude, sketch::largest_magnitude(near));
    if (measures_ == Measures::extent && at < sparse_) measured.squares += sketch::sum_squares(near);
  };
  sketch::CountSketch::Upcoming upcoming;
  layout.for_each_part(first, count, [&](std::size_t tensor, std::uint64_t offset, std::uint64_t at, std::uint64_t n) {
    upcoming.streams[0] = gradients_[tensor] + offset + n;  // whatever the next range is, if it is in this tensor
    for (std::uint64_t done = 0; done < n; done += near_length)
      absorb_part(gradients_[tensor] + offset + done, at + done,
                  static_cast<std::size_t>(std::min(near_length, n - done)));
  });
  if (copy == nullptr) {
    sketch::finish_late_writes();
    return {};
  }
  upcoming.streams[1] = v_[current_].as<float>(dimension_).data() + first + count;
  if (momentum_ != 0.0f) upcoming.streams[2] = u_[current_].as<float>(dimension_).data() + first + count;
  return upcoming;
}

GradientScan Feedback::end(const Layout& layout) {
  if (is_scanned_) return scan_;
  double squares = 0.0;
  for (const Measured& each : measured_) squares += each.gradient_squares;
  scan_.norm = std::sqrt(squares);
  if (!std::isfinite(squares)) find_non_finite(layout, gradients_, scan_);
  return scan_;
}

Feedback::Extent Feedback::pending_extent() const {
  GOSSAMER_CHECK(measures_ != Measures::nothing, "the extent of what is pending was not to be measured");
  Extent extent;
  double squares = 0.0;
  for (const Measured& each : measured_) {
    squares += each.squares;
    extent.magnitude = std::max(extent.magnitude, each.magnitude);
  }
  extent.norm = static_cast<float>(std::sqrt(squares));
  return extent;
}

void Feedback::commit(std::span<const std::uint32_t> sent, const SentRounding& rounding) {
  current_ = 1 - current_;
  const auto u = momentum_ == 0.0f ? std::span<float>() : u_[current_].as<float>(dimension_);
  const auto v = v_[current_].as<float>(dimension_);
  const float step = rounding.scale > 0.0f ? 1.0f / rounding.scale : 0.0f;
  const auto limit = static_cast<float>(rounding.level_max);
  // As sketch::quantise rounds; a cut level leaves the rest here too.
  const auto left_of = [&](float value) {
    if (rounding.scale == 0.0f) return 0.0f;
    return value - std::clamp(std::nearbyint(value * rounding.scale), -limit, limit) * step;
  };
  const std::span<float> exact = v.subspan(sparse_);
  double squares = sketch::sum_squares(exact);
  for (std::size_t k = 0; k < sent.size(); ++k) {
    prefetch_ahead(v.data(), sent, k);
    const std::uint32_t i = sent[k];
    const float left = left_of(v[i]);
    squares += (double{v[i]} - double{left}) * (double{v[i]} + double{left});
    v[i] = left;
    if (u.empty()) continue;
    prefetch_ahead(u.data(), sent, k);
    u[i] = 0.0f;
  }
  for (float& value : exact) value = left_of(value);
  if (rounding.scale > 0.0f) squares -= sketch::sum_squares(exact);
  sent_squares_ = squares;
}

}  // namespace gossamer::runtime
