#include "runtime/feedback.h"

#include <algorithm>
#include <cmath>

#include "sketch/sketch.h"

namespace gossamer::runtime {

GradientScan scan_gradients(const Layout& layout, const float* const* gradients, double clip) {
  GradientScan scan;
  double squares = 0.0;
  for (std::size_t i = 0; i < layout.tensor_count(); ++i)
    squares += sketch::sum_squares({gradients[i], layout.tensor(i).count});
  if (!std::isfinite(squares)) {
    for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
      const std::uint64_t count = layout.tensor(i).count;
      const std::size_t at = sketch::first_non_finite({gradients[i], count});
      if (at == count) continue;
      scan.first_non_finite = layout.outer_offset(i) + at;
      return scan;
    }
  }
  const double norm = std::sqrt(squares);
  if (clip > 0.0 && norm > clip) scan.scale = static_cast<float>(clip / norm);
  return scan;
}

Result<Feedback> Feedback::make(const Layout& layout) {
  Feedback feedback;
  feedback.dimension_ = layout.dimension();
  feedback.sparse_ = layout.sparse();
  for (int generation = 0; generation < 2; ++generation) {
    for (Buffer* buffer : {&feedback.u_[generation], &feedback.v_[generation]}) {
      auto made = Buffer::make(layout.dimension() * sizeof(float));
      GOSSAMER_TRY(made);
      *buffer = std::move(*made);
    }
  }
  return feedback;
}

void Feedback::absorb(const Layout& layout, const float* const* gradients, float scale, float momentum) {
  for (std::size_t i = 0; i < layout.tensor_count(); ++i) {
    const std::uint64_t at = layout.inner_offset(i);
    const std::uint64_t count = layout.tensor(i).count;
    const auto part = [&](const Buffer& buffer) { return buffer.as<float>(dimension_).subspan(at, count); };
    sketch::accumulate({gradients[i], count}, scale, momentum, {part(u_[current_]), part(v_[current_])},
                       {part(u_[1 - current_]), part(v_[1 - current_])});
  }
}

void Feedback::commit(std::span<const std::uint32_t> sent) {
  current_ = 1 - current_;
  const auto u = u_[current_].as<float>(dimension_);
  const auto v = v_[current_].as<float>(dimension_);
  for (const std::uint32_t i : sent) {
    u[i] = 0.0f;
    v[i] = 0.0f;
  }
  std::fill(v.begin() + static_cast<std::ptrdiff_t>(sparse_), v.end(), 0.0f);
}

}  // namespace gossamer::runtime
