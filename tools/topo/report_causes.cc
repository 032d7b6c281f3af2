#include "tools/topo/report_causes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/base.h"
#include "tools/topo/html_table.h"

namespace gossamer::tools {
namespace {

using topology::Cause;
using topology::Measurement;
using topology::Tier;

std::string percent(double share) { return text(std::llround(share * 100), " %"); }

std::string list_item(const std::string& sentence) { return "<li>" + html_escape(sentence) + "</li>\n"; }

std::string block(const Cause& cause) {
  std::string out = text("<div class=\"cause\"><p><b>", html_escape(cause.what), "</b>: ", cause_kind_name(cause.kind),
                         ", ", fixed(cause.factor.value, 2), " times (", fixed(cause.factor.low, 2), " to ",
                         fixed(cause.factor.high, 2), cause.is_inside ? "), among its own ranks" : ")", "</p><ul>\n");
  out += list_item(cause.evidence);
  out += list_item(text("confidence ", percent(cause.confidence), "; a direction between hosts takes ",
                        percent(cause.harm), " longer by it, in the mean over all"));
  return out + "</ul></div>\n";
}

}  // namespace

std::string causes_section(const topology::Causes& causes, const Measurement& measurement) {
  std::string out = "<section id=\"causes\">\n<h2>What is wrong, the most harmful first</h2>\n";
  if (causes.causes.empty()) out += "<p class=\"lead\">Nothing stands out from the noise.</p>\n";
  for (const Cause& cause : causes.causes) out += block(cause);
  if (!causes.tiers.contradictions.empty()) {
    out += "<p class=\"lead\">Hosts that are nearer to another switch than to the declared one:</p><ul>\n";
    for (const topology::Contradiction& each : causes.tiers.contradictions) {
      out += list_item(text(measurement.hosts[each.host].name, ": declared under ", each.declared, ", measured under ",
                            each.measured, "; to the declared one times are ", fixed(each.declared_factor, 2),
                            " times as long (", each.pairs, " directions)"));
    }
    out += "</ul>\n";
  }
  return out + "</section>\n";
}

std::string causes_sentence(const topology::Causes& causes) {
  constexpr std::size_t named_max = 4;
  if (causes.causes.empty()) return "Nothing is wrong that stands out from the noise.";
  const std::size_t count = causes.causes.size();
  std::string out = text(count, count == 1 ? " thing is wrong: " : " things are wrong: ");
  for (std::size_t i = 0; i < std::min(count, named_max); ++i) {
    append(out, i == 0 ? "" : ", ", causes.causes[i].what, " (", cause_kind_name(causes.causes[i].kind), ')');
  }
  if (count > named_max) append(out, " and ", count - named_max, " more");
  return out + '.';
}

PairTiers tiers_as_measured(const Measurement& measurement, const topology::Tiers& tiers) {
  PairTiers out;
  for (const Tier& tier : tiers.tiers) {
    if (measurement.hosts.size() < 2 && !out.names.empty()) break;  // of one host there is nothing farther
    std::vector<std::uint32_t> group_of_host(measurement.hosts.size(), 0);
    for (std::uint32_t group = 0; group < tier.groups.size(); ++group) {
      for (const std::uint32_t host : tier.groups[group]) group_of_host[host] = group;
    }
    out.names.push_back(tier.name);
    std::vector<std::uint32_t>& groups = out.groups.emplace_back();
    for (const topology::MeasuredRank& rank : measurement.ranks) groups.push_back(group_of_host[rank.host]);
  }
  // From the farthest tier down to the hosts.
  out.order.resize(measurement.ranks.size());
  std::iota(out.order.begin(), out.order.end(), 0u);
  std::stable_sort(out.order.begin(), out.order.end(), [&](std::uint32_t a, std::uint32_t b) {
    for (std::size_t tier = out.groups.size(); tier-- > 0;) {
      if (out.groups[tier][a] != out.groups[tier][b]) return out.groups[tier][a] < out.groups[tier][b];
    }
    return measurement.ranks[a].host < measurement.ranks[b].host;
  });
  return out;
}

}  // namespace gossamer::tools
