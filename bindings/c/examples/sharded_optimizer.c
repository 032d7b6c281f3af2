/* An optimiser whose state is shared out over the ranks, 1/P of it on each (as ZeRO-1 and BigDL do), next to the usual
 * one; both must come to the same weights, bit for bit:
 *
 *     cc sharded_optimizer.c $(pkg-config --cflags --libs gossamer) -lm -o sharded_optimizer
 *     gossamer run -n 4 -- ./sharded_optimizer
 *
 *     sharded:  reduce-scatter the gradient ─► Adam on this rank's slice ─► all-gather the weights
 *     whole:    all-reduce the gradient ─► Adam on everything
 */
#include <gossamer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 100003
#define STEPS 20

static void check(gossamer_status status, const char *what) {
  if (status == GOSSAMER_DONE) return;
  fprintf(stderr, "%s: %s: %s\n", what, gossamer_status_name(status), gossamer_last_error());
  exit(1);
}

static float *zeros(uint64_t count) {
  float *values = calloc(count > 0 ? count : 1, sizeof *values);
  if (values == NULL) {
    fprintf(stderr, "no memory\n");
    exit(1);
  }
  return values;
}

/* Made once, started in every step. */
static gossamer_collective *make(gossamer_session *session, gossamer_collective_kind kind, const void *input,
                                 void *output) {
  gossamer_collective_config config = GOSSAMER_COLLECTIVE_CONFIG_INIT;
  config.kind = kind;
  config.op = kind == GOSSAMER_ALL_GATHER ? GOSSAMER_SUM : GOSSAMER_MEAN;
  config.count = COUNT;
  config.input = input;
  config.output = output;
  config.schedule = GOSSAMER_SCHEDULE_RING; /* both merge in the same order: equal bits, not only equal values */
  gossamer_collective *collective = NULL;
  check(gossamer_collective_create(session, &config, &collective), "create");
  return collective;
}

static void run(gossamer_collective *collective) {
  gossamer_operation *operation = NULL;
  check(gossamer_collective_start(collective, &operation), "start");
  check(gossamer_operation_wait(operation, 0), "wait");
}

typedef struct {
  float *first, *second; /* moments: the optimiser's memory */
  uint64_t count;
} adam;

static void adam_step(adam *state, int step, const float *gradient, float *weights) {
  const float correction1 = 1.0f - powf(0.9f, (float)step), correction2 = 1.0f - powf(0.999f, (float)step);
  for (uint64_t i = 0; i < state->count; ++i) {
    state->first[i] = 0.9f * state->first[i] + 0.1f * gradient[i];
    state->second[i] = 0.999f * state->second[i] + 0.001f * gradient[i] * gradient[i];
    weights[i] -= 0.05f * (state->first[i] / correction1) / (sqrtf(state->second[i] / correction2) + 1e-8f);
  }
}

/* Squared distance to this rank's target is the loss. */
static void gradient_of(const float *weights, int rank, float *gradient) {
  for (uint64_t i = 0; i < COUNT; ++i)
    gradient[i] = weights[i] - sinf((float)i * 0.37f + (float)rank) * (float)(1 + i % 7);
}

int main(void) {
  gossamer_session *session = NULL;
  check(gossamer_init(NULL, &session), "init");
  const int rank = gossamer_rank(session);

  float *gradient = zeros(COUNT), *whole_weights = zeros(COUNT), *sharded_weights = zeros(COUNT);

  gossamer_collective *all_reduce = make(session, GOSSAMER_ALL_REDUCE, NULL, gradient);
  /* In place: the slice lies where it belongs in the vector. */
  gossamer_collective *reduce_scatter = make(session, GOSSAMER_REDUCE_SCATTER, NULL, gradient);
  gossamer_collective *all_gather = make(session, GOSSAMER_ALL_GATHER, NULL, sharded_weights);
  uint64_t first = 0, count = 0;
  check(gossamer_collective_slice(reduce_scatter, rank, &first, &count), "slice");

  adam whole = {zeros(COUNT), zeros(COUNT), COUNT};
  adam shard = {zeros(count), zeros(count), count};

  for (int step = 1; step <= STEPS; ++step) {
    gradient_of(whole_weights, rank, gradient);
    run(all_reduce);
    adam_step(&whole, step, gradient, whole_weights);

    gradient_of(sharded_weights, rank, gradient);
    run(reduce_scatter);
    adam_step(&shard, step, gradient + first, sharded_weights + first);
    run(all_gather);
  }

  const int equal = memcmp(whole_weights, sharded_weights, COUNT * sizeof *whole_weights) == 0;
  check(gossamer_check_equal(session, "weights", sharded_weights, COUNT * sizeof *sharded_weights, 0), "weights");
  printf("rank %d: %s; optimiser state %llu of %d elements\n", rank, equal ? "equal bit for bit" : "DIFFERENT",
         (unsigned long long)count, COUNT);

  gossamer_finalize(session);
  free(gradient), free(whole_weights), free(sharded_weights);
  free(whole.first), free(whole.second), free(shard.first), free(shard.second);
  return equal ? 0 : 1;
}
