#include "tools/launch/launcher.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "temporary_folder.h"

namespace gossamer::tools {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t patience_ns = 20'000'000'000;

// A file in memory that takes a launcher's output.
class Capture {
 public:
  Capture() : descriptor_(memfd_create("capture", MFD_CLOEXEC)) {}
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { close(descriptor_); }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::string text() const {
    std::string out;
    char bytes[4096];
    for (off_t at = 0;;) {
      const ssize_t got = pread(descriptor_, bytes, sizeof bytes, at);
      if (got <= 0) return out;
      out.append(bytes, static_cast<std::size_t>(got));
      at += got;
    }
  }

 private:
  int descriptor_;
};

struct ScriptRun {
  LaunchReport report;
  std::string output, errors;
};

// Runs `script` with /bin/sh as every peer. $D is `folder`.
ScriptRun run_script(std::uint32_t ranks, const std::string& script, LaunchOptions options = {},
                     const std::string& folder = "") {
  const Capture output, errors;
  options.command = {"/bin/sh", "-c", script};
  options.rank_count = ranks;
  options.environment.emplace_back("D", folder);
  options.output = output.descriptor();
  options.errors = errors.descriptor();
  const Result<LaunchReport> report = launch(options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  return {report.ok() ? *report : LaunchReport{}, output.text(), errors.text()};
}

// The letter that the kernel has for what a process does; 0 where there is none.
char state_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  const std::size_t name_end = line.rfind(')');
  return name_end == std::string::npos || name_end + 2 >= line.size() ? '\0' : line[name_end + 2];
}

// Gone, or a zombie that nobody has collected yet: either way it runs no more.
bool is_dead(int pid) {
  const char state = state_of(pid);
  return state == 0 || state == 'Z';
}

bool becomes_dead(int pid) {
  const SteadyClock clock;
  const std::uint64_t deadline = clock.now_ns() + patience_ns;
  while (!is_dead(pid)) {
    if (clock.now_ns() > deadline) return false;
    poll(nullptr, 0, 1);
  }
  return true;
}

int pid_in(const std::string& path) {
  int pid = 0;
  std::ifstream(path) >> pid;
  return pid;
}

// Each peer says who it and its background child are, then all wait until all have said so.
const std::string introduce =
    "sleep 1000 & echo $! > $D/child$GOSSAMER_RANK; echo $$ > $D/new$GOSSAMER_RANK; mv $D/new$GOSSAMER_RANK "
    "$D/peer$GOSSAMER_RANK; "
    "r=0; while [ $r -lt $GOSSAMER_RANK_COUNT ]; do until [ -e $D/peer$r ]; do :; done; r=$((r+1)); done; ";

void expect_nothing_left(const TemporaryFolder& folder, int ranks) {
  for (int rank = 0; rank < ranks; ++rank) {
    for (const char* who : {"peer", "child"}) {
      const int pid = pid_in(folder / (who + std::to_string(rank)));
      ASSERT_GT(pid, 0) << who << rank;
      EXPECT_TRUE(becomes_dead(pid)) << who << rank;
    }
  }
}

// Goal: peers get their place in the job, their lines come whole with the rank in front, on the stream they were
// written to. Method: four peers print their environment, the last line without its end.
TEST(Launcher, GivesEachPeerItsPlaceAndPutsTheRankBeforeItsLines) {
  const ScriptRun run = run_script(
      4,
      "echo $GOSSAMER_RANK of $GOSSAMER_RANK_COUNT at $GOSSAMER_RENDEZVOUS in $GOSSAMER_JOB; printf end; echo err >&2");
  EXPECT_EQ(run.report.exit_code, 0);
  EXPECT_EQ(run.report.message, "");
  ASSERT_EQ(run.report.peers.size(), 4u);
  for (int rank = 0; rank < 4; ++rank) {
    const std::string prefix = text("[", rank, "] ");
    EXPECT_THAT(run.output, HasSubstr(text(prefix, rank, " of 4 at 127.0.0.1:")));
    EXPECT_THAT(run.output, HasSubstr(prefix + "end\n"));
    EXPECT_THAT(run.errors, HasSubstr(prefix + "err\n"));
  }
  EXPECT_THAT(run.output, HasSubstr(" in " + run.report.job + "\n"));
  EXPECT_THAT(run.output, Not(HasSubstr("err")));
}

// Goal: no line is lost or mixed with another under load. Method: three peers write 5,000 numbered lines to both
// streams, which are one file; every line must be whole, in order for each peer.
TEST(Launcher, NeverMixesLinesOfPeersThatWriteAtOnce) {
  const Capture both;
  LaunchOptions options;
  options.command = {"/bin/sh", "-c",
                     "i=0; while [ $i -lt 5000 ]; do echo line $i of many; echo line $i of many >&2; i=$((i+1)); done"};
  options.rank_count = 3;
  options.output = options.errors = both.descriptor();
  const Result<LaunchReport> report = launch(options);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code, 0);
  std::istringstream lines(both.text());
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) {
    ++count;
    int rank = -1, number = -1, length = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "[%d] line %d of many%n", &rank, &number, &length), 2) << line;
    ASSERT_EQ(static_cast<std::size_t>(length), line.size()) << line;
  }
  EXPECT_EQ(count, 2 * 3 * 5000);
}

// Goal: only rank 0 gets the listening socket. Method: every peer lists its descriptors.
TEST(Launcher, OnlyRank0InheritsTheRendezvousSocket) {
  const ScriptRun run =
      run_script(3,
                 "exec bash -c '"
                 "if [ -n \"$GOSSAMER_RENDEZVOUS_FD\" ]; then echo has variable; readlink "
                 "/proc/$$/fd/$GOSSAMER_RENDEZVOUS_FD; fi; "
                 "for f in /proc/$$/fd/*; do case $(readlink $f) in socket:*) echo socket;; esac; done'");
  EXPECT_THAT(run.output, HasSubstr("[0] has variable\n[0] socket:["));
  EXPECT_THAT(run.output, HasSubstr("[0] socket\n"));
  for (const char* rank : {"[1] ", "[2] "}) {
    EXPECT_THAT(run.output, Not(HasSubstr(std::string(rank) + "has variable")));
    EXPECT_THAT(run.output, Not(HasSubstr(std::string(rank) + "socket")));
  }
}

// Goal: every peer gets the same secret through a descriptor, which nobody can write, and which no environment shows;
// another job gets another one. Method: peers print what they read; two jobs.
TEST(Launcher, GivesEveryPeerTheSameFreshSecret) {
  const std::string script =
      "case $GOSSAMER_SECRET in fd:*) ;; *) echo no descriptor; esac; n=${GOSSAMER_SECRET#fd:}; "
      "exec bash -c \"cat /dev/fd/$n; echo; env | grep -c \\$(cat /dev/fd/$n); echo x 2>/dev/null >/dev/fd/$n && echo "
      "written\"";
  std::string secrets[2];
  for (std::string& secret : secrets) {
    const ScriptRun run = run_script(2, script);
    std::istringstream lines(run.output);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_THAT(line, Not(AnyOf(HasSubstr("written"), HasSubstr("no descriptor"))));
      if (line.size() < 60) {
        EXPECT_THAT(line, AnyOf("[0] 0", "[1] 0"));
        continue;
      }
      EXPECT_EQ(line.size(), 4u + 64u);
      if (secret.empty()) secret = line.substr(4);
      EXPECT_EQ(line.substr(4), secret);
    }
    EXPECT_EQ(secret.size(), 64u) << run.output << run.errors;
    EXPECT_THAT(run.errors, Not(HasSubstr(secret)));
  }
  EXPECT_NE(secrets[0], secrets[1]);
}

// Goal: who has said where the secret is, or that there is none, keeps that; a descriptor of the launcher's own does
// not count. Method: the variable in the launcher's environment.
TEST(Launcher, KeepsASecretThatTheUserNamed) {
  for (const char* given : {"file:/a/file", "none", "fd:12345"}) {
    setenv("GOSSAMER_SECRET", given, 1);
    const ScriptRun run = run_script(1, "echo \"$GOSSAMER_SECRET\"");
    unsetenv("GOSSAMER_SECRET");
    const std::string kept = std::string("[0] ") + given + "\n";
    if (std::string_view(given).starts_with("fd:"))
      EXPECT_THAT(run.output, AllOf(HasSubstr("[0] fd:"), Not(HasSubstr("12345"))));
    else
      EXPECT_EQ(run.output, kept);
  }
}

// Goal: a connection works before rank 0 has done anything. Method: rank 0 waits for rank 1's word that it connected.
TEST(Launcher, RendezvousTakesConnectionsBeforeRank0Accepts) {
  const TemporaryFolder folder;
  const ScriptRun run = run_script(
      2,
      "if [ $GOSSAMER_RANK = 0 ]; then until [ -e $D/done ]; do :; done; else "
      "exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/${GOSSAMER_RENDEZVOUS#*:} && echo connected; echo > $D/done'; fi",
      {}, folder.path());
  EXPECT_EQ(run.report.exit_code, 0);
  EXPECT_THAT(run.output, HasSubstr("[1] connected"));
}

// Goal: a failing peer's status is the job's, the others are ended with their children. Method: rank 1 fails once all
// are there; the others would run for ever.
TEST(Launcher, EndsTheOthersWhenOnePeerFailsAndReturnsItsStatus) {
  const TemporaryFolder folder;
  LaunchOptions options;
  options.settle_ns = 50'000'000;
  const ScriptRun run =
      run_script(3, introduce + "if [ $GOSSAMER_RANK = 1 ]; then exit 7; fi; exec sleep 1000", options, folder.path());
  EXPECT_EQ(run.report.exit_code, 7);
  EXPECT_THAT(run.errors, HasSubstr("gossamer run: rank 1 (process "));
  EXPECT_THAT(run.errors, HasSubstr("ended with status 7; ending the 2 other peers"));
  EXPECT_EQ(run.report.peers[0].signal, SIGTERM);
  expect_nothing_left(folder, 3);
}

// Goal: a peer that a signal ended counts as 128 + signal. Method: rank 0 kills itself.
TEST(Launcher, ReturnsTheSignalOfAPeerThatWasKilled) {
  const ScriptRun run = run_script(1, "kill -SEGV $$");
  EXPECT_EQ(run.report.exit_code, 128 + SIGSEGV);
  EXPECT_THAT(run.errors, HasSubstr("was ended by signal 11 (Segmentation fault)"));
}

// Goal: limits that end programs are named with what to do. Method: a file beyond the limit of the shell that writes
// it.
TEST(Launcher, SaysWhatASignalOfALimitMeans) {
  const TemporaryFolder folder;
  const ScriptRun run =
      run_script(1, "ulimit -c 0; ulimit -f 8; exec head -c 1000000 /dev/zero > $D/file", {}, folder.path());
  EXPECT_EQ(run.report.exit_code, 128 + SIGXFSZ);
  EXPECT_THAT(run.errors, HasSubstr("(File size limit exceeded: a file grew beyond `ulimit -f`"));
}

// Goal: Ctrl-Z stops the peers with the launcher, also one that would not stop itself, and fg lets all go on. Method: a
// launcher in a group of its own, as a shell starts it, gets SIGTSTP; when it stands still its peers must stand still.
TEST(Launcher, StopsAndContinuesItsPeersWithItself) {
  const TemporaryFolder folder;
  const pid_t launcher = fork();
  if (launcher == 0) {
    setpgid(0, 0);
    const ScriptRun run =
        run_script(2, "trap '' TSTP; " + introduce + "until [ -e $D/end ]; do :; done; exit 5", {}, folder.path());
    _exit(run.report.exit_code);
  }
  const SteadyClock clock;
  const std::uint64_t deadline = clock.now_ns() + patience_ns;
  for (const char* who : {"peer0", "peer1"}) {
    while (access((folder / who).c_str(), F_OK) != 0) {
      ASSERT_LT(clock.now_ns(), deadline);
      poll(nullptr, 0, 1);
    }
  }
  ASSERT_EQ(kill(launcher, SIGTSTP), 0);
  int status = 0;
  ASSERT_EQ(waitpid(launcher, &status, WUNTRACED), launcher);
  ASSERT_TRUE(WIFSTOPPED(status));
  for (const char* who : {"peer0", "peer1", "child0", "child1"}) {
    // The signal is sent; a process on another core takes a moment to stand still.
    while (state_of(pid_in(folder / who)) != 'T') ASSERT_LT(clock.now_ns(), deadline) << who;
  }
  std::ofstream(folder / "end") << "now";
  ASSERT_EQ(kill(launcher, SIGCONT), 0);
  ASSERT_EQ(waitpid(launcher, &status, 0), launcher);
  EXPECT_EQ(WEXITSTATUS(status), 5);
  expect_nothing_left(folder, 2);
}

// Goal: survivors have time to say what they saw. Method: rank 0 fails; rank 1 ends by itself afterwards, with its own
// message and another status, which is not the job's.
TEST(Launcher, LeavesSurvivorsTimeForTheirOwnErrors) {
  const TemporaryFolder folder;
  const ScriptRun run =
      run_script(2,
                 introduce +
                     "if [ $GOSSAMER_RANK = 0 ]; then exit 3; fi; "
                     "while kill -0 $(cat $D/peer0) 2>/dev/null; do :; done; echo lost rank 0 >&2; exit 9",
                 {}, folder.path());
  EXPECT_EQ(run.report.exit_code, 3);
  EXPECT_THAT(run.errors, HasSubstr("[1] lost rank 0\n"));
  EXPECT_EQ(run.report.peers[1].status, 9);
}

// Goal: a peer that ignores SIGTERM does not keep the job alive. Method: it does, with short graces.
TEST(Launcher, KillsPeersThatIgnoreSigterm) {
  const TemporaryFolder folder;
  LaunchOptions options;
  options.settle_ns = 10'000'000;
  options.grace_ns = 10'000'000;
  const ScriptRun run = run_script(
      2, "trap '' TERM; " + introduce + "if [ $GOSSAMER_RANK = 0 ]; then exit 4; fi; while :; do sleep 1000; done",
      options, folder.path());
  EXPECT_EQ(run.report.exit_code, 4);
  EXPECT_EQ(run.report.peers[1].signal, SIGKILL);
  expect_nothing_left(folder, 2);
}

// Goal: Ctrl-C leaves no process. Method: a peer sends SIGINT to the launcher once all run; all peers and their
// children must be gone when launch returns, with the shell's status for an interrupt, and the sweep called.
TEST(Launcher, InterruptLeavesNoProcess) {
  const TemporaryFolder folder;
  std::string swept;
  LaunchOptions options;
  options.sweep = [&](std::string_view job) { swept = job; };
  const ScriptRun run = run_script(
      3, introduce + "if [ $GOSSAMER_RANK = 0 ]; then kill -INT $PPID; fi; exec sleep 1000", options, folder.path());
  EXPECT_EQ(run.report.exit_code, 128 + SIGINT);
  EXPECT_EQ(run.report.interrupt_signal, SIGINT);
  EXPECT_EQ(swept, run.report.job);
  EXPECT_THAT(run.errors, HasSubstr("interrupted by signal 2"));
  for (const PeerEnd& peer : run.report.peers) EXPECT_EQ(peer.signal, SIGINT);
  expect_nothing_left(folder, 3);
}

// Goal: a second interrupt kills at once what ignores the first. Method: peers that ignore both, and no limit in sight.
TEST(Launcher, SecondInterruptKillsAtOnce) {
  const TemporaryFolder folder;
  LaunchOptions options;
  options.interrupt_ns = 1'000'000'000'000;
  const ScriptRun run = run_script(
      2,
      "trap '' INT TERM; " + introduce +
          "if [ $GOSSAMER_RANK = 0 ]; then kill -INT $PPID; kill -TERM $PPID; fi; while :; do sleep 1000; done",
      options, folder.path());
  EXPECT_THAT(run.report.exit_code, AnyOf(128 + SIGINT, 128 + SIGTERM));
  EXPECT_THAT(run.errors, HasSubstr("interrupted again: killing 2 peers"));
  for (const PeerEnd& peer : run.report.peers) EXPECT_EQ(peer.signal, SIGKILL);
  expect_nothing_left(folder, 2);
}

// Goal: the user's signals reach the peers. Method: a peer sends SIGUSR1 to the launcher and waits for it itself.
TEST(Launcher, PassesUserSignalsOn) {
  const ScriptRun run = run_script(1, "trap 'echo got it; exit 0' USR1; kill -USR1 $PPID; sleep 1000 & wait");
  EXPECT_EQ(run.report.exit_code, 0);
  EXPECT_EQ(run.output, "[0] got it\n");
}

// Goal: a job that takes too long is ended with its own status. Method: a tenth of a second for peers without end.
TEST(Launcher, EndsAJobThatRunsTooLong) {
  const TemporaryFolder folder;
  LaunchOptions options;
  options.timeout_ns = 300'000'000;
  const ScriptRun run = run_script(2, introduce + "exec sleep 1000", options, folder.path());
  EXPECT_EQ(run.report.exit_code, 124);
  EXPECT_THAT(run.errors, HasSubstr("the job ran longer than --timeout 300.0 ms"));
  for (const PeerEnd& peer : run.report.peers) EXPECT_TRUE(becomes_dead(static_cast<int>(peer.pid)));
}

// Goal: what a peer leaves running in the background ends with it and does not hold the launcher up. Method: a child
// that keeps the peer's output open.
TEST(Launcher, EndsWhatAPeerLeavesRunning) {
  const TemporaryFolder folder;
  const ScriptRun run = run_script(1, introduce + "echo done", {}, folder.path());
  EXPECT_EQ(run.report.exit_code, 0);
  EXPECT_EQ(run.output, "[0] done\n");
  expect_nothing_left(folder, 1);
}

// Goal: peers do not outlive a launcher that is killed. Method: a launcher in a process of its own gets SIGKILL.
TEST(Launcher, PeersDieWithAKilledLauncher) {
  const TemporaryFolder folder;
  const pid_t launcher = fork();
  if (launcher == 0) {
    run_script(2, introduce + "echo > $D/ready$GOSSAMER_RANK; exec sleep 1000", {}, folder.path());
    _exit(0);
  }
  const SteadyClock clock;
  const std::uint64_t deadline = clock.now_ns() + patience_ns;
  while (access((folder / "ready0").c_str(), F_OK) != 0 || access((folder / "ready1").c_str(), F_OK) != 0) {
    ASSERT_LT(clock.now_ns(), deadline);
    poll(nullptr, 0, 1);
  }
  ASSERT_EQ(kill(launcher, SIGKILL), 0);
  ASSERT_EQ(waitpid(launcher, nullptr, 0), launcher);
  for (const char* who : {"peer0", "peer1"}) EXPECT_TRUE(becomes_dead(pid_in(folder / who))) << who;
  for (const char* who : {"child0", "child1"})
    kill(pid_in(folder / who), SIGKILL);  // only their peer's launcher knew them
}

// Goal: a reader that goes away ends the job, as in `gossamer run ... | head`. Method: a pipe without a reader.
TEST(Launcher, EndsTheJobWhenNobodyReadsItsOutput) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const Capture errors;
  LaunchOptions options;
  options.command = {"/bin/sh", "-c", "echo words; exec sleep 1000"};
  options.output = ends[1];
  options.errors = errors.descriptor();
  const Result<LaunchReport> report = launch(options);
  close(ends[1]);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->exit_code, 128 + SIGPIPE);
  EXPECT_THAT(errors.text(), HasSubstr("cannot write the peers' output: Broken pipe"));
}

// Goal: rank 0 reads what the launcher was given and the others nothing. Method: a file as the launcher's stdin.
TEST(Launcher, OnlyRank0ReadsStdin) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "a word\n", 7), 7);
  close(ends[1]);
  const int kept = dup(0);
  dup2(ends[0], 0);
  const ScriptRun run = run_script(2, "cat; echo eof");
  dup2(kept, 0);
  close(kept);
  close(ends[0]);
  EXPECT_THAT(run.output, HasSubstr("[0] a word\n"));
  EXPECT_THAT(run.output, HasSubstr("[0] eof\n"));
  EXPECT_THAT(run.output, HasSubstr("[1] eof\n"));
  EXPECT_THAT(run.output, Not(HasSubstr("[1] a word")));
}

// Goal: descriptors meant for rank 0 reach it and nobody else. Method: all peers try to write to it.
TEST(Launcher, GivesExtraDescriptorsToRank0Only) {
  const Capture extra;
  const int high = fcntl(extra.descriptor(), F_DUPFD_CLOEXEC, 50);
  LaunchOptions options;
  options.rank_0_descriptors = {high};
  const ScriptRun run = run_script(3,
                                   "if [ -e /proc/$$/fd/" + std::to_string(high) +
                                       " ]; then echo $GOSSAMER_RANK > /proc/$$/fd/" + std::to_string(high) + "; fi",
                                   options);
  close(high);
  EXPECT_EQ(run.report.exit_code, 0) << run.errors;
  EXPECT_EQ(extra.text(), "0\n");
}

// Goal: what cannot be started is told with the shell's statuses. Method: no such program, no such path, not
// executable, not a program.
TEST(Launcher, SaysWhyAProgramCannotBeStarted) {
  const TemporaryFolder folder;
  const auto run = [](const std::string& program) {
    const Capture errors;
    LaunchOptions options;
    options.command = {program};
    options.rank_count = 3;
    options.errors = errors.descriptor();
    const Result<LaunchReport> report = launch(options);
    EXPECT_TRUE(report.ok());
    return std::pair(report.ok() ? report->exit_code : -1, errors.text());
  };
  const auto [missing, missing_text] = run("no-such-program-anywhere");
  EXPECT_EQ(missing, 127);
  EXPECT_THAT(missing_text, HasSubstr("there is no program \"no-such-program-anywhere\" in PATH ("));
  EXPECT_EQ(run(folder / "none").first, 127);
  std::ofstream(folder / "text") << "words\n";
  const auto [text_status, text_message] = run(folder / "text");
  EXPECT_EQ(text_status, 126);
  EXPECT_THAT(text_message, HasSubstr("Permission denied"));
  std::ofstream(folder / "script") << "#!/no/such/interpreter\n";
  ASSERT_EQ(chmod((folder / "script").c_str(), 0755), 0);
  const auto [script, script_message] = run(folder / "script");
  EXPECT_EQ(script, 127);
  EXPECT_THAT(script_message, HasSubstr("interpreter"));
}

// Goal: a caller's mistake is an error, not a job. Method: no program, no ranks.
TEST(Launcher, RefusesAnEmptyCommandAndZeroRanks) {
  LaunchOptions options;
  EXPECT_EQ(launch(options).error().code, Code::invalid_argument);
  options.command = {"true"};
  options.rank_count = 0;
  EXPECT_EQ(launch(options).error().code, Code::invalid_argument);
}

// Goal: jobs do not share files or signals. Method: names differ; the signal mask after a job is the one before.
TEST(Launcher, NamesJobsUniquelyAndRestoresTheSignalMask) {
  EXPECT_NE(make_job_name(), make_job_name());
  sigset_t before, after;
  sigprocmask(SIG_SETMASK, nullptr, &before);
  run_script(1, "true");
  sigprocmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
  EXPECT_EQ(sigismember(&after, SIGINT), 0);
}

// Goal: the command, which starts all peers itself, is not started several times over by another launcher unless that
// is meant. Method: Open MPI's variables, with and without GOSSAMER_RANK_COUNT=1.
TEST(Launcher, IsNoRankOfAnotherLauncher) {
  setenv("OMPI_COMM_WORLD_RANK", "1", 1);
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  LaunchOptions options;
  options.command = {"true"};
  const auto refused = launch(options);
  setenv("GOSSAMER_RANK_COUNT", "1", 1);
  const auto meant = launch(options);
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "GOSSAMER_RANK_COUNT"}) unsetenv(name);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("OMPI_COMM_WORLD_SIZE is 2"), HasSubstr("call `gossamer run` once")));
  ASSERT_TRUE(meant.ok()) << meant.error().message;
  EXPECT_EQ(meant->exit_code, 0);
}

}  // namespace
}  // namespace gossamer::tools
