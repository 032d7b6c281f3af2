#define _GNU_SOURCE
#include "turns.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void turns_fail(const char* what, const char* why) {
  fprintf(stderr, "%s: %s\n", what, why);
  fflush(stderr);
  _exit(1);
}

int64_t turns_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void turns_write(int driver, const void* data, size_t bytes) {
  const char* at = data;
  while (bytes > 0) {
    const ssize_t moved = send(driver, at, bytes, MSG_NOSIGNAL);
    if (moved <= 0) turns_fail("turns", "the driver has gone");
    at += moved;
    bytes -= (size_t)moved;
  }
}

int turns_read_line(int driver, char* line, size_t size) {
  for (size_t at = 0; at + 1 < size; ++at) {
    if (read(driver, line + at, 1) != 1) return 0;
    if (line[at] == '\n') {
      line[at] = 0;
      return 1;
    }
  }
  turns_fail("turns", "the driver's line is too long");
  return 0;
}

int turns_connect(const char* path, int rank) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof address.sun_path) turns_fail("turns", "the socket's path is too long");
  strcpy(address.sun_path, path);
  const int driver = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (driver < 0 || connect(driver, (struct sockaddr*)&address, sizeof address) != 0)
    turns_fail("turns: no driver at", path);
  char hello[16];
  turns_write(driver, hello, (size_t)snprintf(hello, sizeof hello, "%d\n", rank));
  return driver;
}

/* The calling thread alone: threads of the library stay free. */
static void bind_to_core(int rank, int rank_count) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < rank_count) return;
  int before = 0;
  for (size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || before++ != rank) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

static void check_sum(const float* output, size_t count, float expected) {
  size_t wrong = 0;
  for (size_t i = 0; i < count; ++i) wrong += output[i] != expected;
  if (wrong != 0) turns_fail("turns", "the sum is wrong");
}

void turns_run(const char* path, int rank, int rank_count, const turns_library* library) {
  float *input = NULL, *output = NULL;
  int64_t* times = NULL;
  size_t prepared = 0;
  char line[128];
  const int driver = turns_connect(path, rank);
  bind_to_core(rank, rank_count);
  while (turns_read_line(driver, line, sizeof line)) {
    char* rest = line;
    const size_t bytes = strtoull(rest, &rest, 10);
    const long warm_up = strtol(rest, &rest, 10), count = strtol(rest, &rest, 10);
    if (*rest != 0 || bytes < 4 || count < 1) turns_fail("turns: not a turn", line);
    const size_t floats = bytes / 4;
    if (bytes != prepared) {
      if (prepared != 0) {
        library->release(library->context, input);
        library->release(library->context, output);
      }
      input = library->allocate(library->context, bytes);
      output = library->allocate(library->context, bytes);
      memset(input, 0, bytes);
      memset(output, 0, bytes);
      library->prepare(library->context, input, output, floats);
      prepared = bytes;
    }
    times = realloc(times, (size_t)count * sizeof *times);
    if (times == NULL) turns_fail("turns", "no memory");
    for (long i = -warm_up; i < count; ++i) {
      const int shift = (int)((i + warm_up) % 5);
      const float own = (float)(rank + 1 + shift);
      for (size_t k = 0; k < floats; ++k) input[k] = own;
      const int64_t begin = turns_now_ns();
      library->all_reduce(library->context);
      const int64_t end = turns_now_ns();
      check_sum(output, floats, (float)(rank_count * (rank_count + 1) / 2 + rank_count * shift));
      if (i >= 0) times[i] = end - begin;
    }
    turns_write(driver, times, (size_t)count * sizeof *times);
  }
  free(times);
  close(driver);
}
