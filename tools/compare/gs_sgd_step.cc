// gs-SGD as a user of the C interface runs it.
#include "bindings/c/gossamer.h"
#include "sketch/sketch.h"
#include "tools/compare/exchange_step.h"

namespace gossamer::compare {
namespace {

Status status_of(gossamer_status status) {
  if (status == GOSSAMER_DONE) return {};
  return Error{static_cast<Code>(status), gossamer_last_error()};
}

class GsSgdStep final : public ExchangeStep {
 public:
  ~GsSgdStep() override { gossamer_finalize(session_); }

  static Result<std::unique_ptr<ExchangeStep>> make(const StepSetup& setup, std::string_view options) {
    auto self = std::make_unique<GsSgdStep>();
    const gossamer_config config = GOSSAMER_CONFIG_INIT;
    GOSSAMER_TRY(status_of(gossamer_init(&config, &self->session_)));
    const gossamer_tensor tensor = {"weights", setup.dimension, 0};
    gossamer_compressor_config wanted = GOSSAMER_COMPRESSOR_CONFIG_INIT;
    wanted.tensors = &tensor;
    wanted.tensor_count = 1;
    wanted.density = setup.density;
    wanted.clip = 0;
    for (std::size_t begin = 0; begin < options.size();) {
      const std::size_t end = std::min(options.find(',', begin), options.size());
      const std::string_view option = options.substr(begin, end - begin);
      if (option == "i8") {
        wanted.cells = GOSSAMER_CELLS_I8;
        wanted.values = GOSSAMER_CELLS_I16;
      } else if (option == "bf16") {
        wanted.cells = GOSSAMER_CELLS_BF16;
      } else if (option == "i16-values") {
        wanted.values = GOSSAMER_CELLS_I16;
      } else if (option == "sharded") {
        wanted.decode = GOSSAMER_DECODE_SHARDED;
      } else if (option == "as-gtop-k") {
        wanted.momentum = 0;
        wanted.oversampling = 1;
      } else {
        return Error{Code::invalid_argument, text("gs-SGD has no option ", option)};
      }
      begin = end + 1;
    }
    GOSSAMER_TRY(status_of(gossamer_compressor_create(self->session_, &wanted, &self->compressor_)));
    return std::unique_ptr<ExchangeStep>(std::move(self));
  }

  Status compress(std::span<const float> gradient) override {
    const float* const gradients[] = {gradient.data()};
    return status_of(gossamer_compress(compressor_, gradients));
  }

  Status exchange() override {
    gossamer_operation* operation = nullptr;
    GOSSAMER_TRY(status_of(gossamer_reduce(compressor_, &operation)));
    GOSSAMER_TRY(status_of(gossamer_operation_wait(operation, 0)));
    return status_of(gossamer_recover(compressor_, &update_));
  }

  std::int64_t compute_ns() const override { return static_cast<std::int64_t>(stats().compute_ns); }
  std::uint64_t bytes_sent() const override { return stats().bytes_sent; }
  std::uint64_t update_hash() const override {
    return sketch::hash_bytes(std::as_bytes(std::span(update_.indices, update_.count))) ^
           sketch::hash_bytes(std::as_bytes(std::span(update_.values, update_.count)));
  }

 private:
  [[nodiscard]] gossamer_stats stats() const {
    gossamer_stats found = GOSSAMER_STATS_INIT;
    static_cast<void>(gossamer_compressor_stats(compressor_, &found));
    return found;
  }

  gossamer_session* session_ = nullptr;
  gossamer_compressor* compressor_ = nullptr;
  gossamer_update update_ = GOSSAMER_UPDATE_INIT;
};

}  // namespace

Result<std::unique_ptr<ExchangeStep>> make_gs_sgd_step(const StepSetup& setup, std::string_view options) {
  return GsSgdStep::make(setup, options);
}

}  // namespace gossamer::compare
