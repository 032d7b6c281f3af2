// The caller's side of a collective: one at a time, waiting for the service thread's word.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/base.h"
#include "runtime/control/address.h"
#include "runtime/control/control.h"
#include "runtime/control/wire.h"

namespace gossamer::runtime {

// Any thread. begin() and wait() come in pairs from the caller; the first of deliver(), fail() and
// cancel() between them decides the outcome.
class CollectiveCall {
 public:
  // The call's place in the order of this rank's collectives. `busy`: another thread is between begin
  // and wait; `invalid_argument`: cancel() was called.
  [[nodiscard]] Result<std::uint64_t> begin(const std::string& subject);

  // Blocks; at `until` it gives up and says that rank 0, asked to decide within `allowed_ns`, did not.
  [[nodiscard]] Result<wire::Verdict> wait(Time until, std::uint64_t allowed_ns);

  // A verdict for a call that was given up is dropped.
  void deliver(wire::Verdict verdict);
  void fail(const Loss& loss);
  // Ends this call and refuses all later ones, because the rank leaves.
  void cancel();

 private:
  void decide(Result<wire::Verdict> outcome);

  std::mutex mutex_;
  std::condition_variable decided_;
  bool under_way_ = false;
  bool cancelled_ = false;
  std::uint64_t sequence_ = 0;  // of the next call
  std::string subject_;         // of the one under way
  std::optional<Result<wire::Verdict>> outcome_;
};

}  // namespace gossamer::runtime
