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

#include "runtime/control/address.h"

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
  options.lease_ns = 60 * second_ns;
  return options;
}

Secret test_secret() { return Secret::of("the secret of the tests, which is none"); }

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
  std::vector<Seat> all = seats(rank_count, own_rendezvous());
  for (Seat& seat : all) seat.options.secret = test_secret();
  for (Joined& joined : join_all(all)) {
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

Child::Child(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous, const std::string& mode,
             unsigned lease_ms) {
  std::array<int, 2> input{}, output{};
  if (::pipe2(input.data(), O_CLOEXEC) != 0 || ::pipe2(output.data(), O_CLOEXEC) != 0) return;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  std::string program = CONTROL_CHILD, rank_text = text(rank), count_text = text(rank_count), where = rendezvous,
              how = mode, lease = text(lease_ms);
  const std::array<char*, 7> arguments = {program.data(), rank_text.data(), count_text.data(), where.data(), how.data(),
                                          lease.data(),   nullptr};
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

std::string Child::next_line() const {
  std::string line;
  while (true) {
    pollfd wait{output_, POLLIN, 0};
    char next = 0;
    if (::poll(&wait, 1, 20'000) != 1 || ::read(output_, &next, 1) <= 0) return {};
    if (next == '\n') return line;
    line += next;
  }
}

void Child::signal(int number) const { ::kill(pid_, number); }

RawClient::RawClient(const std::string& rendezvous, std::chrono::milliseconds limit) {
  const auto where = parse_host_port(rendezvous);
  const auto addresses = resolve(*where, time_after(second_ns));
  const auto until = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < until) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const SocketAddress& socket_address = addresses->front();
    if (::connect(socket_, socket_address.data(), static_cast<socklen_t>(socket_address.size())) == 0) return;
    ::close(std::exchange(socket_, -1));
    ::poll(nullptr, 0, 1);  // between tries
  }
}

RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      session_(std::move(other.session_)),
      transcript_(other.transcript_),
      seals_(other.seals_) {}

RawClient RawClient::accept(const UniqueDescriptor& listener) {
  pollfd wait{listener.value(), POLLIN, 0};
  ::poll(&wait, 1, 10'000);
  return RawClient(::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC));
}

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

void RawClient::send(const wire::Message& message) {
  const std::string body = message.SerializeAsString();
  std::string length;
  for (unsigned i = 0; i < 4; ++i) length += static_cast<char>((body.size() >> (8 * i)) & 0xff);
  std::string frame = length + body;
  transcript_.said(frame);
  if (seals_) {
    const Seal::FrameCode code = seals_->sending.next(length, body);
    frame.append(code.begin(), code.end());
  }
  send_bytes(frame);
}

std::optional<wire::Message> RawClient::receive() {
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
  std::string code(seals_ ? frame_code_bytes : 0, '\0');
  wire::Message message;
  if (!read_exactly(body) || !read_exactly(code) || !message.ParseFromString(body)) return std::nullopt;
  transcript_.heard(header + body);
  if (message.has_challenge()) session_ = message.challenge().session();
  if (seals_ && !seals_->receiving.check_next(header, body, code)) return std::nullopt;
  return message;
}

bool RawClient::closed_by_peer(std::chrono::milliseconds limit) const {
  std::array<char, 256> bytes{};
  while (true) {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(limit.count())) != 1) return false;
    if (::read(socket_, bytes.data(), bytes.size()) <= 0) return true;
  }
}

std::optional<wire::Message> knock(RawClient& client, wire::Message hello, const Secret& secret) {
  hello.mutable_hello()->set_nonce(random_bytes(nonce_bytes));
  client.send(hello);
  auto answer = client.receive();
  if (!answer || !answer->has_challenge()) return answer;
  client.authenticate(secret);
  wire::Message proof;
  proof.mutable_proof();
  client.send(proof);
  return client.receive();
}

namespace {

UniqueDescriptor listen_at(const std::string& address) {
  return *open_listener(resolve(*parse_host_port(address), time_after(second_ns))->front());
}

void send_all(int socket, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    pollfd wait{socket, POLLOUT, 0};
    if (::poll(&wait, 1, 5'000) != 1) return;
    const ssize_t count = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

}  // namespace

Relay::Relay(std::string server)
    : server_(std::move(server)),
      address_(own_rendezvous()),
      listener_(listen_at(address_)),
      thread_([this] { serve(); }) {}

Relay::~Relay() {
  stopping_.store(true);
  thread_.join();
}

std::string Relay::said() const {
  const std::lock_guard lock(mutex_);
  return said_;
}

void Relay::inject(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  injected_ += bytes;
}

void Relay::serve() {
  const auto where = resolve(*parse_host_port(server_), time_after(second_ns));
  UniqueDescriptor client, server;
  std::string bytes(4096, '\0');
  while (!stopping_.load()) {
    // Short, since what is injected shows on no descriptor.
    if (client.value() < 0) {
      pollfd wait{listener_.value(), POLLIN, 0};
      if (::poll(&wait, 1, 2) != 1) continue;
      client = UniqueDescriptor(::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC));
      server = UniqueDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const SocketAddress& socket_address = where->front();
      if (::connect(server.value(), socket_address.data(), static_cast<socklen_t>(socket_address.size())) != 0) {
        client = UniqueDescriptor();  // the client comes again
        continue;
      }
    }
    std::array<pollfd, 2> wait = {pollfd{client.value(), POLLIN, 0}, pollfd{server.value(), POLLIN, 0}};
    ::poll(wait.data(), wait.size(), 2);
    if (wait[0].revents != 0) {
      const ssize_t got = ::read(client.value(), bytes.data(), bytes.size());
      if (got <= 0) return;
      std::string part = bytes.substr(0, static_cast<std::size_t>(got));
      if (corrupt_.exchange(false)) part.back() = static_cast<char>(part.back() ^ 1);
      send_all(server.value(), part);
      const std::lock_guard lock(mutex_);
      said_ += part;
    }
    if (wait[1].revents != 0) {
      const ssize_t got = ::read(server.value(), bytes.data(), bytes.size());
      if (got <= 0) return;
      send_all(client.value(), bytes.substr(0, static_cast<std::size_t>(got)));
    }
    std::string injected;
    {
      const std::lock_guard lock(mutex_);
      injected.swap(injected_);
    }
    send_all(server.value(), injected);
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
  wire::Field* job = hello.add_shared();
  job->set_name(job_field);
  job->set_value(unnamed_job);
  wire::Field* lease = hello.add_shared();
  lease->set_name("lease");
  lease->set_value(format_duration(60 * second_ns));
  return message;
}

}  // namespace gossamer::runtime
