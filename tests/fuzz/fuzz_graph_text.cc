// Goal: any text is refused with a line, or is a graph that can be written, read back and judged. Method: what parses
// is formatted and parsed again; both sides of each edge must agree; the proof may say what it likes, but must come to
// an end.
#include "fuzz.h"
#include "topology/topology.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gossamer;
  fuzz::Input input(data, size);
  const Result<topology::Graph> graph = topology::parse_graph(fuzz::as_text(input.take_rest()));
  if (!graph.ok()) {
    fuzz::check_refusal(graph.error(), Code::malformed);
    return 0;
  }
  const std::uint32_t ranks = graph->request.rank_count;
  GOSSAMER_CHECK(ranks >= 1 && ranks <= topology::rank_count_max, "ranks out of range");
  GOSSAMER_CHECK(!graph->rounds.empty() && graph->rounds.size() * ranks <= topology::graph_mixes_max,
                 "no rounds, or too many");
  std::uint64_t given = 0;
  std::uint64_t taken = 0;
  for (const std::vector<topology::Mix>& round : graph->rounds) {
    GOSSAMER_CHECK(round.size() == ranks, "a rank is missing");
    for (const topology::Mix& mix : round) {
      given += mix.gives.size();
      taken += mix.takes.size();
    }
  }
  GOSSAMER_CHECK(given == taken && given <= topology::graph_edges_max, "edges with one side, or too many");
  const Result<topology::Graph> again = topology::parse_graph(topology::format_graph(*graph));
  GOSSAMER_CHECK(again.ok() && *again == *graph, "a graph that is not read back as it was written");
  const Status proved = topology::check_mixing(*graph);
  GOSSAMER_CHECK(proved.ok() || proved.error().message.find("does not") == std::string::npos,
                 "the text cannot say that two sides differ");
  return 0;
}
