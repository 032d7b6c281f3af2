// The shared-memory folder: its name, its life, its sweep, and what happens when there is no room.
#include "transport/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/support/allocations.h"
#include "transport/flat_folder.h"
#include "transport/process.h"
#include "transport/shared_name.h"
#include "transport/transport.h"
#include "transport/ucx/library.h"
#include "transport/ucx/ucx_transport.h"

namespace gossamer::transport {
namespace {

namespace fs = std::filesystem;

const fs::path root = "/dev/shm";

// A folder's name as a process gives it: 0 for this namespace is this one's own.
std::string name_of(std::string_view job, pid_t pid, std::uint64_t start_time, std::uint64_t space = 0) {
  static std::uint64_t number = static_cast<std::uint64_t>(::getpid()) << 16;
  return text("gossamer-", job, "-", pid, "-", start_time, "-", space == 0 ? process_namespace() : space, "-",
              hex(++number));
}

fs::path make_folder(const std::string& name) {
  fs::create_directory(root / name);
  std::ofstream(root / name / "ucx_shm_posix_1") << "x";
  return root / name;
}

UniqueDescriptor hold_lock(const fs::path& folder) {
  UniqueDescriptor lock(::open((folder / "alive").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(::flock(lock.value(), LOCK_EX | LOCK_NB), 0);
  return lock;
}

constexpr pid_t nobody_pid = 999'999'999;

// Goal: any job name gives a safe file name. Method: names with separators, none, and a long one.
TEST(SharedMemory, JobNamesAreCleaned) {
  EXPECT_EQ(clean_job_name("train_1.b-C"), "train_1.b-C");
  EXPECT_EQ(clean_job_name("../a b/\n"), ".._a_b__");
  EXPECT_EQ(clean_job_name(""), "job");
  EXPECT_EQ(clean_job_name(std::string(1'000, 'x')).size(), 64u);
}

// Goal: a name tells its owner whatever the job is called, is another one each time, and nothing else is taken for one.
// Method: jobs whose names look like names, and texts that lack a field.
TEST(SharedMemory, NamesTellTheirOwner) {
  for (const std::string job : {"a", "7-8-9-a", "x.fi0-1", "gossamer-j-1-2-3-4.fi0-1"}) {
    const std::string name = make_shared_name(job);
    EXPECT_NE(name, make_shared_name(job));
    for (const std::string& each : {name, name + ".fi3-1", name + ".fi3-1_2"}) {
      const auto owner = parse_shared_name(each);
      ASSERT_TRUE(owner.has_value()) << each;
      EXPECT_EQ(owner->pid, ::getpid());
      EXPECT_EQ(owner->start_time, own_start_time());
      EXPECT_EQ(owner->pid_namespace, process_namespace());
      EXPECT_EQ(folder_of(each), name);
    }
  }
  for (const std::string name :
       {"gossamer-", "gossamer-notes", "gossamer-j-1-2-3", "gossamer-1-2-3-4", "other-j-1-2-3-4", "gossamer-j-0-2-3-4",
        "gossamer-j-1-2-3-xyz", "gossamer-j-1-2-3-4.fi0", "gossamer-j-1-2-3-4.fi0-", "gossamer-j-1-2-3-4.fi0-1-7-8",
        "gossamer-j-1-2-3-4.fi0-1_", "gossamer-j-1-2-3-4.fix-1", "gossamer-j-1-2-3-4.other", "gossamer-j/-1-2-3-4"})
    EXPECT_EQ(parse_shared_name(name), std::nullopt) << name;
}

// Goal: the start time tells processes with one id apart. Method: of this process, and of none.
TEST(SharedMemory, StartTimeIsOfALivingProcess) {
  const auto own = process_start_time(::getpid());
  ASSERT_TRUE(own.has_value());
  EXPECT_GT(*own, 0u);
  EXPECT_EQ(own, process_start_time(::getpid()));
  EXPECT_EQ(own, own_start_time());
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
    const std::string path = folder.ok() ? (*folder)->path() : "none";
    const ssize_t written = ::write(pipe[1], path.data(), path.size());
    while (written > 0) ::pause();
    ::_exit(1);
  }
  std::array<char, 256> answer{};
  ASSERT_GT(::read(pipe[0], answer.data(), answer.size() - 1), 0);
  const fs::path path = answer.data();
  EXPECT_TRUE(process_runs(child, 0));
  static_cast<void>(sweep_shared_memory());
  EXPECT_TRUE(fs::exists(path)) << path;
  ::kill(child, SIGKILL);
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(process_start_time(child).has_value());
  EXPECT_FALSE(process_runs(child, 0));
  static_cast<void>(sweep_shared_memory());
  EXPECT_FALSE(fs::exists(path)) << path;
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

// Goal: the folder is there as long as one transport of the job needs it, and the environment is as
// before. Method: three shares, dropped one by one, and a transport.
TEST(SharedMemory, TheFolderLivesAsLongAsItsUsers) {
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
  static_cast<void>(sweep_shared_memory());
  EXPECT_TRUE(fs::exists(path));
  second->reset();
  EXPECT_FALSE(fs::exists(path));
  const auto folders = [] {
    const std::string mark = text("gossamer-shares-", ::getpid(), "-");
    return std::count_if(fs::directory_iterator(root), fs::directory_iterator(), [&](const fs::directory_entry& entry) {
      return entry.path().filename().string().starts_with(mark);
    });
  };
  auto transport = ucx::make_ucx_transport_with({"shares", "posix,self"});
  ASSERT_TRUE(transport.ok()) << transport.error().message;
  EXPECT_EQ(folders(), 1);
  EXPECT_EQ(std::getenv("UCX_POSIX_DIR"), nullptr);
  EXPECT_EQ(std::getenv("UCX_MM_ERROR_HANDLING"), nullptr);
  transport->reset();
  EXPECT_EQ(folders(), 0);
}

// Goal: the sweep takes the folders of the dead of this user, whatever their job, and nothing else. Method: folders
// named for a dead process, for this process at another start time, for this process, for others' names.
TEST(SharedMemory, TheSweepTakesTheDeadOfEveryJob) {
  const pid_t me = ::getpid();
  const std::uint64_t start = own_start_time().value_or(0);
  const std::vector<fs::path> dead = {make_folder(name_of("sweep", nobody_pid, 5)),
                                      make_folder(name_of("another-job", nobody_pid, 5)),
                                      make_folder(name_of("sweep", me, start + 1))};
  const std::vector<fs::path> kept = {make_folder(name_of("sweep", me, start)), make_folder("gossamer-sweep-notes")};
  static_cast<void>(sweep_shared_memory());
  for (const fs::path& path : dead) EXPECT_FALSE(fs::exists(path)) << path;
  for (const fs::path& path : kept) {
    EXPECT_TRUE(fs::exists(path / "ucx_shm_posix_1")) << path;
    fs::remove_all(path);
  }
}

// Goal: a folder whose lock is held stays, whoever it says it is of, since its owner may have its process id in another
// namespace; once the lock is free it goes. Method: folders of a dead process and of another namespace, with this
// process's own id and start time there, locked and unlocked; a file of libfabric's beside each.
TEST(SharedMemory, NoFolderWhoseLockIsHeldIsSwept) {
  const std::uint64_t elsewhere = process_namespace() + 1;
  for (const std::string& name : {name_of("locked", nobody_pid, 5), name_of("locked", 1, 5, elsewhere),
                                  name_of("locked", ::getpid(), own_start_time().value_or(0), elsewhere)}) {
    const fs::path folder = make_folder(name);
    const fs::path file = root / (name + ".fi0-1");
    std::ofstream(file) << "x";
    UniqueDescriptor lock = hold_lock(folder);
    static_cast<void>(sweep_shared_memory());
    EXPECT_TRUE(fs::exists(folder / "ucx_shm_posix_1")) << name;
    EXPECT_TRUE(fs::exists(file)) << name;
    lock.close();
    static_cast<void>(sweep_shared_memory());
    EXPECT_FALSE(fs::exists(folder)) << name;
    EXPECT_FALSE(fs::exists(file)) << name;
  }
}

// Goal: a folder is not swept away under the process that makes it, whatever namespace the sweep is in. Method:
// children in process-id namespaces of their own, where each is process 1, open and close folders while this process
// sweeps.
TEST(SharedMemory, AFolderThatIsBeingMadeIsNotSwept) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make process-id namespaces";
  constexpr int count = 3;
  std::array<pid_t, count> children{};
  for (pid_t& child : children) {
    child = ::fork();
    ASSERT_GE(child, 0);
    if (child != 0) continue;
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(77);
    const pid_t first = ::fork();  // process 1 there
    if (first == 0) {
      bool good = true;
      for (int i = 0; i < 300 && good; ++i) {
        const auto folder = SharedFolder::open("made");
        good = folder.ok() && fs::exists((*folder)->path() + "/alive");
      }
      ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(first, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  int running = count;
  bool denied = false;
  while (running > 0) {
    static_cast<void>(sweep_shared_memory());
    for (pid_t& child : children) {
      int status = 0;
      if (child <= 0 || ::waitpid(child, &status, WNOHANG) != child) continue;
      child = 0;
      --running;
      denied = denied || WEXITSTATUS(status) == 77;
      EXPECT_TRUE(denied || status == 0) << status;
    }
  }
  if (denied) GTEST_SKIP() << "this system lets even root make no process-id namespace";
}

// Goal: nobody sweeps another user's, root not either. Method: a folder and a file of a dead process, made by a child that
// is another user: never root's, or a sweep beside this one would take them.
TEST(SharedMemory, AnotherUsersAreNotSwept) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to make another user's files";
  const std::string name = name_of("users", nobody_pid, 5);
  const fs::path folder = root / name;
  const fs::path file = root / (name + ".fi0-1");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::setuid(12'345) != 0) ::_exit(1);
    static_cast<void>(make_folder(name));
    std::ofstream(file) << "x";
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  static_cast<void>(sweep_shared_memory());
  EXPECT_TRUE(fs::exists(folder / "ucx_shm_posix_1"));
  EXPECT_TRUE(fs::exists(file));
  fs::remove_all(folder);
  fs::remove(file);
}

// Goal: libfabric's files, which stand beside the folders, are swept by the same rule, and no name is taken for such a
// file that is none. Method: files of a dead process, of this one, and of names that look like both.
TEST(SharedMemory, TheSweepTakesTheFilesOfTheDead) {
  const std::string dead = name_of("files", nobody_pid, 5);
  const std::vector<std::string> left = {dead + ".fi0-1", dead + ".fi12-4294967295_17"};
  const std::vector<std::string> kept = {make_shared_name("files") + ".fi0-1", dead + ".fi0", dead + ".other"};
  for (const auto& names : {left, kept}) {
    for (const std::string& name : names) std::ofstream(root / name) << "x";
  }
  static_cast<void>(sweep_shared_memory());
  for (const std::string& name : left) EXPECT_FALSE(fs::exists(root / name)) << name;
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

// Goal: what exit() runs may interrupt malloc, so it allocates nothing. Method: a child counts allocations while the
// folder with files in it goes; one more folder is closed before, and is not touched.
TEST(SharedMemory, ExitRemovesFoldersWithoutAllocating) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto closed = SharedFolder::open("exit-closed");
    auto opened = SharedFolder::open("exit-open");
    if (!closed.ok() || !opened.ok()) ::_exit(2);
    closed->reset();
    const std::string path = opened->release()->path();
    for (int i = 0; i < 200; ++i) std::ofstream(text(path, "/block-", i)) << "x";
    const std::size_t before = testing::allocation_count();
    remove_folders_of_exit();
    if (testing::allocation_count() != before) ::_exit(3);
    ::_exit(fs::exists(path) ? 4 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Goal: a limit on the length of files is told, with both numbers and the remedy, where the system would end the
// process by SIGXFSZ. Method: a child with a limit of 1 MiB makes a transport over shared memory, and one over TCP.
TEST(SharedMemory, ALimitOnFilesIsNamed) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto shared = ucx::make_ucx_transport_with({"files", "posix,self"});
    const auto tcp = ucx::make_ucx_transport_with({"files", "tcp"});
    std::string report = shared.ok() ? "made" : text(code_name(shared.error().code), ": ", shared.error().message);
    if (!tcp.ok()) report += " and tcp failed: " + tcp.error().message;
    const ssize_t written = ::write(pipe[1], report.data(), report.size());
    ::_exit(written == static_cast<ssize_t>(report.size()) ? 0 : 1);
  }
  ::close(pipe[1]);
  std::array<char, 4'096> buffer{};
  const ssize_t bytes = ::read(pipe[0], buffer.data(), buffer.size());
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  ASSERT_GT(bytes, 0);
  const std::string report(buffer.data(), static_cast<std::size_t>(bytes));
  EXPECT_TRUE(report.starts_with("out_of_resources: ")) << report;
  for (const char* const part : {"1.0 MiB", "4.1 MiB", "ulimit -f", "UCX_TLS=tcp"})
    EXPECT_NE(report.find(part), std::string::npos) << report;
  EXPECT_EQ(report.find("tcp failed"), std::string::npos) << report;
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
