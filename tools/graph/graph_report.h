// `gossamer graph`: what graphs of gossip are worth, and what deaths do to them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/base.h"
#include "topology/topology.h"

namespace gossamer::tools {

struct GraphConfig {
  std::optional<std::string> kind;  // a kind's name or "all"
  std::optional<std::uint32_t> ranks;
  std::optional<std::uint32_t> degree;
  std::optional<std::uint64_t> seed;
  std::string file;  // of the text form, instead of the four
  bool deaths = false;
  bool as_text = false;  // print the graph itself
  bool as_json = false;
};

// For help, from the catalogue: a line for each kind that a request makes; the names of those that read a setting.
[[nodiscard]] std::string describe_graph_kinds();
[[nodiscard]] std::string graph_kinds_that_read(bool topology::GraphTraits::*setting);

// Errors: invalid_argument with the flag and what was expected.
[[nodiscard]] Status check_graph_config(const GraphConfig& config);

// The graph that the flags name, proved. Errors: invalid_argument and out_of_resources of a request, malformed of a
// file whose text is no graph, mismatch of one whose graph the proof refuses, unavailable of one that cannot be read.
[[nodiscard]] Result<topology::Graph> load_graph(const GraphConfig& config);

// {"schema": "gossamer.graph/1", "rows": [one a graph], "deaths": [one a rank; only if asked], "rebuilt": {...}}
// A row: kind, ranks, degree, seed, approximate, peers, period, parts_per_step, gap_of_round, gap_of_period,
// steps_to_thousandth (null: never), exact, symmetric, estimated.
[[nodiscard]] Result<nlohmann::json> graph_document(const GraphConfig& config);

// For a terminal.
[[nodiscard]] std::string graph_table(const nlohmann::json& document);

}  // namespace gossamer::tools
