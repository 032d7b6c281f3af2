/* One rank of what tools/benchmark-simulate measures: dense all-reduces in shared memory.
 *
 *     gossamer run -n P -- measure_peer SCHEDULE:FLOATS:STEPS ...
 *
 * SCHEDULE is a gossamer_schedule's number. Rank 0 prints a line for each: schedule, payload bytes, bytes that it sent
 * in a step, quartiles in ns of the time from reduce to the end of wait. The vector is written before each. */
#define _POSIX_C_SOURCE 200809L
#include <gossamer.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void check(gossamer_status status, const char *what) {
  if (status == GOSSAMER_DONE) return;
  fprintf(stderr, "measure_peer: %s: %s: %s\n", what, gossamer_status_name(status), gossamer_last_error());
  exit(1);
}

static long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}

static int by_value(const void *a, const void *b) {
  const long x = *(const long *)a, y = *(const long *)b;
  return (x > y) - (x < y);
}

static void measure(gossamer_session *session, int schedule, long floats, long steps) {
  float *gradient = calloc((size_t)floats, sizeof *gradient);
  long *times = calloc((size_t)steps, sizeof *times);
  if (gradient == NULL || times == NULL) exit(1);
  const gossamer_tensor tensor = {"vector", (size_t)floats, 0};
  const float *const gradients[] = {gradient};
  gossamer_compressor_config options = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  options.algorithm = GOSSAMER_DENSE;
  options.tensors = &tensor;
  options.tensor_count = 1;
  options.schedule = schedule;
  gossamer_compressor *compressor = NULL;
  check(gossamer_compressor_create(session, &options, &compressor), "compressor");
  const long warm_up = steps / 5 + 3;
  for (long step = -warm_up; step < steps; ++step) {
    for (long i = 0; i < floats; ++i) gradient[i] = (float)(i % 7 + step);
    check(gossamer_compress(compressor, gradients), "compress");
    gossamer_operation *operation = NULL;
    const long begin = now_ns();
    check(gossamer_reduce(compressor, &operation), "reduce");
    check(gossamer_operation_wait(operation, 0), "wait");
    if (step >= 0) times[step] = now_ns() - begin;
  }
  gossamer_stats stats = GOSSAMER_STATS_INIT;
  check(gossamer_compressor_stats(compressor, &stats), "stats");
  qsort(times, (size_t)steps, sizeof *times, by_value);
  if (gossamer_rank(session) == 0) {
    printf("%d %ld %llu %ld %ld %ld\n", schedule, 4 * floats, (unsigned long long)stats.bytes_sent, times[steps / 4],
           times[steps / 2], times[steps * 3 / 4]);
    fflush(stdout);
  }
  gossamer_compressor_destroy(compressor);
  free(gradient);
  free(times);
}

int main(int count, char **arguments) {
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  gossamer_session *session = NULL;
  check(gossamer_init(&config, &session), "init");
  for (int i = 1; i < count; ++i) {
    char *rest = arguments[i];
    long numbers[3] = {0, 0, 0};
    for (int k = 0; k < 3; ++k) {
      numbers[k] = strtol(rest, &rest, 10);
      if (*rest == ':') ++rest;
    }
    if (*rest != 0 || numbers[1] < 1 || numbers[2] < 1) {
      fprintf(stderr, "measure_peer: expected SCHEDULE:FLOATS:STEPS, not %s\n", arguments[i]);
      return 2;
    }
    measure(session, (int)numbers[0], numbers[1], numbers[2]);
  }
  gossamer_finalize(session);
  return 0;
}
