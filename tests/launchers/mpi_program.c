/* A program with MPI, which goes on working beside a session.
 *
 * Usage: mpi_program WAY
 *   header    gossamer_mpi_init over MPI_COMM_WORLD, then over its halves by their MPI_Fint
 *   launcher  gossamer_init after MPI_Init: the launcher is asked while MPI uses it
 *   before    gossamer_init before MPI_Init, finalize after MPI_Finalize
 *   time      MPI_Init alone; rank 0 prints how long it took
 * Prints "rank R of P: sums are right" for each session, "MPI is right" at the end; "init: STATUS" where a session is
 * refused, after which MPI must still be right. */
#include <gossamer_mpi.h>
#include <string.h>

#include "sums.h"

static void check_mpi(void) {
  int rank, count, sum = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &count);
  const int mine = rank + 1;
  MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (sum != count * (count + 1) / 2) exit(1);
}

static void use(gossamer_session* session) {
  sum_over_ranks(session);
  printf("rank %d of %d: sums are right\n", gossamer_rank(session), gossamer_rank_count(session));
}

int main(int argc, char** argv) {
  const char* const way = argc > 1 ? argv[1] : "header";
  gossamer_session* session = NULL;
  if (strcmp(way, "before") == 0) need(gossamer_init(NULL, &session), "init");
  const double begun_us = now_us();
  MPI_Init(&argc, &argv);
  const double ready_us = now_us();
  check_mpi();
  if (strcmp(way, "time") == 0) {
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) printf("MPI_Init %.0f us\n", ready_us - begun_us);
    MPI_Finalize();
    return 0;
  }
  if (strcmp(way, "header") == 0) {
    int rank;
    MPI_Comm half;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    need(gossamer_mpi_init(MPI_COMM_WORLD, NULL, &session), "gossamer_mpi_init");
    use(session);
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, 0, &half);
    gossamer_session* of_half = NULL;
    need(gossamer_mpi_init_fortran(MPI_Comm_c2f(half), NULL, &of_half), "gossamer_mpi_init_fortran");
    use(of_half);
    gossamer_finalize(of_half);
    MPI_Comm_free(&half);
  } else if (strcmp(way, "launcher") == 0) {
    const gossamer_status status = gossamer_init(NULL, &session);
    if (status != GOSSAMER_DONE) printf("init: %s: %s\n", gossamer_status_name(status), gossamer_last_error());
    if (status == GOSSAMER_DONE) use(session);
  } else {
    use(session);
  }
  check_mpi();
  if (strcmp(way, "before") != 0) gossamer_finalize(session);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
  if (strcmp(way, "before") == 0) {
    use(session);
    gossamer_finalize(session);
  }
  printf("MPI is right\n");
  return 0;
}
