// How bytes are written into memory that other ranks read.
//
// Plain stores take a line from the caches of those who read it last: cheap where the cores share a cache, and some 25
// ns a line where they do not (measured: 512 KiB in 11 us and in 207 us, on the same machine a second apart, as its
// virtual cores moved). Stores past the caches cost the same everywhere (20 to 30 us), and the reader about as much
// again. So both are timed now and then, and the plain ones are left where they are far slower.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/base.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gossamer::runtime {

// Both are multiples of 16 from a line's beginning on.
inline void copy_past_caches(std::byte* into, const std::byte* from, std::uint64_t bytes) {
  std::uint64_t at = 0;
#if defined(__SSE2__)
  for (; at + 64 <= bytes; at += 64)
    for (std::uint64_t i = at; i < at + 64; i += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(into + i),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
  _mm_sfence();
#endif
  if (at < bytes) std::memcpy(into + at, from + at, bytes - at);
}

class StoreChoice {
 public:
  // Less is not worth looking at the clock.
  static constexpr std::uint64_t timed_bytes_min = 2048;

  // For the next `bytes` that are written.
  [[nodiscard]] bool is_past_caches() const { return is_past_caches_; }

  // Writes with copies that `write` makes, and learns from it.
  template <typename Write>
  void timed(std::uint64_t bytes, Write write) {
    if (bytes < timed_bytes_min) return write();
    const std::uint64_t before_ns = clock_.now_ns();
    write();
    note(static_cast<double>(clock_.now_ns() - before_ns) / static_cast<double>(bytes));
  }

 private:
  static constexpr double worth = 3.0;         // times slower that plain stores may be: what the reader pays
  static constexpr std::uint32_t period = 64;  // writes between two looks at the other way

  void note(double ns_per_byte) {
    double& known = is_past_caches_ ? past_ns_ : plain_ns_;
    // Down at once, up in a few steps: a core that was taken away in the middle says nothing.
    if (known == 0 || ns_per_byte < known)
      known = ns_per_byte;
    else
      known += (std::min(ns_per_byte, 8 * known) - known) / 8;
    const bool is_better_past = plain_ns_ != 0 && past_ns_ != 0 && worth * past_ns_ < plain_ns_;
    writes_ = (writes_ + 1) % period;
    if (writes_ == 1)
      is_past_caches_ = !is_better_past;  // looks at the other
    else
      is_past_caches_ = is_better_past;
  }

  SteadyClock clock_;
  double plain_ns_ = 0;
  double past_ns_ = 0;
  std::uint32_t writes_ = 0;
  bool is_past_caches_ = false;
};

}  // namespace gossamer::runtime
