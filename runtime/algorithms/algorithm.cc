#include "runtime/algorithms/algorithm.h"

#include <algorithm>

namespace gossamer::runtime {

Result<std::unique_ptr<Algorithm>> make_algorithm(AlgorithmContext context) {
  const AlgorithmRow& row = row_of(context.shape.algorithm);
  const bool on_host = context.shape.memory == MemoryKind::host;
  GOSSAMER_CHECK(on_host || row.make_on_device != nullptr, "resolve refuses memory that an algorithm does not take");
  return (on_host ? row.make : row.make_on_device)(std::move(context));
}

KeptVectors Algorithm::kept() const {
  GOSSAMER_CHECK(kept_in_ != nullptr, "an algorithm says where its state is");
  return {true, !kept_in_->momentum().empty(), false};
}

Status Algorithm::read_kept(Kept which, std::size_t tensor, std::span<float> values) {
  const std::span<const float> all = which == Kept::residual ? kept_in_->residual() : kept_in_->momentum();
  std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(layout().inner_offset(tensor)), values.size(), values.begin());
  return {};
}

Status Algorithm::write_kept(Kept which, std::size_t tensor, std::span<const float> values) {
  const std::span<float> all = which == Kept::residual ? kept_in_->residual() : kept_in_->momentum();
  std::copy(values.begin(), values.end(), all.begin() + static_cast<std::ptrdiff_t>(layout().inner_offset(tensor)));
  kept_in_->forget_sent();
  return {};
}

Status Algorithm::apply_to(float* const* weights, const Update& update, float scale) {
  apply_update(layout(), update.indices, update.values, weights, scale);
  return {};
}

}  // namespace gossamer::runtime
