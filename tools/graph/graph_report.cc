#include "tools/graph/graph_report.h"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "tools/command/report.h"
#include "topology/mixing.h"

namespace gossamer::tools {
namespace {

using topology::Graph;
using topology::GraphKind;
using topology::GraphRequest;
using topology::GraphTraits;

constexpr std::string_view every_kind = "all";

bool names_all(const GraphConfig& config) { return config.kind == every_kind; }

Error wrong_flag(std::string message) { return {Code::invalid_argument, std::move(message)}; }

// A little more than parse_graph reads is enough for it to refuse the rest.
Result<std::string> read_text(const std::string& path) {
  constexpr std::size_t enough = std::size_t{65} << 20;
  std::ifstream file(path, std::ios::binary);
  std::string content;
  std::array<char, 65'536> block;
  while (content.size() < enough && file) {
    file.read(block.data(), block.size());
    content.append(block.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.is_open() || file.bad()) {
    return Error{Code::unavailable, text("cannot read ", path, ": ", std::strerror(errno))};
  }
  return content;
}

nlohmann::json steps_json(const std::optional<std::uint64_t>& steps) {
  return steps ? nlohmann::json(*steps) : nlohmann::json();
}

Result<nlohmann::json> row_of(const Graph& graph) {
  const Result<topology::Mixing> mixing = measure_mixing(graph);
  if (!mixing.ok()) return mixing.error();
  return nlohmann::json{{"kind", graph_kind_name(graph.request.kind)},
                        {"ranks", graph.request.rank_count},
                        {"degree", graph.request.degree},
                        {"seed", graph.request.seed},
                        {"approximate", graph.approximate},
                        {"peers", mixing->degree},
                        {"period", mixing->period},
                        {"parts_per_step", mixing->parts_a_step},
                        {"gap_of_round", mixing->gap_of_round},
                        {"gap_of_period", mixing->gap_of_period},
                        {"steps_to_thousandth", steps_json(mixing->steps_to_thousandth)},
                        {"exact", mixing->is_exact},
                        {"symmetric", mixing->is_symmetric},
                        {"estimated", mixing->is_estimated}};
}

Status add_deaths(const GraphConfig& config, const Graph& graph, nlohmann::json& document) {
  const Result<std::vector<topology::Survival>> deaths = measure_deaths(graph);
  if (!deaths.ok()) return deaths.error();
  document["deaths"] = nlohmann::json::array();
  for (std::size_t rank = 0; rank < deaths->size(); ++rank) {
    const topology::Survival& left = deaths->at(rank);
    document["deaths"].push_back({{"rank", rank},
                                  {"gap_of_round", left.gap_of_round},
                                  {"gap_of_period", left.gap_of_period},
                                  {"steps_to_thousandth", steps_json(left.steps_to_thousandth)}});
  }
  // The same kind for those who are left, where there is one.
  GraphRequest request = graph.request;
  request.rank_count -= 1;
  request.degree = config.degree.value_or(0);
  const Result<Graph> rebuilt = make_graph(request);
  if (!rebuilt.ok()) return {};
  const Result<nlohmann::json> row = row_of(*rebuilt);
  if (!row.ok()) return row.error();
  document["rebuilt"] = *row;
  return {};
}

std::string steps_text(const nlohmann::json& row) {
  const nlohmann::json& steps = row.at("steps_to_thousandth");
  return steps.is_null() ? "never" : text(steps.get<std::uint64_t>());
}

// Four decimals, or as many digits where these would hide a small one.
std::string gap_text(const nlohmann::json& row) {
  const double gap = row.at("gap_of_round").get<double>();
  return gap >= 1e-3 || gap == 0 ? format_number(gap, 4) : general(gap, 3);
}

std::string table_of(const nlohmann::json& rows) {
  std::vector<std::vector<std::string>> table = {
      {"graph", "ranks", "peers", "period", "sent/step", "gap", "steps to 1e-3", "sent until then", "mean", "shares"}};
  for (const nlohmann::json& row : rows) {
    const auto degree = row.at("degree").get<std::uint32_t>();
    const double parts = row.at("parts_per_step").get<double>();
    const nlohmann::json& steps = row.at("steps_to_thousandth");
    table.push_back(
        {text(row.at("kind").get<std::string>(), degree != 0 ? text(" ", degree) : ""),
         text(row.at("ranks").get<std::uint32_t>()), text(row.at("peers").get<std::uint32_t>()),
         text(row.at("period").get<std::uint32_t>()), format_number(parts, 2) + " d",
         text(row.at("estimated").get<bool>() ? "~" : "", gap_text(row)), steps_text(row),
         steps.is_null() ? "-" : format_number(parts * static_cast<double>(steps.get<std::uint64_t>()), 0) + " d",
         row.at("exact").get<bool>() ? "exact" : "nears",
         text(row.at("symmetric").get<bool>() ? "both ways" : "one way",
              row.at("approximate").get<bool>() ? ", rounded" : "")});
  }
  return format_table(table);
}

// "0-4, 7" of ascending ranks.
std::string ranks_text(const std::vector<std::uint32_t>& ranks) {
  std::string out;
  for (std::size_t i = 0; i < ranks.size();) {
    std::size_t end = i + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    append(out, out.empty() ? "" : ", ", ranks[i]);
    if (end > i + 1) append(out, "-", ranks[end - 1]);
    i = end;
  }
  return out;
}

// Ranks whose deaths leave the same share a line, in the order of the first of them.
std::string deaths_text(const nlohmann::json& document) {
  struct Line {
    std::string gap, steps;
    std::vector<std::uint32_t> ranks;
  };
  std::vector<Line> lines;
  for (const nlohmann::json& death : document.at("deaths")) {
    const std::string gap = gap_text(death);
    const std::string steps = steps_text(death);
    Line* found = nullptr;
    for (Line& line : lines)
      if (line.gap == gap && line.steps == steps) found = &line;
    if (found == nullptr) found = &lines.emplace_back(Line{gap, steps, {}});
    found->ranks.push_back(death.at("rank").get<std::uint32_t>());
  }
  std::vector<std::vector<std::string>> table = {{"dead", "gap", "steps to 1e-3"}};
  for (const Line& line : lines) table.push_back({ranks_text(line.ranks), line.gap, line.steps});
  if (document.contains("rebuilt")) {
    const nlohmann::json& rebuilt = document.at("rebuilt");
    table.push_back(
        {text("rebuilt for ", rebuilt.at("ranks").get<std::uint32_t>()), gap_text(rebuilt), steps_text(rebuilt)});
  }
  return format_table(table);
}

}  // namespace

std::string describe_graph_kinds() {
  std::vector<std::vector<std::string>> lines;
  for (const GraphKind kind : topology::all_graphs()) {
    const GraphTraits& traits = topology::graph_traits(kind);
    if (!traits.is_given) lines.push_back({text("  ", traits.name), std::string(traits.meaning)});
  }
  return format_columns(lines);
}

std::string graph_kinds_that_read(bool GraphTraits::*setting) {
  std::string out;
  for (const GraphKind kind : topology::all_graphs()) {
    const GraphTraits& traits = topology::graph_traits(kind);
    if (traits.*setting) append(out, out.empty() ? "" : ", ", traits.name);
  }
  return out;
}

Status check_graph_config(const GraphConfig& config) {
  if (!config.file.empty() && (config.kind || config.ranks || config.degree || config.seed)) {
    return wrong_flag("--file names the whole graph; leave out --kind, --ranks, --degree and --seed");
  }
  if (config.file.empty() && !config.ranks) return wrong_flag("--ranks is required, or --file");
  if (config.as_text && (config.as_json || config.deaths)) {
    return wrong_flag("--text prints the graph alone; leave out --json and --deaths");
  }
  if (names_all(config)) {
    if (config.deaths || config.as_text) return wrong_flag("--deaths and --text want one --kind, not all");
    if (config.degree || config.seed) return wrong_flag("--degree and --seed want one --kind, not all");
    if (*config.ranks == 0 || *config.ranks > topology::rank_count_max) {
      return wrong_flag(text("--ranks ", *config.ranks, ": expected 1 to ", topology::rank_count_max));
    }
  } else if (config.kind) {
    const Result<GraphKind> kind = topology::parse_graph_kind(*config.kind);
    if (!kind.ok()) return wrong_flag(text("--kind: ", kind.error().message, ", or ", every_kind));
    if (topology::graph_traits(*kind).is_given) return wrong_flag("--kind matrix: give its shares with --file");
  }
  return {};
}

Result<Graph> load_graph(const GraphConfig& config) {
  if (config.file.empty()) {
    Result<GraphKind> kind = GraphKind::one_peer;
    if (config.kind) kind = topology::parse_graph_kind(*config.kind);
    if (!kind.ok()) return kind.error();
    return topology::make_graph({*kind, config.ranks.value_or(1), config.degree.value_or(0), config.seed.value_or(0)});
  }
  const Result<std::string> content = read_text(config.file);
  if (!content.ok()) return content.error();
  Result<Graph> graph = topology::parse_graph(*content);
  if (!graph.ok()) return Error{graph.error().code, text(config.file, ": ", graph.error().message)};
  const Status proved = check_mixing(*graph);
  if (!proved.ok()) return Error{Code::mismatch, text(config.file, " is refused: ", proved.error().message)};
  return graph;
}

Result<nlohmann::json> graph_document(const GraphConfig& config) {
  nlohmann::json document = {{"schema", "gossamer.graph/1"}, {"rows", nlohmann::json::array()}};
  if (names_all(config)) {
    for (const GraphKind kind : topology::all_graphs()) {
      if (!topology::has_graph(kind, *config.ranks)) continue;
      const Result<Graph> graph = topology::make_graph({kind, *config.ranks, 0, 0});
      if (!graph.ok() && graph.error().code == Code::out_of_resources) continue;  // complete, above 4,096 ranks
      if (!graph.ok()) return graph.error();
      const Result<nlohmann::json> row = row_of(*graph);
      if (!row.ok()) return row.error();
      document["rows"].push_back(*row);
    }
    return document;
  }
  const Result<Graph> graph = load_graph(config);
  if (!graph.ok()) return graph.error();
  const Result<nlohmann::json> row = row_of(*graph);
  if (!row.ok()) return row.error();
  document["rows"].push_back(*row);
  if (config.deaths) GOSSAMER_TRY(add_deaths(config, *graph, document));
  return document;
}

std::string graph_table(const nlohmann::json& document) {
  std::string out = table_of(document.at("rows"));
  if (document.contains("deaths")) out += "\n" + deaths_text(document);
  return out;
}

}  // namespace gossamer::tools
