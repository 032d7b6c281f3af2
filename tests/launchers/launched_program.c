/* A program without MPI and without a word on who started it: joins, sums, leaves; as often as it is told.
 *
 * Usage: launched_program [SESSIONS [time]]. Prints "rank R of P: sums are right" at the end of each session; with `time`
 * rank 0 prints how long gossamer_init took instead. */
#include <string.h>

#include "sums.h"

int main(int argc, char** argv) {
  const int sessions = argc > 1 ? atoi(argv[1]) : 1;
  const int is_timed = argc > 2 && strcmp(argv[2], "time") == 0;
  for (int each = 0; each < sessions; ++each) {
    gossamer_session* session = NULL;
    const double begun_us = now_us();
    need(gossamer_init(NULL, &session), "init");
    const double ready_us = now_us();
    if (!is_timed) {
      sum_over_ranks(session);
      printf("rank %d of %d: sums are right\n", gossamer_rank(session), gossamer_rank_count(session));
    } else if (gossamer_rank(session) == 0) {
      printf("init %.0f us\n", ready_us - begun_us);
    }
    fflush(stdout);
    gossamer_finalize(session);
  }
  return 0;
}
