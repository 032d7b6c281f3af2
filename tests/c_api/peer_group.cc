#include "tests/c_api/peer_group.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "transport/transport.h"

namespace gossamer::testing {

using std::chrono::steady_clock;

namespace {

// A socket that listens on a free port of the loopback, inherited by rank 0: no two tests can meet.
int listen_on_free_port(std::string& address) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof name;
  if (descriptor < 0 || bind(descriptor, reinterpret_cast<sockaddr*>(&name), length) != 0 ||
      listen(descriptor, 64) != 0 || getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &length) != 0)
    throw std::runtime_error("no listening socket on the loopback");
  address = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  return descriptor;
}

}  // namespace

PeerGroup::PeerGroup(const PeerGroupOptions& options) {
  static std::atomic<unsigned> number{0};
  job_ = "test-" + std::to_string(getpid()) + "-" + std::to_string(number++);
  std::string rendezvous;
  const int listener = listen_on_free_port(rendezvous);
  peers_.resize(options.rank_count);
  for (unsigned r = 0; r < options.rank_count; ++r) {
    std::map<std::string, std::string> environment = options.environment;
    environment["GOSSAMER_RANK"] = std::to_string(r);
    environment["GOSSAMER_RANK_COUNT"] = std::to_string(options.rank_count);
    environment["GOSSAMER_RENDEZVOUS"] = rendezvous;
    environment["GOSSAMER_JOB"] = job_;
    if (r == 0) environment["GOSSAMER_RENDEZVOUS_FD"] = std::to_string(listener);
    if (const auto own = options.environment_of.find(r); own != options.environment_of.end())
      for (const auto& [name, value] : own->second) environment[name] = value;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(125);
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      if (r == 0) fcntl(listener, F_SETFD, 0);
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      const std::string program = options.program.empty() ? EXCHANGE_PEER : options.program;
      std::vector<char*> arguments = {const_cast<char*>(program.c_str())};
      for (const std::string& argument : options.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
      arguments.push_back(nullptr);
      execv(program.c_str(), arguments.data());
      _exit(127);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    peers_[r].pid = pid;
    peers_[r].descriptor = ends[0];
  }
  close(listener);
}

PeerGroup::~PeerGroup() {
  for (Peer& peer : peers_) {
    if (!peer.ended) {
      kill(peer.pid, SIGKILL);
      waitpid(peer.pid, nullptr, 0);
    }
    if (peer.descriptor >= 0) close(peer.descriptor);
  }
  transport::sweep_shared_memory();  // of peers killed here
}

void PeerGroup::pump(std::chrono::milliseconds wait) {
  std::vector<pollfd> descriptors;
  for (const Peer& peer : peers_) descriptors.push_back({peer.descriptor, POLLIN, 0});  // -1 is passed over
  poll(descriptors.data(), descriptors.size(), static_cast<int>(wait.count()));
  for (Peer& peer : peers_) {
    char buffer[4096];
    ssize_t got = 0;
    while (peer.descriptor >= 0 && (got = read(peer.descriptor, buffer, sizeof buffer)) > 0)
      peer.output.append(buffer, static_cast<std::size_t>(got));
    if (peer.descriptor >= 0 && got == 0) {
      close(peer.descriptor);
      peer.descriptor = -1;
    }
    if (!peer.ended && waitpid(peer.pid, &peer.status, WNOHANG) == peer.pid) {
      peer.ended = true;
      peer.ended_at = steady_clock::now();
    }
  }
}

bool PeerGroup::wait_for_line(unsigned rank, const std::string& words, std::chrono::seconds limit) {
  const auto deadline = steady_clock::now() + limit;
  const auto seen = [&] {
    const std::string& output = peers_[rank].output;
    return output.starts_with(words) || output.find("\n" + words) != std::string::npos;
  };
  while (!seen()) {
    if (steady_clock::now() > deadline || peers_[rank].descriptor < 0) return false;
    pump(std::chrono::milliseconds(10));
  }
  return true;
}

void PeerGroup::signal(unsigned rank, int number) { kill(peers_[rank].pid, number); }

bool PeerGroup::wait_for_end(unsigned rank, std::chrono::seconds limit) {
  const auto deadline = steady_clock::now() + limit;
  while (!peers_[rank].ended || peers_[rank].descriptor >= 0) {
    if (steady_clock::now() > deadline) return false;
    pump(std::chrono::milliseconds(5));
  }
  return true;
}

void expect_all_end(PeerGroup& group, unsigned rank_count, std::chrono::seconds limit) {
  for (unsigned r = 0; r < rank_count; ++r) {
    ASSERT_TRUE(group.wait_for_end(r, limit)) << "rank " << r << " hangs:\n" << group.output(r);
    EXPECT_TRUE(WIFEXITED(group.status(r)) && WEXITSTATUS(group.status(r)) == 0) << "rank " << r << ":\n"
                                                                                 << group.output(r);
    EXPECT_THAT(group.output(r), ::testing::HasSubstr("end\n")) << "rank " << r;
  }
  EXPECT_THAT(shared_memory_left(group.job()), ::testing::IsEmpty());
}

}  // namespace gossamer::testing
