#include "tools/train/train_peer.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "sketch/sketch.h"
#include "tools/command/progress.h"
#include "tools/command/report.h"
#include "tools/command/results.h"
#include "tools/train/batches.h"
#include "tools/train/choices.h"
#include "tools/train/gradient_files.h"
#include "tools/train/mlp.h"

namespace gossamer::tools {
namespace {

// For a whole evaluation by a peer that shares its core with others.
constexpr std::int64_t barrier_ns = 300'000'000'000;
constexpr std::size_t evaluation_batch = 256;

// A C status and the sentence that came with it, as a Result's error: codes and statuses are the same numbers.
Status from_c(gossamer_status status, const std::string& what) {
  if (status == GOSSAMER_DONE) return {};
  return Error{static_cast<Code>(status),
               text(what, ": ", gossamer_last_error(), " [", gossamer_status_name(status), "]")};
}

struct DestroyCompressor {
  void operator()(gossamer_compressor* compressor) const { gossamer_compressor_destroy(compressor); }
};

// What each rank adds to an epoch's row.
struct Part {
  double train_loss = 0;  // summed over its samples
  double test_loss = 0;
  std::uint64_t correct = 0;
  std::uint64_t bytes = 0;    // sent and read since the start
  std::uint64_t control = 0;  // control bytes sent since the start
};

struct StepTimes {
  std::vector<double> gradient_us, compress_us, exchange_us, waiting_us, wire_us, compute_us;
};

class Trainer {
 public:
  Trainer(const TrainConfig& config, const std::string& algorithm, const Dataset& dataset, gossamer_session* session,
          const TakeNote& note)
      : config_(config),
        algorithm_(algorithm),
        dataset_(dataset),
        session_(session),
        note_(note),
        rank_(static_cast<std::uint32_t>(gossamer_rank(session))),
        rank_count_(static_cast<std::uint32_t>(gossamer_rank_count(session))),
        mlp_(model_sizes(config), std::max<std::size_t>(share_of(config.batch, 0, rank_count_).count, evaluation_batch),
             mlp_kernel()),
        weights_(mlp_.weight_count()),
        gradient_(mlp_.weight_count()),
        progress_(rank_ == 0) {}

  Status run();

 private:
  Status prepare();
  Status train_epoch(std::uint32_t epoch, std::uint64_t step_limit);
  Status train_step(const std::vector<std::uint32_t>& order, Share batch, double rate);
  Status note_step(std::uint64_t gradient_ns);
  Result<Part> sum_over_ranks(Part own);
  Status end_epoch(std::uint32_t epoch);
  Mlp::Score evaluate_share();
  Status dump_gradient() const;
  Status dump_weights() const;
  [[nodiscard]] nlohmann::json progress_summary() const;
  [[nodiscard]] nlohmann::json summary() const;
  Status check_equal(const char* what) {
    return from_c(
        gossamer_check_equal(session_, "weights", weights_.data(), weights_.size() * sizeof(float), barrier_ns), what);
  }

  const TrainConfig& config_;
  const std::string& algorithm_;
  const Dataset& dataset_;
  gossamer_session* const session_;
  const TakeNote& note_;
  const std::uint32_t rank_, rank_count_;
  Mlp mlp_;
  std::vector<float> weights_, gradient_;
  std::vector<const float*> gradient_pointers_;  // by tensor, into gradient_
  std::vector<float*> weight_pointers_;          // by tensor, into weights_
  std::unique_ptr<gossamer_compressor, DestroyCompressor> compressor_;
  std::vector<std::uint8_t> labels_;
  ProgressLine progress_;
  SteadyClock clock_;
  StepTimes times_;
  std::vector<double> applied_;
  std::uint64_t start_ns_ = 0, control_before_ = 0;
  std::uint64_t step_ = 0, steps_planned_ = 0, samples_seen_ = 0;
  double train_loss_ = 0;  // of this rank in this epoch
  double rate_ = 0;
  Part last_;  // the sums at the end of the last epoch
  double accuracy_ = 0;
};

Status Trainer::prepare() {
  if (rank_ == 0 && !config_.dump_gradients.empty()) GOSSAMER_TRY(make_output_folder(config_.dump_gradients));
  if (!config_.dump.empty()) GOSSAMER_TRY(make_output_folder(config_.dump));
  if (rank_ == 0) mlp_.initialise(config_.seed, weights_);
  const std::size_t bytes = weights_.size() * sizeof(float);
  GOSSAMER_TRY(
      from_c(gossamer_broadcast(session_, weights_.data(), bytes, 0, barrier_ns), "handing out the first weights"));
  std::vector<gossamer_tensor> tensors;
  for (const MlpTensor& each : mlp_.tensors()) {
    tensors.push_back({each.name.c_str(), each.count, each.bias && config_.exact_biases ? 1u : 0u});
    gradient_pointers_.push_back(gradient_.data() + each.offset);
    weight_pointers_.push_back(weights_.data() + each.offset);
  }
  gossamer_compressor_config settings = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  settings.algorithm = choice_number("algorithm", algorithm_);
  settings.tensors = tensors.data();
  settings.tensor_count = tensors.size();
  settings.density = config_.density;
  settings.rows = config_.rows;
  settings.columns = config_.columns;
  settings.oversampling = config_.oversampling;
  settings.momentum = momentum_of(config_, algorithm_);
  settings.clip = config_.clip;
#define SET_OPTION(field, Kind, names, reach, ...) \
  if (reaches(runtime::OptionReach::reach, algorithm_)) settings.field = choice_number(#field, config_.field);
  GOSSAMER_OPTION_TABLE(SET_OPTION)
#undef SET_OPTION
  settings.keep_k = config_.keep_k ? 1 : 0;
  settings.cells = choice_number("cells", cells_of(config_, algorithm_));
  settings.values = choice_number("values", values_of(config_, algorithm_));
  settings.seed = config_.seed;
  settings.schedule = choice_number("schedule", config_.schedule);
  gossamer_compressor* made = nullptr;
  GOSSAMER_TRY(from_c(gossamer_compressor_create(session_, &settings, &made), "making the compressor"));
  compressor_.reset(made);
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  GOSSAMER_TRY(from_c(gossamer_compressor_stats(made, &stats), "reading statistics"));
  control_before_ = stats.control_bytes_sent;
  return check_equal("comparing the first weights");
}

// The gradient is scaled to P / B times the sum over this rank's samples, so that the mean over ranks, which
// the exchange gives, is the mean over the batch, whoever has how many of it.
Status Trainer::train_step(const std::vector<std::uint32_t>& order, Share batch, double rate) {
  const std::uint64_t begin_ns = clock_.now_ns();
  const Share own = share_of(batch.count, rank_, rank_count_);
  labels_.resize(own.count);
  for (std::uint64_t i = 0; i < own.count; ++i) {
    const std::uint32_t sample = order[batch.first + own.first + i];
    dataset_.train.copy(sample, mlp_.inputs() + i * dataset_.train.features);
    labels_[i] = dataset_.train.labels[sample];
  }
  train_loss_ += mlp_.loss_and_gradient(weights_, labels_, gradient_);
  const auto scale = static_cast<float>(static_cast<double>(rank_count_) / static_cast<double>(batch.count));
  for (float& each : gradient_) each *= scale;
  const std::uint64_t gradient_ns = clock_.now_ns() - begin_ns;
  GOSSAMER_TRY(dump_gradient());

  const std::string where = text("step ", step_);
  GOSSAMER_TRY(from_c(gossamer_compress(compressor_.get(), gradient_pointers_.data()), where + ", compressing"));
  gossamer_operation* operation = nullptr;
  GOSSAMER_TRY(from_c(gossamer_reduce(compressor_.get(), &operation), where + ", starting the exchange"));
  const gossamer_status waited = gossamer_operation_wait(operation, 0);
  if (waited == GOSSAMER_NOT_FINITE) {
    return Error{Code::not_finite, text("training diverged at step ", step_, ": ", gossamer_last_error(),
                                        "; lower --rate, keep --clip, or follow the warnings at the start")};
  }
  GOSSAMER_TRY(from_c(waited, where + ", exchanging"));
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  GOSSAMER_TRY(from_c(gossamer_recover(compressor_.get(), &update), where + ", taking the update"));
  GOSSAMER_TRY(
      from_c(gossamer_update_apply(&update, weight_pointers_.data(), static_cast<float>(-rate)), where + ", applying"));
  return note_step(gradient_ns);
}

Status Trainer::note_step(std::uint64_t gradient_ns) {
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  GOSSAMER_TRY(from_c(gossamer_compressor_stats(compressor_.get(), &stats), "reading statistics"));
  const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) * 1e-3; };
  times_.gradient_us.push_back(us(gradient_ns));
  times_.compress_us.push_back(us(stats.compress_ns));
  times_.exchange_us.push_back(us(stats.exchange_ns));
  times_.waiting_us.push_back(us(stats.waiting_ns));
  times_.wire_us.push_back(us(stats.wire_ns));
  times_.compute_us.push_back(us(stats.compute_ns));
  applied_.push_back(static_cast<double>(stats.applied));
  return {};
}

Status Trainer::train_epoch(std::uint32_t epoch, std::uint64_t step_limit) {
  const auto samples = static_cast<std::uint32_t>(dataset_.train.count());
  const std::vector<std::uint32_t> order = epoch_order(samples, config_.seed, epoch);
  const std::uint64_t batches = std::min(batch_count(samples, config_.batch), step_limit - step_);
  train_loss_ = 0;
  samples_seen_ = 0;
  for (std::uint64_t i = 0; i < batches; ++i) {
    const Share batch = batch_at(samples, config_.batch, i);
    rate_ = cosine_rate(rate_of(config_, algorithm_), step_, steps_planned_);
    GOSSAMER_TRY(train_step(order, batch, rate_));
    ++step_;
    samples_seen_ += batch.count;
    progress_.update(text(algorithm_, " epoch ", epoch + 1, "/", config_.epochs), i + 1, batches,
                     text("exchange ", format_number(times_.exchange_us.back() * 1e-3, 2), " ms"));
  }
  return {};
}

// Every rank evaluates its share of the test samples.
Mlp::Score Trainer::evaluate_share() {
  const Samples& test = dataset_.test;
  const Share own = share_of(test.count(), rank_, rank_count_);
  Mlp::Score out;
  for (std::uint64_t at = 0; at < own.count; at += evaluation_batch) {
    const std::uint64_t count = std::min<std::uint64_t>(evaluation_batch, own.count - at);
    const std::uint64_t first = own.first + at;
    for (std::uint64_t i = 0; i < count; ++i) test.copy(first + i, mlp_.inputs() + i * test.features);
    const Mlp::Score part = mlp_.score(weights_, std::span(test.labels).subspan(first, count));
    out.correct += part.correct;
    out.loss += part.loss;
  }
  return out;
}

// Each rank hands its numbers out in turn; all add them in the same order. Also a barrier: nobody goes on before
// all have evaluated, so that waiting for it is not booked as exchange time of the next step.
Result<Part> Trainer::sum_over_ranks(Part own) {
  Part out;
  for (std::uint32_t root = 0; root < rank_count_; ++root) {
    Part each = own;
    GOSSAMER_TRY(from_c(gossamer_broadcast(session_, &each, sizeof each, static_cast<std::int32_t>(root), barrier_ns),
                        "adding up the epoch's results"));
    out.train_loss += each.train_loss;
    out.test_loss += each.test_loss;
    out.correct += each.correct;
    out.bytes += each.bytes;
    out.control += each.control;
  }
  return out;
}

Status Trainer::end_epoch(std::uint32_t epoch) {
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  GOSSAMER_TRY(from_c(gossamer_compressor_stats(compressor_.get(), &stats), "reading statistics"));
  const Mlp::Score score = evaluate_share();
  Part own{train_loss_, score.loss, score.correct, stats.total_bytes_sent + stats.total_bytes_read,
           stats.control_bytes_sent - control_before_};
  Result<Part> sum = sum_over_ranks(own);
  if (!sum.ok()) return std::move(sum).error();
  last_ = *sum;
  GOSSAMER_TRY(check_equal("comparing weights at the end of an epoch"));
  const auto test_count = static_cast<double>(dataset_.test.count());
  const double accuracy = static_cast<double>(last_.correct) / test_count;
  const double train_loss = last_.train_loss / static_cast<double>(std::max<std::uint64_t>(samples_seen_, 1));
  const double bytes = static_cast<double>(last_.bytes) / rank_count_;
  const double seconds = static_cast<double>(clock_.now_ns() - start_ns_) * 1e-9;
  accuracy_ = accuracy;
  GOSSAMER_TRY(note_({{"row",
                       {{"algorithm", algorithm_},
                        {"epoch", epoch + 1},
                        {"step", step_},
                        {"accuracy", accuracy},
                        {"train_loss", train_loss},
                        {"test_loss", last_.test_loss / test_count},
                        {"bytes", bytes},
                        {"seconds", seconds}}},
                      {"summary", progress_summary()}}));
  progress_.finish_line(text(algorithm_, " epoch ", epoch + 1, "/", config_.epochs, ": accuracy ",
                             format_number(accuracy, 4), ", loss ", format_number(train_loss, 4), ", ",
                             format_bytes(static_cast<std::uint64_t>(bytes)), " per peer so far, ",
                             format_number(seconds, 1), " s"));
  return {};
}

// What an epoch changes; cheap however many steps there were.
nlohmann::json Trainer::progress_summary() const {
  return {{"accuracy", accuracy_},
          {"bytes_per_step",
           static_cast<double>(last_.bytes) / rank_count_ / static_cast<double>(std::max<std::uint64_t>(step_, 1))},
          {"seconds", static_cast<double>(clock_.now_ns() - start_ns_) * 1e-9},
          {"steps", step_},
          {"ranks", rank_count_},
          {"dimension", mlp_.weight_count()}};
}

nlohmann::json Trainer::summary() const {
  const auto p50 = [](const std::vector<double>& samples) { return percentile(samples, 0.5); };
  nlohmann::json out = progress_summary();
  out.update({{"exchange_p50_us", p50(times_.exchange_us)},
              {"exchange_p99_us", percentile(times_.exchange_us, 0.99)},
              {"waiting_p50_us", p50(times_.waiting_us)},
              {"wire_p50_us", p50(times_.wire_us)},
              {"compute_p50_us", p50(times_.compute_us)},
              {"compress_p50_us", p50(times_.compress_us)},
              {"gradient_p50_us", p50(times_.gradient_us)},
              {"applied_p50", p50(applied_)},
              {"control_bytes", last_.control / rank_count_},
              {"kernel", mlp_kernel().target},
              {"weights_hash", hex(sketch::hash_bytes(std::as_bytes(std::span(weights_))), 16)}});
  return out;
}

// As it is handed to the compressor: before clipping, momentum and residual, which the C interface does not show.
// The other ranks wait meanwhile.
Status Trainer::dump_gradient() const {
  if (rank_ != 0 || config_.dump_gradients.empty()) return {};
  if (!is_dump_step(step_ + 1, steps_planned_, config_.dump_every)) return {};
  std::vector<GradientTensor> tensors;
  for (const MlpTensor& each : mlp_.tensors()) {
    tensors.push_back({each.name, each.count, each.bias && config_.exact_biases});
  }
  return write_gradient(config_.dump_gradients, {step_ + 1, config_.seed, rank_count_, algorithm_, config_.dataset},
                        tensors, gradient_);
}

Status Trainer::dump_weights() const {
  if (config_.dump.empty()) return {};
  const auto bytes = std::as_bytes(std::span(weights_));
  return write_whole(text(config_.dump, "/", algorithm_, ".rank", rank_, ".f32"),
                     {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Status Trainer::run() {
  const std::uint64_t per_epoch = batch_count(dataset_.train.count(), config_.batch);
  steps_planned_ = per_epoch * config_.epochs;
  if (config_.steps != 0) steps_planned_ = std::min(steps_planned_, config_.steps);
  GOSSAMER_TRY(prepare());
  start_ns_ = clock_.now_ns();
  for (std::uint32_t epoch = 0; step_ < steps_planned_; ++epoch) {
    GOSSAMER_TRY(train_epoch(epoch, steps_planned_));
    GOSSAMER_TRY(end_epoch(epoch));
  }
  GOSSAMER_TRY(note_({{"summary", summary()}}));
  GOSSAMER_TRY(dump_weights());
  return note_({{"summary", {{"finished", true}}}});
}

}  // namespace

Result<Dataset> load_dataset(const TrainConfig& config) {
  if (config.dataset == "fashion-mnist") return load_fashion_mnist(config.data);
  return make_synthetic(
      {config.samples, std::max(config.samples / 4, 1u), config.features, config.classes, config.seed});
}

Result<gossamer_session*> join_session(const TrainConfig& config) {
  gossamer_config settings = GOSSAMER_CONFIG_INIT;
  if (!config.transport.empty()) settings.transport = config.transport.c_str();
  settings.threads = static_cast<std::int32_t>(config.threads);
  gossamer_session* session = nullptr;
  GOSSAMER_TRY(from_c(gossamer_init(&settings, &session), "joining the session"));
  return session;
}

Status train_on_this_rank(const TrainConfig& config, const std::string& algorithm, const Dataset& dataset,
                          gossamer_session* session, const TakeNote& note) {
  return Trainer(config, algorithm, dataset, session, note).run();
}

}  // namespace gossamer::tools
