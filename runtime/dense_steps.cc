#include "runtime/dense_steps.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace gossamer::runtime {

namespace {

// Calls use(first, chunk) for some positions at a time, on their way between f32 and the wire, while it returns true.
template <typename Use>
void in_chunks(std::size_t count, const Use& use) {
  std::array<float, 2048> chunk;
  for (std::size_t first = 0; first < count; first += chunk.size())
    if (!use(first, std::span(chunk).first(std::min(chunk.size(), count - first)))) return;
}

// Writes value(i) to all of `to`; whether all are finite. Adding one to the exponent of NaN and infinity carries into
// the sign's place, which costs three integer operations a vector and no pass of its own.
template <typename Value>
bool write_finite(std::span<float> to, const Value& value) {
  float* const out = to.data();
  const std::size_t count = to.size();
  std::uint32_t carries = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float each = value(i);
    out[i] = each;
    carries |= (std::bit_cast<std::uint32_t>(each) & 0x7fffffffu) + 0x00800000u;
  }
  return carries >> 31 == 0;
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
    const std::span<const std::byte> here = cells.subspan(first * bytes, chunk.size() * bytes);
    const float* sums = reinterpret_cast<const float*>(here.data());
    if (wire.type != sketch::CellType::f32) {
      sketch::widen(wire.type, here, chunk);
      sums = chunk.data();
    }
    const std::span<float> to = next.subspan(first, chunk.size());
    const bool is_finite = momentum == 0.0f ? write_finite(to, [=](std::size_t i) { return sums[i] * share; })
                                            : write_finite(to, [=, from = u.data() + first](std::size_t i) {
                                                return momentum * from[i] + sums[i] * share;
                                              });
    if (!is_finite) bad = first + sketch::first_non_finite(to);
    return is_finite;
  });
  return bad;
}

}  // namespace gossamer::runtime
