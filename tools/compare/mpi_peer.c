/* A rank of Open MPI or MPICH: blocking MPI_Allreduce, not in place.    mpirun -n P mpi_peer SOCKET */
#include <mpi.h>

#include "turns.h"

typedef struct state {
  const float* input;
  float* output;
  int count;
} state;

/* The default error handler ends the job with the library's words. */
static float* allocate(void* context, size_t bytes) {
  void* memory = NULL;
  (void)context;
  MPI_Alloc_mem((MPI_Aint)bytes, MPI_INFO_NULL, &memory);
  return memory;
}

static void release(void* context, float* memory) {
  (void)context;
  MPI_Free_mem(memory);
}

static void prepare(void* context, const float* input, float* output, size_t count) {
  state* now = context;
  now->input = input;
  now->output = output;
  now->count = (int)count;
}

static void all_reduce(void* context) {
  const state* now = context;
  MPI_Allreduce(now->input, now->output, now->count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

int main(int count, char** arguments) {
  int rank = 0, rank_count = 1;
  state now = {0};
  MPI_Init(&count, &arguments);
  if (count != 2) turns_fail("mpi_peer", "expected SOCKET");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &rank_count);
  const turns_library library = {&now, allocate, release, prepare, all_reduce};
  turns_run(arguments[1], rank, rank_count, &library);
  MPI_Finalize();
  return 0;
}
