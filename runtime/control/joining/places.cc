#include "runtime/control/joining/places.h"

namespace gossamer::runtime {
namespace {

// Below this, a thread that waits for its turn would be taken for a stopped process.
constexpr std::uint64_t lease_ns_min = 100'000'000;
constexpr std::uint64_t lease_ns_max = 86'400'000'000'000;

// Neither an address nor a name that is loopback everywhere (RFC 6761).
bool is_name_of_a_host(const std::string& host) {
  return !numeric_address(host) && host != "localhost" && !host.ends_with(".localhost");
}

// `where` is a name that leads to loopback on this host.
void consider_own_name(const MeshOptions& options, const HostPort& where, const SocketAddress& bind, Places& places) {
  const std::string name =
      text("\"", where.host, "\" is ", places.addresses.front().address().to_string(), " on this host");
  if (bind.address().is_loopback()) {
    if (options.rank.value != 0) return;
    places.remark = text("; ", name,
                         ", where no other host can come to: where ranks are on several hosts, set "
                         "GOSSAMER_BIND_HOST to this host's address, or to 0.0.0.0");
    return log(LogLevel::warning, text("rendezvous ", options.rendezvous, places.remark));
  }
  const SocketAddress outward(bind.address(), where.port);
  if (options.rank.value == 0) {
    log(LogLevel::info, text("rendezvous ", options.rendezvous, ": ", name, ", so rank 0 listens at bind_host, ",
                             socket_address_text(outward)));
    places.addresses = {outward};
    return;
  }
  places.remark = text("; ", name, ": is this the host of rank 0?");
  if (!bind.address().is_unspecified()) places.addresses.push_back(outward);
}

}  // namespace

Status check_options(const MeshOptions& options) {
  if (options.rank_count == 0) {
    return Error{Code::invalid_argument, "the rank count is 0; a session has at least 1 rank"};
  }
  if (options.rank.value >= options.rank_count) {
    return Error{Code::invalid_argument, text("rank ", options.rank.value, " of ", options.rank_count,
                                              " does not exist; ranks count from 0 to ", options.rank_count - 1)};
  }
  if (options.rank_count > session_ranks_max) {
    return Error{Code::out_of_resources, text("the control mesh connects every pair, up to ", session_ranks_max,
                                              " ranks; ", options.rank_count,
                                              " were asked for: start fewer, each with more cores (GOSSAMER_THREADS) "
                                              "or devices")};
  }
  if (options.lease_ns > lease_ns_max || (options.lease_ns > 0 && options.lease_ns < lease_ns_min)) {
    return Error{Code::invalid_argument, text("the lease is ", format_duration(options.lease_ns), "; expected ",
                                              format_duration(lease_ns_min), " to a day, or 0 for none")};
  }
  if (options.rendezvous_descriptor >= 0 && options.rank.value != 0) {
    return Error{Code::invalid_argument,
                 text("rank ", options.rank.value, " was given a rendezvous descriptor; only rank 0 listens there")};
  }
  return {};
}

Result<Places> find_places(const MeshOptions& options, Time deadline) {
  Places places{options.rendezvous, {}, {}, {}, {}};
  GOSSAMER_ASSIGN(const auto where, parse_host_port(options.rendezvous));
  GOSSAMER_ASSIGN(places.addresses, resolve(where, deadline));
  GOSSAMER_ASSIGN(const auto bind, resolve({options.bind_host, 0}, deadline));
  if (options.rank.value == 0 && options.rendezvous_listener != nullptr) {
    places.listener = std::move(*options.rendezvous_listener);
    places.addresses = {local_address_of(places.listener)};
  } else if (options.rank.value == 0 && options.rendezvous_descriptor >= 0) {
    GOSSAMER_ASSIGN(auto lent, borrow_listener(options.rendezvous_descriptor, places.addresses));
    if (lent) {
      places.listener = std::move(lent->listener);
      places.turn = std::move(lent->turn);
      places.addresses = {local_address_of(places.listener)};  // may be wider than the rendezvous
    }
  }
  const bool beyond = !are_loopback(places.addresses);
  if ((beyond || !are_loopback(bind)) && !options.secret.is_set() && !options.secret.is_declined()) {
    return Error{Code::invalid_argument,
                 text(beyond ? "the rendezvous " : "bind_host ",
                      beyond ? socket_address_text(places.addresses.front()) : options.bind_host,
                      " can be reached from other hosts, and the session has no secret: whoever reaches a listener "
                      "could join. Give every rank the same secret (GOSSAMER_SECRET=file:PATH; `head -c 32 "
                      "/dev/urandom | base64` makes one), or, on a network that you trust, say GOSSAMER_SECRET=none")};
  }
  if (beyond && are_loopback(bind)) {
    return Error{Code::invalid_argument,
                 text("the rendezvous ", socket_address_text(places.addresses.front()),
                      " is not a loopback address, but bind_host is ", options.bind_host,
                      ", where other hosts cannot reach this rank: set bind_host (GOSSAMER_BIND_HOST) to this host's "
                      "address, or to 0.0.0.0")};
  }
  if (places.listener.value() >= 0) return places;
  if (!beyond && is_name_of_a_host(where.host)) consider_own_name(options, where, bind.front(), places);
  GOSSAMER_ASSIGN(places.listener, options.rank.value == 0
                                       ? open_listener(places.addresses.front(), options.rendezvous_advice)
                                       : open_listener(bind.front()));
  return places;
}

}  // namespace gossamer::runtime
