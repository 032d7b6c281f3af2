// What a user says about schedules: which kind, or which file, for which collective and how many bytes.
//
//    all-reduce:0-4k:butterfly;4k-:circulant;broadcast:chain;reduce:file:/etc/gossamer/reduce.txt
//
//    rules  = rule {";" rule}
//    rule   = [collective ":"] [range ":"] use                        blanks around a part are passed over
//    use    = kind | "file:" path | ("leaders" | "rails") " of " kind " and " kind      the last as two_level.h has it
//    range  = first "-" [end]                                         bytes of the payload, `end` not among them
//    first, end = a number, and k, m or g for times 1,024 once, twice or three times
//
// A rule without a collective is about that of the rule before it; where none has been named, about every collective
// that it fits. A path ends at ";" or at the end of the text. No two rules for one collective are about the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "topology/topology.h"
#include "topology/two_level.h"

namespace gossamer::topology {

struct ScheduleFile {
  std::string path;
  friend bool operator==(const ScheduleFile&, const ScheduleFile&) = default;
};

// Within hosts and between them. What cannot be made so, as ranks that are all on one host, goes by cost.
struct TwoLevelKinds {
  TwoLevelForm form = TwoLevelForm::leaders;
  ScheduleKind inner = ScheduleKind::binomial_tree;
  ScheduleKind outer = ScheduleKind::circulant;
  [[nodiscard]] TwoLevelRequest for_collective(Collective collective, Rank root = {}) const {
    return {form, collective, inner, outer, root};
  }
  friend bool operator==(const TwoLevelKinds&, const TwoLevelKinds&) = default;
};

using ScheduleUse = std::variant<ScheduleKind, ScheduleFile, TwoLevelKinds>;
// As in a rule: "ring", "leaders of binomial-tree and circulant", "file:PATH".
[[nodiscard]] std::string in_words(const ScheduleUse& use);

struct ScheduleRule {
  std::optional<Collective> collective;  // none: every one
  std::uint64_t bytes_begin = 0;         // of the payload; the end is not among them
  std::uint64_t bytes_end = UINT64_MAX;  // which stands for no end
  ScheduleUse use;
  friend bool operator==(const ScheduleRule&, const ScheduleRule&) = default;
};

struct ScheduleRules {
  std::vector<ScheduleRule> rules;
  friend bool operator==(const ScheduleRules&, const ScheduleRules&) = default;

  // The rule for this payload: one of the collective, else one of every collective that can do it. None: the
  // schedule is chosen by cost. Valid as long as the rules are.
  [[nodiscard]] const ScheduleRule* find(Collective collective, std::uint64_t payload_bytes) const;
};

// Untrusted, and bounded: at most schedule_rules_bytes_max. `invalid_argument` points at the character: "schedule
// rules, character 12: expected ..., found "..."".
inline constexpr std::size_t schedule_rules_bytes_max = 4'096;
[[nodiscard]] Result<ScheduleRules> parse_schedule_rules(std::string_view text);
// In the form of above; what it writes is read back the same.
[[nodiscard]] std::string format_schedule_rules(const ScheduleRules& rules);

// A schedule that a user wrote (parse_schedule has the form), proved: for this collective, over so many ranks, and with
// this root if the collective has one. `malformed`: the text is none; `invalid_argument`: it is for something else, or
// wrong, in check_schedule's words. The path stands before them; `unavailable`: it cannot be read.
[[nodiscard]] Result<Schedule> prove_schedule(std::string_view text, Collective collective, std::uint32_t rank_count,
                                              Rank root = {});
[[nodiscard]] Result<Schedule> load_schedule(const std::string& path, Collective collective, std::uint32_t rank_count,
                                             Rank root = {});

// The steps of the above, for a schedule that is used more than once.
[[nodiscard]] Result<std::string> read_schedule(const std::string& path);  // its text
// That it is for this at all, whether right or wrong.
[[nodiscard]] Status check_purpose(const Schedule& schedule, Collective collective, std::uint32_t rank_count,
                                   Rank root = {});
[[nodiscard]] Status prove_schedule(const Schedule& schedule, Collective collective, std::uint32_t rank_count,
                                    Rank root = {});

}  // namespace gossamer::topology
