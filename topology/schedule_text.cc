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
#include <optional>

#include "topology/program_writer.h"
#include "topology/text_reader.h"

namespace gossamer::topology {
namespace {

constexpr std::string_view schedule_first_line = "gossamer-schedule 1";

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

class ScheduleParser {
 public:
  explicit ScheduleParser(std::string_view input) : in_("schedule", input) {}

  Result<Schedule> run() {
    GOSSAMER_TRY(in_.check_length());
    GOSSAMER_TRY(parse_header());
    for (std::uint32_t rank = 0; rank < schedule_.request.rank_count; ++rank) GOSSAMER_TRY(parse_program(rank));
    if (in_.line() != "end") return in_.fail("\"end\" after the last rank's rounds");
    if (in_.next_line()) return in_.fail("nothing after \"end\"");
    return std::move(schedule_);
  }

 private:
  Status parse_header() {
    in_.next_line();
    if (in_.line() != schedule_first_line) return in_.fail("\"", schedule_first_line, "\"");
    ScheduleRequest& request = schedule_.request;
    const Result<std::string_view> kind_name = in_.parse_field("kind");
    if (!kind_name) return kind_name.error();
    const Result<ScheduleKind> kind = parse_schedule_kind(*kind_name);
    if (!kind) return in_.fail("the name of a schedule kind");
    request.kind = *kind;
    const Result<std::string_view> name = in_.parse_field("collective");
    if (!name) return name.error();
    const Result<Collective> collective = parse_collective(*name);
    if (!collective) return in_.fail("the name of a collective");
    request.collective = *collective;
    GOSSAMER_TRY(in_.parse_number_field("ranks", 1, rank_count_max, request.rank_count));
    GOSSAMER_TRY(in_.parse_number_field("root", 0, request.rank_count - 1, request.root.value));
    GOSSAMER_TRY(in_.parse_number_field("slices", 1, rank_count_max, schedule_.slice_count));
    in_.next_line();
    return {};
  }

  // From the line "rank R" to the first line that is not a round.
  Status parse_program(std::uint32_t rank) {
    if (in_.line() != "rank " + std::to_string(rank)) return in_.fail("\"rank ", rank, "\", or a round");
    Program& program = schedule_.programs.emplace_back();
    while (in_.next_line() && in_.line() != "end" && !in_.line().starts_with("rank ")) {
      Round& round = program.rounds.emplace_back();
      if (in_.line() == "idle") continue;
      std::string_view steps = in_.line();
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
        return in_.fail("steps with a range of the ", schedule_.slice_count, " slices");
      }
      if (*peer >= schedule_.request.rank_count || *peer == rank) {
        return in_.fail("steps with one of the ", schedule_.request.rank_count, " ranks, other than ", rank,
                        ", as peer");
      }
      round.steps.push_back({kind, Rank{*peer}, {*first, *count}});
      return {};
    }
    return in_.fail("steps like \"send 0+2 to 1; receive 2+1 from 3; merge 3+1 from 3\", or \"idle\"");
  }

  TextReader in_;
  Schedule schedule_;
};

}  // namespace

std::string format_schedule(const Schedule& schedule) {
  std::string out = text(schedule_first_line, "\nkind ", schedule_kind_name(schedule.request.kind), "\ncollective ",
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

Result<Schedule> parse_schedule(std::string_view text) { return ScheduleParser(text).run(); }

}  // namespace gossamer::topology
