/* A program that starts its ranks itself, as a framework of its own would, and says to the library how they meet.
 *
 * Usage: callers_program WAY P. Forks P - 1 ranks, each with a pipe from rank 0 and one to it. WAY:
 *   id          rank 0 makes a unique id and writes it into the pipes
 *   broadcast   callbacks over the pipes: broadcast alone
 *   all_gather  callbacks over the pipes: all_gather alone
 *   stolen      rank 0's id was made in another process: refused
 * Prints "rank R of P: sums are right"; rank 0 ends with the worst status. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sums.h"

enum { ranks_max = 16 };

struct pipes {
  int rank, count;
  int down[ranks_max][2]; /* from rank 0 */
  int up[ranks_max][2];   /* to rank 0 */
};

static int move(int descriptor, void* data, size_t bytes, int is_write) {
  for (char* at = data; bytes > 0;) {
    const ssize_t done = is_write ? write(descriptor, at, bytes) : read(descriptor, at, bytes);
    if (done <= 0) return 1;
    at += done;
    bytes -= (size_t)done;
  }
  return 0;
}

static int broadcast(void* context, void* data, size_t bytes, int32_t root) {
  const struct pipes* const pipes = context;
  if (root != 0) return 1;
  if (pipes->rank != 0) return move(pipes->down[pipes->rank][0], data, bytes, 0);
  for (int r = 1; r < pipes->count; ++r)
    if (move(pipes->down[r][1], data, bytes, 1) != 0) return 1;
  return 0;
}

static int all_gather(void* context, const void* mine, void* all, size_t bytes) {
  const struct pipes* const pipes = context;
  memcpy((char*)all + bytes * (size_t)pipes->rank, mine, bytes);
  if (pipes->rank != 0 && move(pipes->up[pipes->rank][1], (char*)all + bytes * (size_t)pipes->rank, bytes, 1) != 0)
    return 1;
  for (int r = 1; pipes->rank == 0 && r < pipes->count; ++r)
    if (move(pipes->up[r][0], (char*)all + bytes * (size_t)r, bytes, 0) != 0) return 1;
  return broadcast(context, all, bytes * (size_t)pipes->count, 0);
}

static gossamer_status join(const char* way, struct pipes* pipes, gossamer_session** session) {
  if (strcmp(way, "id") == 0 || strcmp(way, "stolen") == 0) {
    gossamer_unique_id id;
    if (pipes->rank == 0) need(gossamer_unique_id_create(NULL, &id), "gossamer_unique_id_create");
    if (broadcast(pipes, &id, sizeof id, 0) != 0) exit(1);
    if (strcmp(way, "stolen") == 0) return gossamer_init_with_id(NULL, &id, 1 - pipes->rank, 2, session);
    return gossamer_init_with_id(NULL, &id, pipes->rank, pipes->count, session);
  }
  gossamer_launch launch = GOSSAMER_LAUNCH_INIT;
  launch.rank = pipes->rank;
  launch.rank_count = pipes->count;
  launch.broadcast = strcmp(way, "broadcast") == 0 ? broadcast : NULL;
  launch.all_gather = strcmp(way, "all_gather") == 0 ? all_gather : NULL;
  launch.context = pipes;
  return gossamer_init_with_launch(NULL, &launch, session);
}

int main(int argc, char** argv) {
  struct pipes pipes = {0, argc > 2 ? atoi(argv[2]) : 2, {{0}}, {{0}}};
  if (argc < 3 || pipes.count < 1 || pipes.count > ranks_max) return 2;
  for (int r = 1; r < pipes.count; ++r) {
    if (pipe(pipes.down[r]) != 0 || pipe(pipes.up[r]) != 0) return 2;
    if (pipes.rank == 0 && fork() == 0) pipes.rank = r;
    if (pipes.rank != 0) break;
  }
  gossamer_session* session = NULL;
  need(join(argv[1], &pipes, &session), "init");
  sum_over_ranks(session);
  printf("rank %d of %d: sums are right\n", gossamer_rank(session), gossamer_rank_count(session));
  fflush(stdout);
  gossamer_finalize(session);
  int worst = 0;
  for (int status = 0; pipes.rank == 0 && wait(&status) > 0;) worst |= status;
  return worst != 0;
}
