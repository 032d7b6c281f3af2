/* A rank of Gossamer: an all-reduce made once for each size and started many times, not in place.
 *
 *     gossamer run -n P -- gossamer_peer SOCKET */
#define _POSIX_C_SOURCE 200809L
#include <gossamer.h>
#include <stdlib.h>

#include "turns.h"

typedef struct state {
  gossamer_session *session;
  gossamer_compressor *compressor;
  const float *input;
  float *output;
  size_t count;
} state;

static void check(gossamer_status status, const char *what) {
  if (status != GOSSAMER_DONE) turns_fail(what, gossamer_last_error());
}

static float *allocate(void *context, size_t bytes) {
  (void)context;
  void *memory = NULL;
  if (posix_memalign(&memory, 4096, bytes) != 0) turns_fail("gossamer_peer", "no memory");
  return memory;
}

static void release(void *context, float *memory) {
  (void)context;
  free(memory);
}

static void prepare(void *context, const float *input, float *output, size_t count) {
  state *now = context;
  const gossamer_tensor tensor = {"vector", count, 0};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.algorithm = GOSSAMER_DENSE;
  config.tensors = &tensor;
  config.tensor_count = 1;
  gossamer_compressor_destroy(now->compressor);
  check(gossamer_compressor_create(now->session, &config, &now->compressor), "compressor");
  now->input = input;
  now->output = output;
  now->count = count;
}

static void all_reduce(void *context) {
  const state *now = context;
  const float *const gradients[] = {now->input};
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  gossamer_operation *operation = NULL;
  check(gossamer_compress(now->compressor, gradients), "compress");
  check(gossamer_reduce(now->compressor, &operation), "reduce");
  check(gossamer_operation_wait(operation, 0), "wait");
  check(gossamer_recover(now->compressor, &update), "recover");
  const float ranks = (float)gossamer_rank_count(now->session);
  for (size_t i = 0; i < now->count; ++i) now->output[i] = update.values[i] * ranks;
}

int main(int count, char **arguments) {
  state now = {0};
  if (count != 2) turns_fail("gossamer_peer", "expected SOCKET");
  const gossamer_config config = GOSSAMER_CONFIG_INIT;
  check(gossamer_init(&config, &now.session), "init");
  const turns_library library = {&now, allocate, release, prepare, all_reduce};
  turns_run(arguments[1], gossamer_rank(now.session), gossamer_rank_count(now.session), &library);
  gossamer_finalize(now.session);
  return 0;
}
