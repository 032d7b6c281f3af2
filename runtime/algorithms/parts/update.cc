#include "runtime/algorithms/parts/update.h"

#include <numeric>

#include "base/base.h"

namespace gossamer::runtime {

namespace {

void add_scattered(std::span<const std::uint32_t> indices, std::span<const float> values, std::uint64_t begin,
                   float scale, float* weights) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    prefetch_ahead(weights, indices, i, begin);
    weights[indices[i] - begin] += scale * values[i];
  }
}

}  // namespace

Update make_update(const Layout& layout, std::vector<std::uint32_t>& applied, std::vector<std::uint32_t>& outer,
                   std::span<const float> means) {
  const std::size_t count = applied.size();
  applied.resize(count + layout.exact());
  std::iota(applied.begin() + static_cast<std::ptrdiff_t>(count), applied.end(),
            static_cast<std::uint32_t>(layout.sparse()));
  GOSSAMER_CHECK(applied.size() == means.size(), "one value for each coordinate that is applied");
  outer.resize(applied.size());
  layout.to_outer(applied, outer);
  return {outer, means};
}

void apply_update(const Layout& layout, std::span<const std::uint32_t> indices, std::span<const float> values,
                  float* const* weights, float scale) {
  if (indices.empty()) {
    for (std::size_t t = 0; t < layout.tensor_count() && !values.empty(); ++t) {
      const float* from = values.data() + layout.outer_offset(t);
      for (std::uint64_t i = 0; i < layout.tensor(t).count; ++i) weights[t][i] += scale * from[i];
    }
    return;
  }
  // Indices ascend within the compressed tensors, then within the exact ones: long runs within one tensor.
  std::size_t t = 0;
  for (std::size_t i = 0; i < indices.size();) {
    const std::uint64_t begin = layout.outer_offset(t);
    const std::uint64_t end = begin + layout.tensor(t).count;
    const std::size_t first = i;
    while (i < indices.size() && indices[i] >= begin && indices[i] < end) ++i;
    add_scattered(indices.subspan(first, i - first), values.subspan(first, i - first), begin, scale, weights[t]);
    t = (t + 1) % layout.tensor_count();
  }
}

}  // namespace gossamer::runtime
