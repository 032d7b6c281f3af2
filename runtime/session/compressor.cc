#include "runtime/session/compressor.h"

#include <utility>

namespace gossamer::runtime {

Result<std::unique_ptr<Compressor>> Compressor::make(AlgorithmContext context, const PlanDraw& draw, Driver& driver,
                                                     const Clock& clock) {
  std::unique_ptr<Compressor> self(new Compressor);
  std::string name = context.shape.name;
  GOSSAMER_ASSIGN(auto algorithm, make_algorithm(std::move(context)));
  self->algorithm_ = algorithm.get();
  self->clock_ = &clock;
  GOSSAMER_ASSIGN(self->plan_, Plan::make(draw, std::move(name), std::move(algorithm), driver, clock));
  return self;
}

Status Compressor::compress(const float* const* gradients) {
  GOSSAMER_TRY(plan_->check_idle("compress"));
  const std::uint64_t before_ns = clock_->now_ns();
  GOSSAMER_ASSIGN(const auto scan, algorithm_->compress(gradients));
  gradient_norm_ = scan.norm;
  clipped_ += scan.is_clipped ? 1u : 0u;
  compress_ns_ = clock_->now_ns() - before_ns;
  total_compress_ns_ += compress_ns_;
  is_compressed_ = true;
  return {};
}

Status Compressor::reduce() {
  GOSSAMER_TRY(plan_->check_idle("reduce"));
  if (!is_compressed_)
    return Error{Code::invalid_argument,
                 text(name(), " has nothing to reduce: call compress first, once for each reduce")};
  applied_before_ = applied();
  GOSSAMER_TRY(plan_->start());
  is_compressed_ = false;
  return {};
}

Status Compressor::save(std::span<std::byte> bytes) {
  GOSSAMER_TRY(plan_->check_idle("save"));
  GOSSAMER_CHECK(bytes.size() == state_bytes(), "a state of another size");
  return save_state(*algorithm_, bytes);
}

Result<TakenState> Compressor::take(std::span<const SavedState> states, bool allows_new) const {
  GOSSAMER_TRY(plan_->check_idle("load"));
  return take_states(*algorithm_, states, allows_new);
}

Status Compressor::load(const TakenState& taken) {
  GOSSAMER_TRY(plan_->check_idle("load"));
  applied_before_ = applied();
  plan_->forget_result();
  is_compressed_ = false;
  return load_state(*algorithm_, taken);
}

CompressorStats Compressor::stats() const {
  return {plan_->stats(), compress_ns_, applied(), gradient_norm_, clipped_, total_compress_ns_};
}

Result<Update> Compressor::update() const {
  if (plan_->is_in_flight())
    return Error{Code::busy, text(name(), " has an operation in flight: wait for it, then recover its update")};
  if (!plan_->has_result())
    return Error{Code::invalid_argument,
                 text(name(), " has no update: none of its operations has ended done since the last reduce")};
  return algorithm_->update();
}

}  // namespace gossamer::runtime
