// The floating-point environment that the library computes in, whatever its host program has set.
//
// A rank that flushes denormals (a library linked with -ffast-math, torch.set_flush_denormal) or rounds another way
// would give other bits than its peers, and other weights. So everything behind the C interface, threads included, runs
// in the default one: round to nearest, denormals kept, no traps; and the caller gets its own back, with its sticky
// flags.
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace gossamer {

// The default environment from here to the end of the scope. Costs some nanoseconds where the caller's is the default,
// and two writes of a control register where it is not. The code inside must be behind a call that is not inlined.
class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment();
  ~DefaultFloatEnvironment();
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr std::uint32_t defaults = 0x1f80;  // MXCSR: all exceptions masked
  static constexpr std::uint32_t sticky = 0x3f;
  std::uint32_t saved_;
#elif defined(__aarch64__)
  static constexpr std::uint64_t defaults = 0;  // FPCR; the sticky flags are in FPSR
  std::uint64_t saved_;
#else
  std::fenv_t saved_;
#endif
};

#if defined(__x86_64__)
inline DefaultFloatEnvironment::DefaultFloatEnvironment() : saved_(_mm_getcsr()) {
  if ((saved_ & ~sticky) != defaults) _mm_setcsr(defaults);
}
inline DefaultFloatEnvironment::~DefaultFloatEnvironment() {
  if (_mm_getcsr() != saved_) _mm_setcsr(saved_);
}
#elif defined(__aarch64__)
inline DefaultFloatEnvironment::DefaultFloatEnvironment() {
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
  if (saved_ != defaults) __asm__ volatile("msr fpcr, %0" : : "r"(defaults) : "memory");
}
inline DefaultFloatEnvironment::~DefaultFloatEnvironment() {
  if (saved_ != defaults) __asm__ volatile("msr fpcr, %0" : : "r"(saved_) : "memory");
}
#else
inline DefaultFloatEnvironment::DefaultFloatEnvironment() {
  std::fegetenv(&saved_);
  std::fesetenv(FE_DFL_ENV);
}
inline DefaultFloatEnvironment::~DefaultFloatEnvironment() { std::fesetenv(&saved_); }
#endif

}  // namespace gossamer
