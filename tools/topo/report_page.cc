#include "tools/topo/report_page.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/base.h"
#include "tools/topo/html_table.h"
#include "tools/topo/measurement_file.h"
#include "tools/topo/page/page_text.h"
#include "tools/topo/pair_planes.h"
#include "tools/topo/report_causes.h"
#include "tools/topo/report_tables.h"
#include "topology/measure/causes.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;

nlohmann::json curves_json(const std::vector<SizeCurve>& curves) {
  nlohmann::json out = nlohmann::json::array();
  for (const SizeCurve& curve : curves) {
    nlohmann::json points = nlohmann::json::array();
    for (const CurvePoint& at : curve.points) {
      points.push_back({{"bytes", at.bytes},
                        {"pairs", at.pairs},
                        {"p50", at.p50_ns},
                        {"low", at.p50_low_ns},
                        {"high", at.p50_high_ns},
                        {"p99", at.p99_ns},
                        {"residual", at.residual},
                        {"residualLow", at.residual_low},
                        {"residualHigh", at.residual_high}});
    }
    out.push_back({{"tier", curve.tier}, {"load", std::string(pair_load_name(curve.load))}, {"points", points}});
  }
  return out;
}

nlohmann::json forecast_json(const std::optional<ScheduleForecast>& forecast) {
  if (!forecast) return nullptr;
  nlohmann::json lines = nlohmann::json::array();
  for (const ForecastLine& line : forecast->lines) lines.push_back({{"name", line.name}, {"ns", line.nanoseconds}});
  return {{"bytes", forecast->bytes}, {"lines", lines}, {"best", forecast->best}};
}

// What the scripts draw. In a script element, where "</script" would end it, no '<' may stand as such.
std::string drawn_data(const ReportParts& parts) {
  const Measurement& measurement = parts.links.measurement();
  nlohmann::json hosts = nlohmann::json::array();
  for (const topology::MeasuredHost& host : measurement.hosts) hosts.push_back(host.name);
  nlohmann::json host_of = nlohmann::json::array();
  nlohmann::json died = nlohmann::json::array();
  for (const std::uint32_t rank : parts.tiers.order) {
    host_of.push_back(measurement.ranks[rank].host);
    if (measurement.ranks[rank].died) died.push_back(rank);
  }
  nlohmann::json groups = nlohmann::json::array();
  for (const std::vector<std::uint32_t>& tier : parts.tiers.groups) {
    nlohmann::json row = nlohmann::json::array();
    for (const std::uint32_t rank : parts.tiers.order) row.push_back(tier[rank]);
    groups.push_back(std::move(row));
  }
  const nlohmann::json data = {
      {"order", parts.tiers.order},
      {"hosts", hosts},
      {"hostOf", host_of},
      {"died", died},
      {"tiers", {{"names", parts.tiers.names}, {"groups", groups}, {"figures", tier_captions(parts)}}},
      {"planes", pair_planes(parts.links, parts.tiers)},
      {"curves", curves_json(parts.curves)},
      {"forecast", forecast_json(parts.forecast)}};
  const std::string plain = data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string out;
  out.reserve(plain.size());
  for (const char c : plain) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

// As a content security policy wants it.
std::string hash_source(const std::string& script) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(script.data()), script.size());
  return "'sha256-" + base64({reinterpret_cast<const char*>(hash.data()), hash.size()}) + "'";
}

// Each @name@ of the template becomes the text of that name, in which nothing is looked for again.
std::string fill(std::string_view page, const std::vector<std::pair<std::string_view, std::string>>& places) {
  std::string out;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t begin = page.find('@', at);
    const std::size_t end = begin == std::string_view::npos ? begin : page.find('@', begin + 1);
    if (end == std::string_view::npos) return out.append(page.substr(at));
    out += page.substr(at, begin - at);
    const std::string_view name = page.substr(begin + 1, end - begin - 1);
    const auto place = std::find_if(places.begin(), places.end(), [&](const auto& each) { return each.first == name; });
    GOSSAMER_CHECK(place != places.end(), "the page's template names a place that nothing fills");
    out += place->second;
    at = end + 1;
  }
  return out;
}

std::string title_of(const Measurement& measurement) {
  const std::size_t hosts = measurement.hosts.size();
  std::string out = hosts == 0 ? "no host" : measurement.hosts.front().name;
  if (hosts > 1) append(out, hosts == 2 ? " and " : " to ", measurement.hosts.back().name);
  return out;
}

}  // namespace

std::string report_page(const Measurement& measurement) {
  const Links links(measurement);
  ReportParts parts{links, {}, tiers_by_declaration(measurement), {}, forecast_schedules(measurement)};
  if (!measurement.pairs.empty()) {
    parts.causes = topology::find_causes(measurement);
    parts.tiers = tiers_as_measured(measurement, parts.causes.tiers);
  }
  parts.curves = size_curves(measurement, parts.tiers);
  std::string script = "'use strict';\n";
  for (const std::string_view each :
       {page::data_js, page::chart_js, page::heat_map_js, page::tier_tree_js, page::page_js}) {
    script += each;
  }
  return fill(page::page_html, {{"title", html_escape(title_of(measurement))},
                                {"when", html_escape(measurement.when)},
                                {"version", html_escape(measurement.version)},
                                {"script-hash", hash_source(script)},
                                {"css", std::string(page::page_css)},
                                {"script", script},
                                {"data", drawn_data(parts)},
                                {"summary", summary_html(parts)},
                                {"causes", measurement.pairs.empty() ? "" : causes_section(parts.causes, measurement)},
                                {"tiers", tier_table(parts)},
                                {"hosts", host_table(parts)},
                                {"slowest", slowest_table(parts) + missing_table(parts)},
                                {"curves", curve_table(parts)},
                                {"forecast", forecast_table(parts)}});
}

}  // namespace gossamer::tools
