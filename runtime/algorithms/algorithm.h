// A gradient compression algorithm: what is sent, and what every rank makes of the sum.
//
//   compress (caller) ─► stages (engine and driver) ─► update (caller)
//
// One object belongs to one rank and one compressor. `compress` and `update` are the caller's, with
// no operation in flight; the rest is Work. Nothing allocates after `make_algorithm`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/base.h"
#include "runtime/algorithms/compressor_config.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

// The same on every rank, bit for bit. Spans are the algorithm's, valid until the next operation; values lie in memory
// of the shape's kind, indices on the host.
struct Update {
  std::span<const std::uint32_t> indices;  // in the caller's order of tensors; none: values are all of them, in it
  std::span<const float> values;           // mean over ranks
};

class Algorithm : public Work {
 public:
  [[nodiscard]] virtual const Layout& layout() const = 0;
  // Takes the gradients, one pointer a tensor, in memory of the shape's kind; they are the caller's again on return. A
  // non-finite one is flagged in the payload instead of taken. An error is about the memory, and nothing was taken.
  virtual Result<GradientScan> compress(const float* const* gradients) = 0;
  [[nodiscard]] virtual Update update() const = 0;
  // weights[tensor][i] += scale * value; weights and values in memory of the shape's kind. The caller's.
  virtual Status apply_to(float* const* weights, const Update& update, float scale);
  // Accumulated and not yet sent, in the layout's order; empty where there is none. For tests and checkpoints.
  [[nodiscard]] virtual std::span<const float> residual() const { return {}; }
};

struct AlgorithmContext {
  CompressorShape shape;
  Rank rank;
  std::uint32_t rank_count = 1;
  topology::CostModel cost;
  ThreadPool* pool = nullptr;  // the session's; null: the calling thread does it all
};

[[nodiscard]] Result<std::unique_ptr<Algorithm>> make_algorithm(AlgorithmContext context);

// Sets the schedule of one stage, which has its label: the configured kind where it can do this collective, else the
// cheapest by the cost model for a payload of this size. Logged with its reason.
[[nodiscard]] Status schedule_stage(const AlgorithmContext& context, topology::Collective collective,
                                    std::uint64_t payload_bytes, Stage& stage);

}  // namespace gossamer::runtime
