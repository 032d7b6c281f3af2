/* A rank of Gossamer: an all-reduce made once for each size and started many times, not in place.
 *
 *     gossamer run -n P -- gossamer_peer SOCKET           or SOCKET call: the blocking one-off, in place on a copy */
#include <gossamer.h>
#include <string.h>

#include "turns.h"

typedef struct state {
  gossamer_session* session;
  gossamer_collective* collective;
  const float* input;
  float* output;
  size_t count;
} state;

static void check(gossamer_status status, const char* what) {
  if (status != GOSSAMER_DONE) turns_fail(what, gossamer_last_error());
}

static float* allocate(void* context, size_t bytes) {
  const state* now = context;
  void* memory = NULL;
  check(gossamer_allocate(now->session, bytes, &memory), "allocate");
  return memory;
}

static void release(void* context, float* memory) {
  state* now = context;
  gossamer_collective_destroy(now->collective);
  now->collective = NULL;
  check(gossamer_free(now->session, memory), "free");
}

static void prepare(void* context, const float* input, float* output, size_t count) {
  state* now = context;
  gossamer_collective_config config = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  config.kind = GOSSAMER_ALL_REDUCE;
  config.count = count;
  config.input = input;
  config.output = output;
  check(gossamer_collective_create(now->session, &config, &now->collective), "collective");
}

static void all_reduce(void* context) {
  const state* now = context;
  gossamer_operation* operation = NULL;
  check(gossamer_collective_start(now->collective, &operation), "start");
  check(gossamer_operation_wait(operation, 0), "wait");
}

static void prepare_call(void* context, const float* input, float* output, size_t count) {
  state* now = context;
  now->input = input;
  now->output = output;
  now->count = count;
}

static void call(void* context) {
  const state* now = context;
  memcpy(now->output, now->input, now->count * sizeof *now->output);
  check(gossamer_all_reduce(now->session, now->output, now->count, GOSSAMER_F32, GOSSAMER_SUM, 0), "all_reduce");
}

int main(int count, char** arguments) {
  state now = {0};
  const int one_off = count == 3 && strcmp(arguments[2], "call") == 0;
  if (count != 2 && !one_off) turns_fail("gossamer_peer", "expected SOCKET, or SOCKET call");
  const gossamer_config config = GOSSAMER_CONFIG_INIT;
  check(gossamer_init(&config, &now.session), "init");
  const turns_library library = {&now, allocate, release, one_off ? prepare_call : prepare,
                                 one_off ? call : all_reduce};
  turns_run(arguments[1], gossamer_rank(now.session), gossamer_rank_count(now.session), &library);
  gossamer_collective_destroy(now.collective);
  gossamer_finalize(now.session);
  return 0;
}
