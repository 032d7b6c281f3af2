#include "control_testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "runtime/control_address.h"

extern char** environ;

namespace gossamer::runtime {

std::string own_rendezvous() {
  static std::atomic<unsigned> calls{0};
  // All of 127.0.0.0/8 is loopback; outgoing connections take ports of 127.0.0.1 alone. Ports below
  // 32768 are nobody's source port.
  const unsigned pid = static_cast<unsigned>(::getpid());
  return text("127.", 1 + pid % 250, ".", pid / 250 % 250, ".", 1 + pid / 62500 % 250, ":", 20000 + calls++);
}

MeshOptions mesh_options(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous) {
  MeshOptions options;
  options.rank = Rank{rank};
  options.rank_count = rank_count;
  options.rendezvous = rendezvous;
  options.deadline_ns = 20 * second_ns;
  return options;
}

std::vector<Seat> seats(std::uint32_t rank_count, const std::string& rendezvous, const std::vector<Field>& shared) {
  std::vector<Seat> all;
  for (std::uint32_t rank = 0; rank < rank_count; ++rank)
    all.push_back({mesh_options(rank, rank_count, rendezvous), shared});
  return all;
}

std::vector<Joined> join_all(const std::vector<Seat>& seats) {
  std::vector<Joined> joined;
  for (std::size_t i = 0; i < seats.size(); ++i) joined.emplace_back(Error{Code::internal, "did not run"});
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seats.size(); ++i) {
    threads.emplace_back([&, i] { joined[i] = make_control_mesh(seats[i].options, seats[i].shared); });
  }
  for (std::thread& thread : threads) thread.join();
  return joined;
}

std::vector<std::unique_ptr<Control>> make_session(std::uint32_t rank_count) {
  std::vector<std::unique_ptr<Control>> session;
  bool whole = true;
  for (Joined& joined : join_all(seats(rank_count, own_rendezvous()))) {
    EXPECT_TRUE(joined.ok()) << joined.error().message;
    whole = whole && joined.ok();
    if (whole) session.push_back(*std::move(joined));
  }
  if (!whole) session.clear();
  return session;
}

void on_each(const std::vector<std::unique_ptr<Control>>& session,
             const std::function<void(std::uint32_t, Control&)>& act) {
  std::vector<std::thread> threads;
  for (std::uint32_t rank = 0; rank < session.size(); ++rank) {
    threads.emplace_back([&, rank] { act(rank, *session[rank]); });
  }
  for (std::thread& thread : threads) thread.join();
}

std::optional<Loss> wait_for_loss(const Control& control, std::chrono::milliseconds limit) {
  pollfd wait{control.event_descriptor(), POLLIN, 0};
  if (::poll(&wait, 1, static_cast<int>(limit.count())) != 1) return std::nullopt;
  return control.loss();
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

Child::Child(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous, const std::string& mode) {
  std::array<int, 2> input{}, output{};
  if (::pipe2(input.data(), O_CLOEXEC) != 0 || ::pipe2(output.data(), O_CLOEXEC) != 0) return;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::string program = CONTROL_CHILD, rank_text = text(rank), count_text = text(rank_count), where = rendezvous,
              how = mode;
  const std::array<char*, 6> arguments = {program.data(), rank_text.data(), count_text.data(),
                                          where.data(),   how.data(),       nullptr};
  if (::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  output_ = output[0];
}

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(input_);
  ::close(output_);
}

bool Child::joined() const {
  std::array<char, 7> line{};
  std::size_t have = 0;
  while (have < line.size()) {
    pollfd wait{output_, POLLIN, 0};
    if (::poll(&wait, 1, 20'000) != 1) return false;
    const ssize_t got = ::read(output_, line.data() + have, line.size() - have);
    if (got <= 0) return false;
    have += static_cast<std::size_t>(got);
  }
  return std::string_view(line.data(), line.size()) == "joined\n";
}

void Child::signal(int number) const { ::kill(pid_, number); }

RawClient::RawClient(const std::string& rendezvous) {
  const auto where = parse_host_port(rendezvous);
  const auto endpoints = resolve(*where, time_after(second_ns));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const Endpoint& endpoint = endpoints->front();
    if (::connect(socket_, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) return;
    ::close(std::exchange(socket_, -1));
    ::poll(nullptr, 0, 1);  // between tries
  }
}

RawClient::RawClient(RawClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

RawClient::~RawClient() {
  if (socket_ >= 0) ::close(socket_);
}

void RawClient::send_bytes(const std::string& bytes) const {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;  // the other side has had enough
    sent += static_cast<std::size_t>(count);
  }
}

void RawClient::send(const wire::Message& message) const {
  const std::string body = message.SerializeAsString();
  std::string frame;
  for (unsigned i = 0; i < 4; ++i) frame += static_cast<char>((body.size() >> (8 * i)) & 0xff);
  send_bytes(frame + body);
}

std::optional<wire::Message> RawClient::receive() const {
  const auto read_exactly = [this](std::string& into) {
    std::size_t have = 0;
    while (have < into.size()) {
      pollfd wait{socket_, POLLIN, 0};
      if (::poll(&wait, 1, 5'000) != 1) return false;
      const ssize_t got = ::read(socket_, into.data() + have, into.size() - have);
      if (got <= 0) return false;
      have += static_cast<std::size_t>(got);
    }
    return true;
  };
  std::string header(4, '\0');
  if (!read_exactly(header)) return std::nullopt;
  std::size_t length = 0;
  for (unsigned i = 0; i < 4; ++i) length |= std::size_t{static_cast<unsigned char>(header[i])} << (8 * i);
  std::string body(length, '\0');
  wire::Message message;
  if (!read_exactly(body) || !message.ParseFromString(body)) return std::nullopt;
  return message;
}

bool RawClient::closed_by_peer() const {
  std::array<char, 256> bytes{};
  while (true) {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, 5'000) != 1) return false;
    if (::read(socket_, bytes.data(), bytes.size()) <= 0) return true;
  }
}

wire::Message hello_message(std::uint32_t rank, std::uint32_t rank_count) {
  wire::Message message;
  wire::Hello& hello = *message.mutable_hello();
  hello.set_magic(control_magic);
  hello.set_protocol(control_protocol);
  hello.set_rank(rank);
  hello.set_rank_count(rank_count);
  hello.set_process("a test");
  hello.set_remaining_ns(20 * second_ns);
  hello.set_deadline_ns(20 * second_ns);
  return message;
}

}  // namespace gossamer::runtime
