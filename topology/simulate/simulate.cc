#include "topology/simulate/simulate.h"

#include <algorithm>

#include "topology/simulate/player.h"

namespace gossamer::topology {
namespace {

constexpr double number_max = 1e9;

Status check_network(const Network& network, std::uint32_t rank_count, std::uint64_t payload_bytes) {
  const HostModel& host = network.host;
  for (const double value :
       {host.latency_ns, host.overhead_ns, host.gap_ns, host.per_byte_ns, host.merge_ns_per_byte}) {
    if (!(value >= 0 && value <= number_max)) {
      return Error{Code::invalid_argument, text("a host model has numbers from 0 to ", number_max, ", not ", value)};
    }
  }
  if (payload_bytes > simulated_payload_bytes_max) {
    return Error{Code::invalid_argument, text("at most ", format_bytes(simulated_payload_bytes_max),
                                              " are simulated, not ", format_bytes(payload_bytes))};
  }
  if (rank_count > network.fabric.host_count()) {
    return Error{Code::invalid_argument,
                 text("the fabric (", network.fabric.description(), ") has ", network.fabric.host_count(),
                      " hosts, too few for ", rank_count, " ranks")};
  }
  if (network.host_of_rank.empty()) return {};
  std::vector<std::uint32_t> hosts = network.host_of_rank;
  std::sort(hosts.begin(), hosts.end());
  if (hosts.size() != rank_count || hosts.back() >= network.fabric.host_count() ||
      std::adjacent_find(hosts.begin(), hosts.end()) != hosts.end()) {
    return Error{Code::invalid_argument, text("expected a host of its own for each of the ", rank_count, " ranks")};
  }
  return {};
}

// Backwards from the rank that ends last (of several, the first): each step's message left in a round that began when
// the round before it ended.
std::vector<PathStep> critical_path(const Outcome& outcome) {
  std::uint32_t rank = 0;
  const auto rank_count = static_cast<std::uint32_t>(outcome.first_round.size() - 1);
  const auto end_of = [&](std::uint32_t of) {
    const auto rounds = outcome.rounds_of(Rank{of});
    return rounds.empty() ? 0 : rounds.back().end;
  };
  for (std::uint32_t each = 1; each < rank_count; ++each) {
    if (end_of(each) > end_of(rank)) rank = each;
  }
  std::vector<PathStep> path;
  std::size_t round = outcome.rounds_of(Rank{rank}).size();
  while (round > 0) {
    --round;
    const auto rounds = outcome.rounds_of(Rank{rank});
    const PlayedRound& played = rounds[round];
    const auto sender_rounds = outcome.rounds_of(Rank{played.sender});
    const Picoseconds begin = played.sender_round == 0 ? 0 : sender_rounds[played.sender_round - 1].end;
    if (played.end > begin) {
      path.push_back({Rank{rank}, static_cast<std::uint32_t>(round), Rank{played.sender}, played.sender_round, begin,
                      played.end, std::min(played.waited, played.end - begin - played.merging), played.merging});
    }
    rank = played.sender;
    round = played.sender_round;
  }
  std::reverse(path.begin(), path.end());
  return path;
}

Result<Outcome> play(PackedPrograms&& programs, const Network& network) {
  Player player(programs, network);
  GOSSAMER_TRY(player.play());
  Outcome outcome = std::move(player).take_outcome();
  for (const Load& load : outcome.out) outcome.bytes_per_rank = std::max(outcome.bytes_per_rank, load.bytes);
  for (std::uint32_t rank = 0; rank < programs.rank_count(); ++rank) {
    outcome.rounds = std::max(outcome.rounds, programs.round_count(rank));
  }
  outcome.first_round = std::move(programs).take_first_rounds();
  outcome.critical_path = critical_path(outcome);
  return outcome;
}

}  // namespace

HostModel host_model(const CostModel& model) {
  return {model.alpha_ns / 2, model.alpha_ns / 4, 0, model.beta_ns_per_byte, model.gamma_ns_per_byte};
}

std::string Fabric::link_name(std::uint32_t link) const {
  return text(node_name(links_[link].from), " > ", node_name(links_[link].to));
}

Result<Outcome> simulate(const ScheduleRequest& request, std::uint64_t payload_bytes, const Network& network) {
  const Result<std::uint32_t> slices = slice_count(request);
  if (!slices) return slices.error();
  GOSSAMER_TRY(check_network(network, request.rank_count, payload_bytes));
  PackedPrograms programs(request.rank_count, payload_bytes, *slices);
  for (std::uint32_t rank = 0; rank < request.rank_count; ++rank) {
    const Result<Program> program = make_program(request, Rank{rank});
    if (!program) return program.error();
    GOSSAMER_TRY(programs.add(*program));
  }
  return play(std::move(programs), network);
}

Result<Outcome> simulate(const Schedule& schedule, std::uint64_t payload_bytes, const Network& network) {
  const std::uint32_t ranks = schedule.request.rank_count;
  if (ranks == 0 || ranks > rank_count_max || schedule.programs.size() != ranks || schedule.slice_count == 0) {
    return Error{Code::invalid_argument, text("a schedule of ", ranks, " ranks with ", schedule.programs.size(),
                                              " programs cannot be played: check the schedule")};
  }
  GOSSAMER_TRY(check_network(network, ranks, payload_bytes));
  PackedPrograms programs(ranks, payload_bytes, schedule.slice_count);
  for (const Program& program : schedule.programs) GOSSAMER_TRY(programs.add(program));
  return play(std::move(programs), network);
}

}  // namespace gossamer::topology
