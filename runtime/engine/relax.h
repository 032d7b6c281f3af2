// A look that finds nothing, in a loop that looks again.
#pragma once

namespace gossamer::runtime {

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace gossamer::runtime
