// Compiled once for each target, see mlp_kernel.h. GOSSAMER_MLP_AVX2 says for which.
//
// Eigen's namespace is renamed for the second one. Otherwise both objects would define the same weak
// functions, the linker would keep one of each, and the baseline could end up running AVX2 code. The test
// `mlp_kernel_isolation` looks at the object's symbols.
#define EIGEN_DONT_PARALLELIZE
#ifdef GOSSAMER_MLP_AVX2
#define Eigen EigenForAvx2
#endif
#include "tools/train/mlp_kernel.h"

#include <Eigen/Core>

namespace gossamer::tools {
namespace {

using Index = Eigen::Index;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::Matrix<float, 1, Eigen::Dynamic>;
using Input = Eigen::Map<const Matrix>;
using Output = Eigen::Map<Matrix>;

void forward(LayerShape shape, std::size_t samples, const float* in, const float* w, const float* b, bool relu,
             float* out) {
  const auto n = static_cast<Index>(samples);
  const auto inputs = static_cast<Index>(shape.inputs);
  const auto outputs = static_cast<Index>(shape.outputs);
  Output result(out, n, outputs);
  result.noalias() = Input(in, n, inputs) * Input(w, inputs, outputs);
  result.rowwise() += Eigen::Map<const Row>(b, outputs);
  if (relu) result = result.cwiseMax(0.0f);
}

void backward(LayerShape shape, std::size_t samples, const float* in, const float* w, const float* delta, float* dw,
              float* db, float* delta_in) {
  const auto n = static_cast<Index>(samples);
  const auto inputs = static_cast<Index>(shape.inputs);
  const auto outputs = static_cast<Index>(shape.outputs);
  const Input x(in, n, inputs);
  const Input d(delta, n, outputs);
  Output(dw, inputs, outputs).noalias() = x.transpose() * d;
  // Row by row: Eigen's own column sums take their first elements by the pointer's alignment, and the order of a sum
  // is its bits.
  Eigen::Map<Row> sums(db, outputs);
  sums = d.row(0);
  for (Index i = 1; i < n; ++i) sums += d.row(i);
  if (delta_in == nullptr) return;
  Output back(delta_in, n, inputs);
  back.noalias() = d * Input(w, inputs, outputs).transpose();
  back.array() *= (x.array() > 0.0f).cast<float>();
}

}  // namespace

#ifdef GOSSAMER_MLP_AVX2
extern const MlpKernel mlp_kernel_of_avx2;
const MlpKernel mlp_kernel_of_avx2{"avx2+fma", forward, backward};
#else
extern const MlpKernel mlp_kernel_of_baseline;
const MlpKernel mlp_kernel_of_baseline{"x86-64", forward, backward};
#endif

}  // namespace gossamer::tools
