// Handles that outlive what they stand for.
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "bindings/c/objects.h"

namespace gossamer::c {

namespace {

struct Kept {
  std::mutex mutex;
  std::list<gossamer_compressor> compressors;
  std::list<gossamer_collective> collectives;
  std::list<gossamer_group> groups;
  std::list<gossamer_session> sessions;  // all that there have been
};
Kept& kept() {
  static Kept* const handles = new Kept;  // never destroyed: programs destroy handles at their exit
  return *handles;
}

template <typename Handle>
void keep(std::list<Handle>& to, std::list<Handle>& from) {
  for (Handle& handle : from) {
    handle.session = nullptr;
    if constexpr (requires { handle.operation; }) handle.operation = {};
  }
  to.splice(to.end(), from);
}

template <typename Handle>
void drop_from(std::list<Handle>& handles, const Handle* handle) {
  const std::lock_guard lock(kept().mutex);
  drop(handles, handle);
}

}  // namespace

gossamer_session* make_handle(std::unique_ptr<runtime::Session> joined) {
  const std::lock_guard lock(kept().mutex);
  gossamer_session& handle = kept().sessions.emplace_back();
  handle.session = std::move(joined);
  return &handle;
}

void keep_handles(gossamer_session& session) {
  const std::lock_guard lock(kept().mutex);
  keep(kept().compressors, session.compressors);
  keep(kept().collectives, session.collectives);
  keep(kept().groups, session.groups);
}

void drop_kept(const gossamer_compressor* handle) { drop_from(kept().compressors, handle); }
void drop_kept(const gossamer_collective* handle) { drop_from(kept().collectives, handle); }
void drop_kept(const gossamer_group* handle) { drop_from(kept().groups, handle); }

}  // namespace gossamer::c
