// Dense all-reduce of everything, with the same meaning of an update as the others: momentum included.
//
//   stage 0     g = sum over ranks of g                       | all coordinates | non-finite flag |
//   prepare 1   u = m u + g / P ;  update = u
//
// bf16 and f16 halve the bytes: each rank rounds its gradient, and each merge its sum. What is rounded off is lost.
// u has two generations where there is momentum: one that holds NaN or infinity is never the current one.
#include <cstring>
#include <vector>

#include "runtime/agreement.h"
#include "runtime/algorithm.h"
#include "runtime/dense_steps.h"
#include "runtime/feedback.h"

namespace gossamer::runtime {

namespace {

class Dense final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<Dense> self(new Dense(std::move(context)));
    const std::uint64_t dimension = self->layout().dimension();
    self->shape_ = {dimension, 1, self->context_.shape.values};
    auto payload = Buffer::make(self->shape_.bytes());
    GOSSAMER_TRY(payload);
    self->payload_ = std::move(*payload);
    const int generations = self->context_.shape.momentum > 0.0f ? 2 : 1;
    for (int i = 0; i < generations; ++i) {
      auto made = Buffer::make(dimension * sizeof(float));
      GOSSAMER_TRY(made);
      self->u_[i] = std::move(*made);
    }
    Stage sum;
    sum.label = "gradient";
    sum.bytes_max = self->shape_.bytes();
    sum.buffer = self->payload_.data();
    GOSSAMER_TRY(schedule_stage(self->context_, topology::Collective::all_reduce, sum.bytes_max, sum));
    self->stages_.push_back(std::move(sum));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  const Layout& layout() const override { return context_.shape.layout; }
  std::span<const Stage> stages() const override { return stages_; }

  Result<GradientScan> compress(const float* const* gradients) override {
    const GradientScan scan = scan_gradients(layout(), gradients, context_.shape.clip, context_.pool, sums_);
    write_word(payload_, shape_, 0, make_flag(context_.rank, scan.first_non_finite));
    // In the caller's order: the update has no indices.
    for (std::size_t i = 0; i < layout().tensor_count(); ++i) {
      const std::uint64_t count = layout().tensor(i).count;
      const std::span<std::byte> cells = cells_at(layout().outer_offset(i), count);
      if (scan.first_non_finite)
        std::memset(cells.data(), 0, cells.size());
      else
        make_dense_cells(wire(), {gradients[i], count}, scan.scale, cells);
    }
    return scan;
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t>) override {
    if (stage == 0) return StageSize{shape_, 0};
    GOSSAMER_TRY(check_flag(read_word(payload_, shape_, 0), context_.rank_count, layout()));
    const std::uint64_t dimension = layout().dimension();
    const float momentum = context_.shape.momentum;
    const int next = momentum > 0.0f ? 1 - current_ : 0;
    const auto u = u_[next].as<float>(dimension);
    if (const std::size_t bad =
            take_dense_cells(wire(), cells_at(0, dimension), momentum, u_[current_].as<float>(dimension), u);
        bad < dimension)
      return overflow("the sum over ranks", bad, layout());
    current_ = next;
    update_ = {true, {}, u};
    return StageSize{};
  }

  void drop() override {}
  Update update() const override { return update_; }

 private:
  explicit Dense(AlgorithmContext context)
      : context_(std::move(context)), sums_(scan_pieces_max(context_.shape.layout)) {}

  DenseWire wire() const { return {shape_.type, context_.rank_count}; }

  std::span<std::byte> cells_at(std::uint64_t at, std::uint64_t count) const {
    return std::span(payload_.data(), shape_.cells_bytes())
        .subspan(at * sketch::cell_bytes(shape_.type), count * sketch::cell_bytes(shape_.type));
  }

  AlgorithmContext context_;
  sketch::PayloadShape shape_;
  Buffer payload_;
  Buffer u_[2];
  int current_ = 0;
  std::vector<double> sums_;
  std::vector<Stage> stages_;
  Update update_;
};

}  // namespace

Result<std::unique_ptr<Algorithm>> make_dense(AlgorithmContext context) { return Dense::make(std::move(context)); }

}  // namespace gossamer::runtime
