// What the tests of the control plane share: sessions of threads, ranks in child processes, raw sockets.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/control/address.h"
#include "runtime/control/mesh.h"
#include "runtime/control/wire.h"

namespace gossamer::runtime {

using Joined = Result<std::unique_ptr<Control>>;

constexpr std::uint64_t second_ns = 1'000'000'000;

// A loopback address of this process and call alone, so that tests that run side by side share no port.
[[nodiscard]] std::string own_rendezvous();

// The secret of sessions that have one.
[[nodiscard]] Secret test_secret();

// Options of `rank` with a generous deadline, no secret, and a lease that no test outlasts.
[[nodiscard]] MeshOptions mesh_options(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous);

// Each rank's way into a session, in threads of this process; changed by `change`, if given.
struct Seat {
  MeshOptions options;
  std::vector<Field> shared;
};
[[nodiscard]] std::vector<Joined> join_all(const std::vector<Seat>& seats);
[[nodiscard]] std::vector<Seat> seats(std::uint32_t rank_count, const std::string& rendezvous,
                                      const std::vector<Field>& shared = {});

// A whole session with a secret; the test fails and the list is empty when it does not come about.
[[nodiscard]] std::vector<std::unique_ptr<Control>> make_session(std::uint32_t rank_count);

// Calls `act` for each control, each in a thread of its own, and waits for all.
void on_each(const std::vector<std::unique_ptr<Control>>& session,
             const std::function<void(std::uint32_t, Control&)>& act);

// Waits until the event descriptor says so; nothing when it does not in time.
[[nodiscard]] std::optional<Loss> wait_for_loss(const Control& control, std::chrono::milliseconds limit);

[[nodiscard]] std::size_t open_descriptors();

// A rank in a process of its own (control_child.cc); killed in the end.
class Child {
 public:
  // `lease_ms` is as in MeshOptions; the session has test_secret().
  Child(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous, const std::string& mode,
        unsigned lease_ms = 60'000);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Waits for it to say so.
  [[nodiscard]] bool joined() const { return next_line() == "joined"; }
  // Its next line; empty at its end, or after twenty seconds.
  [[nodiscard]] std::string next_line() const;
  void signal(int number) const;

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

// A client that need not keep to the protocol.
class RawClient {
 public:
  // Tries until `rendezvous` listens, for a bounded time.
  explicit RawClient(const std::string& rendezvous, std::chrono::milliseconds limit = std::chrono::seconds(10));
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient& operator=(RawClient&&) = delete;

  // The listener's next visitor, within ten seconds.
  [[nodiscard]] static RawClient accept(const UniqueDescriptor& listener);

  [[nodiscard]] bool is_connected() const { return socket_ >= 0; }
  // As the last Challenge said.
  [[nodiscard]] const std::string& session() const { return session_; }
  void send_bytes(const std::string& bytes) const;
  void send(const wire::Message& message);
  // The next message; nothing at the end of the stream, when its code is wrong, or after five seconds.
  [[nodiscard]] std::optional<wire::Message> receive();
  // From here on, messages carry codes of `secret`.
  void authenticate(const Secret& secret) { seals_.emplace(transcript_.derive(secret.key(), Side::initiator)); }
  // Whether the other side closes within `limit`.
  [[nodiscard]] bool closed_by_peer(std::chrono::milliseconds limit = std::chrono::seconds(5)) const;

 private:
  explicit RawClient(int socket) : socket_(socket) {}

  int socket_ = -1;
  std::string session_;
  Transcript transcript_;
  std::optional<SealPair> seals_;
};

// Says a Hello with a nonce, and proves `secret` when it is asked to. The answer; nothing when there is none.
std::optional<wire::Message> knock(RawClient& client, wire::Message hello, const Secret& secret);

// Passes on what a client and a server say to each other, and keeps what the client said. One connection.
class Relay {
 public:
  explicit Relay(std::string server);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }
  // All that the client has said.
  [[nodiscard]] std::string said() const;
  // Says something to the server in the client's name.
  void inject(const std::string& bytes);
  // Flips a bit of the client's next bytes.
  void corrupt_next() { corrupt_.store(true); }

 private:
  void serve();

  const std::string server_;
  const std::string address_;
  UniqueDescriptor listener_;
  mutable std::mutex mutex_;
  std::string said_;
  std::string injected_;
  std::atomic<bool> corrupt_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// A well-formed Hello of `rank`.
[[nodiscard]] wire::Message hello_message(std::uint32_t rank, std::uint32_t rank_count);

}  // namespace gossamer::runtime
