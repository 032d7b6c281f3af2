// Saving and loading of what a compressor keeps between steps.
#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "bindings/c/call.h"
#include "bindings/c/gossamer.h"
#include "bindings/c/objects.h"
#include "runtime/runtime.h"

using namespace gossamer::c;
using gossamer::Error;
using gossamer::Result;
using gossamer::text;
using gossamer::runtime::SavedState;

namespace {

using Bytes = std::span<const std::byte>;
using States = std::vector<SavedState>;

// What every rank's call has, whatever its states are.
struct Load {
  const char* function;
  gossamer_compressor* compressor;
  int32_t allows_new;
  int64_t timeout_ns;
};

// `read` appends the states, or says what is wrong with them: on all ranks, since those wait for this one.
template <typename Read>
gossamer_status load(const Load& call, Read read) {
  return guarded([&] {
    if (call.compressor == nullptr) return fail_argument(call.function, "compressor is NULL");
    gossamer_session* const session = call.compressor->session;
    const Entered entered(check_session(call.function, session), session);
    if (!entered.is_done()) return entered.status;
    uint64_t limit = 0;
    States states;
    const auto mistake = mistake_of([&] {
      if (call.allows_new != 0 && call.allows_new != 1)
        return fail_argument(call.function, text("allows_new is ", call.allows_new, ", expected 0 or 1"));
      if (const auto status = read_limit(call.function, call.timeout_ns, 0, limit); status != GOSSAMER_DONE)
        return status;
      return read(states);
    });
    return outcome(session->session->load_states(*call.compressor->compressor,
                                                 mistake ? Result<States>(*mistake) : Result<States>(std::move(states)),
                                                 call.allows_new == 1, limit));
  });
}

gossamer_status add_state(States& states, std::string_view subject, Bytes bytes) {
  auto state = gossamer::runtime::read_state(subject, bytes);
  if (!state.ok()) return fail(state.error());
  states.push_back(std::move(*state));
  return GOSSAMER_DONE;
}

}  // namespace

extern "C" {

gossamer_status gossamer_compressor_state_size(const gossamer_compressor* compressor, size_t* bytes) {
  constexpr const char* function = "gossamer_compressor_state_size";
  return guarded([&] {
    if (compressor == nullptr || bytes == nullptr) return fail_argument(function, "compressor or bytes is NULL");
    const Entered entered(check_session(function, compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    *bytes = compressor->compressor->state_bytes();
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_compressor_save(gossamer_compressor* compressor, void* state, size_t bytes) {
  constexpr const char* function = "gossamer_compressor_save";
  return guarded([&] {
    if (compressor == nullptr || state == nullptr) return fail_argument(function, "compressor or state is NULL");
    const Entered entered(check_session(function, compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    const size_t needed = compressor->compressor->state_bytes();
    if (bytes < needed)
      return fail_argument(
          function, text("state has room for ", bytes, " B, expected ", needed, " (gossamer_compressor_state_size)"));
    return outcome(compressor->compressor->save({static_cast<std::byte*>(state), needed}));
  });
}

gossamer_status gossamer_compressor_save_file(gossamer_compressor* compressor, const char* path) {
  constexpr const char* function = "gossamer_compressor_save_file";
  return guarded([&] {
    if (compressor == nullptr || path == nullptr) return fail_argument(function, "compressor or path is NULL");
    const Entered entered(check_session(function, compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    std::vector<std::byte> bytes(compressor->compressor->state_bytes());
    if (const auto saved = compressor->compressor->save(bytes); !saved.ok()) return fail(saved.error());
    return outcome(gossamer::write_whole_file(path, bytes, gossamer::Outlives::power));
  });
}

gossamer_status gossamer_compressor_load(gossamer_compressor* compressor, const gossamer_state* states,
                                         size_t state_count, int32_t allows_new, int64_t timeout_ns) {
  constexpr const char* function = "gossamer_compressor_load";
  return load({function, compressor, allows_new, timeout_ns}, [&](States& read) {
    if (states == nullptr || state_count == 0)
      return fail_argument(function, "states is NULL or empty, expected one at least");
    for (size_t i = 0; i < state_count; ++i) {
      if (states[i].data == nullptr) return fail_argument(function, text("states[", i, "].data is NULL"));
      const Bytes bytes(static_cast<const std::byte*>(states[i].data), states[i].bytes);
      if (const auto status = add_state(read, text("state ", i), bytes); status != GOSSAMER_DONE) return status;
    }
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_compressor_load_files(gossamer_compressor* compressor, const char* const* paths,
                                               size_t path_count, int32_t allows_new, int64_t timeout_ns) {
  constexpr const char* function = "gossamer_compressor_load_files";
  std::vector<std::vector<std::byte>> files;  // the states are spans of them
  return load({function, compressor, allows_new, timeout_ns}, [&](States& read) {
    if (paths == nullptr || path_count == 0)
      return fail_argument(function, "paths is NULL or empty, expected one at least");
    for (size_t i = 0; i < path_count; ++i) {
      if (paths[i] == nullptr) return fail_argument(function, text("paths[", i, "] is NULL"));
      auto file = gossamer::read_whole_file(paths[i]);
      if (!file.ok()) return fail(file.error());
      files.push_back(std::move(*file));
      if (const auto status = add_state(read, paths[i], files.back()); status != GOSSAMER_DONE) return status;
    }
    return GOSSAMER_DONE;
  });
}

}  // extern "C"
