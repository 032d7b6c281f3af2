// A program with descriptors of its own that begins one session after the other, under `gossamer run`. Ends with 0 if
// what its mode claims is so.
//
//   descriptor_guest again N    N sessions; the number of open descriptors stays
//   descriptor_guest taken      the launcher's descriptor number is the program's own server's after the first session
//   descriptor_guest closed     the program closes all that it inherited, then begins a session
//   descriptor_guest own PORT   the program gives the rendezvous itself
#include <arpa/inet.h>
#include <dirent.h>
#include <gossamer.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

[[noreturn]] void fail(const std::string& words) {
  std::printf("%s\n", words.c_str());
  std::exit(1);
}

// A session that does something together.
void exchange(const gossamer_config* config) {
  gossamer_session* session = nullptr;
  if (gossamer_init(config, &session) != GOSSAMER_DONE) fail(std::string("init: ") + gossamer_last_error());
  if (gossamer_check_equal(session, "word", "word", 4, 0) != GOSSAMER_DONE) fail(gossamer_last_error());
  gossamer_finalize(session);
}

int open_descriptors() {
  DIR* folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

bool listens(int descriptor) {
  int on = 0;
  socklen_t size = sizeof on;
  return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on == 1;
}

// The program's own server, at `number`.
void serve_at(int number) {
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(server, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 || listen(server, 5) != 0) fail("no server");
  if (server != number && (dup2(server, number) != number || close(server) != 0)) fail("no server there");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const char* inherited = std::getenv("GOSSAMER_RENDEZVOUS_FD");
  if (mode == "again" && argc == 3) {
    exchange(nullptr);
    const int before = open_descriptors();
    for (int round = 1; round < std::atoi(argv[2]); ++round) exchange(nullptr);
    if (open_descriptors() != before) fail("descriptors are left open");
  } else if (mode == "taken") {
    exchange(nullptr);
    const int number = inherited != nullptr ? std::atoi(inherited) : 100;
    serve_at(number);
    for (int round = 0; round < 2; ++round) {
      exchange(nullptr);
      if (!listens(number)) fail("the program's own server was closed");
    }
  } else if (mode == "closed") {
    // Not the secret's, without which no session begins.
    if (inherited != nullptr) close(std::atoi(inherited));
    exchange(nullptr);
  } else if (mode == "own" && argc == 3) {
    const std::string rendezvous = std::string("127.0.0.1:") + argv[2];
    gossamer_config config = GOSSAMER_CONFIG_INIT;
    config.rendezvous = rendezvous.c_str();
    exchange(&config);
    if (inherited != nullptr && !listens(std::atoi(inherited))) fail("the launcher's listener was closed");
  } else {
    fail("usage: descriptor_guest again N|taken|closed|own PORT");
  }
  return 0;
}
