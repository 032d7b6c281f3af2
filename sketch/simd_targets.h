// Which SIMD targets are compiled; to be included before Highway.
#pragma once

// The scalable targets have no vectors in arrays, which the medians need; such machines run NEON.
#define GOSSAMER_SCALABLE_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#ifdef GOSSAMER_SANITIZE
// Instrumented, one target takes a minute to compile; the narrow ones differ in the number of lanes alone.
#define HWY_DISABLED_TARGETS (GOSSAMER_SCALABLE_TARGETS | HWY_SSSE3 | HWY_SSE4)
#else
#define HWY_DISABLED_TARGETS GOSSAMER_SCALABLE_TARGETS
#endif
