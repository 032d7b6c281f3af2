// A rank in a process of its own: control_child RANK RANK_COUNT HOST:PORT MODE
//   hold          stays until it is killed or its stdin ends, then exits without a good-bye
//   end_on_loss   exits without a good-bye the moment it hears of a loss
// Says "joined" on stdout when it is in the session.
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "runtime/control_mesh.h"

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  gossamer::runtime::MeshOptions options;
  options.rank = gossamer::Rank{static_cast<std::uint32_t>(std::atoi(argv[1]))};
  options.rank_count = static_cast<std::uint32_t>(std::atoi(argv[2]));
  options.rendezvous = argv[3];
  const bool end_on_loss = std::string_view(argv[4]) == "end_on_loss";

  auto control = gossamer::runtime::make_control_mesh(options, {});
  if (!control.ok()) {
    std::fprintf(stderr, "control_child: %s\n", control.error().message.c_str());
    return 1;
  }
  std::puts("joined");
  std::fflush(stdout);
  pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {(*control)->event_descriptor(), POLLIN, 0}};
  const nfds_t count = end_on_loss ? 2 : 1;
  // Bounded: a test that went wrong leaves no process behind.
  ::poll(wait, count, 60'000);
  std::_Exit(0);
}
