// The end of an operation without a wait, and giving everything up.
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>

#include "bindings/c/call.h"
#include "bindings/c/gossamer.h"
#include "bindings/c/objects.h"
#include "runtime/runtime.h"

using namespace gossamer::c;

namespace {

gossamer_status observe(const char* function, gossamer_operation* operation,
                        const gossamer::runtime::Observer& observer) {
  const Entered entered(check_session(function, operation->session), operation->session);
  if (!entered.is_done()) return entered.status;
  return outcome(operation->plan->observe(observer));
}

void write_one(void* context, std::int32_t) {
  const auto descriptor = static_cast<int>(reinterpret_cast<std::intptr_t>(context));
  const std::uint64_t one = 1;
  ssize_t written = 0;
  do {
    written = ::write(descriptor, &one, sizeof one);
  } while (written < 0 && errno == EINTR);
}

}  // namespace

extern "C" {

gossamer_status gossamer_operation_on_complete(gossamer_operation* operation, gossamer_completion completion,
                                               void* context) {
  constexpr const char* function = "gossamer_operation_on_complete";
  return guarded([&] {
    if (operation == nullptr || completion == nullptr)
      return fail_argument(function, "operation or completion is NULL");
    return observe(function, operation, {completion, context});
  });
}

gossamer_status gossamer_operation_notify(gossamer_operation* operation, int descriptor) {
  constexpr const char* function = "gossamer_operation_notify";
  return guarded([&] {
    if (operation == nullptr) return fail_argument(function, "operation is NULL");
    if (descriptor < 0)
      return fail_argument(function, gossamer::text("descriptor is ", descriptor, ", expected an eventfd or a pipe"));
    return observe(function, operation, {write_one, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor))});
  });
}

// Not guarded: it may come from a completion, too.
gossamer_status gossamer_abort(gossamer_session* session) {
  constexpr const char* function = "gossamer_abort";
  const Entered entered(check_given(function, session), session);
  if (!entered.is_done()) return entered.status;
  session->is_aborted.store(true, std::memory_order_relaxed);
  try {
    session->session->abort();
  } catch (const std::bad_alloc&) {
    return fail(gossamer::Error{gossamer::Code::out_of_resources, "no memory is left"});
  }
  return GOSSAMER_DONE;
}

}  // extern "C"
