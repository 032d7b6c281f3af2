/* What each program of this folder does with a session: sums that show that all ranks are there, once. */
#ifndef GOSSAMER_TESTS_LAUNCHERS_SUMS_H
#define GOSSAMER_TESTS_LAUNCHERS_SUMS_H

#include <gossamer.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

/* Ends the process with what the library says. */
static void need(gossamer_status status, const char* what) {
  if (status == GOSSAMER_DONE) return;
  fprintf(stderr, "%s: %s: %s\n", what, gossamer_status_name(status), gossamer_last_error());
  exit(1);
}

/* A sum that travels by the control plane, and one that travels by the data path. */
static void sum_over_ranks(gossamer_session* session) {
  const int count = gossamer_rank_count(session), rank = gossamer_rank(session);
  for (size_t length = 3; length <= 30000; length *= 10000) {
    float* const values = malloc(length * sizeof *values);
    for (size_t i = 0; i < length; ++i) values[i] = (float)(rank + 1);
    need(gossamer_all_reduce(session, values, length, GOSSAMER_F32, GOSSAMER_SUM, 0), "all_reduce");
    for (size_t i = 0; i < length; ++i)
      if (values[i] != (float)(count * (count + 1) / 2)) {
        fprintf(stderr, "rank %d: element %zu of %zu is %g\n", rank, i, length, values[i]);
        exit(1);
      }
    free(values);
  }
}

#endif
