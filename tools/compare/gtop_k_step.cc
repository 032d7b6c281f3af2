// gTop-k as published ("A Distributed Synchronous SGD Algorithm with Global Top-k Sparsification", Shi et al. 2019,
// algorithms 3 and 4), with the selection of sketch/:
//
//   compress   v += g ;  T = the k largest of |v| ;  v[T] = 0
//   round j    0-1  2-3  4-5  6-7      T = the k largest of |T + T'|, at the lower rank of each pair
//              0-2       4-6
//              0-4
//   broadcast  T from rank 0 along the same tree, backwards
//   residual   v[i] += the own T[i] for each i that is not in the last T
//
// 2 log2 P messages of k indices and k values follow one another on the longest way.
#include <cstring>
#include <vector>

#include "sketch/sketch.h"
#include "tools/compare/exchange_step.h"
#include "tools/compare/messages.h"

namespace gossamer::compare {
namespace {

class GtopKStep final : public ExchangeStep {
 public:
  static Result<std::unique_ptr<ExchangeStep>> make(const StepSetup& setup) {
    std::unique_ptr<GtopKStep> self(new GtopKStep(setup));
    GOSSAMER_ASSIGN(self->selector_, sketch::make_selector(setup.dimension, self->k_));
    GOSSAMER_ASSIGN(self->messages_, Messages::make(setup, 2 * self->list_bytes()));
    return std::unique_ptr<ExchangeStep>(std::move(self));
  }

  Status compress(std::span<const float> gradient) override {
    sketch::add(residual_, gradient);
    selector_->select_largest(residual_, indices(own));
    sketch::gather(residual_, indices(own), values(own));
    for (const std::uint32_t i : indices(own)) residual_[i] = 0;
    std::copy(indices(own).begin(), indices(own).end(), own_indices_.begin());
    std::copy(values(own).begin(), values(own).end(), own_values_.begin());
    return {};
  }

  Status exchange() override {
    compute_ns_ = 0;
    messages_->begin_step();
    const std::uint32_t rank = setup_.rank.value;
    for (std::uint32_t distance = 1; distance < setup_.rank_count; distance *= 2) {
      if (rank % (2 * distance) == distance) {
        GOSSAMER_TRY(messages_->start_send(Rank{rank - distance}, 0, list_bytes()));
        GOSSAMER_TRY(messages_->wait());
        break;
      }
      if (rank + distance >= setup_.rank_count) continue;
      GOSSAMER_TRY(messages_->start_receive(Rank{rank + distance}, list_bytes(), list_bytes()));
      GOSSAMER_TRY(messages_->wait());
      merge();
    }
    GOSSAMER_TRY(messages_->broadcast(0, list_bytes()));
    give_back();
    return {};
  }

  std::int64_t compute_ns() const override { return compute_ns_; }
  std::uint64_t bytes_sent() const override { return messages_->bytes_sent(); }
  std::uint64_t update_hash() const override {
    return sketch::hash_bytes(std::as_bytes(messages_->at<std::uint32_t>(0, 2 * k_)));
  }

 private:
  // Two lists in the registered memory: k ascending indices, then their values.
  enum Place : std::uint8_t { own = 0, other = 1 };

  explicit GtopKStep(const StepSetup& setup)
      : setup_(setup), k_(setup.k()), residual_(setup.dimension), own_indices_(k_), own_values_(k_) {
    for (auto* each : {&union_indices_, &positions_}) each->reserve(2 * k_);
    union_values_.reserve(2 * k_);
    keys_.reserve(2 * k_);
  }

  [[nodiscard]] std::size_t list_bytes() const { return 8 * k_; }
  std::span<std::uint32_t> indices(Place place) { return messages_->at<std::uint32_t>(place * list_bytes(), k_); }
  std::span<float> values(Place place) { return messages_->at<float>(place * list_bytes() + 4 * k_, k_); }

  // own = the k largest of own + other.
  void merge() {
    const Stopwatch watch(compute_ns_);
    union_indices_.clear();
    union_values_.clear();
    const auto a = indices(own), b = indices(other);
    const auto x = values(own), y = values(other);
    for (std::size_t i = 0, j = 0; i < k_ || j < k_;) {
      const bool from_a = j == k_ || (i < k_ && a[i] <= b[j]);
      const bool from_b = i == k_ || (j < k_ && b[j] <= a[i]);
      union_indices_.push_back(from_a ? a[i] : b[j]);
      union_values_.push_back((from_a ? x[i] : 0.0f) + (from_b ? y[j] : 0.0f));
      i += from_a ? 1 : 0;
      j += from_b ? 1 : 0;
    }
    const std::size_t count = union_indices_.size();
    positions_.resize(count);
    keys_.resize(count);
    std::memcpy(keys_.data(), union_values_.data(), 4 * count);
    for (std::size_t i = 0; i < count; ++i) {
      keys_[i] &= 0x7fffffff;
      positions_[i] = static_cast<std::uint32_t>(i);
    }
    sketch::keep_largest(positions_, keys_, k_);
    for (std::size_t i = 0; i < k_; ++i) {
      a[i] = union_indices_[positions_[i]];
      x[i] = union_values_[positions_[i]];
    }
  }

  // What this rank chose and all together did not goes back into the residual.
  void give_back() {
    const Stopwatch watch(compute_ns_);
    const auto chosen = indices(own);
    for (std::size_t i = 0, j = 0; i < k_; ++i) {
      while (j < k_ && chosen[j] < own_indices_[i]) ++j;
      if (j == k_ || chosen[j] != own_indices_[i]) residual_[own_indices_[i]] += own_values_[i];
    }
  }

  StepSetup setup_;
  std::size_t k_;
  LargeVector residual_;
  std::vector<std::uint32_t> own_indices_;
  std::vector<float> own_values_;
  std::vector<std::uint32_t> union_indices_, positions_;
  std::vector<float> union_values_;
  std::vector<std::int32_t> keys_;
  std::unique_ptr<sketch::Selector> selector_;
  std::unique_ptr<Messages> messages_;
  std::int64_t compute_ns_ = 0;
};

}  // namespace

Result<std::unique_ptr<ExchangeStep>> make_gtop_k_step(const StepSetup& setup) { return GtopKStep::make(setup); }

}  // namespace gossamer::compare
