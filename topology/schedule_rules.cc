#include "topology/schedule_rules.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "topology/text_reader.h"

namespace gossamer::topology {
namespace {

constexpr std::string_view file_prefix = "file:";
constexpr std::string_view units = "kmg";

bool overlap(const ScheduleRule& a, const ScheduleRule& b) {
  return a.collective == b.collective && a.bytes_begin < b.bytes_end && b.bytes_begin < a.bytes_end;
}

// Ends with what follows the number. None: it is not one, or as large as what stands for no end.
std::optional<std::uint64_t> take_size(std::string_view& rest) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc{}) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  const std::size_t unit = rest.empty() ? std::string_view::npos : units.find(rest.front());
  if (unit == std::string_view::npos) return value == UINT64_MAX ? std::nullopt : std::optional(value);
  rest.remove_prefix(1);
  const unsigned shift = 10 * (static_cast<unsigned>(unit) + 1);
  if (value > UINT64_MAX >> shift) return std::nullopt;
  return value << shift;
}

// Whether a rule that names no collective is about this one.
bool fits(const ScheduleUse& use, Collective collective) {
  if (const auto* kind = std::get_if<ScheduleKind>(&use)) return supports(*kind, collective);
  if (const auto* two_level = std::get_if<TwoLevelKinds>(&use)) {
    static const Groups two_by_two = Groups::make({{Rank{0}, Rank{1}}, {Rank{2}, Rank{3}}}).value();
    return make_two_level(two_by_two, two_level->for_collective(collective)).ok();
  }
  return true;
}

// "leaders of binomial-tree and circulant"; none: it is something else.
std::optional<TwoLevelKinds> parse_two_level(std::string_view words) {
  constexpr std::string_view leaders = "leaders of ";
  constexpr std::string_view rails = "rails of ";
  constexpr std::string_view with = " and ";
  const bool is_rails = words.starts_with(rails);
  if (!is_rails && !words.starts_with(leaders)) return std::nullopt;
  words.remove_prefix(is_rails ? rails.size() : leaders.size());
  const std::size_t cut = words.find(with);
  if (cut == std::string_view::npos) return std::nullopt;
  const auto inner = parse_schedule_kind(trimmed(words.substr(0, cut)));
  const auto outer = parse_schedule_kind(trimmed(words.substr(cut + with.size())));
  if (!inner.ok() || !outer.ok()) return std::nullopt;
  return TwoLevelKinds{is_rails ? TwoLevelForm::rails : TwoLevelForm::leaders, *inner, *outer};
}

std::string size_in_words(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1'024 == 0 && unit < units.size()) {
    bytes /= 1'024;
    ++unit;
  }
  return unit == 0 ? text(bytes) : text(bytes, units.substr(unit - 1, 1));
}

class RulesParser {
 public:
  explicit RulesParser(std::string_view input) : input_(input) {}

  Result<ScheduleRules> run() {
    if (input_.size() > schedule_rules_bytes_max) {
      return Error{Code::invalid_argument, text("schedule rules have ", input_.size(), " characters: at most ",
                                                schedule_rules_bytes_max, " are read")};
    }
    std::string_view rest = input_;
    while (true) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      GOSSAMER_TRY(parse_rule(trimmed(rest.substr(0, end))));
      if (end == rest.size()) return std::move(rules_);
      rest.remove_prefix(end + 1);
    }
  }

 private:
  // `at` is a part of the input.
  template <typename... Parts>
  Error fail(std::string_view at, const Parts&... expected) const {
    return Error{Code::invalid_argument,
                 text("schedule rules, character ", at.data() - input_.data() + 1, ": ", expected...)};
  }
  static std::string found(std::string_view part) {
    return part.empty() ? ", found nothing" : ", found " + quoted(part);
  }

  // One rule, without blanks around it.
  Status parse_rule(std::string_view rest) {
    const std::string_view whole = rest;
    ScheduleRule rule;
    if (const auto part = take_part(rest); part && is_collective(*part)) {
      collective_ = *parse_collective(*part);
      rest = after_part(rest);
    }
    rule.collective = collective_;
    if (const auto part = take_part(rest); part && !part->empty() && part->front() >= '0' && part->front() <= '9') {
      GOSSAMER_TRY(parse_range(*part, rule));
      rest = after_part(rest);
    }
    GOSSAMER_TRY(parse_use(rest, rule));
    for (const ScheduleRule& other : rules_.rules) {
      if (overlap(other, rule)) {
        return fail(whole, "expected a rule for other bytes than an earlier one's: both are for ",
                    rule.collective ? collective_name(*rule.collective) : "every collective", " of ",
                    format_bytes(std::max(other.bytes_begin, rule.bytes_begin)));
      }
    }
    rules_.rules.push_back(std::move(rule));
    return {};
  }

  // What stands before the next ':', if there is one.
  static std::optional<std::string_view> take_part(std::string_view rest) {
    const std::size_t end = rest.find(':');
    if (end == std::string_view::npos) return std::nullopt;
    return trimmed(rest.substr(0, end));
  }
  static std::string_view after_part(std::string_view rest) { return trimmed(rest.substr(rest.find(':') + 1)); }
  static bool is_collective(std::string_view name) { return parse_collective(name).ok(); }

  // "0-4k" or "4k-".
  Status parse_range(std::string_view range, ScheduleRule& rule) {
    std::string_view rest = range;
    const std::optional<std::uint64_t> first = take_size(rest);
    if (!first || !rest.starts_with('-')) return fail(range, "expected bytes like 0-4k or 4k-", found(range));
    rest.remove_prefix(1);
    rule.bytes_begin = *first;
    if (rest.empty()) return {};
    const std::string_view end_text = rest;
    const std::optional<std::uint64_t> end = take_size(rest);
    if (!end || !rest.empty()) return fail(end_text, "expected bytes like 4k, 1m or 100", found(end_text));
    if (*end <= *first) return fail(end_text, "expected more than ", *first, " bytes", found(end_text));
    rule.bytes_end = *end;
    return {};
  }

  Status parse_use(std::string_view rest, ScheduleRule& rule) {
    if (rest.starts_with(file_prefix)) {
      const std::string_view path = trimmed(rest.substr(file_prefix.size()));
      if (path.empty()) return fail(rest, "expected the path of a file after \"file:\", found nothing");
      if (path.find('\0') != std::string_view::npos) return fail(rest, "expected a path", found(path));
      rule.use = ScheduleFile{std::string(path)};
      return {};
    }
    if (const std::optional<TwoLevelKinds> two_level = parse_two_level(rest)) {
      rule.use = *two_level;
      const Collective collective = rule.collective.value_or(Collective::all_reduce);
      if (fits(rule.use, collective)) return {};
      return fail(rest, "expected two levels that know the collective ", collective_name(collective), found(rest));
    }
    const Result<ScheduleKind> kind = parse_schedule_kind(rest);
    if (!kind) {
      if (rest.starts_with("leaders") || rest.starts_with("rails"))
        return fail(rest, "expected two kinds of schedule, as in leaders of binomial-tree and circulant", found(rest));
      std::string known;
      for (const ScheduleKind each : all_schedules()) known += text(schedule_kind_name(each), ", ");
      if (rest.find(':') != std::string_view::npos)
        return fail(rest, "expected a collective, bytes like 0-4k, a kind of schedule or file:PATH", found(rest));
      return fail(rest, "expected a kind of schedule (", known, "or file:PATH)", found(rest));
    }
    if (rule.collective && !supports(*kind, *rule.collective)) {
      return fail(rest, "expected a kind of schedule that knows the collective ", collective_name(*rule.collective),
                  found(rest));
    }
    rule.use = *kind;
    return {};
  }

  std::string_view input_;
  std::optional<Collective> collective_;  // that of the rule before
  ScheduleRules rules_;
};

}  // namespace

const ScheduleRule* ScheduleRules::find(Collective collective, std::uint64_t payload_bytes) const {
  const ScheduleRule* general = nullptr;
  for (const ScheduleRule& rule : rules) {
    const bool has_bytes =
        payload_bytes >= rule.bytes_begin && (payload_bytes < rule.bytes_end || rule.bytes_end == UINT64_MAX);
    if (!has_bytes) continue;
    if (rule.collective == collective) return &rule;
    if (!rule.collective && fits(rule.use, collective)) general = &rule;
  }
  return general;
}

Result<ScheduleRules> parse_schedule_rules(std::string_view text) { return RulesParser(text).run(); }

std::string in_words(const ScheduleUse& use) {
  if (const auto* kind = std::get_if<ScheduleKind>(&use)) return std::string(schedule_kind_name(*kind));
  if (const auto* two_level = std::get_if<TwoLevelKinds>(&use))
    return in_words(two_level->for_collective(Collective::all_reduce));
  return text(file_prefix, std::get<ScheduleFile>(use).path);
}

std::string format_schedule_rules(const ScheduleRules& rules) {
  std::string out;
  for (const ScheduleRule& rule : rules.rules) {
    if (!out.empty()) out += ';';
    if (rule.collective) out += text(collective_name(*rule.collective), ":");
    if (rule.bytes_begin != 0 || rule.bytes_end != UINT64_MAX) {
      out += size_in_words(rule.bytes_begin) + '-';
      if (rule.bytes_end != UINT64_MAX) out += size_in_words(rule.bytes_end);
      out += ':';
    }
    out += in_words(rule.use);
  }
  return out;
}

}  // namespace gossamer::topology
