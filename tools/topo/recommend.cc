#include "tools/topo/recommend.h"

#include <algorithm>
#include <cmath>

#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

using topology::Advice;
using topology::Measurement;
using topology::SizeAdvice;

std::string duration(double nanoseconds) {
  return format_duration(static_cast<std::uint64_t>(std::max(nanoseconds, 0.0)));
}

// "2.1 us and 0.160 ns a byte (50.0 Gbit/s)".
std::string cost_words(const topology::CostModel& model) {
  constexpr double bits = 8;  // Gbit/s of a byte in a ns
  std::string words =
      text(duration(model.alpha_ns), " a message and ", format_number(model.beta_ns_per_byte, 3), " ns a byte");
  if (model.beta_ns_per_byte > 0) append(words, " (", format_number(bits / model.beta_ns_per_byte, 2), " Gbit/s)");
  return words;
}

std::string order_words(const Advice& advice) {
  if (advice.file.order.is_natural()) return "as they are numbered";
  std::string words;
  std::string host;
  for (std::uint32_t position = 0; position < advice.file.hosts.size(); ++position) {
    const std::uint32_t rank = advice.file.order.at(position).value;
    const bool is_new = advice.file.hosts[rank] != host;
    host = advice.file.hosts[rank];
    append(words, is_new && !words.empty() ? " | " : words.empty() ? "" : " ", rank);
  }
  return words;
}

}  // namespace

std::string topology_file_text(const Advice& advice, const Measurement& measurement, const std::string& source) {
  std::string comments =
      text("# By gossamer topo recommend of ", source, ", measured ", measurement.when, " over ", measurement.transport,
           ".\n# A session takes it by GOSSAMER_TOPOLOGY=PATH, the same on all ranks.\n");
  for (const std::string& note : advice.notes) append(comments, "# Note: ", note, ".\n");
  // What was read from a file stands in a comment: no line of it may begin anew.
  std::string safe;
  bool begins = true;
  for (const char c : comments) {
    if (begins && c != '#') safe += "# ";
    begins = c == '\n';
    safe += c == '\r' ? ' ' : c;
  }
  return safe + topology::format_topology_file(advice.file);
}

nlohmann::json recommend_document(const Advice& advice, const Measurement& measurement,
                                  const nlohmann::json& environment) {
  const auto cost = [](const topology::CostModel& model) {
    return nlohmann::json{{"alpha_us", model.alpha_ns / 1e3}, {"beta_ns_per_byte", model.beta_ns_per_byte}};
  };
  nlohmann::json order = nlohmann::json::array();
  for (std::uint32_t position = 0; position < advice.file.hosts.size(); ++position)
    order.push_back(advice.file.order.at(position).value);
  nlohmann::json document = {{"schema", "gossamer.topo.recommend/1"},
                             {"environment", environment},
                             {"measured", measurement.when},
                             {"ranks", advice.file.hosts.size()},
                             {"hosts", advice.file.hosts},
                             {"near", cost(advice.file.cost.near)},
                             {"far", cost(advice.file.cost.far)},
                             {"far_links", advice.file.cost.far_links},
                             {"order", order},
                             {"rules", topology::format_schedule_rules(advice.file.rules)},
                             {"notes", advice.notes},
                             {"rows", nlohmann::json::array()}};
  for (const SizeAdvice& each : advice.sizes) {
    document["rows"].push_back({{"collective", topology::collective_name(each.collective)},
                                {"bytes", each.bytes},
                                {"ranks", advice.file.hosts.size()},
                                {"schedule", topology::in_words(each.use)},
                                {"expected_us", each.expected_ns / 1e3},
                                {"unordered_us", each.unordered_ns / 1e3},
                                {"otherwise", each.otherwise},
                                {"otherwise_us", each.otherwise_ns / 1e3},
                                {"ratio", each.otherwise_ns / each.expected_ns}});
  }
  return document;
}

std::string recommend_text(const Advice& advice, const Measurement& measurement) {
  const auto groups = topology::Groups::by_name(advice.file.hosts);
  std::string out = text(advice.file.hosts.size(), " ranks on ", groups.size(), groups.size() == 1 ? " host" : " hosts",
                         ", measured ", measurement.when, " over ", measurement.transport, '\n');
  append(out, "within a host:  ", cost_words(advice.file.cost.near), '\n');
  append(out, "between hosts:  ", cost_words(advice.file.cost.far));
  if (groups.largest() > 1)
    append(out, ", and ", advice.file.cost.far_links, advice.file.cost.far_links == 1 ? " rank" : " ranks",
           " of a host at once as fast as that");
  append(out, "\nrank order:     ", order_words(advice), '\n');
  for (const std::string& note : advice.notes) append(out, "note: ", note, '\n');
  for (std::size_t i = 0; i < advice.sizes.size();) {
    const topology::Collective collective = advice.sizes[i].collective;
    std::vector<std::vector<std::string>> table = {
        {text(topology::collective_name(collective)), "schedule", "expected", "in rank order", "now", "takes", "gain"}};
    for (; i < advice.sizes.size() && advice.sizes[i].collective == collective; ++i) {
      const SizeAdvice& each = advice.sizes[i];
      table.push_back({format_bytes(each.bytes), topology::in_words(each.use), duration(each.expected_ns),
                       duration(each.unordered_ns), each.otherwise, duration(each.otherwise_ns),
                       text(format_number(each.otherwise_ns / each.expected_ns, 2), "x")});
    }
    append(out, '\n', format_columns(table));
  }
  return out;
}

}  // namespace gossamer::tools
