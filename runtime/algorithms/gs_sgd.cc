// gs-SGD (arXiv 2108.06004), with oversampled candidates and all exact values applied.
//
//   compress    u = m u + g ;  v = v + u ;  S = sketch(v)     one pass over all of them
//   sketch      S = sum over ranks of S                       | cells | non-finite flag |
//   recover     H = the a k largest |estimate(S)| ;  x = v[H]
//   values      x = sum over ranks of x                       | values | hash of H, ~hash of H |
//   apply       update = x / P ;  u[H] = 0 ;  v[H] -= what this rank really sent
//
// Integer cells need a scale that all ranks share, so a round of three words goes first, and the sketch is made
// after it:
//
//   scale       flag, largest |v| and largest norm of v over ranks
//
// Recover is each rank's own work, or shared by all of them in two rounds more: sharded_decode.h.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "runtime/algorithms/algorithm.h"
#include "runtime/algorithms/parts/agreement.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/sharded_decode.h"
#include "runtime/algorithms/parts/stages.h"
#include "runtime/algorithms/parts/value_exchange.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

class GsSgd final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<GsSgd> self(new GsSgd(std::move(context)));
    const AlgorithmContext& c = self->context_;
    const CompressorShape& shape = c.shape;
    auto sketch =
        sketch::make_count_sketch({shape.layout.sparse(), shape.rows, shape.columns}, shape.candidates, c.pool);
    GOSSAMER_TRY(sketch);
    self->sketch_ = std::move(*sketch);
    GOSSAMER_ASSIGN(self->values_, ValueExchange::make(c, shape.candidates));
    self->choose_cells();
    const auto measures = self->has_scale_stage()           ? Feedback::Measures::extent
                          : self->values_.needs_magnitude() ? Feedback::Measures::magnitude
                                                            : Feedback::Measures::nothing;
    GOSSAMER_ASSIGN(self->feedback_, Feedback::make(shape.layout, shape.momentum, measures, c.pool));
    self->keep_in(self->feedback_);
    GOSSAMER_ASSIGN(self->payload_, Buffer::make(self->cells_.bytes()));
    GOSSAMER_ASSIGN(self->scale_payload_, Buffer::make(self->scale_.bytes()));
    self->candidates_.resize(shape.candidates);
    self->chosen_.resize(shape.candidates);
    self->applied_.reserve(shape.candidates + shape.layout.exact());
    self->outer_.reserve(shape.candidates + shape.layout.exact());
    if (shape.keep_k) {
      GOSSAMER_ASSIGN(self->selector_, sketch::make_selector(shape.candidates, shape.k));
    }
    GOSSAMER_TRY(self->add_stages());
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  Result<GradientScan> compress(const float* const* gradients) override {
    const GradientScan scan =
        has_scale_stage() ? feedback_.absorb(layout(), gradients, context_.shape.clip) : absorb_and_encode(gradients);
    Feedback::Extent extent;
    if (scan.first_non_finite) {
      std::fill(payload_.data(), payload_.data() + cells_.words_offset(), std::byte{0});
    } else if (has_scale_stage() || values_.needs_magnitude()) {
      extent = feedback_.pending_extent();
    }
    write_word(words_payload(), words_shape(), 0, make_flag(context_.rank, scan.first_non_finite));
    if (words_shape().words > 1) write_word(words_payload(), words_shape(), 1, maximum_word(extent.magnitude));
    if (words_shape().words > 2) write_word(words_payload(), words_shape(), 2, maximum_word(extent.norm));
    return scan;
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) override {
    switch (stage < phases_.size() ? phases_[stage] : Phase::apply) {
      case Phase::scale:
        return StageSize{scale_, 0};
      case Phase::sketch:
        if (has_scale_stage()) GOSSAMER_TRY(encode_in_scale());
        return StageSize{cells_, 0};
      case Phase::histogram:
        GOSSAMER_TRY(load());
        return sharded_.fill_histogram(*sketch_);
      case Phase::candidates:
        return sharded_.fill_candidates(*sketch_);
      case Phase::values:
        GOSSAMER_TRY(is_sharded() ? sharded_.merge(part_bytes, candidates_) : recover());
        return fill_values();
      case Phase::apply:
        break;
    }
    GOSSAMER_TRY(values_.check());
    GOSSAMER_TRY(apply());
    return StageSize{};
  }

  std::uint64_t step() const override { return step_; }
  void set_step(std::uint64_t step) override { step_ = step; }

  void drop() override {
    ++step_;  // every rank has started this operation, so every rank moves on to the next seed
  }

 private:
  // What is prepared: a stage, and after the last one the update.
  enum class Phase : std::uint8_t { scale, sketch, histogram, candidates, values, apply };

  explicit GsSgd(AlgorithmContext context) : Algorithm(std::move(context)) {}

  std::uint64_t seed() const { return mix64(context_.shape.seed, step_); }
  bool has_scale_stage() const { return sketch::is_integer(cells_.type); }
  bool is_sharded() const { return context_.shape.decode == DecodeKind::sharded; }
  // Where the flag and what goes with it travel: in the first message that is exchanged.
  const Buffer& words_payload() const { return has_scale_stage() ? scale_payload_ : payload_; }
  const sketch::PayloadShape& words_shape() const { return has_scale_stage() ? scale_ : cells_; }

  void choose_cells() {
    const CompressorShape& shape = context_.shape;
    cells_ = {sketch_->shape().cells(), 1, shape.cells};
    if (!sketch::is_integer(shape.cells)) {
      if (values_.needs_magnitude()) cells_.words = 2;
      return;
    }
    cells_ = {sketch_->shape().cells(), 0, sketch::widen_for(shape.cells, context_.rank_count)};
    scale_ = {0, 3};
    if (context_.rank.value == 0 && is_log_enabled(LogLevel::info))
      log(LogLevel::info,
          text(shape.name, " cells: ", sketch::cell_type_name(cells_.type),
               cells_.type == shape.cells ? "" : text(" instead of ", sketch::cell_type_name(shape.cells)), ", ",
               sketch::level_max_of(cells_.type, context_.rank_count), " levels a side for each of ",
               context_.rank_count, " ranks, ", format_bytes(cells_.bytes()), " a sketch"));
  }

  Status add_stages() {
    if (has_scale_stage())
      GOSSAMER_TRY(add_phase(Phase::scale, merging_stage(context_, "scale", scale_, scale_payload_.data())));
    GOSSAMER_TRY(add_phase(Phase::sketch, merging_stage(context_, "sketch", cells_, payload_.data())));
    if (is_sharded()) {
      GOSSAMER_ASSIGN(sharded_, ShardedDecode::make(context_));
      GOSSAMER_TRY(add_phase(Phase::histogram, sharded_.histogram_stage(context_)));
      GOSSAMER_TRY(add_phase(Phase::candidates, sharded_.candidates_stage(context_)));
    }
    return add_phase(Phase::values, values_.stage(context_, "values"));
  }

  Status add_phase(Phase phase, Result<Stage> stage) {
    phases_.push_back(phase);
    return add_stage(std::move(stage));
  }

  GradientScan absorb_and_encode(const float* const* gradients) {
    if (context_.shape.columns < Feedback::range_alignment) {  // pieces would begin anywhere; and there are few
      const GradientScan scan = feedback_.absorb(layout(), gradients, context_.shape.clip);
      if (!scan.first_non_finite) encode({}, nullptr);
      return scan;
    }
    if (feedback_.begin(layout(), gradients, context_.shape.clip)) {
      encode({}, [&](std::uint64_t first, std::span<float> copy) {
        return feedback_.absorb_range(layout(), first, copy.size(), copy.data());
      });
      feedback_.absorb_range(layout(), layout().sparse(), layout().exact(), nullptr);
    }
    return feedback_.end(layout());
  }

  void encode(const sketch::FixedPoint& fixed, sketch::CountSketch::Produce produce) {
    sketch_->encode_cells(seed(), feedback_.pending().first(layout().sparse()),
                          {cells_.type, fixed, context_.rank.value}, {payload_.data(), cells_.cells_bytes()}, produce);
    std::fill(payload_.data() + cells_.cells_bytes(), payload_.data() + cells_.words_offset(), std::byte{0});
  }

  Status encode_in_scale() {
    GOSSAMER_TRY(check_flag(read_word(scale_payload_, scale_, 0), context_.rank_count, layout()));
    const float magnitude = maximum_of(read_word(scale_payload_, scale_, 1));
    const float norm = maximum_of(read_word(scale_payload_, scale_, 2));
    if (!std::isfinite(norm) || !std::isfinite(magnitude)) return residual_overflow();
    encode(sketch::choose_fixed_point(sketch_->shape(), sketch::level_max_of(cells_.type, context_.rank_count), norm,
                                      magnitude),
           nullptr);
    return {};
  }

  Status load() {
    if (!has_scale_stage()) GOSSAMER_TRY(check_flag(read_word(payload_, cells_, 0), context_.rank_count, layout()));
    if (!sketch_->load_cells(seed(), cells_.type, {payload_.data(), cells_.cells_bytes()}))
      return overflow("a cell of the merged sketch", {}, layout());
    return {};
  }

  Status recover() {
    GOSSAMER_TRY(load());
    if (context_.shape.selection == SelectionKind::top)
      sketch_->select_top(candidates_);
    else
      sketch_->select_heavymix(context_.shape.k, candidates_);
    return {};
  }

  Error residual_overflow() const { return overflow("a rank's gradient with its momentum and residual", {}, layout()); }

  Result<StageSize> fill_values() {
    const float magnitude = values_.needs_magnitude() ? maximum_of(read_word(words_payload(), words_shape(), 1)) : 0.0f;
    if (!std::isfinite(magnitude)) return residual_overflow();
    return values_.fill(feedback_, candidates_, sketch::hash_bytes(std::as_bytes(std::span(candidates_))), magnitude);
  }

  Status apply() {
    GOSSAMER_ASSIGN(std::span<float> means, values_.take_means(layout(), candidates_));
    applied_.assign(candidates_.begin(), candidates_.end());
    if (context_.shape.keep_k && context_.shape.k < candidates_.size()) means = keep_largest(means);
    feedback_.commit(applied_, values_.rounding());
    update_ = make_update(layout(), applied_, outer_, means);
    ++step_;
    return {};
  }

  // The published variant: of the exact sums only the k largest. What is kept moves to the front.
  std::span<float> keep_largest(std::span<float> means) {
    const std::span<std::uint32_t> kept = std::span(chosen_).first(context_.shape.k);
    selector_->select_largest(means.first(candidates_.size()), kept);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      means[i] = means[kept[i]];  // kept ascends, so nothing is read after it was written
      applied_[i] = candidates_[kept[i]];
    }
    std::copy(means.begin() + static_cast<std::ptrdiff_t>(candidates_.size()), means.end(),
              means.begin() + static_cast<std::ptrdiff_t>(kept.size()));
    applied_.resize(kept.size());
    return means.first(kept.size() + layout().exact());
  }

  std::unique_ptr<sketch::CountSketch> sketch_;
  std::unique_ptr<sketch::Selector> selector_;
  Feedback feedback_;
  sketch::PayloadShape scale_;
  sketch::PayloadShape cells_;
  Buffer scale_payload_;
  Buffer payload_;
  ValueExchange values_;
  ShardedDecode sharded_;                  // where decode is sharded
  std::vector<Phase> phases_;              // of each stage
  std::vector<std::uint32_t> candidates_;  // H, ascending
  std::vector<std::uint32_t> chosen_;      // positions in H that the published variant keeps
  std::vector<std::uint32_t> applied_;     // what was applied, in our order
  std::vector<std::uint32_t> outer_;       // the same in the caller's order
  std::uint64_t step_ = 0;
};

constexpr std::array values_of_gs_sgd = {sketch::CellType::f32, sketch::CellType::i16};

}  // namespace

constinit const AlgorithmRow row_of_gs_sgd = {.kind = AlgorithmKind::gs_sgd,
                                              .name = "gs-sgd",
                                              .make = &GsSgd::make,
                                              .make_on_device = nullptr,
                                              .density = 0.0195,
                                              .momentum = 0.3,
                                              .clip = 1.0,
                                              .training_momentum = 0.3,
                                              .training_rate = 0.7,
                                              .is_sketched = true,
                                              .values = values_of_gs_sgd,
                                              .step_words = [](const StepSize& s) {
                                                return s.rows * s.columns * s.cell_words +
                                                       (s.candidates + s.exact) * s.value_words;
                                              }};

}  // namespace gossamer::runtime
