/* A solver with MPI whose sums over ranks are Gossamer's: conjugate gradients for Poisson's equation on a square, whose
 * rows are spread over the ranks. Neighbours' rows still travel by MPI_Sendrecv.
 *
 *     mpicc poisson_mpi.c $(pkg-config --cflags --libs gossamer) -lm -o poisson_mpi
 *     mpirun -n 4 ./poisson_mpi          or with MPI_Allreduce, to compare: mpirun -n 4 ./poisson_mpi mpi
 *
 * What is Gossamer's has a line of dashes beside it. */
#include <gossamer_mpi.h> /* -- and with it gossamer.h and mpi.h */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 254 /* unknowns in each direction, with a boundary of zeros around */
#define WIDTH (N + 2)

static void check(gossamer_status status) {
  if (status == GOSSAMER_DONE) return;
  fprintf(stderr, "%s: %s\n", gossamer_status_name(status), gossamer_last_error());
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static int rank, ranks, rows, first; /* of this rank: `rows` rows from row `first` of the square on */

/* The rows beyond this rank's, from its neighbours. */
static void exchange_borders(double *p) {
  const int up = rank > 0 ? rank - 1 : MPI_PROC_NULL, down = rank + 1 < ranks ? rank + 1 : MPI_PROC_NULL;
  MPI_Sendrecv(p + WIDTH, WIDTH, MPI_DOUBLE, up, 0, p + (rows + 1) * WIDTH, WIDTH, MPI_DOUBLE, down, 0, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
  MPI_Sendrecv(p + rows * WIDTH, WIDTH, MPI_DOUBLE, down, 1, p, WIDTH, MPI_DOUBLE, up, 1, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
}

static void apply(double *p, double *out) {
  exchange_borders(p);
  for (int y = 1; y <= rows; ++y)
    for (int x = 1; x <= N; ++x) {
      const double *at = p + y * WIDTH + x;
      out[y * WIDTH + x] = 4 * at[0] - at[-1] - at[1] - at[-WIDTH] - at[WIDTH];
    }
}

static double dot(const double *a, const double *b) {
  double sum = 0;
  for (int i = WIDTH; i < (rows + 1) * WIDTH; ++i) sum += a[i] * b[i];
  return sum;
}

static double partial;                                         /* where the sum over ranks is made, in place */
static gossamer_collective *total;                             /* -- NULL: by MPI */

static double sum_over_ranks(double value) {
  partial = value;
  if (total == NULL) {
    MPI_Allreduce(MPI_IN_PLACE, &partial, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    return partial;
  }
  gossamer_operation *operation;                               /* -- */
  check(gossamer_collective_start(total, &operation));         /* -- */
  check(gossamer_operation_wait(operation, 0));                /* -- */
  return partial;
}

int main(int argc, char **argv) {
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  first = rank * N / ranks;
  rows = (rank + 1) * N / ranks - first;

  gossamer_session *session = NULL;
  if (argc < 2 || strcmp(argv[1], "mpi") != 0) {
    check(gossamer_mpi_init(MPI_COMM_WORLD, NULL, &session));  /* -- */
    gossamer_collective_config config = GOSSAMER_COLLECTIVE_CONFIG_INIT;
    config.kind = GOSSAMER_ALL_REDUCE;                         /* -- */
    config.type = GOSSAMER_F64;                                /* -- */
    config.count = 1;                                          /* -- */
    config.input = config.output = &partial;                   /* -- in place */
    check(gossamer_collective_create(session, &config, &total));
  }

  /* The right side is that of a known solution. */
  const size_t size = (size_t)(rows + 2) * WIDTH;
  double *x = calloc(size, sizeof *x), *r = calloc(size, sizeof *r), *p = calloc(size, sizeof *p);
  double *image = calloc(size, sizeof *image), *known = calloc(size, sizeof *known);
  for (int j = 1; j <= rows; ++j)
    for (int i = 1; i <= N; ++i) {
      const double u = i / (N + 1.0), v = (first + j) / (N + 1.0);
      known[j * WIDTH + i] = u * (1 - u) * v * (1 - v) * exp(u + 2 * v);
    }
  apply(known, r);
  memcpy(p, r, size * sizeof *p);

  const double begin = MPI_Wtime();
  double squares = sum_over_ranks(dot(r, r));
  int iterations = 0;
  while (squares > 1e-20 && iterations < 2000) {
    apply(p, image);
    const double step = squares / sum_over_ranks(dot(p, image));
    for (int i = WIDTH; i < (rows + 1) * WIDTH; ++i) x[i] += step * p[i], r[i] -= step * image[i];
    const double before = squares;
    squares = sum_over_ranks(dot(r, r));
    for (int i = WIDTH; i < (rows + 1) * WIDTH; ++i) p[i] = r[i] + squares / before * p[i];
    ++iterations;
  }
  const double seconds = MPI_Wtime() - begin;

  double worst = 0;
  for (int i = WIDTH; i < (rows + 1) * WIDTH; ++i) worst = fmax(worst, fabs(x[i] - known[i]));
  MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  if (rank == 0)
    printf("%d iterations, error %.0e, sums by %s on %d ranks: %.1f ms\n", iterations, worst,
           total == NULL ? "MPI" : "Gossamer", ranks, seconds * 1e3);

  free(x), free(r), free(p), free(image), free(known);
  gossamer_collective_destroy(total);                          /* -- */
  if (session != NULL) gossamer_finalize(session);             /* -- */
  MPI_Finalize();
  return worst < 1e-8 ? 0 : 1;
}
