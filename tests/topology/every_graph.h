// What the tests of graphs share: every request of a size, and a graph that must exist.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "topology/topology.h"

namespace gossamer::topology {

// All kinds over `ranks`; those with a degree with several of them, those with a seed with two.
inline std::vector<GraphRequest> every_graph(std::uint32_t ranks) {
  std::vector<GraphRequest> requests;
  for (const GraphKind kind : all_graphs()) {
    if (!has_graph(kind, ranks)) continue;
    requests.push_back({kind, ranks, 0, 0});
    if (kind == GraphKind::base) {
      for (const std::uint32_t degree : {2u, 3u, 4u}) requests.push_back({kind, ranks, degree, 0});
    }
    if (graph_traits(kind).reads_seed) requests.push_back({kind, ranks, 0, 0x5eed});
  }
  return requests;
}

inline std::string in_words(const GraphRequest& request) {
  return text(graph_kind_name(request.kind), " over ", request.rank_count, " ranks, degree ", request.degree, ", seed ",
              request.seed);
}

inline Graph made(const GraphRequest& request) {
  Result<Graph> graph = make_graph(request);
  EXPECT_TRUE(graph.ok()) << in_words(request) << ": " << (graph.ok() ? "" : graph.error().message);
  return graph.ok() ? *std::move(graph) : Graph{{}, false, {{{}}}};
}

// Why the proof refuses a graph.
inline std::string why(const Graph& graph) {
  const Status status = check_mixing(graph);
  if (status.ok()) return "nothing wrong";
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  return status.error().message;
}

}  // namespace gossamer::topology
