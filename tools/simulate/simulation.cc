#include "tools/simulate/simulation.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>

#include "tools/command/report.h"
#include "tools/command/sizes.h"
#include "tools/simulate/words.h"

namespace gossamer::tools {
namespace {

constexpr std::string_view file_mark = "file:";

Result<std::string> text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad() || (content.empty() && !file)) {
    return Error{Code::unavailable, text("cannot read ", path, ": ", std::strerror(errno))};
  }
  return content;
}

// Adds the path to what was wrong with the text.
Error in_file(const std::string& path, const Error& error) { return {error.code, text(path, ": ", error.message)}; }

Result<topology::Schedule> read_schedule(const std::string& path) {
  const Result<std::string> content = text_of_file(path);
  if (!content) return content.error();
  Result<topology::Schedule> schedule = topology::parse_schedule(*content);
  if (!schedule) return in_file(path, schedule.error());
  const Status proof = topology::check_schedule(*schedule);
  if (!proof.ok()) return Error{Code::malformed, text(path, ": ", proof.error().message)};
  return schedule;
}

Result<std::unique_ptr<topology::Fabric>> find_fabric(const std::string& words, std::uint32_t ranks,
                                                      double ns_per_byte) {
  if (!words.starts_with(file_mark)) return topology::make_fabric(words, {ranks, ns_per_byte});
  const std::string path = words.substr(file_mark.size());
  const Result<std::string> content = text_of_file(path);
  if (!content) return content.error();
  Result<std::unique_ptr<topology::Fabric>> fabric = topology::parse_fabric(*content);
  if (!fabric) return in_file(path, fabric.error());
  return fabric;
}

// Fisher and Yates; the first hosts in a random order.
std::vector<std::uint32_t> shuffled(std::uint32_t ranks, std::uint64_t seed) {
  std::vector<std::uint32_t> hosts(ranks);
  std::iota(hosts.begin(), hosts.end(), 0u);
  Random random(seed);
  for (std::uint32_t i = ranks; i > 1; --i) std::swap(hosts[i - 1], hosts[random.below(i)]);
  return hosts;
}

double us_of(topology::Picoseconds time) { return static_cast<double>(time) / 1e6; }

nlohmann::json schedule_row(const Simulation& simulation, const SimulatedSchedule& of) {
  topology::Picoseconds waiting = 0, merging = 0;
  for (const topology::PathStep& step : of.outcome.critical_path) {
    waiting += step.waiting;
    merging += step.merging;
  }
  return {{"schedule", of.name},
          {"collective", simulation.collective},
          {"fabric", simulation.fabric->description()},
          {"ranks", simulation.ranks},
          {"bytes", simulation.bytes},
          {"time_us", us_of(of.outcome.time)},
          {"predicted_us", std::isfinite(of.predicted_ns) ? nlohmann::json(of.predicted_ns / 1e3) : nlohmann::json()},
          {"rounds", of.outcome.rounds},
          {"messages", of.outcome.messages},
          {"bytes_moved", of.outcome.bytes},
          {"bytes_per_rank", of.outcome.bytes_per_rank},
          {"path_waiting_us", us_of(waiting)},
          {"path_merging_us", us_of(merging)}};
}

nlohmann::json class_rows(const SimulatedSchedule& of) {
  nlohmann::json rows = nlohmann::json::array();
  const double time = static_cast<double>(std::max<topology::Picoseconds>(of.outcome.time, 1));
  for (const topology::ClassLoad& each : of.outcome.classes) {
    rows.push_back({{"schedule", of.name},
                    {"link_class", each.name},
                    {"links", each.links},
                    {"messages", each.all.messages},
                    {"bytes", each.all.bytes},
                    {"mean_load", static_cast<double>(each.all.busy) / (time * std::max(each.links, 1u))},
                    {"busiest_load", static_cast<double>(each.busiest) / time},
                    {"longest_wait_us", us_of(each.all.longest_wait)}});
  }
  return rows;
}

nlohmann::json busiest_rows(const topology::Fabric& fabric, const SimulatedSchedule& of, std::uint32_t top) {
  const std::vector<topology::Load>& links = of.outcome.links;
  std::vector<std::uint32_t> order(links.size());
  std::iota(order.begin(), order.end(), 0u);
  const auto shown = order.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(top, order.size()));
  std::partial_sort(order.begin(), shown, order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return links[a].busy != links[b].busy ? links[a].busy > links[b].busy : a < b;
  });
  nlohmann::json rows = nlohmann::json::array();
  for (auto each = order.begin(); each != shown && links[*each].busy > 0; ++each) {
    const topology::Load& load = links[*each];
    rows.push_back({{"schedule", of.name},
                    {"link", fabric.link_name(*each)},
                    {"link_class", fabric.class_names()[fabric.links()[*each].link_class]},
                    {"messages", load.messages},
                    {"bytes", load.bytes},
                    {"load", static_cast<double>(load.busy) / static_cast<double>(of.outcome.time)},
                    {"longest_wait_us", us_of(load.longest_wait)}});
  }
  return rows;
}

nlohmann::json path_rows(const SimulatedSchedule& of) {
  nlohmann::json rows = nlohmann::json::array();
  for (const topology::PathStep& step : of.outcome.critical_path) {
    rows.push_back({{"schedule", of.name},
                    {"rank", step.rank.value},
                    {"round", step.round},
                    {"sender", step.sender.value},
                    {"sender_round", step.sender_round},
                    {"begin_us", us_of(step.begin)},
                    {"end_us", us_of(step.end)},
                    {"waiting_us", us_of(step.waiting)},
                    {"merging_us", us_of(step.merging)}});
  }
  return rows;
}

std::string share_words(double share) { return text(fixed(100 * share, 1), " %"); }

std::string path_table(const nlohmann::json& path) {
  constexpr std::size_t ends = 8;  // of a long path, at each end
  std::vector<std::vector<std::string>> rows = {
      {"critical path", "from", "begins", "takes", "waiting for links", "merging"}};
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path.size() > 2 * ends + 1 && i == ends) {
      rows.push_back({text("... ", path.size() - 2 * ends, " more"), "", "", "", "", ""});
      i = path.size() - ends;
    }
    const nlohmann::json& step = path[i];
    const bool own = step.at("rank") == step.at("sender");
    const double begin = step.at("begin_us");
    rows.push_back(
        {text("rank ", step.at("rank").get<std::uint32_t>(), " round ", step.at("round").get<std::uint32_t>()),
         own ? std::string("itself") : text("rank ", step.at("sender").get<std::uint32_t>()), us_words(begin),
         us_words(step.at("end_us").get<double>() - begin), us_words(step.at("waiting_us")),
         us_words(step.at("merging_us"))});
  }
  return format_columns(rows);
}

nlohmann::json rows_for(const nlohmann::json& rows, const std::string& schedule) {
  nlohmann::json out = nlohmann::json::array();
  for (const nlohmann::json& row : rows) {
    if (row.at("schedule") == schedule) out.push_back(row);
  }
  return out;
}

std::string details_of(const nlohmann::json& document, const std::string& schedule) {
  std::vector<std::vector<std::string>> classes = {
      {"link class", "links", "bytes", "mean load", "busiest", "longest wait"}};
  for (const nlohmann::json& row : rows_for(document.at("link_classes"), schedule)) {
    classes.push_back({row.at("link_class"), text(row.at("links").get<std::uint32_t>()), format_bytes(row.at("bytes")),
                       share_words(row.at("mean_load")), share_words(row.at("busiest_load")),
                       us_words(row.at("longest_wait_us"))});
  }
  std::string out = "\n" + format_table(classes);
  std::vector<std::vector<std::string>> links = {{"busiest links", "messages", "bytes", "load", "longest wait"}};
  for (const nlohmann::json& row : rows_for(document.at("busiest_links"), schedule)) {
    links.push_back({row.at("link"), text(row.at("messages").get<std::uint64_t>()), format_bytes(row.at("bytes")),
                     share_words(row.at("load")), us_words(row.at("longest_wait_us"))});
  }
  if (links.size() > 1) out += "\n" + format_table(links);
  return out + "\n" + path_table(rows_for(document.at("critical_path"), schedule));
}

}  // namespace

Result<Simulation> run_simulation(const SimulateConfig& config) {
  const Result<std::uint64_t> bytes = parse_size(config.bytes);
  if (!bytes) return Error{bytes.error().code, "--bytes: " + bytes.error().message};
  const Result<topology::Collective> collective = topology::parse_collective(config.collective);
  if (!collective) return collective.error();
  const Result<topology::CostModel> cost = topology::parse_cost_model(config.cost);
  if (!cost) return cost.error();
  Simulation out{config.ranks, *bytes, config.collective, nullptr, topology::host_model(*cost), {}};
  out.host.latency_ns = config.latency_ns.value_or(out.host.latency_ns);
  out.host.overhead_ns = config.overhead_ns.value_or(out.host.overhead_ns);
  out.host.gap_ns = config.gap_ns.value_or(out.host.gap_ns);
  out.host.per_byte_ns = config.per_byte_ns.value_or(out.host.per_byte_ns);
  out.host.merge_ns_per_byte = config.merge_ns_per_byte.value_or(out.host.merge_ns_per_byte);
  Result<std::unique_ptr<topology::Fabric>> fabric = find_fabric(config.fabric, config.ranks, out.host.per_byte_ns);
  if (!fabric) return fabric.error();
  out.fabric = *std::move(fabric);
  topology::Network network{*out.fabric, out.host};
  if (config.shuffle) network.host_of_rank = shuffled(config.ranks, *config.shuffle);

  for (const std::string& name : config.schedules) {
    if (name.starts_with(file_mark)) {
      const Result<topology::Schedule> schedule = read_schedule(name.substr(file_mark.size()));
      if (!schedule) return schedule.error();
      if (schedule->request.rank_count != config.ranks || schedule->request.collective != *collective) {
        return Error{Code::invalid_argument,
                     text(name, " is ", topology::collective_name(schedule->request.collective), " over ",
                          schedule->request.rank_count, " ranks: give --ranks ", schedule->request.rank_count,
                          " --collective ", topology::collective_name(schedule->request.collective))};
      }
      Result<topology::Outcome> outcome = topology::simulate(*schedule, *bytes, network);
      if (!outcome) return outcome.error();
      out.schedules.push_back({name, *std::move(outcome), std::numeric_limits<double>::quiet_NaN()});
      continue;
    }
    topology::ScheduleRequest request{topology::ScheduleKind::binomial_tree, *collective, config.ranks,
                                      Rank{config.root}};
    if (name == "auto") {
      const Result<topology::Choice> choice = topology::choose_schedule(*collective, config.ranks, *bytes, *cost);
      if (!choice) return choice.error();
      request.kind = choice->kind;
    } else {
      const Result<topology::ScheduleKind> kind = topology::parse_schedule_kind(name);
      if (!kind) return kind.error();
      request.kind = *kind;
    }
    const Result<topology::Cost> predicted = topology::predict_cost(request, *bytes, *cost);
    if (!predicted) return predicted.error();
    Result<topology::Outcome> outcome = topology::simulate(request, *bytes, network);
    if (!outcome) return outcome.error();
    out.schedules.push_back(
        {std::string(topology::schedule_kind_name(request.kind)), *std::move(outcome), predicted->nanoseconds});
  }
  return out;
}

nlohmann::json simulation_document(const Simulation& simulation, const SimulateConfig& config,
                                   const nlohmann::json& environment) {
  nlohmann::json document = {{"schema", "gossamer.simulate/1"},
                             {"environment", environment},
                             {"configuration",
                              {{"fabric", config.fabric},
                               {"cost", config.cost},
                               {"latency_ns", simulation.host.latency_ns},
                               {"overhead_ns", simulation.host.overhead_ns},
                               {"gap_ns", simulation.host.gap_ns},
                               {"per_byte_ns", simulation.host.per_byte_ns},
                               {"merge_ns_per_byte", simulation.host.merge_ns_per_byte},
                               {"shuffle", config.shuffle ? nlohmann::json(*config.shuffle) : nlohmann::json()}}}};
  for (const char* key : {"rows", "link_classes", "busiest_links", "critical_path"}) {
    document[key] = nlohmann::json::array();
  }
  const auto add = [&](const char* key, const nlohmann::json& rows) {
    for (const nlohmann::json& row : rows) document[key].push_back(row);
  };
  for (const SimulatedSchedule& each : simulation.schedules) {
    document["rows"].push_back(schedule_row(simulation, each));
    add("link_classes", class_rows(each));
    add("busiest_links", busiest_rows(*simulation.fabric, each, config.top));
    add("critical_path", path_rows(each));
  }
  return document;
}

std::string simulation_table(const nlohmann::json& document) {
  const nlohmann::json& rows = document.at("rows");
  std::vector<std::vector<std::string>> table = {
      {"schedule", "time", "predicted", "rounds", "messages", "bytes/rank", "waiting for links", "merging"}};
  for (const nlohmann::json& row : rows) {
    table.push_back({row.at("schedule"), us_words(row.at("time_us")),
                     row.at("predicted_us").is_null() ? "-" : us_words(row.at("predicted_us")),
                     text(row.at("rounds").get<std::uint32_t>()), text(row.at("messages").get<std::uint64_t>()),
                     format_bytes(row.at("bytes_per_rank")), us_words(row.at("path_waiting_us")),
                     us_words(row.at("path_merging_us"))});
  }
  const nlohmann::json& first = rows.front();
  std::string out = text(first.at("collective").get<std::string>(), " of ", format_bytes(first.at("bytes")), " over ",
                         first.at("ranks").get<std::uint32_t>(), " ranks on ", first.at("fabric").get<std::string>(),
                         "\n", format_table(table));
  // Details of several would not be read.
  if (rows.size() == 1) out += details_of(document, first.at("schedule"));
  return out;
}

}  // namespace gossamer::tools
