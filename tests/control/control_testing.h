// What the tests of the control plane share: sessions of threads, ranks in child processes, raw sockets.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/control_mesh.h"
#include "runtime/control_wire.h"

namespace gossamer::runtime {

using Joined = Result<std::unique_ptr<Control>>;

constexpr std::uint64_t second_ns = 1'000'000'000;

// A loopback address of this process and call alone, so that tests that run side by side share no port.
[[nodiscard]] std::string own_rendezvous();

// Options of `rank` with a generous deadline.
[[nodiscard]] MeshOptions mesh_options(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous);

// Each rank's way into a session, in threads of this process; changed by `change`, if given.
struct Seat {
  MeshOptions options;
  std::vector<Field> shared;
};
[[nodiscard]] std::vector<Joined> join_all(const std::vector<Seat>& seats);
[[nodiscard]] std::vector<Seat> seats(std::uint32_t rank_count, const std::string& rendezvous,
                                      const std::vector<Field>& shared = {});

// A whole session; the test fails and the list is empty when it does not come about.
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
  Child(std::uint32_t rank, std::uint32_t rank_count, const std::string& rendezvous, const std::string& mode);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Waits for it to say so.
  [[nodiscard]] bool joined() const;
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
  explicit RawClient(const std::string& rendezvous);
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  RawClient& operator=(RawClient&&) = delete;

  [[nodiscard]] bool connected() const { return socket_ >= 0; }
  void send_bytes(const std::string& bytes) const;
  void send(const wire::Message& message) const;
  // The next message; nothing at the end of the stream or after five seconds.
  [[nodiscard]] std::optional<wire::Message> receive() const;
  // Whether the other side closes within five seconds.
  [[nodiscard]] bool closed_by_peer() const;

 private:
  int socket_ = -1;
};

// A well-formed Hello of `rank`.
[[nodiscard]] wire::Message hello_message(std::uint32_t rank, std::uint32_t rank_count);

}  // namespace gossamer::runtime
