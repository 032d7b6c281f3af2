/* Training that can be stopped and goes on, with as many ranks or with others:
 *
 *     cc checkpoint.c $(pkg-config --cflags --libs gossamer) -o checkpoint
 *     mkdir saved
 *     gossamer run -n 3 -- ./checkpoint saved 4        from the start: steps 0 to 3
 *     gossamer run -n 3 -- ./checkpoint saved 4        steps 4 to 7, with the bits that 8 steps at once would have had
 *     gossamer run -n 2 -- ./checkpoint saved 4        steps 8 to 11, on two ranks
 *
 * In the folder are what is the same on all ranks (step, rank count, weights) and each rank's state. */
#include <gossamer.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 5000
#define RANKS_MAX 64

struct common {
  uint32_t step;
  uint32_t ranks; /* whose states are beside it */
  float weights[COUNT];
};

static void check(gossamer_status status, const char *what) {
  if (status == GOSSAMER_DONE) return;
  fprintf(stderr, "%s: %s: %s\n", what, gossamer_status_name(status), gossamer_last_error());
  exit(1);
}

static void state_path(char *path, size_t bytes, const char *folder, unsigned rank) {
  snprintf(path, bytes, "%s/state-%u", folder, rank);
}

/* Rank 0 reads what all have in common; each then loads the states of all ranks that there were, and takes its own. */
static void load(gossamer_session *session, gossamer_compressor *compressor, const char *folder, struct common *common) {
  static char paths[RANKS_MAX][512];
  const char *list[RANKS_MAX];
  char path[512];
  if (gossamer_rank(session) == 0) {
    snprintf(path, sizeof path, "%s/common", folder);
    FILE *file = fopen(path, "rb");
    if (file != NULL && fread(common, sizeof *common, 1, file) != 1) memset(common, 0, sizeof *common);
    if (file != NULL) fclose(file);
  }
  check(gossamer_broadcast(session, common, sizeof *common, 0, 0), "broadcast");
  if (common->ranks == 0 || common->ranks > RANKS_MAX) return; /* from the start */
  for (unsigned r = 0; r < common->ranks; ++r) {
    state_path(paths[r], sizeof paths[r], folder, r);
    list[r] = paths[r];
  }
  check(gossamer_compressor_load_files(compressor, list, common->ranks, 0, 0), "load");
}

static void save(gossamer_session *session, gossamer_compressor *compressor, const char *folder, struct common *common) {
  char path[512];
  state_path(path, sizeof path, folder, (unsigned)gossamer_rank(session));
  check(gossamer_compressor_save_file(compressor, path), "save");
  check(gossamer_barrier(session, 0), "barrier"); /* all states are there before the file that counts them */
  if (gossamer_rank(session) != 0) return;
  common->ranks = (uint32_t)gossamer_rank_count(session);
  snprintf(path, sizeof path, "%s/common", folder);
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(common, sizeof *common, 1, file) != 1 || fclose(file) != 0) {
    perror(path);
    exit(1);
  }
}

int main(int argc, char **argv) {
  static struct common common;
  static float gradient[COUNT];
  const float *const gradients[] = {gradient};
  float *const parameters[] = {common.weights};
  if (argc != 3) {
    fprintf(stderr, "usage: %s FOLDER STEPS\n", argv[0]);
    return 2;
  }
  gossamer_session *session = NULL;
  check(gossamer_init(NULL, &session), "init");
  const int rank = gossamer_rank(session);

  const gossamer_tensor tensor = {"weights", COUNT, 0};
  gossamer_compressor_config config;
  check(gossamer_compressor_config_init(&config, sizeof config, sizeof tensor), "config"); /* as the macro */
  config.tensors = &tensor;
  config.tensor_count = 1;
  gossamer_compressor *compressor = NULL;
  check(gossamer_compressor_create(session, &config, &compressor), "compressor");
  load(session, compressor, argv[1], &common);

  const uint32_t first = common.step;
  const uint32_t end = first + (uint32_t)atoi(argv[2]);
  for (; common.step < end; ++common.step) {
    for (int i = 0; i < COUNT; ++i) { /* half the squared distance to this rank's target is the loss */
      const float target = (float)((i * 7 + rank * 3) % 11) - 5.0f;
      gradient[i] = common.weights[i] - target;
    }
    gossamer_operation *operation = NULL;
    gossamer_update update = GOSSAMER_UPDATE_INIT;
    check(gossamer_compress(compressor, gradients), "compress");
    check(gossamer_reduce(compressor, &operation), "reduce");
    check(gossamer_operation_wait(operation, 0), "wait");
    check(gossamer_recover(compressor, &update), "recover");
    check(gossamer_update_apply(&update, parameters, -0.5f), "apply");
  }
  save(session, compressor, argv[1], &common);
  if (rank == 0) {
    uint32_t bits, hash = 2166136261u; /* of the weights' bits */
    for (int i = 0; i < COUNT; ++i) {
      memcpy(&bits, &common.weights[i], sizeof bits);
      hash = (hash ^ bits) * 16777619u;
    }
    printf("steps %" PRIu32 " to %" PRIu32 " on %d ranks, weights %08" PRIx32 "\n", first, end - 1,
           gossamer_rank_count(session), hash);
  }
  gossamer_finalize(session);
  gossamer_compressor_destroy(compressor); /* before or after: its handle outlives the session */
  return 0;
}
