#include "runtime/control/joining/inherited.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>

namespace gossamer::runtime {
namespace {

// What tells one socket from all others of the system while it is open.
struct SocketId {
  dev_t device;
  ino_t number;
  bool operator==(const SocketId&) const = default;
};

struct Inherited {
  SocketId socket;
  bool lent = false;
};

struct Registry {
  std::mutex mutex;
  std::map<SocketAddress, Inherited> known;  // by where they listen; for the process's life
};

Registry& registry() {
  static Registry* const kept = new Registry;  // never destroyed: a session may be joined at exit
  return *kept;
}

std::optional<SocketId> listening_socket(int descriptor) {
  struct stat status {};
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::fstat(descriptor, &status) != 0 || !S_ISSOCK(status.st_mode) ||
      ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0)
    return std::nullopt;
  return SocketId{status.st_dev, status.st_ino};
}

// Where the socket is bound, if that is one of `places`.
std::optional<SocketAddress> bound_place(int descriptor, const std::vector<SocketAddress>& places) {
  SocketAddress bound;
  auto size = static_cast<socklen_t>(bound.capacity());
  if (::getsockname(descriptor, bound.data(), &size) != 0) return std::nullopt;
  const int family = bound.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  bound.resize(size);
  const bool here = std::any_of(places.begin(), places.end(), [&](const SocketAddress& place) {
    return place == bound || (bound.address().is_unspecified() && place.port() == bound.port());
  });
  return here ? std::optional(bound) : std::nullopt;
}

}  // namespace

ListenerTurn::~ListenerTurn() {
  const std::lock_guard lock(registry().mutex);
  registry().known.at(where_).lent = false;
}

Result<std::optional<LentListener>> borrow_listener(int descriptor, const std::vector<SocketAddress>& rendezvous) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto socket = listening_socket(descriptor);
  const auto place = socket ? bound_place(descriptor, rendezvous) : std::nullopt;
  if (!place) return std::optional<LentListener>();
  const auto known = all.known.find(*place);
  if (known != all.known.end() && known->second.socket != *socket) return std::optional<LentListener>();
  if (known != all.known.end() && known->second.lent)
    return Error{Code::busy,
                 text("another session of this process is being joined at the rendezvous ", socket_address_text(*place),
                      "; join one after the other, or each at a rendezvous of its own")};
  UniqueDescriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (copy.value() < 0)
    return Error{Code::out_of_resources,
                 "cannot duplicate the rendezvous descriptor; raise the limit of open files (ulimit -n)"};
  if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 ||
      ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK) != 0) {
    return Error{Code::unavailable, text("cannot set up the rendezvous descriptor ", descriptor, ": ",
                                         reason_text({errno, boost::system::system_category()}))};
  }
  all.known.insert_or_assign(*place, Inherited{*socket, true});
  return std::optional(LentListener{std::move(copy), std::make_unique<ListenerTurn>(*place)});
}

}  // namespace gossamer::runtime
