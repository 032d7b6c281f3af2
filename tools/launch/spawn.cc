#include "tools/launch/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gossamer::tools {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& each : texts) out.push_back(const_cast<char*>(each.c_str()));
  out.push_back(nullptr);
  return out;
}

// Between fork and exec: async-signal-safe calls only, nothing allocates.
[[noreturn]] void become(const SpawnRequest& request, char* const* arguments, char* const* environment, pid_t parent,
                         int given, int go, int report) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the launcher died before prctl
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &standard, nullptr);  // ignored by the launcher while it runs
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  bool wired = dup2(request.input, 0) >= 0 && dup2(request.output, 1) >= 0 && dup2(request.errors, 2) >= 0;
  for (const int each : request.kept) wired = wired && fcntl(each, F_SETFD, 0) == 0;
  if (given >= 0) {  // the parent closes its end of `go` when it has closed what it gave
    char nothing;
    while (read(go, &nothing, 1) < 0 && errno == EINTR) {
    }
    wired = wired && fcntl(given, F_SETFD, 0) == 0;
  }
  if (wired) execve(request.path.c_str(), arguments, environment);
  const int error = errno;
  const ssize_t told = write(report, &error, sizeof error);
  _exit(told == sizeof error ? 127 : 126);
}

}  // namespace

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Error{Code::out_of_resources, text("cannot make a pipe: ", std::strerror(errno), "; raise `ulimit -n`")};
  }
  Pipe out;
  out.reading = UniqueDescriptor(ends[0]);
  // Or a child's dup2 would overwrite it.
  out.writing = UniqueDescriptor(fcntl(ends[1], F_DUPFD_CLOEXEC, 3));
  close(ends[1]);
  return out;
}

Result<Spawned> spawn(const SpawnRequest& request) {
  GOSSAMER_ASSIGN(auto told, make_pipe());
  UniqueDescriptor reading = std::move(told.reading);
  UniqueDescriptor writing = std::move(told.writing);
  const int given = request.given != nullptr ? request.given->value() : -1;
  Pipe go;
  if (given >= 0) {
    GOSSAMER_ASSIGN(go, make_pipe());
  }
  UniqueDescriptor waiting = std::move(go.reading);
  UniqueDescriptor going = std::move(go.writing);
  const std::vector<char*> arguments = pointers(request.arguments);
  const std::vector<char*> environment = pointers(request.environment);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    return Error{Code::out_of_resources, text("cannot start a process: ", std::strerror(errno), "; raise `ulimit -u`")};
  }
  if (pid == 0) {
    going.close();
    become(request, arguments.data(), environment.data(), parent, given, waiting.value(), writing.value());
  }
  if (given >= 0) request.given->close();
  going.close();
  setpgid(pid, pid);  // both sides set it, so that it holds when either goes on
  writing.close();
  Spawned out{pid, 0};
  ssize_t got;
  do {
    got = read(reading.value(), &out.exec_errno, sizeof out.exec_errno);
  } while (got < 0 && errno == EINTR);
  if (got != 0) {
    if (got != sizeof out.exec_errno) out.exec_errno = EIO;
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return out;
}

// By number, since the header of glibc 2.36 declares pidfd_open without extern "C".
UniqueDescriptor open_process(pid_t pid) {
  return UniqueDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

}  // namespace gossamer::tools
