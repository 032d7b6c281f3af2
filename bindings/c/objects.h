// What the opaque objects of the C interface hold.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "bindings/c/gossamer.h"
#include "runtime/runtime.h"

// A session belongs to the process that joined it. A forked child has its memory, but not its threads, and shares its
// connections: there it is left alone. Costs a load.
[[nodiscard]] bool is_forked(const gossamer_session& session);

// A plan's latest operation.
struct gossamer_operation {
  gossamer_session* session = nullptr;
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
  std::unique_ptr<gossamer::runtime::Session> session;
  std::uint64_t forks = gossamer::fork_count();  // of the process that owns it
  std::vector<std::unique_ptr<gossamer_compressor>> compressors;
  std::vector<std::unique_ptr<gossamer_collective>> collectives;
  std::vector<std::unique_ptr<gossamer_group>> groups;
};

inline bool is_forked(const gossamer_session& session) { return session.forks != gossamer::fork_count(); }
