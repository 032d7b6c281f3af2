#include "runtime/algorithms/algorithm.h"

namespace gossamer::runtime {

Result<std::unique_ptr<Algorithm>> make_algorithm(AlgorithmContext context) {
  const AlgorithmRow& row = row_of(context.shape.algorithm);
  const bool on_host = context.shape.memory == MemoryKind::host;
  GOSSAMER_CHECK(on_host || row.make_on_device != nullptr, "resolve refuses memory that an algorithm does not take");
  return (on_host ? row.make : row.make_on_device)(std::move(context));
}

Status Algorithm::apply_to(float* const* weights, const Update& update, float scale) {
  apply_update(layout(), update.indices, update.values, weights, scale);
  return {};
}

}  // namespace gossamer::runtime
