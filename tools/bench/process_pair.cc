#include "tools/bench/process_pair.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tools/launch/spawn.h"

namespace gossamer::tools {
namespace {

constexpr std::uint64_t blob_bytes_max = std::uint64_t{1} << 20;
constexpr int ending_limit_ms = 2'000;

Error gone_error() { return {Code::unavailable, "the other process has ended; its stderr says why"}; }

}  // namespace

bool PairSocket::read(void* data, std::size_t bytes) {
  auto* next = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t count = ::read(descriptor_.value(), next, bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

bool PairSocket::write(const void* data, std::size_t bytes) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t count = ::send(descriptor_.value(), next, bytes, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

void PairSocket::end() { ::shutdown(descriptor_.value(), SHUT_RDWR); }

Exchange PairSocket::exchange() {
  return [this](const Blob& mine) -> Result<Blob> {
    std::uint64_t bytes = mine.size();
    if (!write(&bytes, sizeof bytes) || !write(mine.data(), mine.size())) return gone_error();
    if (!read(&bytes, sizeof bytes) || bytes > blob_bytes_max) return gone_error();
    Blob theirs(bytes);
    if (!read(theirs.data(), theirs.size())) return gone_error();
    return theirs;
  };
}

Result<std::unique_ptr<ProcessPair>> ProcessPair::start(const std::function<Status(PairSocket&)>& body) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error{Code::unavailable, text("no pair of sockets: ", std::strerror(errno))};
  }
  UniqueDescriptor mine(ends[0]);
  UniqueDescriptor theirs(ends[1]);
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error{Code::unavailable, text("no second process: ", std::strerror(errno))};
  if (pid > 0) return std::unique_ptr<ProcessPair>(new ProcessPair(pid, std::move(mine)));
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) std::_Exit(1);
  mine.close();
  PairSocket socket(std::move(theirs));
  const Status ended = body(socket);
  if (!ended.ok()) std::fprintf(stderr, "second process: %s\n", ended.error().message.c_str());
  std::_Exit(ended.ok() ? 0 : 1);
}

ProcessPair::~ProcessPair() {
  if (pid_ <= 0) return;
  socket_.end();
  const UniqueDescriptor process = open_process(pid_);
  pollfd ended{process.value(), POLLIN, 0};
  if (!process.is_open() || ::poll(&ended, 1, ending_limit_ms) != 1) ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Status ProcessPair::finish() {
  int status = 0;
  if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return gone_error();
  }
  return {};
}

}  // namespace gossamer::tools
