// A compressor of a session: an algorithm, its plan, and the operation in flight.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/base.h"
#include "runtime/algorithms/algorithm.h"
#include "runtime/engine/driver.h"
#include "runtime/session/plan_numbers.h"

namespace gossamer::runtime {

struct CompressorStats {
  std::uint64_t operations = 0;  // ended done
  std::uint64_t bytes_sent = 0;  // by this rank in the last one
  std::uint64_t compress_ns = 0;
  std::uint64_t exchange_ns = 0;  // the last one from start to end: waiting + wire + compute
  std::uint64_t waiting_ns = 0;
  std::uint64_t wire_ns = 0;
  std::uint64_t compute_ns = 0;
  std::uint64_t total_bytes_sent = 0;
  std::uint64_t applied = 0;  // coordinates in the last update
  double gradient_norm = 0;   // of this rank's last gradient, before clipping
  std::uint64_t clipped = 0;  // gradients that were cut
};

// One thread at a time, the session's. The driver outlives it.
class Compressor {
 public:
  // Its plan gets a number that all ranks have agreed on.
  [[nodiscard]] static Result<std::unique_ptr<Compressor>> make(AlgorithmContext context, const PlanDraw& draw,
                                                                Driver& driver, const Clock& clock);
  [[nodiscard]] std::uint32_t plan() const { return plan_; }
  [[nodiscard]] const Layout& layout() const { return algorithm_->layout(); }
  [[nodiscard]] const std::string& name() const { return name_; }

  Status compress(const float* const* gradients);
  Status reduce();
  // Code::done, Code::pending or the operation's error.
  Result<Code> test();
  // `deadline` says who waits for whom; the operation goes on.
  Status wait(std::uint64_t limit_ns);
  Result<Update> update() const;
  // weights[tensor][i] += scale * value; weights and values in memory of the configured kind.
  Status apply_to(float* const* weights, const Update& update, float scale) {
    return algorithm_->apply_to(weights, update, scale);
  }
  [[nodiscard]] const CompressorStats& stats() const { return stats_; }
  [[nodiscard]] std::span<const float> residual() const { return algorithm_->residual(); }

  // Gives up the operation in flight. Nothing where the transport still uses the memory: then this
  // object must outlive it.
  [[nodiscard]] std::optional<Ledger> retire(std::uint64_t limit_ns) { return driver_.remove(plan_, limit_ns); }

 private:
  Compressor(Driver& driver, const Clock& clock) : driver_(driver), clock_(clock) {}
  Result<Code> settle(Code code);
  void compare_with_prediction();

  // After so many operations the log says, once, what they took beside what was predicted.
  static constexpr std::size_t compared_count = 16;

  Driver& driver_;
  const Clock& clock_;
  std::string name_;
  std::unique_ptr<Algorithm> algorithm_;
  std::uint32_t plan_ = 0;
  bool compressed_ = false;  // a payload waits for reduce
  bool in_flight_ = false;   // reduce was called and its end not seen yet
  bool has_update_ = false;
  CompressorStats stats_;
  double predicted_ns_ = 0;
  std::array<std::uint64_t, compared_count> exchanges_ns_{};
};

}  // namespace gossamer::runtime
