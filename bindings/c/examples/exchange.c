/* Four steps of gs-SGD on a toy problem, on as many ranks as were started:
 *
 *     cc exchange.c $(pkg-config --cflags --libs gossamer) -lm -o exchange
 *     gossamer run -n 4 -- ./exchange
 *
 * Each rank has its own target vector; the mean of all is what they learn together. */
#include <gossamer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT 10000
#define BIAS_COUNT 10

static void check(gossamer_status status, const char *what) {
  if (status == GOSSAMER_DONE) return;
  fprintf(stderr, "%s: %s: %s\n", what, gossamer_status_name(status), gossamer_last_error());
  exit(1);
}

static void print_log(gossamer_log_level level, const char *line, void *context) {
  (void)context;
  fprintf(stderr, "%s: %s\n", level >= GOSSAMER_LOG_WARNING ? "warning" : "info", line);
}

/* Squared distance to this rank's target is the loss; its gradient is weight - target. */
static float target(int rank, int i) { return (float)((i * 7 + rank * 3) % 11) - 5.0f; }

int main(void) {
  static float weights[COUNT], bias[BIAS_COUNT], gradient[COUNT], bias_gradient[BIAS_COUNT];
  float *const parameters[] = {weights, bias};
  const float *const gradients[] = {gradient, bias_gradient};
  const gossamer_tensor tensors[] = {{"weights", COUNT, 0}, {"bias", BIAS_COUNT, 1}};

  gossamer_set_log(GOSSAMER_LOG_WARNING, print_log, NULL);

  gossamer_config config = GOSSAMER_CONFIG_INIT; /* rank and rendezvous from the environment */
  gossamer_session *session = NULL;
  check(gossamer_init(&config, &session), "init");
  const int rank = gossamer_rank(session);
  const int rank_count = gossamer_rank_count(session);

  if (rank == 0)
    for (int i = 0; i < COUNT; ++i) weights[i] = 0.01f * (float)(i % 5);
  check(gossamer_broadcast(session, weights, sizeof weights, 0, 0), "broadcast");
  check(gossamer_check_equal(session, "weights", weights, sizeof weights, 0), "check");

  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  options.algorithm = GOSSAMER_GS_SGD;
  options.tensors = tensors;
  options.tensor_count = 2;
  options.density = 0.2;
  options.columns = 4000;
  options.momentum = 0.0;
  options.clip = 0.0;
  gossamer_compressor *compressor = NULL;
  check(gossamer_compressor_create(session, &options, &compressor), "compressor");

  for (int step = 0; step < 4; ++step) {
    for (int i = 0; i < COUNT; ++i) gradient[i] = weights[i] - target(rank, i);
    for (int i = 0; i < BIAS_COUNT; ++i) bias_gradient[i] = bias[i] - (float)rank;
    check(gossamer_compress(compressor, gradients), "compress");

    gossamer_operation *operation = NULL;
    check(gossamer_reduce(compressor, &operation), "reduce");
    check(gossamer_operation_wait(operation, 0), "wait");

    gossamer_update update = GOSSAMER_UPDATE_INIT;
    check(gossamer_recover(compressor, &update), "recover");
    check(gossamer_update_apply(&update, parameters, -0.5f), "apply");

    double distance = 0.0; /* to the mean of all targets */
    for (int i = 0; i < COUNT; ++i) {
      double mean = 0.0;
      for (int r = 0; r < rank_count; ++r) mean += target(r, i);
      distance += pow(weights[i] - mean / rank_count, 2);
    }
    gossamer_stats stats = GOSSAMER_STATS_INIT;
    check(gossamer_compressor_stats(compressor, &stats), "stats");
    if (rank == 0)
      printf("step %d: distance %.3f, %llu of %llu coordinates, %llu bytes sent\n", step, sqrt(distance),
             (unsigned long long)stats.applied, (unsigned long long)stats.dimension, (unsigned long long)stats.bytes_sent);
  }
  check(gossamer_check_equal(session, "weights", weights, sizeof weights, 0), "check");
  if (rank == 0) printf("weights are equal on %d ranks\n", rank_count);

  gossamer_compressor_destroy(compressor);
  gossamer_finalize(session);
  return 0;
}
