// The shared-memory folder: its name, its life, its sweep, and what happens when there is no room.
#include "transport/shared_memory.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "transport/process.h"
#include "transport/transport.h"
#include "transport/ucx/library.h"
#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport {
namespace {

namespace fs = std::filesystem;

// Goal: any job name gives a safe file name. Method: names with separators, none, and a long one.
TEST(SharedMemory, JobNamesAreCleaned) {
  EXPECT_EQ(clean_job_name("train_1.b-C"), "train_1.b-C");
  EXPECT_EQ(clean_job_name("../a b/\n"), ".._a_b__");
  EXPECT_EQ(clean_job_name(""), "job");
  EXPECT_EQ(clean_job_name(std::string(1'000, 'x')).size(), 64u);
}

// Goal: the start time tells processes with one id apart. Method: of this process, and of none.
TEST(SharedMemory, StartTimeIsOfALivingProcess) {
  const auto own = process_start_time(::getpid());
  ASSERT_TRUE(own.has_value());
  EXPECT_GT(*own, 0u);
  EXPECT_EQ(own, process_start_time(::getpid()));
  EXPECT_EQ(process_start_time(999'999'999), std::nullopt);
}

// Goal: a process that was killed does not run any more, whether its parent has asked for its status or not; the sweep
// takes its folder at once. Method: a child that waits with an open folder, killed but not waited for until the end.
TEST(SharedMemory, AKilledProcessNobodyAskedForIsSwept) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto folder = SharedFolder::open("zombie");
    const ssize_t written = ::write(pipe[1], folder.ok() ? "y" : "n", 1);
    while (written == 1) ::pause();
    ::_exit(1);
  }
  char answer = 0;
  ASSERT_EQ(::read(pipe[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_TRUE(process_runs(child, 0));
  EXPECT_TRUE(sweep_shared_memory("zombie").empty());
  ::kill(child, SIGKILL);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(process_start_time(child).has_value());
  EXPECT_FALSE(process_runs(child, 0));
  EXPECT_EQ(sweep_shared_memory("zombie").size(), 1u);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

// Goal: the folder is there as long as one transport of the job needs it, and the environment is as
// before. Method: three shares, dropped one by one, and a transport.
TEST(SharedMemory, TheFolderLivesAsLongAsItsUsers) {
  static_cast<void>(sweep_shared_memory("shares"));  // what a former run may have left
  auto first = SharedFolder::open("shares");
  auto second = SharedFolder::open("shares");
  auto other = SharedFolder::open("other");
  ASSERT_TRUE(first.ok() && second.ok() && other.ok());
  const std::string path = (*first)->path();
  EXPECT_EQ((*second)->path(), path);
  EXPECT_NE((*other)->path(), path);
  EXPECT_TRUE(fs::exists(path));
  first->reset();
  EXPECT_TRUE(fs::exists(path));
  EXPECT_TRUE(sweep_shared_memory("shares").empty());
  second->reset();
  EXPECT_FALSE(fs::exists(path));
  auto transport = ucx::make_ucx_transport_with({"shares", "posix,self"});
  ASSERT_TRUE(transport.ok()) << transport.error().message;
  EXPECT_TRUE(fs::exists(path));
  EXPECT_EQ(std::getenv("UCX_POSIX_DIR"), nullptr);
  EXPECT_EQ(std::getenv("UCX_MM_ERROR_HANDLING"), nullptr);
  transport->reset();
  EXPECT_FALSE(fs::exists(path));
}

// Goal: the sweep takes the folders of the dead of its job, and nothing else. Method: folders named
// for a dead process, for this process at another start time, for this process, for other jobs.
TEST(SharedMemory, TheSweepTakesOnlyTheDeadOfItsJob) {
  const pid_t me = ::getpid();
  const std::uint64_t start = process_start_time(me).value_or(0);
  const fs::path root = "/dev/shm";
  const fs::path dead = root / text("gossamer-sweep-", 999'999'999, "-5");
  const fs::path reused = root / text("gossamer-sweep-", me, "-", start + 1);
  const fs::path alive = root / text("gossamer-sweep-", me, "-", start);
  const fs::path other_job = root / text("gossamer-sweep-2-", 999'999'999, "-5");
  const fs::path stranger = root / "gossamer-sweep-notes";
  for (const fs::path& path : {dead, reused, alive, other_job, stranger}) {
    fs::create_directory(path);
    std::ofstream(path / "ucx_shm_posix_1") << "x";
  }
  EXPECT_EQ(sweep_shared_memory("sweep"),
            (std::vector<std::string>{reused < dead ? reused : dead, reused < dead ? dead : reused}));
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_FALSE(fs::exists(reused));
  for (const fs::path& path : {alive, other_job, stranger}) {
    EXPECT_TRUE(fs::exists(path / "ucx_shm_posix_1")) << path;
    fs::remove_all(path);
  }
  EXPECT_TRUE(sweep_shared_memory("sweep").empty());
}

// Goal: libfabric's files, which stand beside the folders, are swept by the same rule, and no name is taken for such a
// file that is none. Method: files of a dead process, of this one, and of jobs whose names look like both.
TEST(SharedMemory, TheSweepTakesTheFilesOfTheDead) {
  const fs::path root = "/dev/shm";
  const std::string dead = "gossamer-files-999999999-5";
  const std::vector<std::string> left = {dead + ".fi0-1", dead + ".fi12-4294967295_17"};
  const std::vector<std::string> kept = {process_shared_name("files") + ".fi0-1",
                                         dead + ".fi0",
                                         dead + ".fi0-",
                                         dead + ".fi0-1-7-8",
                                         dead + ".fi0-1_",
                                         dead + "-3-4.fi0-1",
                                         dead + ".fix-1",
                                         dead + ".other"};
  for (const auto& names : {left, kept}) {
    for (const std::string& name : names) std::ofstream(root / name) << "x";
  }
  EXPECT_EQ(sweep_shared_memory("files"), (std::vector<std::string>{root / left[0], root / left[1]}));
  for (const std::string& name : kept) {
    EXPECT_TRUE(fs::exists(root / name)) << name;
    fs::remove(root / name);
  }
}

// Goal: lists of transports are read as UCX reads them. Method: the forms of UCX_TLS.
TEST(SharedMemory, ListsOfTransportsAreUnderstood) {
  EXPECT_TRUE(ucx::allows_posix(""));
  EXPECT_TRUE(ucx::allows_posix("all"));
  EXPECT_TRUE(ucx::allows_posix("tcp,sm,self"));
  EXPECT_TRUE(ucx::allows_posix("posix"));
  EXPECT_TRUE(ucx::allows_posix("^sysv"));
  EXPECT_FALSE(ucx::allows_posix("^posix"));
  EXPECT_FALSE(ucx::allows_posix("tcp"));
  EXPECT_FALSE(ucx::allows_posix("sysv,self"));
  EXPECT_TRUE(ucx::allows_shared_memory("sysv,self"));
  EXPECT_FALSE(ucx::allows_shared_memory("tcp,self"));
}

// Goal: a process that exits without closing its transports leaves no folder, and a forked child that exits leaves
// its parent's. Method: a child that opens a folder and exits with it open, inside a parent with one of its own.
TEST(SharedMemory, ExitRemovesTheFoldersThatAreOpen) {
  const auto own = SharedFolder::open("exit");
  ASSERT_TRUE(own.ok());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    static SharedFolder* kept = nullptr;
    auto opened = SharedFolder::open("exit");
    if (opened.ok()) kept = opened->release();
    std::exit(kept != nullptr && std::filesystem::exists(kept->path()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(std::filesystem::exists((*own)->path()));
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(text("gossamer-exit-", child, "-"))) << entry.path();
  }
}

// Goal: too little locked memory is told with both numbers and the remedy. Method: limits around the need.
TEST(SharedMemory, TheLockedMemoryLimitIsNamed) {
  EXPECT_TRUE(check_locked_memory(RLIM_INFINITY).ok());
  EXPECT_TRUE(check_locked_memory(locked_memory_bytes).ok());
  const Status small = check_locked_memory(65'536);
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code, Code::out_of_resources);
  EXPECT_NE(small.error().message.find("64.0 KiB"), std::string::npos) << small.error().message;
  EXPECT_NE(small.error().message.find("ulimit -l"), std::string::npos) << small.error().message;
}

// Goal: a small /dev/shm gives an error with the numbers and the way out, not a crash; with tcp alone
// it does not matter. Method: a child with a mount namespace of its own and 1 MiB over /dev/shm.
TEST(SharedMemory, TooSmallASharedMemoryIsNamed) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to mount a small tmpfs in a namespace of its own";
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string report;
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") != 0) {
      report = "no namespace";
    } else {
      const auto shared = ucx::make_ucx_transport_with({"small", ""});
      const auto tcp = ucx::make_ucx_transport_with({"small", "tcp"});
      report = shared.ok() ? "made" : text(code_name(shared.error().code), ": ", shared.error().message);
      if (!tcp.ok()) report += " and tcp failed: " + tcp.error().message;
    }
    const ssize_t written = ::write(pipe[1], report.data(), report.size());
    ::_exit(written == static_cast<ssize_t>(report.size()) ? 0 : 1);
  }
  ::close(pipe[1]);
  std::array<char, 4'096> buffer{};
  std::string report;
  for (ssize_t count = 0; (count = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    report.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (report == "no namespace") GTEST_SKIP() << "this system lets even root make no mount namespace";
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(report.starts_with("out_of_resources: ")) << report;
  EXPECT_NE(report.find("has 1.0 MiB free, each rank needs about 8.2 MiB"), std::string::npos) << report;
  EXPECT_NE(report.find("UCX_TLS=tcp"), std::string::npos) << report;
  EXPECT_EQ(report.find("tcp failed"), std::string::npos) << report;
}

}  // namespace
}  // namespace gossamer::transport
