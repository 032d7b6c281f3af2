#include "runtime/bootstrap/pmi.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>

#include "runtime/bootstrap/exit_duty.h"
#include "runtime/control/address.h"

namespace gossamer::runtime {
namespace {

constexpr std::size_t line_bytes_max = 4096;

Error gone(std::string_view why) {
  return Error{Code::unavailable,
               text("the PMI connection to the launcher (PMI_FD or PMI_PORT) ", why,
                    "; is mpiexec still there? GOSSAMER_RANK, GOSSAMER_RANK_COUNT and GOSSAMER_RENDEZVOUS do without "
                    "it")};
}

// Waits until `descriptor` is ready; false at the deadline.
bool wait_ready(int descriptor, short events, Time deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd one{descriptor, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(left, 1'000'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the call that follows says what it is
  }
}

// The launcher's end of this process, one in a process.
class PmiWire {
 public:
  [[nodiscard]] static Result<PmiWire> open(Time deadline);

  // One line there, one back; the answer must begin with "cmd=<answer>".
  Result<std::string> ask(const std::string& line, std::string_view answer, Time deadline);
  Result<std::string> read_line(std::string_view answer, Time deadline);

  // Still the socket that it was: MPI closes the descriptor when it ends, and the number may be another's.
  [[nodiscard]] bool is_intact() const {
    struct stat now {};
    return ::fstat(descriptor_, &now) == 0 && now.st_dev == device_ && now.st_ino == number_;
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  PmiWire(int descriptor, const struct stat& status)
      : descriptor_(descriptor), device_(status.st_dev), number_(status.st_ino) {}
  int descriptor_;
  dev_t device_;
  ino_t number_;
};

Result<int> connect_to_port(std::string_view port, Time deadline) {
  GOSSAMER_ASSIGN(const auto where, parse_host_port(port));
  GOSSAMER_ASSIGN(const auto addresses, resolve(where, deadline));
  for (const SocketAddress& address : addresses) {
    UniqueDescriptor socket(::socket(address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.value() < 0) continue;
    int error = 0;
    socklen_t size = sizeof error;
    if (::connect(socket.value(), address.data(), static_cast<socklen_t>(address.size())) != 0 &&
        (errno != EINPROGRESS || !wait_ready(socket.value(), POLLOUT, deadline)))
      continue;
    if (::getsockopt(socket.value(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) return socket.release();
  }
  return gone(text("at PMI_PORT=", port, " cannot be made"));
}

Result<PmiWire> PmiWire::open(Time deadline) {
  int descriptor = -1;
  if (const auto given = launch_number("PMI_FD")) {
    descriptor = static_cast<int>(*given);
  } else {
    GOSSAMER_ASSIGN(descriptor, connect_to_port(launch_variable("PMI_PORT"), deadline));
  }
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISSOCK(status.st_mode))
    return gone(text("is not at descriptor ", descriptor,
                     ", as where a program between mpiexec and this one closes the descriptors that it inherits"));
  return PmiWire(descriptor, status);
}

Result<std::string> PmiWire::ask(const std::string& line, std::string_view answer, Time deadline) {
  const std::string out = line + "\n";
  for (std::size_t sent = 0; sent < out.size();) {
    if (!wait_ready(descriptor_, POLLOUT, deadline)) return Error{Code::deadline, "PMI: the launcher takes no more"};
    const ssize_t got = ::send(descriptor_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return gone(text("is broken: ", std::strerror(errno)));
    sent += static_cast<std::size_t>(got);
  }
  return read_line(answer, deadline);
}

// Byte by byte: what comes after the line may be for another.
Result<std::string> PmiWire::read_line(std::string_view answer, Time deadline) {
  std::string line;
  while (true) {
    if (!wait_ready(descriptor_, POLLIN, deadline))
      return Error{Code::deadline, text("PMI: the launcher did not answer in time with \"", answer,
                                        "\"; has each rank of the job called gossamer_init?")};
    char byte = 0;
    const ssize_t got = ::recv(descriptor_, &byte, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return gone(text("is broken: ", std::strerror(errno)));
    if (got == 0) return gone("was closed by the launcher");
    if (byte == '\n') break;
    line += byte;
    if (line.size() > line_bytes_max) return Error{Code::malformed, "PMI: the launcher's line does not end"};
  }
  const auto command = pmi_word(line, "cmd");
  const auto status = pmi_word(line, "rc");
  if (command != answer || (status && *status != "0"))
    return Error{Code::unavailable, text("PMI: the launcher says \"", line, "\", expected cmd=", answer,
                                         "; does it speak PMI-1? GOSSAMER_LAUNCHER chooses another way")};
  return line;
}

// What this process knows of its launcher, once asked.
struct Pmi {
  PmiWire wire;
  LaunchedPlace place;
  std::string space;  // the key-value space's name
  bool is_one_host = false;
};

std::mutex pmi_mutex;
std::optional<Pmi> connected;

void finalize_pmi() {
  if (!connected || !connected->wire.is_intact()) return;
  (void)connected->wire.ask("cmd=finalize", "finalize_ack", time_after(1'000'000'000));
}

// One that a program's extension brought is not among the process's global names (mpi4py).
int is_mpi_library(dl_phdr_info* object, std::size_t, void*) {
  const std::string_view path = object->dlpi_name != nullptr ? object->dlpi_name : "";
  const std::string_view file = path.substr(path.rfind('/') + 1);
  return file.starts_with("libmpi.so") || file.starts_with("libmpich.so") || file.starts_with("libmpi_") ? 1 : 0;
}

bool has_mpi() {
  if (::dl_iterate_phdr(is_mpi_library, nullptr) != 0) return true;
  return ::dlsym(RTLD_DEFAULT, "MPI_Init") != nullptr || ::dlsym(RTLD_DEFAULT, "PMPI_Init") != nullptr;
}

// At PMI_PORT the launcher says who this process is.
Result<LaunchedPlace> place_at_port(PmiWire& wire, Time deadline) {
  GOSSAMER_TRY(wire.ask(text("cmd=initack pmiid=", launch_variable("PMI_ID")), "initack", deadline));
  LaunchedPlace place;
  for (int line = 0; line < 3; ++line) {  // size, rank, debug
    GOSSAMER_ASSIGN(const auto set, wire.read_line("set", deadline));
    for (const auto& [key, field] : {std::pair{"size", &place.rank_count}, std::pair{"rank", &place.rank}})
      if (const auto word = pmi_word(set, key)) std::from_chars(word->data(), word->data() + word->size(), *field);
  }
  return place;
}

Result<Pmi> connect(Time deadline) {
  GOSSAMER_ASSIGN(auto wire, PmiWire::open(deadline));
  LaunchedPlace place;
  if (const auto said = place_of("PMI_RANK", "PMI_SIZE")) {
    place = *said;
  } else {
    GOSSAMER_ASSIGN(place, place_at_port(wire, deadline));
  }
  GOSSAMER_TRY(wire.ask("cmd=init pmi_version=1 pmi_subversion=1", "response_to_init", deadline));
  GOSSAMER_ASSIGN(const auto named, wire.ask("cmd=get_my_kvsname", "my_kvsname", deadline));
  Pmi made{std::move(wire), place, pmi_word(named, "kvsname").value_or(""), false};
  const auto mapping =
      made.wire.ask(text("cmd=get kvsname=", made.space, " key=PMI_process_mapping"), "get_result", deadline);
  made.is_one_host = mapping.ok() && is_mapping_of_one_host(pmi_word(*mapping, "value").value_or(""));
  return made;
}

class PmiBootstrap final : public Bootstrap {
 public:
  std::string name() const override { return "PMI-1"; }
  Rank rank() const override { return Rank{connected->place.rank}; }
  std::uint32_t rank_count() const override { return connected->place.rank_count; }
  std::string job() const override { return connected->space; }
  bool is_one_host() const override { return connected->is_one_host; }

  Result<std::string> broadcast(std::string_view words, std::uint64_t timeout_ns) override {
    const std::lock_guard lock(pmi_mutex);
    const Time deadline = time_after(timeout_ns);
    if (!connected->wire.is_intact()) return gone("was closed in this process");
    const std::string key = text("gossamer-", sessions_++);
    const std::string where = text(" kvsname=", connected->space, " key=", key);
    if (rank() == Rank{0})
      GOSSAMER_TRY(connected->wire.ask(text("cmd=put", where, " value=", words), "put_result", deadline));
    GOSSAMER_TRY(connected->wire.ask("cmd=barrier_in", "barrier_out", deadline));
    GOSSAMER_ASSIGN(const auto got, connected->wire.ask(text("cmd=get", where), "get_result", deadline));
    return pmi_word(got, "value").value_or("");
  }

 private:
  static inline std::uint64_t sessions_ = 0;  // the same on all ranks, which join in one order
};

}  // namespace

std::optional<std::string> pmi_word(std::string_view line, std::string_view key) {
  const std::string start = text(key, "=");
  for (std::size_t at = 0; at < line.size();) {
    const std::string_view rest = line.substr(at);
    const std::size_t blank = rest.find(' ');
    if (rest.starts_with(start))
      return std::string(key == "value" || blank == std::string_view::npos
                             ? rest.substr(start.size())
                             : rest.substr(start.size(), blank - start.size()));
    if (blank == std::string_view::npos) break;
    at += blank + 1;
  }
  return std::nullopt;
}

bool is_mapping_of_one_host(std::string_view mapping) {
  constexpr std::string_view begin = "(vector";
  if (!mapping.starts_with(begin)) return false;
  mapping.remove_prefix(begin.size());
  bool any = false;
  while (mapping.starts_with(",(0,1,")) {
    const std::size_t end = mapping.find(')');
    if (end == std::string_view::npos) return false;
    mapping.remove_prefix(end + 1);
    any = true;
  }
  return any && mapping == ")";
}

std::optional<std::string> pmi_signs() {
  if (launch_number("PMI_FD") && place_of("PMI_RANK", "PMI_SIZE")) return "PMI_FD, PMI_RANK and PMI_SIZE are set";
  if (!launch_variable("PMI_PORT").empty() && launch_number("PMI_ID")) return "PMI_PORT and PMI_ID are set";
  return std::nullopt;
}

std::optional<LaunchedPlace> pmi_place() { return place_of("PMI_RANK", "PMI_SIZE"); }

Result<std::unique_ptr<Bootstrap>> make_pmi_bootstrap(const BootstrapRequest& request) {
  const std::lock_guard lock(pmi_mutex);
  if (has_mpi())
    return Error{Code::invalid_argument,
                 "this program has MPI in it, which speaks to its launcher over the same PMI descriptor: begin with "
                 "gossamer_mpi_init of gossamer_mpi.h, or set GOSSAMER_RANK, GOSSAMER_RANK_COUNT and "
                 "GOSSAMER_RENDEZVOUS"};
  if (!connected) {
    GOSSAMER_ASSIGN(auto made, connect(time_after(request.timeout_ns)));
    connected.emplace(std::move(made));
    if (!owe_at_exit<finalize_pmi>())
      return Error{Code::out_of_resources, "no room for a handler at exit, and PMI needs one"};
  }
  return std::unique_ptr<Bootstrap>(std::make_unique<PmiBootstrap>());
}

}  // namespace gossamer::runtime
