// Clients that are no ranks, at the ports where a transport listens: they do no harm. What a library listens with knows
// no secret; docs/security.md says what that leaves open. Here: bytes that are not of its protocol.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "cluster.h"

namespace gossamer::transport {
namespace {

// Addresses where this process listens for TCP (proc(5): net/tcp lists them with the numbers of their sockets).
std::vector<sockaddr_in> listening() {
  std::set<std::string> own;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && target.starts_with("socket:[")) own.insert(target.substr(8, target.size() - 9));
  }
  std::vector<sockaddr_in> found;
  std::ifstream file("/proc/self/net/tcp");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, word, inode;
    words >> number >> local >> remote >> state;
    for (int i = 0; i < 6; ++i) words >> inode;  // queues, timer, retransmits, user, timeout, then the inode
    if (state != "0A" || !own.contains(inode)) continue;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = static_cast<in_addr_t>(std::stoul(local.substr(0, 8), nullptr, 16));
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoul(local.substr(9), nullptr, 16)));
    if (address.sin_addr.s_addr == INADDR_ANY) address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    found.push_back(address);
  }
  return found;
}

class Stranger {
 public:
  explicit Stranger(const sockaddr_in& address) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int connected = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    EXPECT_EQ(connected, 0) << "port " << ntohs(address.sin_port);
  }
  ~Stranger() { ::close(socket_); }
  Stranger(Stranger&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Stranger& operator=(Stranger&&) = delete;
  // What does not fit, or comes after the other side has hung up, is lost, as a stranger's words may be.
  void say(std::string_view bytes) const {
    static_cast<void>(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }

 private:
  int socket_;
};

std::string random_bytes(Random& random, std::size_t bytes) {
  std::string words(bytes, '\0');
  for (char& byte : words) byte = static_cast<char>(random.next());
  return words;
}

void expect_exchange(Cluster& cluster, std::uint64_t tag) {
  Block out(cluster.at(0), 100'000);
  Block in(cluster.at(1), 100'000);
  for (const std::size_t bytes : {std::size_t{8}, std::size_t{9'000}, std::size_t{100'000}}) {
    out.fill(tag);
    in.clear();
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{tag}, in.slice(), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{tag}, out.slice(0, bytes), 2).ok());
    ASSERT_EQ(cluster.await(1, 1).code, Code::done);
    ASSERT_EQ(cluster.await(0, 2).code, Code::done);
    ASSERT_TRUE(in.holds(tag, bytes));
  }
}

class Strangers : public ::testing::TestWithParam<Backend> {};

std::vector<Backend> socket_backends() {
  std::vector<Backend> backends = all_backends();
  std::erase_if(backends, [](const Backend& each) { return each.ways.find("tcp") == std::string::npos; });
  return backends;
}

INSTANTIATE_TEST_SUITE_P(, Strangers, ::testing::ValuesIn(socket_backends()),
                         [](const auto& instance) { return instance.param.name; });

// Goal: ranks come together and go on exchanging while strangers are silent, dribble, or say random or huge things at
// every port of theirs. Method: 20 strangers of each kind at each port before the ranks connect, and again after.
TEST_P(Strangers, AtThePortsOfTheRanksDoNoHarm) {
  Random random(17);
  Cluster cluster(GetParam(), 2);
  cluster.open(1);
  const std::vector<sockaddr_in> ports = listening();
  ASSERT_FALSE(ports.empty());
  std::vector<Stranger> strangers;
  for (std::uint64_t tag = 1; tag <= 2; ++tag) {
    for (const sockaddr_in& port : ports) {
      for (int i = 0; i < 20; ++i) {
        strangers.emplace_back(port);  // says nothing
        strangers.emplace_back(port).say(random_bytes(random, 1 + random.below(500)));
        strangers.emplace_back(port).say(std::string(1 + random.below(2'000), '\xff'));
        strangers.emplace_back(port).say(std::string(1 + random.below(2'000), '\0'));
        strangers.emplace_back(port).say("GET / HTTP/1.1\r\nHost: rank\r\n\r\n");
        if (i % 2 == 0) strangers.pop_back();  // and is gone before it is heard
      }
    }
    for (int i = 0; i < 200; ++i) {
      cluster.step();
      strangers[random.below(strangers.size())].say(random_bytes(random, 1));
    }
    ASSERT_NO_FATAL_FAILURE(expect_exchange(cluster, tag));
  }
  strangers.clear();
  ASSERT_NO_FATAL_FAILURE(expect_exchange(cluster, 3));
  cluster.close();
  cluster.open(2);
  ASSERT_NO_FATAL_FAILURE(expect_exchange(cluster, 4));
}

}  // namespace
}  // namespace gossamer::transport
