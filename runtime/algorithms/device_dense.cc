// Dense all-reduce of gradients in device memory: the payload, the momentum and the update are there, too.
//
//   compress    device gradients ─► pump: scale, narrow ─► device payload | flag | norm |
//   exchange    the driver stages the payload through its host twin (staged_work.h)
//   prepare 1   device payload ─► pump: u = m u + g / P ─► device u, which is the update
//
// The host does the arithmetic, as dense.cc does it, and the same bits come out on a peer with gradients on the host.
#include "runtime/algorithms/device_dense.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "runtime/algorithms/algorithm.h"
#include "runtime/algorithms/parts/agreement.h"
#include "runtime/algorithms/parts/dense_steps.h"
#include "runtime/algorithms/parts/device_pump.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/stages.h"

namespace gossamer::runtime {

namespace {

std::span<const float> floats(const std::byte* data, std::size_t count) {
  return {reinterpret_cast<const float*>(data), count};
}
std::span<float> floats(std::byte* data, std::size_t count) { return {reinterpret_cast<float*>(data), count}; }

class DeviceDense final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    GOSSAMER_ASSIGN(const auto memory, find_device_memory(context.shape.memory));
    std::unique_ptr<DeviceDense> self(new DeviceDense(std::move(context), *memory));
    const std::uint64_t dimension = self->layout().dimension();
    self->shape_ = {dimension, dense_words, self->context_.shape.values};
    GOSSAMER_ASSIGN(self->payload_, DeviceBlock::make(*memory, self->shape_.bytes()));
    GOSSAMER_ASSIGN(self->u_, DeviceBlock::make(*memory, dimension * sizeof(float)));
    for (std::optional<DevicePump>* pump : {&self->callers_, &self->drivers_}) {
      GOSSAMER_ASSIGN(auto made, DevicePump::make(*memory));
      pump->emplace(std::move(made));
    }
    GOSSAMER_TRY(self->add_stage(
        merging_stage(self->context_, "gradient", self->shape_, self->payload_.data(), memory->kind())));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  Result<GradientScan> compress(const float* const* gradients) override {
    GOSSAMER_TRY(check_pointers(gradients, "gradient"));
    GOSSAMER_TRY(follow_caller());
    GradientScan scan;
    const bool clips = context_.shape.clip > 0.0;
    double squares = 0.0;
    if (clips) {
      GOSSAMER_TRY(sum_squares(gradients, squares));
      scan.norm = std::sqrt(squares);
      scan.cut_to(context_.shape.clip);
    }
    for (std::size_t i = 0; i < layout().tensor_count(); ++i) {
      const std::uint64_t offset = layout().outer_offset(i);
      const std::uint32_t cell_bytes = sketch::cell_bytes(shape_.type);
      const std::array vectors = {DevicePump::Vector{const_cast<float*>(gradients[i])},
                                  DevicePump::Vector{payload_.data() + offset * cell_bytes, cell_bytes, false, true}};
      GOSSAMER_TRY(
          callers_->run(layout().tensor(i).count, vectors, [&](std::uint64_t first, std::size_t count, auto at) {
            const auto g = floats(static_cast<const std::byte*>(at[0]), count);
            if (!scan.first_non_finite)
              if (const std::size_t bad = sketch::first_non_finite(g); bad < count)
                scan.first_non_finite = offset + first + bad;
            if (!clips) squares += sketch::sum_squares(g);
            make_dense_cells(wire(), g, scan.scale, {at[1], count * cell_bytes});
          }));
    }
    scan.norm = std::sqrt(squares);
    const std::array<std::uint64_t, dense_words> words = {make_flag(context_.rank, scan.first_non_finite),
                                                          norm_word(scan)};
    GOSSAMER_TRY(callers_->write(payload_.data() + shape_.words_offset(), words.data(), sizeof words));
    return scan;
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t>) override {
    if (stage == 0) return StageSize{shape_, 0};
    std::array<std::uint64_t, dense_words> words{};
    GOSSAMER_TRY(drivers_->read(words.data(), payload_.data() + shape_.words_offset(), sizeof words));
    GOSSAMER_TRY(check_flag(words[0], context_.rank_count, layout()));
    const std::uint64_t dimension = layout().dimension();
    const float momentum = context_.shape.momentum;
    const float norm_max = maximum_of(words[1]);
    const bool is_risky = bound_.may_overflow(wire(), momentum, norm_max);
    if (is_risky) GOSSAMER_TRY(check_sums(momentum));
    const std::uint32_t cell_bytes = sketch::cell_bytes(shape_.type);
    const std::array vectors = {DevicePump::Vector{payload_.data(), cell_bytes},
                                DevicePump::Vector{u_.data(), 4, momentum > 0.0f, true}};
    float magnitude = 0.0f;
    GOSSAMER_TRY(drivers_->run(dimension, vectors, [&](std::uint64_t, std::size_t count, auto at) {
      take_dense_cells(wire(), {at[0], count * cell_bytes}, momentum, floats(at[1], count));
      if (is_risky) magnitude = std::max(magnitude, sketch::largest_magnitude(floats(at[1], count)));
    }));
    if (is_risky)
      bound_.measure({&magnitude, 1});
    else
      bound_.step(momentum, norm_max);
    update_ = {{}, floats(static_cast<const std::byte*>(u_.data()), dimension)};
    return StageSize{};
  }

  KeptVectors kept() const override { return {false, context_.shape.momentum > 0.0f, true}; }
  Status read_kept(Kept, std::size_t tensor, std::span<float> values) override {
    return callers_->read(values.data(), momentum_at(tensor), values.size_bytes());
  }
  Status write_kept(Kept, std::size_t tensor, std::span<const float> values) override {
    if (tensor == 0) magnitude_written_ = 0.0f;
    magnitude_written_ = std::max(magnitude_written_, sketch::largest_magnitude(values));
    return callers_->write(momentum_at(tensor), values.data(), values.size_bytes());
  }
  void set_step(std::uint64_t) override { bound_.measure({&magnitude_written_, 1}); }

  void drop() override {}

  Status apply_to(float* const* weights, const Update& update, float scale) override {
    GOSSAMER_TRY(check_pointers(weights, "weights"));
    GOSSAMER_TRY(follow_caller());
    for (std::size_t i = 0; i < layout().tensor_count(); ++i) {
      const std::array vectors = {
          DevicePump::Vector{weights[i], 4, true, true},
          DevicePump::Vector{const_cast<float*>(update.values.data()) + layout().outer_offset(i)}};
      GOSSAMER_TRY(callers_->run(layout().tensor(i).count, vectors, [&](std::uint64_t, std::size_t count, auto at) {
        const auto w = floats(at[0], count);
        const auto values = floats(static_cast<const std::byte*>(at[1]), count);
        for (std::size_t k = 0; k < count; ++k) w[k] += scale * values[k];
      }));
    }
    return {};
  }

 private:
  DeviceDense(AlgorithmContext context, DeviceMemory& memory) : Algorithm(std::move(context)), memory_(memory) {}

  Status check_pointers(const float* const* pointers, std::string_view what) const {
    for (std::size_t i = 0; i < layout().tensor_count(); ++i)
      if (!memory_.owns(pointers[i]))
        return Error{Code::invalid_argument,
                     text("the ", what, " of tensor \"", layout().tensor(i).name, "\" is not in ",
                          memory_kind_name(memory_.kind()), " memory, as the compressor was told")};
    return {};
  }

  // What the caller's stream was given so far comes before the copies of this call.
  Status follow_caller() {
    if (context_.shape.stream == nullptr) return {};
    return callers_->follow(context_.shape.stream);
  }

  DenseWire wire() const { return {shape_.type, context_.rank_count}; }

  std::byte* momentum_at(std::size_t tensor) const { return u_.data() + layout().outer_offset(tensor) * sizeof(float); }

  // What the step would write, before it does.
  Status check_sums(float momentum) {
    const std::uint32_t cell_bytes = sketch::cell_bytes(shape_.type);
    const std::uint64_t dimension = layout().dimension();
    const std::array vectors = {DevicePump::Vector{payload_.data(), cell_bytes}, DevicePump::Vector{u_.data()}};
    std::uint64_t bad = dimension;
    GOSSAMER_TRY(drivers_->run(dimension, vectors, [&](std::uint64_t first, std::size_t count, auto at) {
      const auto u = floats(static_cast<const std::byte*>(at[1]), count);
      const std::size_t here = first_overflow(wire(), {at[0], count * cell_bytes}, momentum, u);
      if (here < count) bad = std::min(bad, first + here);
    }));
    if (bad < dimension) return overflow("the sum over ranks", bad, layout());
    return {};
  }

  // Of what must be scaled before it is written: one read more.
  Status sum_squares(const float* const* gradients, double& squares) {
    for (std::size_t i = 0; i < layout().tensor_count(); ++i) {
      const std::array vectors = {DevicePump::Vector{const_cast<float*>(gradients[i])}};
      GOSSAMER_TRY(callers_->run(layout().tensor(i).count, vectors, [&](std::uint64_t, std::size_t count, auto at) {
        squares += sketch::sum_squares(floats(static_cast<const std::byte*>(at[0]), count));
      }));
    }
    return {};
  }

  DeviceMemory& memory_;
  sketch::PayloadShape shape_;
  DeviceBlock payload_;
  DeviceBlock u_;
  DenseBound bound_;
  float magnitude_written_ = 0.0f;     // of u, by write_kept
  std::optional<DevicePump> callers_;  // of compress and apply
  std::optional<DevicePump> drivers_;  // of prepare
};

}  // namespace

Result<std::unique_ptr<Algorithm>> make_device_dense(AlgorithmContext context) {
  return DeviceDense::make(std::move(context));
}

}  // namespace gossamer::runtime
