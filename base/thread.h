// Threads of the library's own: they get no signal, and where none can be made, a sentence says which limit it was.
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/result.h"
#include "base/signals.h"

namespace gossamer {

// out_of_resources: "no thread for <purpose> can be made", why, and which limits to raise.
[[nodiscard]] Error no_thread_error(std::string_view purpose, const std::system_error& failure);

// A thread that runs `body` with all signals blocked but those of its own faults. The caller's mask stays as it is. It
// speaks (LogScope) for whom its maker does.
template <typename Body>
[[nodiscard]] Result<std::thread> make_thread(std::string_view purpose, Body&& body) {
  const BlockedSignals blocked;
  try {
    return std::thread(
        [who = log_speaker != nullptr ? *log_speaker : std::string(), body = std::forward<Body>(body)]() mutable {
          const LogScope scope(&who);
          body();
        });
  } catch (const std::system_error& failure) {
    return no_thread_error(purpose, failure);
  }
}

// Whether a thread could be made now, for libraries that abort when they get none. Makes one and waits until it no
// longer counts; some 50 us.
[[nodiscard]] Status check_thread_room(std::string_view purpose);

}  // namespace gossamer
