// Dense all-reduce of everything, with the same meaning of an update as the others: momentum included.
//
//   stage 0     g = sum over ranks of g                       | all coordinates | non-finite flag |
//   prepare 1   u = m u + g / P ;  update = u
#include <vector>

#include "runtime/agreement.h"
#include "runtime/algorithm.h"
#include "runtime/feedback.h"

namespace gossamer::runtime {

namespace {

class Dense final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<Dense> self(new Dense(std::move(context)));
    const std::uint64_t dimension = self->layout().dimension();
    self->shape_ = {dimension, 1};
    auto payload = Buffer::make(self->shape_.bytes());
    GOSSAMER_TRY(payload);
    self->payload_ = std::move(*payload);
    auto momentum = Buffer::make(dimension * sizeof(float));
    GOSSAMER_TRY(momentum);
    self->momentum_ = std::move(*momentum);
    Stage sum;
    sum.label = "gradient";
    sum.bytes_max = self->shape_.bytes();
    sum.buffer = self->payload_.data();
    auto schedule = schedule_stage(self->context_, sum.label, topology::Collective::all_reduce, sum.bytes_max);
    GOSSAMER_TRY(schedule);
    sum.schedule = *schedule;
    self->stages_.push_back(std::move(sum));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  const Layout& layout() const override { return context_.shape.layout; }
  std::span<const Stage> stages() const override { return stages_; }

  void compress(const float* const* gradients) override {
    const GradientScan scan = scan_gradients(layout(), gradients, context_.shape.clip);
    write_word(payload_, shape_, 0, make_flag(context_.rank, scan.first_non_finite));
    const auto cells = payload_cells(payload_, shape_);
    // In the caller's order: the update has no indices.
    for (std::size_t i = 0; i < layout().tensor_count(); ++i) {
      float* out = cells.data() + layout().outer_offset(i);
      for (std::uint64_t j = 0; j < layout().tensor(i).count; ++j)
        out[j] = scan.first_non_finite ? 0.0f : gradients[i][j] * scan.scale;
    }
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t>) override {
    if (stage == 0) return StageSize{shape_, 0};
    GOSSAMER_TRY(check_flag(read_word(payload_, shape_, 0)));
    const auto sums = payload_cells(payload_, shape_);
    const auto u = momentum_.as<float>(sums.size());
    const float share = 1.0f / static_cast<float>(context_.rank_count);
    const float momentum = context_.shape.momentum;
    for (std::size_t i = 0; i < sums.size(); ++i) u[i] = momentum * u[i] + sums[i] * share;
    update_ = {true, {}, u};
    return StageSize{};
  }

  void drop() override {}
  Update update() const override { return update_; }

 private:
  explicit Dense(AlgorithmContext context) : context_(std::move(context)) {}

  AlgorithmContext context_;
  sketch::PayloadShape shape_;
  Buffer payload_;
  Buffer momentum_;
  std::vector<Stage> stages_;
  Update update_;
};

}  // namespace

Result<std::unique_ptr<Algorithm>> make_dense(AlgorithmContext context) { return Dense::make(std::move(context)); }

}  // namespace gossamer::runtime
