#include "tests/cpp/recorded_c_api.h"

#include <cstring>
#include <utility>

namespace recorded {

std::vector<std::string> calls;
gossamer_status next_status = GOSSAMER_DONE;

std::vector<std::string> take() {
  std::vector<std::string> taken;
  taken.swap(calls);
  calls.reserve(64);  // so that what is counted below are not the notes
  return taken;
}

namespace {

char memory[4096];
unsigned handles = 0;

gossamer_status note(const char* what) {
  calls.emplace_back(what);
  return std::exchange(next_status, GOSSAMER_DONE);
}

template <typename Handle>
gossamer_status make(const char* what, Handle** handle) {
  const gossamer_status status = note(what);
  *handle = status == GOSSAMER_DONE ? reinterpret_cast<Handle*>(&memory[++handles * 64 % sizeof memory]) : nullptr;
  return status;
}

}  // namespace
}  // namespace recorded

using recorded::make;
using recorded::note;

extern "C" {

const char* gossamer_status_name(gossamer_status status) { return status == GOSSAMER_PEER_LOST ? "LOST" : "STATUS"; }
const char* gossamer_status_text(gossamer_status) { return "text"; }
const char* gossamer_last_error() { return "the sentence"; }
int64_t gossamer_last_error_rank() { return 5; }
int64_t gossamer_last_error_index() { return 7; }

gossamer_status gossamer_init(const gossamer_config*, gossamer_session** session) { return make("init", session); }
gossamer_status gossamer_unique_id_create(const gossamer_config*, gossamer_unique_id* id) {
  std::memset(id, 1, sizeof *id);
  return note("id");
}
gossamer_status gossamer_init_with_id(const gossamer_config*, const gossamer_unique_id*, int32_t, int32_t,
                                      gossamer_session** session) {
  return make("init_id", session);
}
gossamer_status gossamer_init_with_launch(const gossamer_config*, const gossamer_launch*, gossamer_session** session) {
  return make("init_launch", session);
}
void gossamer_finalize(gossamer_session*) { (void)note("finalize"); }
int32_t gossamer_rank(const gossamer_session* session) { return session == nullptr ? -1 : 0; }
int32_t gossamer_rank_count(const gossamer_session* session) { return session == nullptr ? -1 : 1; }
gossamer_status gossamer_broadcast(gossamer_session*, void*, size_t, int32_t, int64_t) { return note("broadcast"); }
gossamer_status gossamer_check_equal(gossamer_session*, const char*, const void*, size_t, int64_t) {
  return note("check_equal");
}
gossamer_status gossamer_group_create(gossamer_session*, const int32_t*, size_t, gossamer_group** group) {
  return make("group", group);
}
void gossamer_group_destroy(gossamer_group*) { (void)note("group_destroy"); }
gossamer_status gossamer_allocate(gossamer_session*, size_t, void** memory) { return make("allocate", memory); }
gossamer_status gossamer_free(gossamer_session*, void*) { return note("free"); }
gossamer_status gossamer_compressor_create(gossamer_session*, const gossamer_compressor_config*,
                                           gossamer_compressor** compressor) {
  return make("compressor", compressor);
}
void gossamer_compressor_destroy(gossamer_compressor*) { (void)note("compressor_destroy"); }
gossamer_status gossamer_compress(gossamer_compressor*, const float* const*) { return note("compress"); }
gossamer_status gossamer_reduce(gossamer_compressor*, gossamer_operation** operation) {
  return make("reduce", operation);
}
gossamer_status gossamer_operation_test(gossamer_operation*) { return note("test"); }
gossamer_status gossamer_operation_wait(gossamer_operation*, int64_t) { return note("wait"); }
gossamer_status gossamer_recover(gossamer_compressor*, gossamer_update* update) {
  update->count = 1;
  return note("recover");
}
gossamer_status gossamer_update_apply(const gossamer_update*, float* const*, float) { return note("apply"); }
gossamer_status gossamer_compressor_stats(const gossamer_compressor*, gossamer_stats*) { return note("stats"); }
gossamer_status gossamer_collective_create(gossamer_session*, const gossamer_collective_config* config,
                                           gossamer_collective** collective) {
  return make(("collective " + std::to_string(config->kind) + " of type " + std::to_string(config->type) + ", op " +
               std::to_string(config->op) + ", " + std::to_string(config->count))
                  .c_str(),
              collective);
}
gossamer_status gossamer_collective_start(gossamer_collective*, gossamer_operation** operation) {
  return make("start", operation);
}
void gossamer_collective_destroy(gossamer_collective*) { (void)note("collective_destroy"); }
gossamer_status gossamer_collective_slice(const gossamer_collective*, int32_t, uint64_t*, uint64_t*) {
  return note("slice");
}
gossamer_status gossamer_all_reduce(gossamer_session*, void*, uint64_t count, int32_t type, int32_t op, int64_t) {
  return note(
      ("all_reduce " + std::to_string(count) + " of type " + std::to_string(type) + ", op " + std::to_string(op))
          .c_str());
}
gossamer_status gossamer_operation_on_complete(gossamer_operation*, gossamer_completion, void*) {
  return note("on_complete");
}
gossamer_status gossamer_operation_notify(gossamer_operation*, int) { return note("notify"); }
gossamer_status gossamer_compressor_state_size(const gossamer_compressor*, size_t* bytes) {
  *bytes = 3;
  return note("state_size");
}
gossamer_status gossamer_compressor_save(gossamer_compressor*, void*, size_t) { return note("save"); }
gossamer_status gossamer_compressor_save_file(gossamer_compressor*, const char*) { return note("save_file"); }
gossamer_status gossamer_compressor_load(gossamer_compressor*, const gossamer_state*, size_t, int32_t, int64_t) {
  return note("load");
}
gossamer_status gossamer_compressor_load_files(gossamer_compressor*, const char* const*, size_t, int32_t, int64_t) {
  return note("load_files");
}
gossamer_status gossamer_abort(gossamer_session*) { return note("abort"); }
gossamer_status gossamer_session_report(gossamer_session*, char* text, size_t capacity, size_t* bytes) {
  *bytes = 3;
  if (capacity < 3) return GOSSAMER_OUT_OF_RESOURCES;
  std::memcpy(text, "{}", 3);
  return note("report");
}
gossamer_status gossamer_barrier(gossamer_session*, int64_t) { return note("barrier"); }

}  // extern "C"
