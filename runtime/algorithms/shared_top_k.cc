// Shared top-k: each rank names its own k/P heaviest coordinates, all send exact values of the union.
//
//   compress    u = m u + g ;  v = v + u ;  own = ceil(k/P) heaviest of |v|
//   stage 0     gather the lists                              | flag | indices |  of each rank
//   prepare 1   H = their union ;  x = v[H]
//   stage 1     x = sum over ranks of x                       | values | hash of H, ~hash of H |
//   prepare 2   update = x / P ;  u[H] = 0 ;  v[H] = 0
//
// Kin: ScaleCom (Chen et al. 2020) lets one rotating leader name all k.
#include <algorithm>
#include <array>
#include <vector>

#include "runtime/algorithms/algorithm.h"
#include "runtime/algorithms/parts/feedback.h"
#include "runtime/algorithms/parts/index_gather.h"
#include "runtime/algorithms/parts/value_exchange.h"

namespace gossamer::runtime {

namespace {

class SharedTopK final : public Algorithm {
 public:
  static Result<std::unique_ptr<Algorithm>> make(AlgorithmContext context) {
    std::unique_ptr<SharedTopK> self(new SharedTopK(std::move(context)));
    const AlgorithmContext& c = self->context_;
    const std::uint64_t own = (c.shape.k + c.rank_count - 1) / c.rank_count;
    const std::uint64_t union_max = std::min(own * c.rank_count, c.shape.layout.sparse());
    GOSSAMER_ASSIGN(self->feedback_,
                    Feedback::make(c.shape.layout, c.shape.momentum, Feedback::Measures::nothing, c.pool));
    self->keep_in(self->feedback_);
    GOSSAMER_ASSIGN(self->selector_, sketch::make_selector(c.shape.layout.sparse(), own));
    GOSSAMER_ASSIGN(self->lists_, IndexGather::make(c, own, false));
    GOSSAMER_ASSIGN(self->values_, ValueExchange::make(c, union_max));
    self->own_.resize(own);
    self->named_.reserve(own * c.rank_count + c.shape.layout.exact());
    self->outer_.reserve(union_max + c.shape.layout.exact());

    GOSSAMER_TRY(self->add_stage(self->lists_.stage(c, "indices")));
    GOSSAMER_TRY(self->add_stage(self->values_.stage(c, "values")));
    return std::unique_ptr<Algorithm>(std::move(self));
  }

  Result<GradientScan> compress(const float* const* gradients) override {
    const GradientScan scan = feedback_.absorb(layout(), gradients, context_.shape.clip);
    const std::uint64_t flag = make_flag(context_.rank, scan.first_non_finite);
    if (scan.first_non_finite) {
      lists_.fill(context_.rank, flag, {}, {});
      return scan;
    }
    selector_->select_largest(feedback_.pending().first(layout().sparse()), own_);
    lists_.fill(context_.rank, flag, own_, {});
    return scan;
  }

  Result<StageSize> prepare(std::size_t stage, std::span<const std::uint64_t> part_bytes) override {
    if (stage == 0) return lists_.size();
    if (stage == 1) return unite(part_bytes);
    GOSSAMER_TRY(values_.check());
    GOSSAMER_ASSIGN(const auto means, values_.take_means(layout(), named_));
    feedback_.commit(named_, values_.rounding());
    update_ = make_update(layout(), named_, outer_, means);
    return StageSize{};
  }

  void drop() override {}

 private:
  explicit SharedTopK(AlgorithmContext context) : Algorithm(std::move(context)) {}

  Result<StageSize> unite(std::span<const std::uint64_t> part_bytes) {
    GOSSAMER_TRY(lists_.unite(part_bytes, layout(), named_, [](const IndexGather::Part&) {}));
    return values_.fill(feedback_, named_, sketch::hash_bytes(std::as_bytes(std::span(named_))));
  }

  Feedback feedback_;
  std::unique_ptr<sketch::Selector> selector_;
  IndexGather lists_;
  ValueExchange values_;
  std::vector<std::uint32_t> own_;
  std::vector<std::uint32_t> named_;
  std::vector<std::uint32_t> outer_;
};

constexpr std::array values_of_shared_top_k = {sketch::CellType::f32};

}  // namespace

constinit const AlgorithmRow row_of_shared_top_k = {.kind = AlgorithmKind::shared_top_k,
                                                    .name = "shared-top-k",
                                                    .make = &SharedTopK::make,
                                                    .make_on_device = nullptr,
                                                    .density = 0.005,
                                                    .momentum = 0.3,
                                                    .clip = 1.0,
                                                    .training_momentum = 0.3,
                                                    .training_rate = 0.7,
                                                    .is_sketched = false,
                                                    .values = values_of_shared_top_k,
                                                    .step_words = [](const StepSize& s) {
                                                      // Names are gathered once, not reduced.
                                                      return s.k * (1 + index_words / 2) + s.exact;
                                                    }};

}  // namespace gossamer::runtime
