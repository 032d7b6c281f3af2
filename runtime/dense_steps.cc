#include "runtime/dense_steps.h"

#include <algorithm>
#include <array>

namespace gossamer::runtime {

namespace {

// Calls use(first, chunk) for some positions at a time: on their way between f32 and the wire.
template <typename Use>
void in_chunks(std::size_t count, const Use& use) {
  std::array<float, 2048> chunk;
  for (std::size_t first = 0; first < count; first += chunk.size())
    use(first, std::span(chunk).first(std::min(chunk.size(), count - first)));
}

}  // namespace

void make_dense_cells(sketch::CellType type, std::span<const float> gradient, float scale, std::span<std::byte> cells) {
  const std::size_t bytes = sketch::cell_bytes(type);
  in_chunks(gradient.size(), [&](std::size_t first, std::span<float> chunk) {
    for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = gradient[first + i] * scale;
    sketch::narrow(type, chunk, cells.subspan(first * bytes, chunk.size() * bytes));
  });
}

void take_dense_cells(sketch::CellType type, std::span<const std::byte> cells, std::uint32_t rank_count, float momentum,
                      std::span<float> u) {
  const std::size_t bytes = sketch::cell_bytes(type);
  const float share = 1.0f / static_cast<float>(rank_count);
  in_chunks(u.size(), [&](std::size_t first, std::span<float> chunk) {
    sketch::widen(type, cells.subspan(first * bytes, chunk.size() * bytes), chunk);
    for (std::size_t i = 0; i < chunk.size(); ++i) u[first + i] = momentum * u[first + i] + chunk[i] * share;
  });
}

}  // namespace gossamer::runtime
