#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/text.h"

namespace gossamer {

Error no_thread_error(std::string_view purpose, const std::system_error& failure) {
  return {Code::out_of_resources,
          text("no thread for ", purpose, " can be made (", failure.code().message(),
               "); raise the limit of processes and threads (ulimit -u), the container's (pids.max, docker run "
               "--pids-limit), or of memory (ulimit -v)")};
}

Status check_thread_room(std::string_view purpose) {
  pid_t id = 0;
  auto made = make_thread(purpose, [&id] { id = ::gettid(); });
  GOSSAMER_TRY(made);
  made->join();
  // A joined thread may count for some microseconds more; when its id is gone it no longer does.
  constexpr std::uint64_t limit_ns = 100'000'000;
  const SteadyClock clock;
  const std::uint64_t end_ns = clock.now_ns() + limit_ns;
  while (::tgkill(::getpid(), id, 0) == 0 && clock.now_ns() < end_ns) ::sched_yield();
  return {};
}

}  // namespace gossamer
