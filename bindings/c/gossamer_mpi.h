/* Gossamer in a program with MPI: the ranks of a communicator become the ranks of a session.
 *
 *     MPI_Init(&argc, &argv);
 *     gossamer_session* session;
 *     if (gossamer_mpi_init(MPI_COMM_WORLD, NULL, &session) != GOSSAMER_DONE) ... gossamer_last_error() ...
 *
 * Header only: it is compiled in the program, with the program's MPI (any of them, from MPI-2 on), and Gossamer itself is
 * linked to none. MPI carries where rank 0 listens and the session's secret; after that it is not used. So the program
 * starts unchanged under whatever starts its MPI: mpirun, mpiexec, srun. Between MPI_Init and MPI_Finalize; with
 * MPI_THREAD_FUNNELED from the main thread.
 */
#ifndef GOSSAMER_MPI_H
#define GOSSAMER_MPI_H

#include <gossamer.h>
#include <mpi.h>

#ifdef __cplusplus
extern "C" {
#endif

static int gossamer_mpi_broadcast_(void* context, void* data, size_t bytes, int32_t root) {
  return MPI_Bcast(data, (int)bytes, MPI_BYTE, root, *(MPI_Comm*)context) != MPI_SUCCESS;
}

static int gossamer_mpi_all_gather_(void* context, const void* mine, void* all, size_t bytes) {
  /* Before MPI-3 the buffer that is sent was no const pointer. */
  return MPI_Allgather((void*)mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, *(MPI_Comm*)context) != MPI_SUCCESS;
}

/* As gossamer_init, with the ranks of `communicator`, an intracommunicator; `config` may be NULL, and its rank and
 * rank_count are not read. Collective over the communicator; works on a copy of it, so messages of the program are not
 * disturbed. Blocks in MPI until all its ranks are there, then at most the init timeout. UNAVAILABLE where MPI fails and
 * its error handler returns. */
static inline gossamer_status gossamer_mpi_init(MPI_Comm communicator, const gossamer_config* config,
                                                gossamer_session** session) {
  gossamer_launch launch = GOSSAMER_LAUNCH_INIT;
  MPI_Comm own = MPI_COMM_NULL;
  int rank = -1, rank_count = -1;
  gossamer_status status;
  if (MPI_Comm_dup(communicator, &own) != MPI_SUCCESS) {
    if (session != NULL) *session = NULL;
    return GOSSAMER_UNAVAILABLE;
  }
  MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
  MPI_Comm_rank(own, &rank);
  MPI_Comm_size(own, &rank_count);
  launch.rank = rank;
  launch.rank_count = rank_count;
  launch.broadcast = gossamer_mpi_broadcast_;
  launch.all_gather = gossamer_mpi_all_gather_;
  launch.context = &own;
  launch.name = "MPI";
  status = gossamer_init_with_launch(config, &launch, session);
  MPI_Comm_free(&own);
  return status;
}

/* The same for the communicator of a Fortran program (`comm%MPI_VAL` of mpi_f08). */
static inline gossamer_status gossamer_mpi_init_fortran(MPI_Fint communicator, const gossamer_config* config,
                                                        gossamer_session** session) {
  return gossamer_mpi_init(MPI_Comm_f2c(communicator), config, session);
}

#ifdef __cplusplus
}
#endif

#endif /* GOSSAMER_MPI_H */
