// A rank in a process of its own: control_child RANK RANK_COUNT HOST:PORT MODE LEASE_MS
//   hold          stays until it is killed or its stdin ends, then exits without a good-bye
//   end_on_loss   exits without a good-bye the moment it hears of a loss
//   say_loss      says "RANK REASON" of the first loss that it hears of, then leaves in good order
//   compute       uses its processor, without a call to the control plane, until its stdin ends
// Says "joined" on stdout when it is in the session.
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "runtime/control/mesh.h"

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  gossamer::runtime::MeshOptions options;
  options.rank = gossamer::Rank{static_cast<std::uint32_t>(std::atoi(argv[1]))};
  options.rank_count = static_cast<std::uint32_t>(std::atoi(argv[2]));
  options.rendezvous = argv[3];
  options.lease_ns = static_cast<std::uint64_t>(std::atoi(argv[5])) * 1'000'000;
  options.secret = gossamer::runtime::Secret::of("the secret of the tests, which is none");
  const std::string_view mode = argv[4];

  auto control = gossamer::runtime::make_control_mesh(options, {});
  if (!control.ok()) {
    std::fprintf(stderr, "control_child: %s\n", control.error().message.c_str());
    return 1;
  }
  std::puts("joined");
  std::fflush(stdout);
  pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {(*control)->event_descriptor(), POLLIN, 0}};
  const nfds_t count = mode == "end_on_loss" || mode == "say_loss" ? 2 : 1;
  // Bounded: a test that went wrong leaves no process behind.
  if (mode == "compute") {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (::poll(wait, 1, 0) == 0 && std::chrono::steady_clock::now() < until) continue;
  } else {
    ::poll(wait, count, 60'000);
  }
  const auto loss = (*control)->loss();
  if (mode != "say_loss" || !loss) std::_Exit(0);
  std::printf("%u %s\n", loss->rank.value, loss->reason.c_str());
  (*control)->leave();
  std::puts("left");
  return 0;
}
