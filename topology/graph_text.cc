// The text form of a graph: for reading, for graphs of your own, and for ranks to compare.
//
//   gossamer-graph 1
//   kind base
//   ranks 5
//   degree 1
//   seed 0
//   shares exact
//   round 0
//   0 gives 1/2 to 1
//   1 gives 1/2 to 0
//   2 gives 1/2 to 3
//   3 gives 1/2 to 2
//   round 1
//   ...
//   end
//
// One line for each rank that gives in a round, ranks and peers ascending, gifts parted by ';'. What nobody gives stays
// with its rank, and what is taken is what is given: the text cannot say that two sides differ. "shares approximate" is
// for shares that were rounded before they were written. Blank lines and lines that begin with '#' are passed over.
#include "topology/text_reader.h"
#include "topology/topology.h"

namespace gossamer::topology {
namespace {

constexpr std::string_view graph_first_line = "gossamer-graph 1";

class GraphParser {
 public:
  explicit GraphParser(std::string_view input) : in_("graph", input) {}

  Result<Graph> run() {
    GOSSAMER_TRY(in_.check_length());
    GOSSAMER_TRY(parse_header());
    while (in_.line() != "end") GOSSAMER_TRY(parse_round());
    if (graph_.rounds.empty()) return in_.fail("\"round 0\"");
    if (in_.next_line()) return in_.fail("nothing after \"end\"");
    return std::move(graph_);
  }

 private:
  Status parse_header() {
    in_.next_line();
    if (in_.line() != graph_first_line) return in_.fail("\"", graph_first_line, "\"");
    GraphRequest& request = graph_.request;
    const Result<std::string_view> name = in_.parse_field("kind");
    if (!name) return name.error();
    const Result<GraphKind> kind = parse_graph_kind(*name);
    if (!kind) return in_.fail("the name of a graph kind");
    request.kind = *kind;
    GOSSAMER_TRY(in_.parse_number_field("ranks", 1, rank_count_max, request.rank_count));
    GOSSAMER_TRY(in_.parse_number_field("degree", 0, rank_count_max - 1, request.degree));
    const Result<std::string_view> seed = in_.parse_field("seed");
    if (!seed) return seed.error();
    const std::optional<std::uint64_t> number = parse_long_number(*seed);
    if (!number) return in_.fail("\"seed\" and a number");
    request.seed = *number;
    const Result<std::string_view> shares = in_.parse_field("shares");
    if (!shares) return shares.error();
    if (*shares != "exact" && *shares != "approximate") return in_.fail("\"shares exact\" or \"shares approximate\"");
    graph_.approximate = *shares == "approximate";
    in_.next_line();
    return {};
  }

  // From the line "round N" to the first line that is not a rank's.
  Status parse_round() {
    const std::size_t number = graph_.rounds.size();
    if (in_.line() != text("round ", number)) return in_.fail("\"round ", number, "\", a rank's gifts, or \"end\"");
    if ((number + 1) * graph_.request.rank_count > graph_mixes_max) {
      return in_.fail("at most ", graph_mixes_max, " ranks times rounds");
    }
    graph_.rounds.emplace_back(graph_.request.rank_count);
    std::uint32_t least = 0;  // the rank of the next line, at least
    while (in_.next_line() && in_.line() != "end" && !in_.line().starts_with("round ")) {
      GOSSAMER_TRY(parse_gifts(least));
    }
    return {};
  }

  // "3 gives 4/5 to 4; 1/10 to 7".
  Status parse_gifts(std::uint32_t& least) {
    constexpr std::string_view verb = " gives ";
    const std::uint32_t ranks = graph_.request.rank_count;
    const std::size_t at = std::min(in_.line().find(verb), in_.line().size());
    const std::optional<std::uint32_t> rank = parse_number(in_.line().substr(0, at));
    if (!rank || at == in_.line().size()) return fail_gifts();
    if (*rank < least || *rank >= ranks) return in_.fail("one of the ", ranks, " ranks, in ascending order");
    least = *rank + 1;
    std::string_view gifts = in_.line().substr(at + verb.size());
    while (true) {
      const std::size_t end = std::min(gifts.find(';'), gifts.size());
      GOSSAMER_TRY(parse_gift(*rank, trimmed(gifts.substr(0, end))));
      if (end == gifts.size()) return {};
      gifts.remove_prefix(end + 1);
    }
  }

  Status parse_gift(std::uint32_t rank, std::string_view gift) {
    constexpr std::string_view to = " to ";
    const std::size_t slash = gift.find('/');
    const std::size_t behind = gift.find(to);
    if (slash == std::string_view::npos || behind == std::string_view::npos || slash > behind) return fail_gifts();
    const std::optional<std::uint32_t> numerator = parse_number(gift.substr(0, slash));
    const std::optional<std::uint32_t> denominator = parse_number(gift.substr(slash + 1, behind - slash - 1));
    const std::optional<std::uint32_t> peer = parse_number(gift.substr(behind + to.size()));
    if (!numerator || !denominator || !peer) return fail_gifts();
    if (*numerator == 0 || *numerator >= *denominator) return in_.fail("shares above 0 and below 1");
    std::vector<Mix>& round = graph_.rounds.back();
    std::vector<GraphEdge>& gives = round[rank].gives;
    if (*peer >= round.size() || *peer == rank || (!gives.empty() && gives.back().peer.value >= *peer)) {
      return in_.fail("peers among the ", round.size(), " ranks, other than ", rank, ", in ascending order");
    }
    if (++edges_ > graph_edges_max) return in_.fail("at most ", graph_edges_max, " edges");
    const Weight share{*numerator, *denominator};
    gives.push_back({Rank{*peer}, share});
    round[*peer].takes.push_back({Rank{rank}, share});  // givers come in ascending order
    return {};
  }

  Error fail_gifts() const { return in_.fail("gifts like \"3 gives 4/5 to 4; 1/10 to 7\""); }

  TextReader in_;
  Graph graph_;
  std::uint64_t edges_ = 0;
};

}  // namespace

std::string format_graph(const Graph& graph) {
  std::string out = text(graph_first_line, "\nkind ", graph_kind_name(graph.request.kind), "\nranks ",
                         graph.request.rank_count, "\ndegree ", graph.request.degree, "\nseed ", graph.request.seed,
                         "\nshares ", graph.approximate ? "approximate" : "exact", "\n");
  for (std::size_t round = 0; round < graph.rounds.size(); ++round) {
    append(out, "round ", round, "\n");
    for (std::size_t rank = 0; rank < graph.rounds[round].size(); ++rank) {
      std::string_view before = " gives ";
      const std::vector<GraphEdge>& gives = graph.rounds[round][rank].gives;
      if (!gives.empty()) append(out, rank);
      for (const auto& [peer, weight] : gives) {
        append(out, before, weight.numerator, "/", weight.denominator, " to ", peer.value);
        before = "; ";
      }
      if (!gives.empty()) out += '\n';
    }
  }
  return out + "end\n";
}

Result<Graph> parse_graph(std::string_view text) { return GraphParser(text).run(); }

}  // namespace gossamer::topology
