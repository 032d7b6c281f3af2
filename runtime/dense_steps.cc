#include "runtime/dense_steps.h"

#include <algorithm>
#include <array>

namespace gossamer::runtime {

namespace {

// Calls use(first, chunk) for some positions at a time, on their way between f32 and the wire, while it returns true.
template <typename Use>
void in_chunks(std::size_t count, const Use& use) {
  std::array<float, 2048> chunk;
  for (std::size_t first = 0; first < count; first += chunk.size())
    if (!use(first, std::span(chunk).first(std::min(chunk.size(), count - first)))) return;
}

}  // namespace

void make_dense_cells(const DenseWire& wire, std::span<const float> gradient, float scale, std::span<std::byte> cells) {
  const std::size_t bytes = sketch::cell_bytes(wire.type);
  const float share = wire.divides_first() ? wire.share() : 1.0f;
  in_chunks(gradient.size(), [&](std::size_t first, std::span<float> chunk) {
    for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = gradient[first + i] * scale * share;
    sketch::narrow(wire.type, chunk, cells.subspan(first * bytes, chunk.size() * bytes));
    return true;
  });
}

std::size_t take_dense_cells(const DenseWire& wire, std::span<const std::byte> cells, float momentum,
                             std::span<const float> u, std::span<float> next) {
  const std::size_t bytes = sketch::cell_bytes(wire.type);
  const float share = wire.divides_first() ? 1.0f : wire.share();
  std::size_t bad = next.size();
  in_chunks(next.size(), [&](std::size_t first, std::span<float> chunk) {
    sketch::widen(wire.type, cells.subspan(first * bytes, chunk.size() * bytes), chunk);
    const std::span<float> to = next.subspan(first, chunk.size());
    if (momentum == 0.0f) {
      for (std::size_t i = 0; i < chunk.size(); ++i) to[i] = chunk[i] * share;
    } else {
      for (std::size_t i = 0; i < chunk.size(); ++i) to[i] = momentum * u[first + i] + chunk[i] * share;
    }
    const std::size_t at = sketch::first_non_finite(to);
    if (at < to.size()) bad = first + at;
    return at == to.size();
  });
  return bad;
}

}  // namespace gossamer::runtime
