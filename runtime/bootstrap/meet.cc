#include "runtime/bootstrap/meet.h"

#include <algorithm>
#include <array>

#include "runtime/control/address.h"
#include "runtime/control/joining/interfaces.h"
#include "runtime/control/secret/seal.h"

namespace gossamer::runtime {
namespace {

constexpr std::string_view words_begin = "gossamer-1,";
constexpr std::string_view trouble_begin = "gossamer-trouble,";
constexpr char for_blank = '_';
constexpr std::size_t secret_bytes = 24;

Result<Meeting> open_and_promise(const MeetRequest& request, bool is_one_host, std::uint64_t timeout_ns) {
  Meeting mine;
  mine.rendezvous = request.rendezvous;
  if (mine.rendezvous.empty()) {
    GOSSAMER_ASSIGN(auto door, open_door({request.bind_host, is_one_host}, timeout_ns));
    mine.rendezvous = std::move(door.address);
    mine.listener = std::move(door.listener);
  }
  if (!request.has_secret) mine.secret = random_hex(secret_bytes);
  if (encode_words(mine).size() > broadcast_bytes_max)
    return Error{Code::invalid_argument, text("the rendezvous \"", mine.rendezvous, "\" is too long")};
  return mine;
}

bool is_of_this_host_alone(std::string_view name) {
  constexpr std::array<std::string_view, 8> prefixes = {"docker",  "virbr", "br-",  "cni",
                                                        "flannel", "cali",  "veth", "podman"};
  for (const std::string_view prefix : prefixes)
    if (name.starts_with(prefix)) return true;
  return false;
}

}  // namespace

std::string random_hex(std::size_t bytes) {
  std::string out;
  for (const char byte : random_bytes(bytes)) out += hex(static_cast<unsigned char>(byte), 2);
  return out;
}

std::string own_address() {
  std::string best;
  int best_rank = 0;
  for (const InterfaceAddress& each : interface_addresses()) {
    const auto address = numeric_address(each.address);
    // Link-local ones need a zone that has another name on each host.
    if (!each.is_up || !address || address->is_loopback() || (address->is_v6() && address->to_v6().is_link_local()))
      continue;
    const int rank = (is_of_this_host_alone(each.interface) ? 0 : 2) + (address->is_v4() ? 2 : 1);
    if (rank <= best_rank) continue;
    best_rank = rank;
    best = each.address;
  }
  return best.empty() ? "127.0.0.1" : best;
}

Result<Door0> open_door(const DoorRequest& request, std::uint64_t limit_ns) {
  const std::string outward = request.is_one_host ? "127.0.0.1" : own_address();
  const bool is_v6 = outward.find(':') != std::string::npos;
  std::string bind = request.bind_host;
  if (bind.empty()) bind = outward == "127.0.0.1" ? outward : is_v6 ? "::" : "0.0.0.0";
  GOSSAMER_ASSIGN(const auto resolved, resolve({bind, 0}, time_after(limit_ns)));
  GOSSAMER_ASSIGN(auto listener, open_listener(resolved.front()));
  SocketAddress at = local_address_of(listener);
  if (at.address().is_unspecified()) {
    const auto numeric = numeric_address(outward);
    GOSSAMER_CHECK(numeric.has_value(), "an own address is numeric");
    at.address(*numeric);
  }
  return Door0{socket_address_text(at), std::move(listener)};
}

std::string bind_host_for(const std::string& rendezvous) {
  const auto where = parse_host_port(rendezvous);
  if (!where.ok()) return "0.0.0.0";  // refused where it is read
  const auto numeric = numeric_address(where->host);
  if (where->host == "localhost" || (numeric && numeric->is_loopback())) return "127.0.0.1";
  return numeric && numeric->is_v6() ? "::" : "0.0.0.0";
}

std::string encode_trouble(const Error& error) {
  std::string words = text(trouble_begin, error.message).substr(0, broadcast_bytes_max);
  for (char& letter : words)
    if (letter <= ' ' || letter > '~') letter = for_blank;
  return words;
}

std::string encode_words(const Meeting& meeting) { return text(words_begin, meeting.rendezvous, ",", meeting.secret); }

Result<Meeting> decode_words(std::string_view words) {
  if (words.starts_with(trouble_begin)) {
    std::string why(words.substr(trouble_begin.size()));
    std::replace(why.begin(), why.end(), for_blank, ' ');
    return Error{Code::unavailable, text("rank 0 cannot let the others in: ", why), Rank{0}};
  }
  const std::string_view rest = words.starts_with(words_begin) ? words.substr(words_begin.size()) : std::string_view();
  const std::size_t comma = rest.find(',');
  if (comma == std::string_view::npos || words.size() > broadcast_bytes_max)
    return Error{Code::malformed,
                 "what the launcher's key-value space holds is not what rank 0 of this version says: do all ranks have "
                 "the same version of the library?"};
  Meeting meeting;
  meeting.rendezvous = rest.substr(0, comma);
  meeting.secret = rest.substr(comma + 1);
  GOSSAMER_TRY(parse_host_port(meeting.rendezvous));
  return meeting;
}

Result<Meeting> meet(Bootstrap& bootstrap, const MeetRequest& request, std::uint64_t timeout_ns) {
  if (auto known = bootstrap.meeting()) {
    if (!request.rendezvous.empty() && known->secret.empty()) known->rendezvous = request.rendezvous;
    return std::move(*known);
  }
  if (bootstrap.rank() != Rank{0}) {
    GOSSAMER_ASSIGN(const auto heard, bootstrap.broadcast({}, timeout_ns));
    return decode_words(heard);
  }
  auto mine = open_and_promise(request, bootstrap.is_one_host(), timeout_ns);
  GOSSAMER_TRY(bootstrap.broadcast(mine.ok() ? encode_words(*mine) : encode_trouble(mine.error()), timeout_ns));
  return mine;
}

}  // namespace gossamer::runtime
