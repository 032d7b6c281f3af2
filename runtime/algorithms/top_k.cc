// Top-k with gather (Lin et al. 2018, "Deep Gradient Compression"): each rank's k heaviest as pairs.
//
//   compress    u = m u + g ;  v = v + u ;  own = k heaviest of |v|
//   stage 0     gather the parts                              | flag | indices | values |  of each rank
//   prepare 1   x = sum of all parts, in the order of ranks ;  u[own] = 0 ;  v[own] = 0 once all is well
//   stage 1     exact tensors, and agreement on the union     | exact | hash, ~hash |
//
// Bytes grow with P; kept as the yardstick it is in the literature.
#include <algorithm>
#include <array>
#include <vector>

#include "runtime/algorithms/algorithm.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/index_gather.h"
#include "runtime/algorithms/parts/value_exchange.h"

namespace gossamer::runtime {

namespace {

class TopK final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<TopK> self(new TopK(std::move(context)));
    const AlgorithmContext& c = self->context_;
    const std::uint64_t union_max = std::min(c.shape.k * c.rank_count, c.shape.layout.sparse());
    GOSSAMER_ASSIGN(self->feedback_,
                    Feedback::make(c.shape.layout, c.shape.momentum, Feedback::Measures::nothing, c.pool));
    self->keep_in(self->feedback_);
    GOSSAMER_ASSIGN(self->selector_, sketch::make_selector(c.shape.layout.sparse(), c.shape.k));
    GOSSAMER_ASSIGN(self->parts_, IndexGather::make(c, c.shape.k, true));
    GOSSAMER_ASSIGN(self->exact_, ValueExchange::make(c, 0));
    GOSSAMER_ASSIGN(self->sums_, Buffer::make(c.shape.layout.sparse() * sizeof(float)));
    self->own_.resize(c.shape.k);
    self->named_.reserve(c.shape.k * c.rank_count + c.shape.layout.exact());
    self->outer_.reserve(union_max + c.shape.layout.exact());
    self->values_.resize(union_max + c.shape.layout.exact());

    GOSSAMER_TRY(self->add_stage(self->parts_.stage(c, "pairs")));
    GOSSAMER_TRY(self->add_stage(self->exact_.stage(c, "exact tensors")));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  Result<GradientScan> compress(const float* const* gradients) override {
    const GradientScan scan = feedback_.absorb(layout(), gradients, context_.shape.clip);
    const std::uint64_t flag = make_flag(context_.rank, scan.first_non_finite);
    if (scan.first_non_finite) {
      parts_.fill(context_.rank, flag, {}, {});
      return scan;
    }
    const auto pending = feedback_.pending().first(layout().sparse());
    selector_->select_largest(pending, own_);
    parts_.fill(context_.rank, flag, own_, pending);
    return scan;
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) override {
    if (stage == 0) return parts_.size();
    if (stage == 1) return sum(part_bytes);
    GOSSAMER_TRY(exact_.check());
    GOSSAMER_TRY(apply());
    return StageSize{};
  }

  void drop() override {
    // A part that could not be read leaves the sums of the parts before it.
    const auto sums = sums_.as<float>(layout().sparse());
    std::fill(sums.begin(), sums.end(), 0.0f);
  }

 private:
  explicit TopK(AlgorithmContext context) : Algorithm(std::move(context)) {}

  Result<StageSize> sum(std::span<const std::uint64_t> part_bytes) {
    const auto sums = sums_.as<float>(layout().sparse());
    GOSSAMER_TRY(parts_.unite(part_bytes, layout(), named_, [&](const IndexGather::Part& part) {
      for (std::size_t i = 0; i < part.indices.size(); ++i) sums[part.indices[i]] += part.values[i];
    }));
    // Takes the sums out and leaves zeros for the next operation.
    const float share = 1.0f / static_cast<float>(context_.rank_count);
    for (std::size_t i = 0; i < named_.size(); ++i) {
      values_[i] = sums[named_[i]] * share;
      sums[named_[i]] = 0.0f;
    }
    if (const std::size_t at = sketch::first_non_finite(std::span(values_).first(named_.size())); at < named_.size())
      return overflow("the sum over ranks", layout().to_outer(named_[at]), layout());
    return exact_.fill(feedback_, {}, sketch::hash_bytes(std::as_bytes(std::span(named_))));
  }

  Status apply() {
    GOSSAMER_ASSIGN(const auto exact, exact_.take_means(layout(), {}));
    feedback_.commit(own_, exact_.rounding());
    const std::size_t count = named_.size();
    std::copy(exact.begin(), exact.end(), values_.begin() + static_cast<std::ptrdiff_t>(count));
    update_ = make_update(layout(), named_, outer_, std::span(values_).first(count + exact.size()));
    return {};
  }

  Feedback feedback_;
  std::unique_ptr<sketch::Selector> selector_;
  IndexGather parts_;
  ValueExchange exact_;
  Buffer sums_;  // zeros between operations
  std::vector<std::uint32_t> own_;
  std::vector<std::uint32_t> named_;
  std::vector<std::uint32_t> outer_;
  std::vector<float> values_;
};

constexpr std::array values_of_top_k = {sketch::CellType::f32};

}  // namespace

constinit const AlgorithmRow row_of_top_k = {.kind = AlgorithmKind::top_k,
                                             .name = "top-k",
                                             .make = &TopK::make,
                                             .make_on_device = nullptr,
                                             .density = 0.0025,
                                             .momentum = 0.3,
                                             .clip = 1.0,
                                             .training_momentum = 0.3,
                                             .training_rate = 0.7,
                                             .is_sketched = false,
                                             .values = values_of_top_k,
                                             .step_words = [](const StepSize& s) {
                                               // All is gathered.
                                               return s.k * (1 + index_words) * s.rank_count / 2.0 + s.exact;
                                             }};

}  // namespace gossamer::runtime
