#include "runtime/apply_update.h"

namespace gossamer::runtime {

void apply_update(const Layout& layout, std::span<const std::uint32_t> indices, std::span<const float> values,
                  float* const* weights, float scale) {
  if (indices.empty()) {
    for (std::size_t t = 0; t < layout.tensor_count() && !values.empty(); ++t) {
      const float* from = values.data() + layout.outer_offset(t);
      for (std::uint64_t i = 0; i < layout.tensor(t).count; ++i) weights[t][i] += scale * from[i];
    }
    return;
  }
  // Indices ascend within the compressed tensors, then within the exact ones: the tensor changes seldom.
  std::size_t t = 0;
  std::uint64_t begin = layout.outer_offset(0);
  std::uint64_t end = begin + layout.tensor(0).count;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    while (indices[i] < begin || indices[i] >= end) {
      t = (t + 1) % layout.tensor_count();
      begin = layout.outer_offset(t);
      end = begin + layout.tensor(t).count;
    }
    weights[t][indices[i] - begin] += scale * values[i];
  }
}

}  // namespace gossamer::runtime
