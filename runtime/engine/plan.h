// A plan as its owner holds it: a work under a number that all ranks have agreed on, started many times. Compressors
// and collectives are each a plan and what they make of its result.
//
//   make ─► start ─► test, wait ─► start ─► test, wait ─► ... ─► retire
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/base.h"
#include "runtime/engine/driver.h"
#include "runtime/engine/ledger.h"
#include "runtime/engine/work.h"

namespace gossamer::runtime {

// Of the latest operation that ended done, but for the totals.
struct PlanStats {
  std::uint64_t operations = 0;   // ended done
  std::uint64_t bytes_sent = 0;   // by this rank
  std::uint64_t exchange_ns = 0;  // from start to end: waiting + wire + compute
  std::uint64_t waiting_ns = 0;
  std::uint64_t wire_ns = 0;
  std::uint64_t compute_ns = 0;
  std::uint64_t total_bytes_sent = 0;
  std::uint64_t total_exchange_ns = 0;
  std::uint64_t total_waiting_ns = 0;
  std::uint64_t total_wire_ns = 0;
  std::uint64_t total_compute_ns = 0;
};

// One thread at a time, the session's.
class Plan {
 public:
  // Registers the work's memory. Driver and clock outlive the plan, unless `retire` has said that its memory is free.
  // What fails leaves nothing. `name` is for messages.
  [[nodiscard]] static Result<std::unique_ptr<Plan>> make(const PlanDraw& draw, std::string name,
                                                          std::unique_ptr<Work> work, Driver& driver,
                                                          const Clock& clock);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const Ledger& ledger() const { return driver_.ledger(number_); }

  // Starts the next operation. `busy` while one is in flight. Does not allocate.
  Status start();
  // Code::done, Code::pending or the operation's error.
  Result<Code> test();
  // `deadline` says who waits for whom; the operation goes on.
  Status wait(std::uint64_t limit_ns);

  // Tells of the end of the latest operation, once, from whoever ends it, or at once where it has ended.
  Status observe(const Observer& observer) { return driver_.observe(number_, observer); }

  // Started, and its end not seen yet by test or wait.
  [[nodiscard]] bool is_in_flight() const { return is_in_flight_; }
  // `busy` where it is; `next` says what has to wait: "compress".
  [[nodiscard]] Status check_idle(std::string_view next) const;
  // The latest operation has been seen to end done.
  [[nodiscard]] bool has_result() const { return has_result_; }
  void forget_result() { has_result_ = false; }
  [[nodiscard]] const PlanStats& stats() const { return stats_; }

  // Gives up the operation in flight and leaves the driver, within `limit_ns`. Nothing where the transport still uses
  // the memory: then this object must outlive it.
  [[nodiscard]] std::optional<Ledger> retire(std::uint64_t limit_ns) { return driver_.remove(number_, limit_ns); }

 private:
  Plan(const PlanDraw& draw, std::string name, std::unique_ptr<Work> work, Driver& driver, const Clock& clock);
  Result<Code> settle(Code code);
  void take_stats(const PlanState& state);
  void compare_with_prediction();

  // After so many operations the log says, once, what they took beside what was predicted.
  static constexpr std::size_t compared_count = 16;

  const std::uint32_t number_;
  const std::string name_;
  const std::unique_ptr<Work> work_;
  Driver& driver_;
  const Clock& clock_;
  bool is_in_flight_ = false;
  bool has_result_ = false;
  PlanStats stats_;
  double predicted_ns_ = 0;
  std::array<std::uint64_t, compared_count> exchanges_ns_{};
};

}  // namespace gossamer::runtime
