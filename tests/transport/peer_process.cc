#include "peer_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>

extern char** environ;

namespace gossamer::transport {
namespace {

bool write_exactly(int descriptor, const void* data, std::size_t bytes) {
  const auto* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor, next, bytes);
    if (written <= 0) return false;
    next += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

bool write_address(int descriptor, const Address& address) {
  const std::uint64_t bytes = address.size();
  return write_exactly(descriptor, &bytes, sizeof bytes) && write_exactly(descriptor, address.data(), bytes);
}

}  // namespace

PeerProcess::PeerProcess(const std::string& job, const TransportChoice& choice, const std::string& mode) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  GOSSAMER_CHECK(::pipe2(in.data(), O_CLOEXEC) == 0 && ::pipe2(out.data(), O_CLOEXEC) == 0, "pipes");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::array<std::string, 5> words = {GOSSAMER_TRANSPORT_PEER, job, choice.transport, choice.ways, mode};
  std::array<char*, 6> arguments = {words[0].data(), words[1].data(), words[2].data(),
                                    words[3].data(), words[4].data(), nullptr};
  const int failed = ::posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  GOSSAMER_CHECK(failed == 0, "the peer process starts");
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

PeerProcess::~PeerProcess() {
  kill();
  ::close(to_);
  ::close(from_);
}

bool PeerProcess::read_exactly(void* data, std::size_t bytes) {
  auto* next = static_cast<char*>(data);
  while (bytes > 0) {
    pollfd ready{from_, POLLIN, 0};
    if (::poll(&ready, 1, 20'000) != 1) return false;
    const ssize_t count = ::read(from_, next, bytes);
    if (count <= 0) return false;
    next += count;
    bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

Address PeerProcess::read_address() {
  std::uint64_t bytes = 0;
  if (!read_exactly(&bytes, sizeof bytes)) return {};
  Address address(bytes);
  return read_exactly(address.data(), bytes) ? address : Address{};
}

bool PeerProcess::write_view(const Address& rank_0, const Address& rank_1) {
  return write_address(to_, rank_0) && write_address(to_, rank_1);
}

bool PeerProcess::has_signalled() {
  pollfd ready{from_, POLLIN, 0};
  char byte = 0;
  return ::poll(&ready, 1, 0) == 1 && ::read(from_, &byte, 1) == 1;
}

void PeerProcess::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace gossamer::transport
