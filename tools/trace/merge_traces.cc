#include "tools/trace/merge_traces.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

namespace gossamer::tools {
namespace {

constexpr const char* trace_schema = "gossamer.trace/1";

Result<nlohmann::json> read_trace(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error{Code::unavailable, text("cannot read ", path, ": ", std::strerror(errno))};
  nlohmann::json trace = nlohmann::json::parse(file, nullptr, false);
  const bool is_trace = trace.is_object() && trace.contains("traceEvents") && trace["traceEvents"].is_array() &&
                        trace.contains("otherData") && trace["otherData"].is_object() &&
                        trace["otherData"].value("schema", nlohmann::json()) == trace_schema &&
                        trace["otherData"].value("rank", nlohmann::json()).is_number_unsigned() &&
                        trace["otherData"].value("rank_count", nlohmann::json()).is_number_unsigned();
  if (!is_trace)
    return Error{Code::malformed,
                 text(path, " is no trace of one rank (", trace_schema, "), as GOSSAMER_TRACE writes")};
  return trace;
}

}  // namespace

Result<nlohmann::json> merge_traces(const std::vector<std::string>& paths) {
  nlohmann::json events = nlohmann::json::array();
  nlohmann::json ranks = nlohmann::json::array();
  std::map<std::uint64_t, std::string> path_of;
  for (const std::string& path : paths) {
    GOSSAMER_ASSIGN(auto trace, read_trace(path));
    nlohmann::json& about = trace["otherData"];
    const auto [first, is_new] = path_of.try_emplace(about["rank"].get<std::uint64_t>(), path);
    if (!is_new) return Error{Code::mismatch, text(path, " and ", first->second, " are both of rank ", first->first)};
    if (!ranks.empty() && ranks[0]["rank_count"] != about["rank_count"])
      return Error{Code::mismatch, text(path, " is of a session of ", about["rank_count"].dump(), " ranks, ", paths[0],
                                        " of one of ", ranks[0]["rank_count"].dump())};
    for (nlohmann::json& event : trace["traceEvents"]) events.push_back(std::move(event));
    about.erase("schema");
    ranks.push_back(std::move(about));
  }
  return nlohmann::json{{"displayTimeUnit", "ns"},
                        {"otherData", {{"schema", "gossamer.traces/1"}, {"ranks", std::move(ranks)}}},
                        {"traceEvents", std::move(events)}};
}

}  // namespace gossamer::tools
