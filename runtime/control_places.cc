#include "runtime/control_places.h"

namespace gossamer::runtime {
namespace {

// A full mesh has P (P - 1) / 2 connections; beyond this a tree is due.
constexpr std::uint32_t rank_count_max = 64;

}  // namespace

Status check_options(const MeshOptions& options) {
  if (options.rank_count == 0) {
    return Error{Code::invalid_argument, "the rank count is 0; a session has at least 1 rank"};
  }
  if (options.rank.value >= options.rank_count) {
    return Error{Code::invalid_argument, text("rank ", options.rank.value, " of ", options.rank_count,
                                              " does not exist; ranks count from 0 to ", options.rank_count - 1)};
  }
  if (options.rank_count > rank_count_max) {
    return Error{Code::out_of_resources, text("the control mesh connects every pair, up to ", rank_count_max,
                                              " ranks; ", options.rank_count, " were asked for")};
  }
  if (options.rendezvous_descriptor >= 0 && options.rank.value != 0) {
    return Error{Code::invalid_argument,
                 text("rank ", options.rank.value, " was given a rendezvous descriptor; only rank 0 listens there")};
  }
  return {};
}

Result<Places> find_places(const MeshOptions& options, Time deadline) {
  Places places{options.rendezvous, {}, {}};
  if (options.rendezvous_descriptor >= 0) {
    // First of all, so that it is closed whatever fails below. Where it is bound counts, not the text.
    auto adopted = adopt_listener(options.rendezvous_descriptor);
    GOSSAMER_TRY(adopted);
    places.listener = *std::move(adopted);
    places.endpoints = {local_endpoint_of(places.listener)};
  } else {
    const auto where = parse_host_port(options.rendezvous);
    GOSSAMER_TRY(where);
    auto resolved = resolve(*where, deadline);
    GOSSAMER_TRY(resolved);
    places.endpoints = *std::move(resolved);
  }
  const auto bind = resolve({options.bind_host, 0}, deadline);
  GOSSAMER_TRY(bind);
  if (all_loopback(*bind) && !all_loopback(places.endpoints)) {
    return Error{Code::invalid_argument,
                 text("the rendezvous ", endpoint_text(places.endpoints.front()),
                      " is not a loopback address, but bind_host is ", options.bind_host,
                      ": whoever reaches a listener can join, so Gossamer listens on loopback only until joiners are "
                      "authenticated. On a network that you trust, set bind_host (GOSSAMER_BIND_HOST) to this host's "
                      "address")};
  }
  if (places.listener.value() < 0) {
    auto opened = open_listener(options.rank.value == 0 ? places.endpoints.front() : bind->front());
    GOSSAMER_TRY(opened);
    places.listener = *std::move(opened);
  }
  return places;
}

}  // namespace gossamer::runtime
