// What keeps a program's signals, and what counts its forks and descriptors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

namespace gossamer {
namespace {

using ::testing::HasSubstr;

bool is_blocked(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

void (*handler_of(int signal))(int) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler;
}

volatile sig_atomic_t own_calls = 0;
void own_handler(int) { own_calls = own_calls + 1; }
void others_handler(int) { _exit(99); }

// Goal: handlers that something else sets are gone afterwards, and a signal meanwhile meets the program's. Method: a
// handler that ends the process is set and its signal raised in between.
TEST(KeptSignals, PutBackWhatWasSetAndHandOnWhatCameMeanwhile) {
  signal(SIGUSR1, own_handler);
  own_calls = 0;
  {
    const KeptSignals kept;
    signal(SIGUSR1, others_handler);
    signal(SIGRTMIN, others_handler);
    raise(SIGUSR1);
    EXPECT_EQ(own_calls, 0);
  }
  EXPECT_EQ(own_calls, 1);
  EXPECT_EQ(handler_of(SIGUSR1), own_handler);
  EXPECT_EQ(handler_of(SIGRTMIN), SIG_DFL);
  EXPECT_FALSE(is_blocked(SIGUSR1));
  signal(SIGUSR1, SIG_DFL);
}

// Goal: a mask that the program has is put back, not an empty one. Method: one signal blocked before.
TEST(BlockedSignals, PutBackTheMaskThatWas) {
  sigset_t own;
  sigemptyset(&own);
  sigaddset(&own, SIGUSR2);
  pthread_sigmask(SIG_SETMASK, &own, nullptr);
  {
    const BlockedSignals blocked;
    EXPECT_TRUE(is_blocked(SIGTERM));
  }
  EXPECT_FALSE(is_blocked(SIGTERM));
  EXPECT_TRUE(is_blocked(SIGUSR2));
  sigemptyset(&own);
  pthread_sigmask(SIG_SETMASK, &own, nullptr);
}

// Goal: a fault in a thread of the library reaches the program's handler, as one in its own threads. Method: each
// fault's signal, raised there, with a handler that ends the process with a status of its own.
TEST(MakeThreadDeathTest, AFaultReachesTheProgramsHandler) {
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
    EXPECT_EXIT(
        {
          signal(fault, [](int) { _exit(42); });
          auto thread = make_thread("a test", [&] { raise(fault); });
          if (thread.ok()) thread->join();
          _exit(0);
        },
        ::testing::ExitedWithCode(42), "")
        << fault;
}

// Goal: no signal but a fault reaches a thread of the library, and its maker's mask stays.
TEST(MakeThread, BlocksAllSignalsInTheThreadAlone) {
  bool term = false, realtime = false, fault = true;
  auto thread = make_thread("a test", [&] {
    term = is_blocked(SIGTERM);
    realtime = is_blocked(SIGRTMAX);
    fault = is_blocked(SIGSEGV);
  });
  ASSERT_TRUE(thread.ok());
  thread->join();
  EXPECT_TRUE(term && realtime && !fault);
  EXPECT_FALSE(is_blocked(SIGTERM));
}

// Goal: a child is told from its parent, and a grandchild from both. Method: fork twice; the count by the exit status.
TEST(ForkCount, DiffersInEachGeneration) {
  count_forks();
  const std::uint64_t before = fork_count();
  const pid_t child = fork();
  if (child == 0) {
    if (const pid_t grandchild = fork(); grandchild != 0) {
      int status = 0;
      waitpid(grandchild, &status, 0);
      _exit(WEXITSTATUS(status) * 10 + static_cast<int>(fork_count() - before));
    }
    _exit(static_cast<int>(fork_count() - before));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 21);
  EXPECT_EQ(fork_count(), before);
}

// Goal: room is counted as opening finds it. Method: under a limit, dup until it fails, in steps of what the check
// said.
TEST(DescriptorRoom, IsWhatCanBeOpened) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit narrow{64, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &narrow), 0);
  std::size_t room = 0;
  while (check_descriptor_room("a test", room + 1).ok()) ++room;
  std::vector<UniqueDescriptor> opened;
  for (int copy = dup(STDIN_FILENO); copy >= 0; copy = dup(STDIN_FILENO)) opened.emplace_back(copy);
  EXPECT_EQ(opened.size(), room);
  const Status none = check_descriptor_room("a test", 1);
  opened.clear();
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Code::out_of_resources);
  EXPECT_THAT(none.error().message, ::testing::AllOf(HasSubstr("a test may need 1 "), HasSubstr("may open 0 more"),
                                                     HasSubstr("ulimit -n, now 64")));
}

}  // namespace
}  // namespace gossamer
