// The text form of a schedule: for reading, for diffs, and for the simulator's failure reports.
//
//   gossamer-schedule 1
//   kind butterfly
//   collective all-reduce
//   ranks 3
//   root 0
//   slices 1
//   rank 0
//   merge 0+1 from 2
//   send 0+1 to 1; merge 0+1 from 1
//   send 0+1 to 2
//   rank 1
//   idle
//   send 0+1 to 0; merge 0+1 from 0
//   rank 2
//   send 0+1 to 0
//   idle
//   receive 0+1 from 0
//   end
//
// One line a round, steps parted by ';', slices as first+count, a round without steps is "idle".
// Blank lines and lines that begin with '#' are passed over.
#include <algorithm>
#include <charconv>
#include <optional>

#include "topology/program_writer.h"
#include "topology/text_parts.h"

namespace gossamer::topology {
namespace {

constexpr std::string_view first_line = "gossamer-schedule 1";

constexpr std::string_view step_name(StepKind kind) {
  return kind == StepKind::send ? "send" : kind == StepKind::receive ? "receive" : "merge";
}

void append_step(std::string& out, const Step& step) {
  out += step_name(step.kind);
  out += ' ';
  out += std::to_string(step.slices.first);
  out += '+';
  out += std::to_string(step.slices.count);
  out += step.kind == StepKind::send ? " to " : " from ";
  out += std::to_string(step.peer.value);
}

std::optional<std::uint32_t> parse_number(std::string_view s) {
  std::uint32_t value = 0;
  const char* end = s.data() + s.size();
  const auto [stop, error] = std::from_chars(s.data(), end, value);
  if (s.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

class Parser {
 public:
  explicit Parser(std::string_view input) : rest_(input) {}

  Result<Schedule> run() {
    if (rest_.size() > schedule_text_bytes_max) {
      return Error{Code::malformed, text("the schedule has ", format_bytes(rest_.size()), " of text: at most ",
                                         format_bytes(schedule_text_bytes_max), " are read")};
    }
    GOSSAMER_TRY(parse_header());
    for (std::uint32_t rank = 0; rank < schedule_.request.rank_count; ++rank) GOSSAMER_TRY(parse_program(rank));
    if (line_ != "end") return fail("\"end\" after the last rank's rounds");
    if (next_line()) return fail("nothing after \"end\"");
    return std::move(schedule_);
  }

 private:
  // Steps to the next line that says something; false at the end of the text.
  bool next_line() {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      line_ = trimmed(rest_.substr(0, end));
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      ++line_number_;
      if (!line_.empty() && line_.front() != '#') return true;
    }
    line_ = {};
    return false;
  }

  template <typename... Parts>
  Error fail(const Parts&... expected) const {
    return Error{Code::malformed, text("schedule text, line ", line_number_, ": expected ", expected..., ", found ",
                                       line_.empty() ? "the end of the text" : quoted(line_))};
  }

  // The word after "<key> " on the next line.
  Result<std::string_view> parse_field(std::string_view key) {
    next_line();
    if (!line_.starts_with(key) || line_.size() <= key.size() || line_[key.size()] != ' ') {
      return fail("\"", key, " ...\"");
    }
    return trimmed(line_.substr(key.size()));
  }

  Status parse_number_field(std::string_view key, std::uint32_t least, std::uint32_t most, std::uint32_t& out) {
    const Result<std::string_view> word = parse_field(key);
    if (!word) return word.error();
    const std::optional<std::uint32_t> value = parse_number(*word);
    if (!value || *value < least || *value > most) return fail("\"", key, "\" and a number from ", least, " to ", most);
    out = *value;
    return {};
  }

  Status parse_header() {
    next_line();
    if (line_ != first_line) return fail("\"", first_line, "\"");
    ScheduleRequest& request = schedule_.request;
    const Result<std::string_view> kind_name = parse_field("kind");
    if (!kind_name) return kind_name.error();
    const Result<ScheduleKind> kind = parse_schedule_kind(*kind_name);
    if (!kind) return fail("the name of a schedule kind");
    request.kind = *kind;
    const Result<std::string_view> name = parse_field("collective");
    if (!name) return name.error();
    const Result<Collective> collective = parse_collective(*name);
    if (!collective) return fail("the name of a collective");
    request.collective = *collective;
    GOSSAMER_TRY(parse_number_field("ranks", 1, rank_count_max, request.rank_count));
    GOSSAMER_TRY(parse_number_field("root", 0, request.rank_count - 1, request.root.value));
    GOSSAMER_TRY(parse_number_field("slices", 1, rank_count_max, schedule_.slice_count));
    next_line();
    return {};
  }

  // From the line "rank R" to the first line that is not a round.
  Status parse_program(std::uint32_t rank) {
    if (line_ != "rank " + std::to_string(rank)) return fail("\"rank ", rank, "\", or a round");
    Program& program = schedule_.programs.emplace_back();
    while (next_line() && line_ != "end" && !line_.starts_with("rank ")) {
      Round& round = program.rounds.emplace_back();
      if (line_ == "idle") continue;
      std::string_view steps = line_;
      while (true) {
        const std::size_t end = std::min(steps.find(';'), steps.size());
        GOSSAMER_TRY(parse_step(rank, trimmed(steps.substr(0, end)), round));
        if (end == steps.size()) break;
        steps.remove_prefix(end + 1);
      }
    }
    return {};
  }

  // "send 0+2 to 1", "receive 2+2 from 3" or "merge 2+2 from 3".
  Status parse_step(std::uint32_t rank, std::string_view step, Round& round) {
    const auto take_until = [&](char mark) {
      const std::size_t end = std::min(step.find(mark), step.size());
      const std::string_view word = step.substr(0, end);
      step.remove_prefix(std::min(end + 1, step.size()));
      return word;
    };
    const std::string_view name = take_until(' ');
    const std::optional<std::uint32_t> first = parse_number(take_until('+'));
    const std::optional<std::uint32_t> count = parse_number(take_until(' '));
    const std::string_view direction = take_until(' ');
    const std::optional<std::uint32_t> peer = parse_number(step);
    for (const StepKind kind : {StepKind::send, StepKind::receive, StepKind::receive_merge}) {
      if (name != step_name(kind) || direction != (kind == StepKind::send ? "to" : "from")) continue;
      if (!first || !count || !peer) break;
      if (*count == 0 || std::uint64_t{*first} + *count > schedule_.slice_count) {
        return fail("steps with a range of the ", schedule_.slice_count, " slices");
      }
      if (*peer >= schedule_.request.rank_count || *peer == rank) {
        return fail("steps with one of the ", schedule_.request.rank_count, " ranks, other than ", rank, ", as peer");
      }
      round.steps.push_back({kind, Rank{*peer}, {*first, *count}});
      return {};
    }
    return fail("steps like \"send 0+2 to 1; receive 2+1 from 3; merge 3+1 from 3\", or \"idle\"");
  }

  std::string_view rest_;
  std::string_view line_;
  std::size_t line_number_ = 0;
  Schedule schedule_;
};

}  // namespace

std::string format_schedule(const Schedule& schedule) {
  std::string out = text(first_line, "\nkind ", schedule_kind_name(schedule.request.kind), "\ncollective ",
                         collective_name(schedule.request.collective), "\nranks ", schedule.request.rank_count,
                         "\nroot ", schedule.request.root.value, "\nslices ", schedule.slice_count, "\n");
  for (std::size_t rank = 0; rank < schedule.programs.size(); ++rank) {
    out += text("rank ", rank, "\n");
    for (const Round& round : schedule.programs[rank].rounds) {
      if (round.steps.empty()) out += "idle";
      for (std::size_t i = 0; i < round.steps.size(); ++i) {
        if (i > 0) out += "; ";
        append_step(out, round.steps[i]);
      }
      out += '\n';
    }
  }
  out += "end\n";
  return out;
}

Result<Schedule> parse_schedule(std::string_view text) { return Parser(text).run(); }

}  // namespace gossamer::topology
