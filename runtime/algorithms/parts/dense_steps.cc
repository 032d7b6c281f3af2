#include "runtime/algorithms/parts/dense_steps.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "runtime/algorithms/parts/agreement.h"

namespace gossamer::runtime {

namespace {

// Calls use(first, chunk) for some positions at a time, on their way between f32 and the wire, while it returns true.
template <typename Use>
void in_chunks(std::size_t count, const Use& use) {
  std::array<float, 2048> chunk;
  for (std::size_t first = 0; first < count; first += chunk.size())
    if (!use(first, std::span(chunk).first(std::min(chunk.size(), count - first)))) return;
}

// Calls use(first, sums) with the sums of some positions at a time as f32, while it returns true.
template <typename Use>
void in_chunks_of_sums(const DenseWire& wire, std::span<const std::byte> cells, std::size_t count, const Use& use) {
  const std::size_t bytes = sketch::cell_bytes(wire.type);
  in_chunks(count, [&](std::size_t first, std::span<float> chunk) {
    const std::span<const std::byte> here = cells.subspan(first * bytes, chunk.size() * bytes);
    if (wire.type == sketch::CellType::f32)
      return use(first, std::span(reinterpret_cast<const float*>(here.data()), chunk.size()));
    sketch::widen(wire.type, here, chunk);
    return use(first, std::span<const float>(chunk));
  });
}

float share_of_sums(const DenseWire& wire) { return wire.divides_first() ? 1.0f : wire.share(); }

}  // namespace

std::uint64_t norm_word(const GradientScan& scan) {
  if (scan.first_non_finite) return maximum_word(0.0f);  // the flag ends the step
  const double norm = scan.norm * scan.scale;
  constexpr double most = std::numeric_limits<float>::max();
  return maximum_word(norm < most ? static_cast<float>(norm) : std::numeric_limits<float>::infinity());
}

bool DenseBound::may_overflow(const DenseWire& wire, float momentum, float norm_max) const {
  constexpr double u_max = DenseWire{}.sum_max();  // of f32
  const double norm = norm_max;
  const double sum = wire.divides_first() ? norm : norm * wire.rank_count;
  const bool fits = sum < wire.sum_max() && static_cast<double>(momentum) * magnitude_ + norm < u_max;
  return !fits;  // also where the norm is no number
}

void DenseBound::step(float momentum, float norm_max) {
  magnitude_ = static_cast<double>(momentum) * magnitude_ + norm_max;
}

void DenseBound::measure(std::span<const float> u) { magnitude_ = sketch::largest_magnitude(u); }

void make_dense_cells(const DenseWire& wire, std::span<const float> gradient, float scale, std::span<std::byte> cells) {
  const std::size_t bytes = sketch::cell_bytes(wire.type);
  const float share = wire.divides_first() ? wire.share() : 1.0f;
  in_chunks(gradient.size(), [&](std::size_t first, std::span<float> chunk) {
    for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = gradient[first + i] * scale * share;
    sketch::narrow(wire.type, chunk, cells.subspan(first * bytes, chunk.size() * bytes));
    return true;
  });
}

void take_dense_cells(const DenseWire& wire, std::span<const std::byte> cells, float momentum, std::span<float> u) {
  const float share = share_of_sums(wire);
  in_chunks_of_sums(wire, cells, u.size(), [&](std::size_t first, std::span<const float> sums) {
    float* const to = u.data() + first;
    if (momentum == 0.0f)
      for (std::size_t i = 0; i < sums.size(); ++i) to[i] = sums[i] * share;
    else
      for (std::size_t i = 0; i < sums.size(); ++i) to[i] = momentum * to[i] + sums[i] * share;
    return true;
  });
}

std::size_t first_overflow(const DenseWire& wire, std::span<const std::byte> cells, float momentum,
                           std::span<const float> u) {
  const float share = share_of_sums(wire);
  std::size_t bad = u.size();
  in_chunks_of_sums(wire, cells, u.size(), [&](std::size_t first, std::span<const float> sums) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const float next = momentum == 0.0f ? sums[i] * share : momentum * u[first + i] + sums[i] * share;
      if (std::isfinite(next)) continue;
      bad = first + i;
      return false;
    }
    return true;
  });
  return bad;
}

}  // namespace gossamer::runtime
