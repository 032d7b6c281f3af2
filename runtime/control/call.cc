#include "runtime/control/call.h"

#include <utility>

#include "runtime/control/collect.h"
#include "runtime/control/fields.h"

namespace gossamer::runtime {

Result<std::uint64_t> CollectiveCall::begin(const std::string& subject) {
  const std::lock_guard lock(mutex_);
  if (cancelled_) return Error{Code::invalid_argument, text(shown(subject), ": this rank has left the session")};
  if (under_way_) {
    return Error{Code::busy, text(shown(subject), ": another thread of this rank is in the collective ", subject_,
                                  "; collectives come one at a time, in the same order on all ranks")};
  }
  under_way_ = true;
  subject_ = shown(subject);
  outcome_.reset();
  return sequence_++;
}

Result<wire::Verdict> CollectiveCall::wait(Time until, std::uint64_t allowed_ns) {
  std::unique_lock lock(mutex_);
  const bool decided = decided_.wait_until(lock, until, [&] { return outcome_.has_value(); });
  under_way_ = false;
  if (!decided) {
    return Error{
        Code::deadline,
        text(subject_, ": rank 0 gave no verdict within ", format_duration(allowed_ns), "; is its process stopped?"),
        Rank{0}};
  }
  return *std::move(std::exchange(outcome_, std::nullopt));
}

void CollectiveCall::decide(Result<wire::Verdict> outcome) {
  if (!under_way_ || outcome_) return;
  outcome_.emplace(std::move(outcome));
  decided_.notify_all();
}

void CollectiveCall::deliver(wire::Verdict verdict) {
  const std::lock_guard lock(mutex_);
  if (verdict.sequence() + 1 != sequence_) return;
  if (verdict.code() == 0) {
    decide(std::move(verdict));
  } else {
    decide(error_of(verdict));
  }
}

void CollectiveCall::fail(const Loss& loss) {
  const std::lock_guard lock(mutex_);
  decide(loss_error(subject_, loss));
}

void CollectiveCall::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  decide(Error{Code::cancelled, text(subject_, ": this rank left the session")});
}

}  // namespace gossamer::runtime
