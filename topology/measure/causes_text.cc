#include <algorithm>

#include "topology/measure/causes.h"

namespace gossamer::topology {
namespace {

std::string factor_in_words(const Estimate& factor) {
  return text(fixed(factor.value, 2), "x (", fixed(factor.low, 2), " to ", fixed(factor.high, 2), ")");
}

std::string percent(double part) { return fixed(100 * part, part < 0.0995 ? 1 : 0) + " %"; }

std::string in_columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      out += i + 1 < row.size() ? std::string(widths[i] - row[i].size() + 2, ' ') : "\n";
    }
  }
  return out;
}

std::string tier_in_words(const Tier& tier) {
  std::string out = tier.name;
  if (tier.groups.size() > 1 && tier.name != "same host") append(out, " (", tier.groups.size(), " groups)");
  return out;
}

std::string tiers_text(const Tiers& tiers) {
  std::vector<std::vector<std::string>> rows = {{"tier", "pairs", "latency", "GB/s"}};
  for (const Tier& each : tiers.tiers) {
    if (each.pairs == 0) continue;
    const double beta = each.ns_per_byte.value;
    rows.push_back({tier_in_words(each), text(each.pairs), fixed(each.latency_ns.value / 1000, 2) + " us",
                    beta > 0 ? fixed(1 / beta, 2) : "-"});
  }
  return in_columns(rows);
}

}  // namespace

std::vector<std::vector<std::string>> cause_rows(const Causes& causes) {
  std::vector<std::vector<std::string>> rows = {{"kind", "what", "slower by", "confidence", "harm", "evidence"}};
  for (const Cause& each : causes.causes) {
    rows.push_back({cause_kind_name(each.kind), each.what, factor_in_words(each.factor), fixed(each.confidence, 2),
                    percent(each.harm), each.evidence});
  }
  return rows;
}

std::string causes_text(const Causes& causes, const Measurement& measurement) {
  std::string out = tiers_text(causes.tiers);
  if (causes.tiers.network_tiers() == 1) out += "The network is flat: no tiers are told apart.\n";
  for (const Contradiction& each : causes.tiers.contradictions) {
    append(out, measurement.hosts[each.host].name, " is declared at ", each.declared, " and is as near as hosts of ",
           each.measured, " are: ", fixed(each.declared_factor, 2), "x as far to ", each.declared, " (", each.pairs,
           " pairs).\n");
  }
  out += '\n';
  if (causes.pairs == 0) return out + "Nothing was measured: nothing is known.\n";
  if (causes.causes.empty()) {
    append(out, "No cause found: the ", causes.pairs, " pairs differ by ", percent(causes.spread_after),
           " from their tiers.\n");
  } else {
    out += in_columns(cause_rows(causes));
    append(out, "\nThe ", causes.pairs, " pairs differ by ", percent(causes.spread_before), " from their tiers, by ",
           percent(causes.spread_after), " when these are known.\n");
  }
  if (causes.missing > 0) append(out, causes.missing, " pairs are missing.\n");
  return out;
}

}  // namespace gossamer::topology
