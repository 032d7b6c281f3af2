// The matrix products of the training example, on plain pointers.
//
// One translation unit, compiled twice: for any x86-64 and for AVX2 with FMA. Functions with several
// targets (target_clones) do not reach into Eigen's templates, which choose their vector width when they
// are compiled; so the width is a property of the whole unit, and the unit is chosen when the program
// starts. Only a rank's own gradient depends on the choice: ranks agree, since the update comes out of the
// exchange with the same bits everywhere. Row-major, f32, at least one sample; one thread. Any alignment, which does
// not change the bits.
#pragma once

#include <cstddef>

namespace gossamer::tools {

struct LayerShape {
  std::size_t inputs = 0;
  std::size_t outputs = 0;
};

struct MlpKernel {
  const char* target;  // "avx2+fma", "x86-64"
  // out (samples x outputs) = in (samples x inputs) * w (inputs x outputs) + b; then max(0, .) if `relu`.
  void (*forward)(LayerShape shape, std::size_t samples, const float* in, const float* w, const float* b, bool relu,
                  float* out);
  // dw = in^T * delta; db = column sums of delta; and, unless null, delta_in = delta * w^T where in > 0, else 0.
  void (*backward)(LayerShape shape, std::size_t samples, const float* in, const float* w, const float* delta,
                   float* dw, float* db, float* delta_in);
};

[[nodiscard]] const MlpKernel& mlp_kernel_baseline();
// Null where the compiler does not target x86-64.
[[nodiscard]] const MlpKernel* mlp_kernel_avx2();
// The fastest that this machine runs.
[[nodiscard]] const MlpKernel& mlp_kernel();

}  // namespace gossamer::tools
