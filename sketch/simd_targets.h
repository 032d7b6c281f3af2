// Which SIMD targets are compiled; to be included before Highway.
#pragma once

// The scalable targets have no vectors in arrays, which the medians need; such machines run NEON.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
