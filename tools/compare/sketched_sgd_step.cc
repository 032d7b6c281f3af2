// Sketched-SGD ("Communication-efficient distributed SGD with Sketching", Ivkin et al. 2019) with rank 0 as its root,
// and the kernels of sketch/:
//
//   compress   u = m u + g ;  v = v + u ;  S = sketch(v)
//   sum        every rank sends S to the root, which adds them in order of rank
//   name       the root decodes: H = the candidates of largest |estimate|, broadcast as a compact list
//   values     every rank sends v[H] to the root, which adds and broadcasts the sums
//   residual   u[H] = v[H] = 0
//
// As many candidates as gs-SGD has, and all of them applied. Broadcasts go along a binomial tree.
#include <vector>

#include "sketch/sketch.h"
#include "tools/compare/exchange_step.h"
#include "tools/compare/messages.h"

namespace gossamer::compare {
namespace {

class SketchedSgdStep final : public ExchangeStep {
 public:
  static Result<std::unique_ptr<ExchangeStep>> make(const StepSetup& setup) {
    std::unique_ptr<SketchedSgdStep> self(new SketchedSgdStep(setup));
    const sketch::SketchShape shape{setup.dimension, StepSetup::rows, static_cast<std::uint32_t>(setup.k())};
    GOSSAMER_ASSIGN(self->sketch_, sketch::make_count_sketch(shape, setup.candidates()));
    self->cells_ = shape.cells();
    const std::size_t blocks = setup.rank.value == 0 ? setup.rank_count : 1;
    GOSSAMER_ASSIGN(self->messages_, Messages::make(setup, self->lists_end() + blocks * self->block_bytes()));
    return std::unique_ptr<ExchangeStep>(std::move(self));
  }

  Status compress(std::span<const float> gradient) override {
    const auto produce = [&](std::uint64_t first, std::span<float> copy) {
      const std::span<float> u(u_.data() + first, copy.size()), v(v_.data() + first, copy.size());
      sketch::accumulate(gradient.subspan(first, copy.size()), 1.0f, StepSetup::momentum, {u, v}, {u, v, copy});
      const std::uint64_t next = first + copy.size();
      return sketch::CountSketch::Upcoming{{gradient.data() + next, u_.data() + next, v_.data() + next}};
    };
    sketch_->encode_cells(step_, v_, {}, std::as_writable_bytes(block(0, cells_)), produce);
    return {};
  }

  Status exchange() override {
    compute_ns_ = 0;
    messages_->begin_step();
    GOSSAMER_TRY(sum_at_root(cells_));
    if (is_root()) name_candidates();
    GOSSAMER_TRY(messages_->broadcast(0, list_bytes_));
    GOSSAMER_TRY(read_candidates());
    {
      const Stopwatch watch(compute_ns_);
      sketch::gather(v_, candidates_, block(0, candidates_.size()));
    }
    GOSSAMER_TRY(sum_at_root(candidates_.size()));
    GOSSAMER_TRY(messages_->broadcast(block_offset(0), 4 * candidates_.size()));
    const Stopwatch watch(compute_ns_);
    for (const std::uint32_t i : candidates_) u_[i] = v_[i] = 0;
    ++step_;
    return {};
  }

  std::int64_t compute_ns() const override { return compute_ns_; }
  std::uint64_t bytes_sent() const override { return messages_->bytes_sent(); }
  std::uint64_t update_hash() const override {
    return sketch::hash_bytes(std::as_bytes(std::span(candidates_))) ^
           sketch::hash_bytes(std::as_bytes(messages_->at<float>(block_offset(0), candidates_.size())));
  }

 private:
  explicit SketchedSgdStep(const StepSetup& setup)
      : setup_(setup), u_(setup.dimension), v_(setup.dimension), candidates_(setup.candidates()) {
    // Every rank waits for a list of one size: the longest, rounded up to a cache line behind a word with its length.
    list_bytes_ = 8 + sketch::index_list_bytes_max(setup.candidates(), setup.dimension);
  }

  [[nodiscard]] bool is_root() const { return setup_.rank.value == 0; }
  [[nodiscard]] std::size_t lists_end() const { return (list_bytes_ + 63) / 64 * 64; }
  // The own sketch or values, and at the root behind it those of the other ranks.
  [[nodiscard]] std::size_t block_bytes() const { return (4 * std::max(cells_, candidates_.size()) + 63) / 64 * 64; }
  [[nodiscard]] std::size_t block_offset(std::size_t rank) const { return lists_end() + rank * block_bytes(); }
  std::span<float> block(std::size_t rank, std::size_t count) {
    return messages_->at<float>(block_offset(rank), count);
  }

  Status sum_at_root(std::size_t count) {
    if (!is_root()) {
      GOSSAMER_TRY(messages_->start_send(Rank{0}, block_offset(0), 4 * count));
      return messages_->wait();
    }
    for (std::uint32_t rank = 1; rank < setup_.rank_count; ++rank)
      GOSSAMER_TRY(messages_->start_receive(Rank{rank}, block_offset(rank), 4 * count));
    GOSSAMER_TRY(messages_->wait());
    const Stopwatch watch(compute_ns_);
    for (std::uint32_t rank = 1; rank < setup_.rank_count; ++rank) sketch::add(block(0, count), block(rank, count));
    return {};
  }

  void name_candidates() {
    const Stopwatch watch(compute_ns_);
    static_cast<void>(sketch_->load(step_, block(0, cells_)));
    sketch_->select_top(candidates_);
    const auto list = messages_->at<std::byte>(8, list_bytes_ - 8);
    messages_->at<std::uint64_t>(0, 1)[0] = sketch::encode_index_list(candidates_, list);
  }

  Status read_candidates() {
    const Stopwatch watch(compute_ns_);
    const std::size_t bytes = messages_->at<std::uint64_t>(0, 1)[0];
    if (bytes > list_bytes_ - 8) return Error{Code::malformed, "the list of candidates is too long"};
    GOSSAMER_TRY(sketch::decode_index_list(messages_->at<std::byte>(8, bytes), setup_.dimension, candidates_));
    return {};
  }

  StepSetup setup_;
  LargeVector u_, v_;
  std::vector<std::uint32_t> candidates_;
  std::size_t cells_ = 0;
  std::size_t list_bytes_ = 0;
  std::uint64_t step_ = 1;  // the seed of its hash functions
  std::unique_ptr<sketch::CountSketch> sketch_;
  std::unique_ptr<Messages> messages_;
  std::int64_t compute_ns_ = 0;
};

}  // namespace

Result<std::unique_ptr<ExchangeStep>> make_sketched_sgd_step(const StepSetup& setup) {
  return SketchedSgdStep::make(setup);
}

}  // namespace gossamer::compare
