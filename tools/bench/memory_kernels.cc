#include "tools/bench/memory_kernels.h"

#include <algorithm>

// The scalable targets have no vectors in arrays; such machines run NEON.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tools/bench/memory_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gossamer::tools::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using Floats = hn::Vec<FloatTag>;
inline constexpr std::size_t lanes = hn::MaxLanes(FloatTag());
inline constexpr std::size_t streams = 8;

float read_all(const float* values, std::size_t count) {
  const FloatTag d;
  Floats sums[streams];
  for (Floats& sum : sums) sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + streams * lanes <= count; i += streams * lanes) {
    for (std::size_t s = 0; s < streams; ++s) sums[s] = hn::Add(sums[s], hn::LoadU(d, values + i + s * lanes));
  }
  for (std::size_t s = 1; s < streams; ++s) sums[0] = hn::Add(sums[0], sums[s]);
  float total = hn::GetLane(hn::SumOfLanes(d, sums[0]));
  for (; i < count; ++i) total += values[i];
  return total;
}

float add_in_cache(std::size_t count) {
  constexpr std::size_t block = 2048;
  const FloatTag d;
  HWY_ALIGN static float x[block];
  HWY_ALIGN static float y[block];
  for (; count >= block; count -= block) {
    for (std::size_t i = 0; i < block; i += lanes) {
      hn::Store(hn::Add(hn::Load(d, y + i), hn::Load(d, x + i)), d, y + i);
    }
    __asm__ volatile("" : : "r"(x), "r"(y) : "memory");  // each pass is made
  }
  return y[0];
}

void add_once(float* HWY_RESTRICT into, const float* HWY_RESTRICT from, std::size_t count) {
  const FloatTag d;
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, into + i), hn::LoadU(d, from + i)), d, into + i);
  }
  for (; i < count; ++i) into[i] += from[i];
}

}  // namespace gossamer::tools::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gossamer::tools {

HWY_EXPORT(read_all);
HWY_EXPORT(add_in_cache);
HWY_EXPORT(add_once);

float read_all(std::span<const float> values) { return HWY_DYNAMIC_DISPATCH(read_all)(values.data(), values.size()); }
float add_in_cache(std::size_t count) { return HWY_DYNAMIC_DISPATCH(add_in_cache)(count); }
void add_once(std::span<float> into, std::span<const float> from) {
  HWY_DYNAMIC_DISPATCH(add_once)(into.data(), from.data(), std::min(into.size(), from.size()));
}

}  // namespace gossamer::tools
#endif  // HWY_ONCE
