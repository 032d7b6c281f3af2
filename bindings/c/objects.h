// What the opaque objects of the C interface hold.
//
// Sessions are in a list of the process and never leave it: one that was finalized is empty, some 120 bytes, so it is
// refused, not followed, and its address is not given to another one. Other handles are in a list of their session.
// Finalize leaves those that the program has not destroyed in a list of the process, without a session: the same is
// true of them until they are destroyed. What that costs is the handle, some 80 bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "bindings/c/call.h"
#include "bindings/c/gossamer.h"
#include "runtime/runtime.h"

// A session belongs to the process that joined it. A forked child has its memory, but not its threads, and shares its
// connections: there it is left alone. Costs a load.
[[nodiscard]] bool is_forked(const gossamer_session& session);

// A plan's latest operation.
struct gossamer_operation {
  gossamer_session* session = nullptr;      // here and below, null: it was finalized
  gossamer::runtime::Plan* plan = nullptr;  // the session's
};

struct gossamer_compressor {
  explicit gossamer_compressor(gossamer_session* owner) : session(owner) {}
  void set(gossamer::runtime::Compressor* made) {
    compressor = made;
    operation = {session, &made->plan()};
  }
  gossamer_session* session;
  gossamer::runtime::Compressor* compressor = nullptr;  // the session's
  gossamer_operation operation;
};

struct gossamer_group {
  gossamer_session* session;
  std::vector<gossamer::Rank> ranks;
};

struct gossamer_collective {
  gossamer_session* session = nullptr;
  gossamer::runtime::Collective* collective = nullptr;  // the session's
  gossamer_operation operation;
};

struct gossamer_session {
  std::unique_ptr<gossamer::runtime::Session> session;  // null: finalized
  std::uint64_t forks = gossamer::fork_count();         // of the process that owns it
  std::atomic<bool> is_aborted{false};
  std::list<gossamer_compressor> compressors;
  std::list<gossamer_collective> collectives;
  std::list<gossamer_group> groups;
};

inline bool is_forked(const gossamer_session& session) { return session.forks != gossamer::fork_count(); }

namespace gossamer::c {

// Whether calls may use the session that they were given.
inline gossamer_status check_given(const char* function, const gossamer_session* session) {
  if (session == nullptr) return fail_argument(function, "session is NULL");
  if (session->session == nullptr)
    return fail_argument(function, "the session was finalized: gossamer_init joins another one");
  if (is_forked(*session)) return fail_forked(function);
  return GOSSAMER_DONE;
}

// Whether calls may use the session of a handle.
inline gossamer_status check_session(const char* function, const gossamer_session* session) {
  if (session == nullptr) [[unlikely]]
    return fail_argument(function,
                         "its session was finalized: of what was made on it nothing is left but to destroy it");
  if (is_forked(*session)) [[unlikely]]
    return fail_forked(function);
  return GOSSAMER_DONE;
}

// Whether operations may start: news of an abort comes to the data path a moment later, and not to what ends at once.
inline gossamer_status check_start(const char* function, const gossamer_session* session) {
  if (const auto status = check_session(function, session); status != GOSSAMER_DONE) return status;
  if (session->is_aborted.load(std::memory_order_relaxed)) [[unlikely]]
    return fail(Error{Code::cancelled, text(function, ": the session was aborted")});
  return GOSSAMER_DONE;
}

// Within a call that one of these checks let through: what is logged meanwhile is that session's. Where nobody listens
// it costs a load.
class Entered {
 public:
  Entered(gossamer_status checked, const gossamer_session* session)
      : status(checked), scope_(is_done() && is_log_enabled(LogLevel::error) ? &session->session->who() : nullptr) {}
  [[nodiscard]] bool is_done() const { return status == GOSSAMER_DONE; }

  const gossamer_status status;

 private:
  const LogScope scope_;
};

// A handle of what was joined; throws where no memory is left.
[[nodiscard]] gossamer_session* make_handle(std::unique_ptr<runtime::Session> joined);

// Handles that outlived their sessions.
void keep_handles(gossamer_session& session);
void drop_kept(const gossamer_compressor* handle);
void drop_kept(const gossamer_collective* handle);
void drop_kept(const gossamer_group* handle);

template <typename Handle>
void drop(std::list<Handle>& handles, const Handle* handle) {
  handles.remove_if([handle](const Handle& entry) { return &entry == handle; });
}

// The void calls cannot refuse.
inline bool refuses_in_observer(const char* function) {
  if (is_in_observer()) log(LogLevel::error, text(function, ": not within a completion; nothing was done"));
  return is_in_observer();
}

}  // namespace gossamer::c
