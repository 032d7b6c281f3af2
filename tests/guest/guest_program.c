/* A user's program, one rank of a session, for the tests of this folder. What it does is its first argument; it prints
 * what it sees, one line each, and ends with 1 where that is wrong. */
#include <dirent.h>
#include <errno.h>
#include <gossamer.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { weight_count = 1000 };
static const int64_t wait_ns = 20000000000;
static gossamer_compressor* compressor;

static int tell(const char* where, gossamer_status status) {
  printf("%s: %s %s\n", where, gossamer_status_name(status), status == GOSSAMER_DONE ? "" : gossamer_last_error());
  return status != GOSSAMER_DONE;
}

static void must(const char* where, gossamer_status status) {
  if (status == GOSSAMER_DONE) return;
  tell(where, status);
  exit(1);
}

static gossamer_session* join(void) {
  gossamer_session* session = NULL;
  must("init", gossamer_init(NULL, &session));
  gossamer_tensor tensor = {"weights", weight_count, 0};
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  config.algorithm = GOSSAMER_DENSE;
  config.tensors = &tensor;
  config.tensor_count = 1;
  must("compressor", gossamer_compressor_create(session, &config, &compressor));
  return session;
}

static gossamer_operation* start_step(void) {
  static float gradient[weight_count];
  const float* gradients[] = {gradient};
  gossamer_operation* operation = NULL;
  must("compress", gossamer_compress(compressor, gradients));
  must("reduce", gossamer_reduce(compressor, &operation));
  return operation;
}

static void step(void) { must("step", gossamer_operation_wait(start_step(), wait_ns)); }

/* What a thread does to itself: it must reach the program's handler, wherever it comes. */
static int is_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP ||
         number == SIGSYS;
}

static int is_settable(int number) { return number != SIGKILL && number != SIGSTOP && (number < 32 || number > 33); }

/* ---- signals ------------------------------------------------------------------------------------ */

static struct sigaction actions[NSIG];
static stack_t stack;

static void remember(void) {
  for (int number = 1; number < NSIG; ++number) sigaction(number, NULL, &actions[number]);
  sigaltstack(NULL, &stack);
}

static int differ(const char* when) {
  int count = 0;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) != 0) continue;
    if (now.sa_sigaction == actions[number].sa_sigaction && now.sa_flags == actions[number].sa_flags &&
        memcmp(&now.sa_mask, &actions[number].sa_mask, NSIG / 8) == 0) /* what the kernel has of it */
      continue;
    printf("%s: signal %d has another disposition\n", when, number);
    ++count;
  }
  stack_t now;
  sigaltstack(NULL, &now);
  if (now.ss_sp != stack.ss_sp || now.ss_flags != stack.ss_flags)
    printf("%s: another alternate stack\n", when), ++count;
  return count;
}

static void handler(int number) { (void)number; }

/* "given" keeps what the parent gave, "own" sets what a program may have set for each signal. */
static int dispositions(const char* whose) {
  static char place[65536];
  int wrong = 0;
  if (strcmp(whose, "own") == 0) {
    for (int number = 1; number < NSIG; ++number) {
      struct sigaction own = {0};
      own.sa_handler = number % 3 == 0 ? SIG_IGN : handler;
      own.sa_flags = number % 2 == 0 ? SA_RESTART | SA_ONSTACK : 0;
      sigaddset(&own.sa_mask, SIGUSR2);
      if (is_settable(number)) sigaction(number, &own, NULL);
    }
    const stack_t own = {.ss_sp = place, .ss_size = sizeof place};
    sigaltstack(&own, NULL);
  } else {
    for (int number = 1; number < NSIG; ++number) {
      struct sigaction now;
      if (sigaction(number, NULL, &now) != 0) continue;
      if (now.sa_handler == (number == SIGHUP ? SIG_IGN : SIG_DFL)) continue;
      printf("in main: signal %d has another disposition\n", number);
      ++wrong;
    }
  }
  remember();
  gossamer_session* session = join();
  wrong += differ("after init");
  step();
  wrong += differ("after a step");
  gossamer_finalize(session);
  wrong += differ("after finalize");
  return wrong != 0;
}

/* Signals that thread `id` does not block, of those that it could. */
static int open_signals(const char* id, const char** name) {
  char path[300], line[256];
  static char comm[64];
  snprintf(path, sizeof path, "/proc/self/task/%s/status", id);
  FILE* const file = fopen(path, "r");
  unsigned long long blocked = 0;
  while (file != NULL && fgets(line, sizeof line, file)) {
    sscanf(line, "Name: %63[^\n]", comm);
    sscanf(line, "SigBlk: %llx", &blocked);
  }
  if (file != NULL) fclose(file);
  *name = comm;
  int count = 0;
  for (int number = 1; number < NSIG; ++number)
    count += is_settable(number) && !is_fault(number) && (blocked >> (number - 1) & 1) == 0;
  return count;
}

static int threads(void) {
  const char* name = NULL;
  char own[32];
  snprintf(own, sizeof own, "%d", getpid());
  const int before = open_signals(own, &name);
  gossamer_session* session = join();
  step();
  int wrong = 0, others = 0;
  DIR* const tasks = opendir("/proc/self/task");
  for (const struct dirent* task; (task = readdir(tasks)) != NULL;) {
    if (task->d_name[0] == '.' || strcmp(task->d_name, own) == 0) continue;
    ++others;
    const int open = open_signals(task->d_name, &name);
    if (open > 0) printf("thread %s can get %d signals\n", name, open), ++wrong;
  }
  closedir(tasks);
  if (open_signals(own, &name) != before) printf("the caller's mask is another\n"), ++wrong;
  gossamer_finalize(session);
  if (open_signals(own, &name) != before) printf("the caller's mask is another after finalize\n"), ++wrong;
  printf("other threads: %d\n", others);
  return wrong != 0;
}

/* As daemons do: a signal that is read. Had a thread of the library it open, that thread would die of it. */
static int read_signals(void) {
  gossamer_session* session = join();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR1);
  int got = 0;
  if (sigwait(&set, &got) == 0) printf("sigwait %d\n", got);
  struct pollfd terms = {.fd = signalfd(-1, &set, 0), .events = POLLIN};
  struct signalfd_siginfo info;
  kill(getpid(), SIGTERM);
  if (poll(&terms, 1, 10000) == 1 && read(terms.fd, &info, sizeof info) == sizeof info)
    printf("signalfd %u\n", info.ssi_signo);
  step();
  gossamer_finalize(session);
  return 0;
}

static void allocate_for_ever(void) {
  for (unsigned k = 0;; ++k) {
    void* blocks[200];
    for (unsigned i = 0; i < 200; ++i) blocks[i] = malloc(16 + (k * 7919u + i * 104729u) % 60000);
    for (unsigned i = 0; i < 200; ++i) free(blocks[i]);
  }
}

/* The other ranks allocate until something ends them; rank 0 waits for them. */
static int wait_for_the_others(void) {
  gossamer_session* session = join();
  step();
  printf("ready\n");
  if (gossamer_rank(session) > 0 || gossamer_rank_count(session) == 1) allocate_for_ever();
  const gossamer_status status = gossamer_operation_wait(start_step(), wait_ns);
  printf("%s %lld\n", gossamer_status_name(status), (long long)gossamer_last_error_rank());
  gossamer_finalize(session);
  return 0;
}

static int end_by(const char* how) {
  gossamer_session* session = join();
  step();
  if (strcmp(how, "write") == 0) *(volatile int*)gossamer_last_error_rank = 1; /* code is not to be written to */
  if (strcmp(how, "abort") == 0) abort();
  raise(atoi(how));
  printf("still there\n");
  gossamer_finalize(session);
  return 0;
}

/* ---- limits ------------------------------------------------------------------------------------- */

static int join_within(int resource, rlim_t most) {
  const struct rlimit limit = {most, most};
  setrlimit(resource, &limit);
  gossamer_session* session = NULL;
  const int failed = tell("init", gossamer_init(NULL, &session));
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  int blocked = 0;
  for (int number = 1; number < NSIG; ++number) blocked += sigismember(&now, number) == 1;
  printf("blocked signals: %d\n", blocked);
  if (failed) return 1;
  char byte = 0;
  for (int root = 0; root < gossamer_rank_count(session); ++root)
    must("broadcast", gossamer_broadcast(session, &byte, 1, root, wait_ns));
  gossamer_finalize(session);
  return 0;
}

/* The limit is one of all processes of a user, and none of root. */
static int join_with_processes(rlim_t most, uid_t user) {
  if (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0) return 77;
  return join_within(RLIMIT_NPROC, most);
}

/* ---- fork --------------------------------------------------------------------------------------- */

static int refused(const char* where, gossamer_status status) {
  if (status == GOSSAMER_INVALID_ARGUMENT && strstr(gossamer_last_error(), "fork before gossamer_init")) return 0;
  return tell(where, status), 1;
}

static int call_everything(gossamer_session* session, gossamer_operation* operation) {
  float weights[weight_count];
  const float* gradients[] = {weights};
  gossamer_update update = GOSSAMER_UPDATE_INIT;
  gossamer_compressor_config config = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  gossamer_compressor* another = NULL;
  gossamer_session* second = NULL;
  gossamer_operation* started = NULL;
  int wrong = refused("init", gossamer_init(NULL, &second));
  wrong += refused("broadcast", gossamer_broadcast(session, weights, sizeof weights, 0, wait_ns));
  wrong += refused("check_equal", gossamer_check_equal(session, "weights", weights, sizeof weights, wait_ns));
  wrong += refused("compressor_create", gossamer_compressor_create(session, &config, &another));
  wrong += refused("compress", gossamer_compress(compressor, gradients));
  wrong += refused("reduce", gossamer_reduce(compressor, &started));
  wrong += refused("test", gossamer_operation_test(operation));
  wrong += refused("wait", gossamer_operation_wait(operation, wait_ns));
  wrong += refused("recover", gossamer_recover(compressor, &update));
  gossamer_compressor_destroy(compressor);
  gossamer_finalize(session);
  return wrong;
}

/* The child does as destructors do, or calls all there is, with an operation in flight; the parent goes on. */
static int fork_with_a_session(int calls) {
  gossamer_session* session = join();
  step();
  gossamer_operation* operation = start_step();
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (calls) exit(call_everything(session, operation));
    gossamer_compressor_destroy(compressor);
    gossamer_finalize(session);
    exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  printf("child: %d\n", status);
  must("step in flight", gossamer_operation_wait(operation, wait_ns));
  step();
  must("end", gossamer_check_equal(session, "end", "x", 1, wait_ns));
  gossamer_finalize(session);
  return 0;
}

/* ---- loading ------------------------------------------------------------------------------------ */

static void print_loaded(const char* when) {
  static const char* const names[] = {"libucp.so", "libucs.so", "libfabric.so", "libinfinipath.so"};
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; ++i) {
    FILE* const maps = fopen("/proc/self/maps", "r");
    char line[512];
    int found = 0;
    while (fgets(line, sizeof line, maps)) found |= strstr(line, names[i]) != NULL;
    fclose(maps);
    if (found) printf("%s: %s\n", when, names[i]);
  }
}

static int loaded(void) {
  print_loaded("in main");
  gossamer_session* session = join();
  print_loaded("with a session");
  gossamer_finalize(session);
  return 0;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char* const what = argc > 1 ? argv[1] : "";
  const char* const how = argc > 2 ? argv[2] : "";
  if (strcmp(what, "dispositions") == 0) return dispositions(how);
  if (strcmp(what, "threads") == 0) return threads();
  if (strcmp(what, "read-signals") == 0) return read_signals();
  if (strcmp(what, "wait") == 0) return wait_for_the_others();
  if (strcmp(what, "end") == 0) return end_by(how);
  if (strcmp(what, "descriptors") == 0) return join_within(RLIMIT_NOFILE, (rlim_t)atol(how));
  if (strcmp(what, "processes") == 0 && argc > 3) return join_with_processes((rlim_t)atol(how), (uid_t)atol(argv[3]));
  if (strcmp(what, "fork") == 0) return fork_with_a_session(strcmp(how, "calls") == 0);
  if (strcmp(what, "loaded") == 0) return loaded();
  fprintf(stderr, "guest_program: \"%s\" is nothing that it does\n", what);
  return 2;
}
