// gs-SGD (arXiv 2108.06004), with oversampled candidates and all exact values applied.
//
//   compress    u = m u + g ;  v = v + u ;  S = sketch(v)
//   stage 0     S = sum over ranks of S                       | cells | non-finite flag |
//   prepare 1   H = the a k largest |estimate(S)| ;  x = v[H]
//   stage 1     x = sum over ranks of x                       | values | hash of H, ~hash of H |
//   prepare 2   update = x / P ;  u[H] = 0 ;  v[H] = 0
#include <algorithm>
#include <utility>
#include <vector>

#include "runtime/agreement.h"
#include "runtime/algorithm.h"
#include "runtime/feedback.h"
#include "runtime/value_exchange.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

class GsSgd final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<GsSgd> self(new GsSgd(std::move(context)));
    const CompressorShape& shape = self->context_.shape;
    auto sketch = sketch::make_count_sketch({shape.layout.sparse(), shape.rows, shape.columns}, shape.candidates);
    GOSSAMER_TRY(sketch);
    self->sketch_ = std::move(*sketch);
    auto feedback = Feedback::make(shape.layout);
    GOSSAMER_TRY(feedback);
    self->feedback_ = std::move(*feedback);
    self->cells_ = {self->sketch_->shape().cells(), 1};
    auto payload = Buffer::make(self->cells_.bytes());
    GOSSAMER_TRY(payload);
    self->payload_ = std::move(*payload);
    auto values = ValueExchange::make(self->context_, shape.candidates);
    GOSSAMER_TRY(values);
    self->values_ = std::move(*values);
    self->candidates_.resize(shape.candidates);
    self->chosen_.resize(shape.candidates);
    self->applied_.resize(shape.candidates + shape.layout.exact());
    self->outer_.resize(self->applied_.size());
    if (shape.keep_k) {
      auto selector = sketch::make_selector(shape.candidates, shape.k);
      GOSSAMER_TRY(selector);
      self->selector_ = std::move(*selector);
    }

    Stage sum;
    sum.label = "sketch";
    sum.bytes_max = self->cells_.bytes();
    sum.buffer = self->payload_.data();
    auto schedule = schedule_stage(self->context_, sum.label, topology::Collective::all_reduce, sum.bytes_max);
    GOSSAMER_TRY(schedule);
    sum.schedule = *schedule;
    self->stages_.push_back(std::move(sum));
    auto second = self->values_.stage(self->context_, "values");
    GOSSAMER_TRY(second);
    self->stages_.push_back(std::move(*second));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  const Layout& layout() const override { return context_.shape.layout; }
  std::span<const Stage> stages() const override { return stages_; }
  std::span<const float> residual() const override { return feedback_.residual(); }

  void compress(const float* const* gradients) override {
    const GradientScan scan = scan_gradients(layout(), gradients, context_.shape.clip);
    write_word(payload_, cells_, 0, make_flag(context_.rank, scan.first_non_finite));
    const auto cells = payload_cells(payload_, cells_);
    if (scan.first_non_finite) {
      std::fill(cells.begin(), cells.end(), 0.0f);
      return;
    }
    feedback_.absorb(layout(), gradients, scan.scale, context_.shape.momentum);
    sketch_->encode(seed(), feedback_.pending().first(layout().sparse()), cells);
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t>) override {
    if (stage == 0) return StageSize{cells_, 0};
    if (stage == 1) return recover();
    GOSSAMER_TRY(values_.check());
    apply();
    return StageSize{};
  }

  void drop() override {
    feedback_.drop();
    ++step_;  // every rank has started this operation, so every rank moves on to the next seed
  }

  Update update() const override { return update_; }

 private:
  explicit GsSgd(AlgorithmContext context) : context_(std::move(context)) {}

  std::uint64_t seed() const { return mix64(context_.shape.seed, step_); }

  Result<StageSize> recover() {
    GOSSAMER_TRY(check_flag(read_word(payload_, cells_, 0)));
    sketch_->load(seed(), payload_cells(payload_, cells_));
    if (context_.shape.selection == SelectionKind::top)
      sketch_->select_top(candidates_);
    else
      sketch_->select_heavymix(context_.shape.k, candidates_);
    return values_.fill(feedback_, candidates_, sketch::hash_bytes(std::as_bytes(std::span(candidates_))));
  }

  void apply() {
    const auto values = values_.values();
    std::size_t count = candidates_.size();
    if (context_.shape.keep_k && context_.shape.k < count) {
      // The published variant: of the exact sums only the k largest.
      const std::span<std::uint32_t> kept = std::span(chosen_).first(context_.shape.k);
      selector_->select_largest(values.first(count), kept);
      for (std::size_t i = 0; i < kept.size(); ++i) {
        values[i] = values[kept[i]];  // kept ascends, so nothing is read after it was written
        applied_[i] = candidates_[kept[i]];
      }
      std::copy(values.begin() + static_cast<std::ptrdiff_t>(count), values.end(),
                values.begin() + static_cast<std::ptrdiff_t>(kept.size()));
      count = kept.size();
    } else {
      std::copy(candidates_.begin(), candidates_.end(), applied_.begin());
    }
    const std::uint64_t exact = layout().exact();
    append_exact_range(layout(), std::span(applied_).subspan(count, exact));
    feedback_.commit(std::span(applied_).first(count));
    const float share = 1.0f / static_cast<float>(context_.rank_count);
    for (float& value : values.first(count + exact)) value *= share;
    layout().to_outer(std::span(applied_).first(count + exact), outer_);
    update_ = {false, std::span(outer_).first(count + exact), values.first(count + exact)};
    ++step_;
  }

  AlgorithmContext context_;
  std::unique_ptr<sketch::CountSketch> sketch_;
  std::unique_ptr<sketch::Selector> selector_;
  Feedback feedback_;
  sketch::PayloadShape cells_;
  Buffer payload_;
  ValueExchange values_;
  std::vector<Stage> stages_;
  std::vector<std::uint32_t> candidates_;  // H, ascending
  std::vector<std::uint32_t> chosen_;      // positions in H that the published variant keeps
  std::vector<std::uint32_t> applied_;     // what was applied, in our order
  std::vector<std::uint32_t> outer_;       // the same in the caller's order
  Update update_;
  std::uint64_t step_ = 0;
};

}  // namespace

Result<std::unique_ptr<Algorithm>> make_gs_sgd(AlgorithmContext context) { return GsSgd::make(std::move(context)); }

}  // namespace gossamer::runtime
