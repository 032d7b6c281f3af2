// What a schedule costs, read from its programs.
//
// A round costs a rank
//
//     alpha * max(peers it sends to, peers it receives from)
//   + beta  * max(bytes sent, bytes received)          both directions of a link work at once
//   + gamma * bytes merged
//
// and all ranks together what the slowest pays, round by round. Two steps to one peer in one round are
// the halves of a range that passed the end of the buffer: they go out together and cost one alpha.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "topology/program_writer.h"
#include "topology/round_cost.h"

namespace gossamer::topology {
namespace {

// Measured, but for rdma and tcp-10g, with `gossamer train` over 2 and 4 ranks (docs/benchmarks.md): what a message
// costs is the time that a rank needs to notice it, on an ordinary host, more than the wire's. rdma is 100 Gbit/s and 2
// us, as adapters are sold; tcp-10g is tcp-1g with ten times the bandwidth.
constexpr std::array<NamedCostModel, 4> models = {{
    {"shared-memory", {1'500.0, 0.15, 0.05}},
    {"rdma", {2'000.0, 0.08, 0.05}},
    {"tcp-10g", {25'000.0, 1.0, 0.05}},
    {"tcp-1g", {25'000.0, 10.0, 0.05}},
}};

// A number of at least 0 that takes up all of `text`.
std::optional<double> parse_fraction(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) || value < 0) return {};
  return value;
}

// Keeps sums of bytes over all messages of a schedule within 64 bits: (2^16 - 1) * 2^48 < 2^64.
constexpr std::uint64_t payload_bytes_max = std::uint64_t{1} << 48;
// Ranks whose programs show the cost of all.
std::vector<std::uint32_t> ranks_to_walk(const ScheduleRequest& request) {
  if (request.rank_count > all_ranks_walked_max) return cost_ranks_of(request);
  std::vector<std::uint32_t> all(request.rank_count);
  std::iota(all.begin(), all.end(), 0u);
  return all;
}

}  // namespace

Status check_model(const CostModel& model, std::uint64_t payload_bytes) {
  for (const double value : {model.alpha_ns, model.beta_ns_per_byte, model.gamma_ns_per_byte}) {
    if (!std::isfinite(value) || value < 0) {
      return Error{Code::invalid_argument, text("a cost model has finite numbers of 0 or more, not ", value)};
    }
  }
  if (payload_bytes > payload_bytes_max) {
    return Error{Code::invalid_argument, text("a cost is predicted for at most ", format_bytes(payload_bytes_max),
                                              ", not ", format_bytes(payload_bytes))};
  }
  return {};
}

std::string duration_in_words(double nanoseconds) {
  constexpr double longest = 1e18;  // 30 years; a larger double does not fit the integer
  return format_duration(static_cast<std::uint64_t>(std::llround(std::min(nanoseconds, longest))));
}

std::span<const NamedCostModel> known_cost_models() { return models; }

Result<CostModel> parse_cost_model(std::string_view text) {
  for (const NamedCostModel& each : models)
    if (each.name == text) return each.model;
  constexpr double most = 1e9;  // a second for a byte
  const std::size_t comma = text.find(',');
  if (comma != std::string_view::npos) {
    const auto alpha_us = parse_fraction(text.substr(0, comma));
    const auto beta_ns = parse_fraction(text.substr(comma + 1));
    if (alpha_us && beta_ns && *alpha_us <= most && *beta_ns <= most)
      return CostModel{*alpha_us * 1e3, *beta_ns, CostModel{}.gamma_ns_per_byte};
  }
  return Error{Code::invalid_argument,
               gossamer::text("a cost model is shared-memory, rdma, tcp-10g, tcp-1g, or microseconds for a message and "
                              "nanoseconds for a byte, as in 25,10; not \"",
                              text, "\"")};
}

Result<Cost> predict_cost(const ScheduleRequest& request, std::uint64_t payload_bytes, const CostModel& model) {
  const Result<std::uint32_t> slices = slice_count(request);
  if (!slices) return slices.error();
  GOSSAMER_TRY(check_model(model, payload_bytes));

  const Slicing slicing{payload_bytes, *slices};
  Cost cost;
  std::vector<double> slowest;  // by round
  for (const std::uint32_t rank : ranks_to_walk(request)) {
    const Result<Program> program = make_program(request, Rank{rank});
    if (!program) return program.error();
    if (program->rounds.size() > slowest.size()) slowest.resize(program->rounds.size(), 0.0);
    std::uint64_t sent = 0;
    for (std::size_t i = 0; i < program->rounds.size(); ++i) {
      const LinkLoad load = load_of(program->rounds[i], slicing, [](Rank) { return false; }).near;
      slowest[i] = std::max(slowest[i], load.cost_ns(model));
      sent += load.sent;
    }
    cost.bytes_per_rank = std::max(cost.bytes_per_rank, sent);
  }
  for (const double nanoseconds : slowest) cost.nanoseconds += nanoseconds;
  cost.rounds = static_cast<std::uint32_t>(slowest.size());
  return cost;
}

Result<Choice> choose_schedule(Collective collective, std::uint32_t rank_count, std::uint64_t payload_bytes,
                               const CostModel& model) {
  struct Candidate {
    ScheduleKind kind;
    double nanoseconds;
  };
  std::vector<Candidate> candidates;
  for (const ScheduleKind kind : all_schedules()) {
    if (!is_chosen_by_cost(kind, collective)) continue;
    const Result<Cost> cost = predict_cost({kind, collective, rank_count, Rank{0}}, payload_bytes, model);
    if (!cost) return cost.error();
    candidates.push_back({kind, cost->nanoseconds});
  }
  if (candidates.empty()) {
    return Error{Code::invalid_argument, text("unknown collective ", static_cast<unsigned>(collective))};
  }
  // Equal costs keep the order of the enum, so that the choice is the same everywhere.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.nanoseconds < b.nanoseconds; });

  Choice choice{candidates.front().kind, {}};
  choice.reason =
      text(schedule_kind_name(choice.kind), " for ", collective_name(collective), " of ", format_bytes(payload_bytes),
           " over ", rank_count,
           rank_count == 1 ? " rank: " : " ranks: ", duration_in_words(candidates.front().nanoseconds), " predicted");
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    choice.reason +=
        text(", ", schedule_kind_name(candidates[i].kind), " ", duration_in_words(candidates[i].nanoseconds));
  }
  return choice;
}

}  // namespace gossamer::topology
