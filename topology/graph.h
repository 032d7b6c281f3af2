// Graphs of gossip as values: who mixes with whom, in which round, with what shares. Included by topology.h.
//
// A rank mixes with few others instead of summing over all: in each step rank i replaces its values by
//
//     x_i' = sum over j of a_ij x_j        a_ij: the share that j gives to i; a_jj, what j keeps, is the rest
//
// Shares are fractions, so that a proof needs no tolerance. With rows and columns that sum to 1 the mean over the ranks
// stays what it is and all come nearer to it; step t is round t modulo the period. Like a schedule, a graph is computed
// from its request alone, the same on every rank.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "topology/graph_catalogue.h"
#include "topology/rank_count.h"

namespace gossamer::topology {

#define GOSSAMER_GRAPH_ENUM(name, NAME, number, ...) name = number,
enum class GraphKind : std::uint8_t { GOSSAMER_GRAPH_TABLE(GOSSAMER_GRAPH_ENUM) };
#undef GOSSAMER_GRAPH_ENUM

// What a graph may have at most, over all rounds of a period: bounds memory to some 700 MB.
inline constexpr std::uint64_t graph_edges_max = std::uint64_t{1} << 24;  // complete: up to 4,096 ranks
inline constexpr std::uint64_t graph_mixes_max = std::uint64_t{1} << 22;  // ranks * rounds

// What people read of a kind.
struct GraphTraits {
  std::string_view name;     // "base", ...
  std::string_view meaning;  // one clause
  bool reads_degree = false;
  bool reads_seed = false;
  bool is_given = false;  // made of edges that somebody gives: make_graph makes none
};

// In the order of their numbers.
[[nodiscard]] std::span<const GraphKind> all_graphs();
[[nodiscard]] bool is_graph(std::int64_t number);
[[nodiscard]] const GraphTraits& graph_traits(GraphKind kind);
[[nodiscard]] std::string_view graph_kind_name(GraphKind kind);
[[nodiscard]] Result<GraphKind> parse_graph_kind(std::string_view name);
// Whether make_graph makes one of so many ranks with the default settings.
[[nodiscard]] bool has_graph(GraphKind kind, std::uint32_t rank_count);
// Whether a period of it brings every rank the exact mean.
[[nodiscard]] bool claims_exact_mean(GraphKind kind, std::uint32_t rank_count);

struct Weight {
  std::uint32_t numerator = 0;
  std::uint32_t denominator = 1;
  friend bool operator==(const Weight&, const Weight&) = default;
  [[nodiscard]] double value() const { return static_cast<double>(numerator) / static_cast<double>(denominator); }
};

struct GraphEdge {
  Rank peer;
  Weight weight;
  friend bool operator==(const GraphEdge&, const GraphEdge&) = default;
};

// One rank's part in one round; each list ascending by peer. The rank keeps what it does not give.
struct Mix {
  std::vector<GraphEdge> takes;
  std::vector<GraphEdge> gives;
  friend bool operator==(const Mix&, const Mix&) = default;
  [[nodiscard]] double kept() const;
};

struct GraphRequest {
  GraphKind kind = GraphKind::one_peer;
  std::uint32_t rank_count = 1;
  std::uint32_t degree = 0;  // 0: the kind's default
  std::uint64_t seed = 0;
  friend bool operator==(const GraphRequest&, const GraphRequest&) = default;
};

struct Graph {
  GraphRequest request;                  // with the degree that it came to
  bool approximate = false;              // sums are 1 only within 1e-6: somebody gave rounded shares
  std::vector<std::vector<Mix>> rounds;  // a period: by round, by rank; at least one
  friend bool operator==(const Graph&, const Graph&) = default;
};

// Fails with invalid_argument, and says why, for a kind that has no such number of ranks, settings that it does not
// read or cannot meet; with out_of_resources above the limits.
[[nodiscard]] Result<Graph> make_graph(const GraphRequest& request);

// `period` matrices of ranks * ranks shares, row after row: row i is what rank i takes of whom, itself included. Rows
// and columns sum to 1 within 1e-6. Each share becomes the simplest fraction within 1e-9 of it; where the fractions'
// sums are not exactly 1 the graph is `approximate`. Errors: invalid_argument, out_of_resources.
[[nodiscard]] Result<Graph> graph_from_matrices(std::span<const double> shares, std::uint32_t rank_count,
                                                std::uint32_t period);

// The graph after deaths: nobody takes from the dead or gives to them, and the share that was for them stays with its
// sender. Ranks keep their numbers. Columns still sum to 1; rows do only where shares were symmetric, so the mean is
// kept by weights that travel with the values (push-sum). Proofs of the whole graph no longer hold.
[[nodiscard]] Graph without(const Graph& graph, std::span<const Rank> dead);

// Whether, over a period, something of every rank that is not dead reaches every other one; names two where not.
[[nodiscard]] Status check_connected(const Graph& graph, std::span<const Rank> dead = {});

// Why the graph is wrong, or success: (1) lists are ascending and shares are fractions between 0 and 1; (2) what one
// rank gives is what the other takes; (3) every rank keeps a share, and its row and column sum to 1; (4) something of
// each rank reaches every other one within periods; (5) where its kind claims so, a period brings every rank the exact
// mean. Nothing is rounded: a graph that is accepted has these properties, but for (5) above some 2,000 ranks, where
// random vectors take the place of all columns and a wrong graph would pass once in 2^180 draws.
[[nodiscard]] Status check_mixing(const Graph& graph);

// Text form, one line for a rank that gives in a round; parse_graph(format_graph(g)) == g where both sides of each edge
// agree. Input is untrusted: bounded and validated.
[[nodiscard]] std::string format_graph(const Graph& graph);
[[nodiscard]] Result<Graph> parse_graph(std::string_view text);
// From a file of that form. `unavailable` where it cannot be read.
[[nodiscard]] Result<Graph> load_graph(const std::string& path);

}  // namespace gossamer::topology
