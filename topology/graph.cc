#include <algorithm>
#include <array>
#include <bit>

#include "topology/graph_writer.h"

namespace gossamer::topology {
namespace {

// For which numbers of ranks something holds: all, powers of two, one, or none.
struct RankCounts {
  enum class Which : std::uint8_t { none, any, powers_of_two, one } which;
  std::uint32_t count = 0;
  constexpr RankCounts(Which w) : which(w) {}
  constexpr RankCounts(int only) : which(Which::one), count(static_cast<std::uint32_t>(only)) {}

  [[nodiscard]] bool has(std::uint32_t ranks) const {
    switch (which) {
      case Which::any:
        return true;
      case Which::powers_of_two:
        return std::has_single_bit(ranks);
      case Which::one:
        return ranks == count;
      case Which::none:
        break;
    }
    return false;
  }
};

enum class Settings : std::uint8_t { no_settings, degree, degree_and_seed, edges };

struct GraphRow {
  GraphKind kind;
  GraphTraits traits;
  RankCounts ranks;
  RankCounts exact;
  Status (*write)(const GraphRequest&, GraphWriter&);
};

constexpr GraphTraits graph_traits_of(std::string_view name, std::string_view meaning, Settings settings) {
  return {name, meaning, settings == Settings::degree || settings == Settings::degree_and_seed,
          settings == Settings::degree_and_seed, settings == Settings::edges};
}

constexpr RankCounts::Which none = RankCounts::Which::none;
constexpr RankCounts::Which any = RankCounts::Which::any;
constexpr RankCounts::Which powers_of_two = RankCounts::Which::powers_of_two;

#define GOSSAMER_GRAPH_ROW(name, NAME, number, words, ranks, exact, settings, meaning)                                 \
  GraphRow{GraphKind::name, graph_traits_of(words, meaning, Settings::settings), RankCounts(ranks), RankCounts(exact), \
           &write_##name},
constexpr std::array graph_rows = {GOSSAMER_GRAPH_TABLE(GOSSAMER_GRAPH_ROW)};
#undef GOSSAMER_GRAPH_ROW

#define GOSSAMER_GRAPH_KIND(name, ...) GraphKind::name,
constexpr std::array graph_kinds = {GOSSAMER_GRAPH_TABLE(GOSSAMER_GRAPH_KIND)};
#undef GOSSAMER_GRAPH_KIND

constexpr GraphTraits unknown_graph = {"unknown", "no kind", false, false, false};

// Values of an enum may come from a C caller, so each is looked up, never trusted.
const GraphRow* find_graph(GraphKind kind) {
  for (const GraphRow& row : graph_rows) {
    if (row.kind == kind) return &row;
  }
  return nullptr;
}

Error no_such_count(const GraphRow& row, std::uint32_t ranks) {
  if (row.ranks.which == RankCounts::Which::one) {
    return {Code::invalid_argument, text(row.traits.name, " has ", row.ranks.count, " ranks, not ", ranks)};
  }
  const std::uint32_t below = std::bit_floor(ranks);
  return {Code::invalid_argument,
          text(row.traits.name, " has a power of two of ranks, as ", below, " or ", 2 * below, ", not ", ranks)};
}

Status check_graph_request(const GraphRequest& request) {
  const GraphRow* row = find_graph(request.kind);
  if (row == nullptr) {
    return Error{Code::invalid_argument, text("unknown graph kind ", static_cast<unsigned>(request.kind))};
  }
  if (request.rank_count == 0 || request.rank_count > rank_count_max) {
    return Error{Code::invalid_argument, text("a graph has 1 to ", rank_count_max, " ranks, not ", request.rank_count)};
  }
  if (!row->ranks.has(request.rank_count)) return no_such_count(*row, request.rank_count);
  if (request.degree != 0 && !row->traits.reads_degree) {
    return Error{Code::invalid_argument, text(row->traits.name, " has no degree to choose, such as ", request.degree)};
  }
  if (request.seed != 0 && !row->traits.reads_seed) {
    return Error{Code::invalid_argument, text(row->traits.name, " draws nothing from a seed, such as ", request.seed)};
  }
  if (request.degree >= rank_count_max) {
    return Error{Code::invalid_argument, text("a degree is below ", rank_count_max, ", not ", request.degree)};
  }
  return {};
}

}  // namespace

std::span<const GraphKind> all_graphs() { return graph_kinds; }

bool is_graph(std::int64_t number) {
  return number >= 0 && number <= UINT8_MAX && find_graph(static_cast<GraphKind>(number)) != nullptr;
}

const GraphTraits& graph_traits(GraphKind kind) {
  const GraphRow* row = find_graph(kind);
  return row != nullptr ? row->traits : unknown_graph;
}

std::string_view graph_kind_name(GraphKind kind) { return graph_traits(kind).name; }

Result<GraphKind> parse_graph_kind(std::string_view name) {
  std::string known;
  for (const GraphRow& row : graph_rows) {
    if (row.traits.name == name) return row.kind;
    known += (known.empty() ? "" : ", ");
    known += row.traits.name;
  }
  return Error{Code::invalid_argument, text("unknown graph kind \"", name, "\": expected one of ", known)};
}

bool has_graph(GraphKind kind, std::uint32_t rank_count) {
  const GraphRow* row = find_graph(kind);
  return row != nullptr && !row->traits.is_given && rank_count > 0 && rank_count <= rank_count_max &&
         row->ranks.has(rank_count);
}

bool claims_exact_mean(GraphKind kind, std::uint32_t rank_count) {
  const GraphRow* row = find_graph(kind);
  return row != nullptr && row->exact.has(rank_count);
}

double Mix::kept() const {
  double given = 0;
  for (const GraphEdge& edge : gives) given += edge.weight.value();
  return 1 - given;
}

Result<Graph> make_graph(const GraphRequest& request) {
  GOSSAMER_TRY(check_graph_request(request));
  GraphWriter writer(request);
  GOSSAMER_TRY(find_graph(request.kind)->write(request, writer));
  return std::move(writer).finish();
}

Graph without(const Graph& graph, std::span<const Rank> dead) {
  std::vector<bool> is_dead(graph.request.rank_count, false);
  for (const Rank rank : dead) {
    if (rank.value < is_dead.size()) is_dead[rank.value] = true;
  }
  Graph rest = graph;
  for (std::vector<Mix>& round : rest.rounds) {
    for (std::uint32_t rank = 0; rank < round.size(); ++rank) {
      const auto is_gone = [&](const GraphEdge& edge) { return is_dead[rank] || is_dead[edge.peer.value]; };
      std::erase_if(round[rank].takes, is_gone);
      std::erase_if(round[rank].gives, is_gone);
    }
  }
  return rest;
}

}  // namespace gossamer::topology
