// Dense all-reduce of everything, with the same meaning of an update as the others: momentum included.
//
//   stage 0     g = sum over ranks of g          | all coordinates | non-finite flag | largest norm of a rank |
//   prepare 1   u = m u + g / P ;  update = u
//
// bf16 and f16 halve the bytes: each rank rounds its gradient, and each merge its sum. What is rounded off is lost.
// u is written in place. Only where the norms say that the sum or u might overflow, what would be written is looked at
// first, in a pass of its own.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "runtime/algorithms/algorithm.h"
#include "runtime/algorithms/device_dense.h"
#include "runtime/algorithms/parts/agreement.h"
#include "runtime/algorithms/parts/dense_steps.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/stages.h"

namespace gossamer::runtime {

namespace {

class Dense final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<Dense> self(new Dense(std::move(context)));
    const std::uint64_t dimension = self->layout().dimension();
    self->shape_ = {dimension, dense_words, self->context_.shape.values};
    GOSSAMER_ASSIGN(self->payload_, Buffer::make(self->shape_.bytes()));
    GOSSAMER_ASSIGN(self->u_, Buffer::make(dimension * sizeof(float)));
    GOSSAMER_TRY(self->add_stage(merging_stage(self->context_, "gradient", self->shape_, self->payload_.data())));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  Result<GradientScan> compress(const float* const* gradients) override {
    const GradientScan scan = scan_gradients(layout(), gradients, context_.shape.clip, context_.pool, sums_);
    write_word(payload_, shape_, 0, make_flag(context_.rank, scan.first_non_finite));
    write_word(payload_, shape_, 1, norm_word(scan));
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
    const float norm_max = maximum_of(read_word(payload_, shape_, 1));
    const auto u = u_.as<float>(dimension);
    const std::span<const std::byte> cells = cells_at(0, dimension);
    const bool is_risky = bound_.may_overflow(wire(), momentum, norm_max);
    if (is_risky) {
      const std::size_t bad = first_overflow(wire(), cells, momentum, u);
      if (bad < dimension) return overflow("the sum over ranks", bad, layout());
    }
    take_dense_cells(wire(), cells, momentum, u);
    if (is_risky)
      bound_.measure(u);
    else
      bound_.step(momentum, norm_max);
    update_ = {{}, u};
    return StageSize{};
  }

  KeptVectors kept() const override { return {false, context_.shape.momentum > 0.0f, true}; }
  Status read_kept(Kept, std::size_t tensor, std::span<float> values) override {
    std::copy_n(momentum_at(tensor), values.size(), values.begin());
    return {};
  }
  Status write_kept(Kept, std::size_t tensor, std::span<const float> values) override {
    std::copy(values.begin(), values.end(), momentum_at(tensor));
    return {};
  }
  void set_step(std::uint64_t) override { bound_.measure(u_.as<float>(layout().dimension())); }

  void drop() override {}

 private:
  float* momentum_at(std::size_t tensor) const {
    return u_.as<float>(layout().dimension()).data() + layout().outer_offset(tensor);
  }

  explicit Dense(AlgorithmContext context)
      : Algorithm(std::move(context)), sums_(scan_pieces_max(context_.shape.layout)) {}

  DenseWire wire() const { return {shape_.type, context_.rank_count}; }

  std::span<std::byte> cells_at(std::uint64_t at, std::uint64_t count) const {
    return std::span(payload_.data(), shape_.cells_bytes())
        .subspan(at * sketch::cell_bytes(shape_.type), count * sketch::cell_bytes(shape_.type));
  }

  sketch::PayloadShape shape_;
  Buffer payload_;
  Buffer u_;
  DenseBound bound_;
  std::vector<double> sums_;
};

constexpr std::array values_of_dense = {sketch::CellType::f32, sketch::CellType::bf16, sketch::CellType::f16};

}  // namespace

constinit const AlgorithmRow row_of_dense = {
    .kind = AlgorithmKind::dense,
    .name = "dense",
    .make = &Dense::make,
    .make_on_device = &make_device_dense,
    .density = 1.0,
    .momentum = 0.0,
    .clip = 0.0,
    .training_momentum = 0.9,
    .training_rate = 0.1,
    .is_sketched = false,
    .values = values_of_dense,
    .step_words = [](const StepSize& s) { return (s.sparse + s.exact) * s.value_words; }};

}  // namespace gossamer::runtime
