#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "topology/program_writer.h"

namespace gossamer::topology {
namespace {

enum class Cut : std::uint8_t { none, whole, by_rank, chunks, twice_chunks, chunks_by_rank };
enum class Meeting : std::uint8_t { at_root, in_pairs };
enum class Choosing : std::uint8_t { by_cost, rooted_by_cost, over_groups, by_name };

struct KindRow {
  ScheduleKind kind;
  std::string_view name;
  Program (*make)(const ScheduleRequest&, std::uint32_t);
  std::vector<std::uint32_t> (*cost_ranks)(const ScheduleRequest&);
  std::array<Cut, 5> cuts;  // in the order of Collective
  Meeting meeting;
  Choosing choosing;
};

#define GOSSAMER_SCHEDULE_ROW(name, NAME, number, words, all_reduce, gather, broadcast, scatter, reduce, meeting, \
                              choosing)                                                                           \
  KindRow{ScheduleKind::name,                                                                                     \
          words,                                                                                                  \
          &make_##name,                                                                                           \
          &cost_ranks_of_##name,                                                                                  \
          {Cut::all_reduce, Cut::gather, Cut::broadcast, Cut::scatter, Cut::reduce},                              \
          Meeting::meeting,                                                                                       \
          Choosing::choosing},
constexpr std::array kinds = {GOSSAMER_SCHEDULE_TABLE(GOSSAMER_SCHEDULE_ROW)};
#undef GOSSAMER_SCHEDULE_ROW

#define GOSSAMER_SCHEDULE_KIND(name, ...) ScheduleKind::name,
constexpr std::array all_kinds = {GOSSAMER_SCHEDULE_TABLE(GOSSAMER_SCHEDULE_KIND)};
#undef GOSSAMER_SCHEDULE_KIND

constexpr std::array<std::string_view, 5> collective_names = {"all-reduce", "all-gather", "broadcast", "reduce-scatter",
                                                              "reduce"};

// Values of an enum may come from a C caller, so each is looked up, never trusted.
const KindRow* find_kind(ScheduleKind kind) {
  for (const KindRow& row : kinds) {
    if (row.kind == kind) return &row;
  }
  return nullptr;
}

std::optional<std::size_t> index_of(Collective collective) {
  const std::size_t value = static_cast<std::size_t>(collective);
  if (value < 1 || value > collective_names.size()) return std::nullopt;
  return value - 1;
}

Cut cut_of(ScheduleKind kind, Collective collective) {
  const KindRow* row = find_kind(kind);
  const std::optional<std::size_t> index = index_of(collective);
  return row != nullptr && index ? row->cuts.at(*index) : Cut::none;
}

// What a receive_merge and a receive of a schedule are to a reader of a message.
struct Words {
  std::string_view merging;
  std::string_view moving;
};

Words words_of(const ScheduleRequest& request) {
  const std::string_view whole = collective_name(request.collective);
  if (request.collective != Collective::all_reduce) return {whole, whole};
  if (cut_of(request.kind, request.collective) == Cut::by_rank)
    return {collective_name(Collective::reduce_scatter), collective_name(Collective::all_gather)};
  if (find_kind(request.kind)->meeting == Meeting::in_pairs) return {whole, whole};
  return {"reduce", collective_name(Collective::broadcast)};
}

Error unknown_name(std::string_view what, std::string_view name, const std::string& known) {
  return Error{Code::invalid_argument, text("unknown ", what, " \"", name, "\": expected one of ", known)};
}

}  // namespace

std::span<const ScheduleKind> all_schedules() { return all_kinds; }

bool is_schedule(std::int64_t number) {
  return number >= 0 && number <= UINT8_MAX && find_kind(static_cast<ScheduleKind>(number)) != nullptr;
}

bool is_chosen_by_cost(ScheduleKind kind, Collective collective) {
  const KindRow* row = find_kind(kind);
  if (row == nullptr || !supports(kind, collective)) return false;
  if (row->choosing == Choosing::rooted_by_cost) return has_root(collective);
  return row->choosing == Choosing::by_cost;
}

bool is_chosen_over_groups(ScheduleKind kind, Collective collective) {
  const KindRow* row = find_kind(kind);
  if (row != nullptr && row->choosing == Choosing::over_groups) return supports(kind, collective);
  return is_chosen_by_cost(kind, collective);
}

std::vector<std::uint32_t> cost_ranks_of(const ScheduleRequest& request) {
  return find_kind(request.kind)->cost_ranks(request);
}

std::string_view schedule_kind_name(ScheduleKind kind) {
  const KindRow* row = find_kind(kind);
  return row != nullptr ? row->name : "unknown";
}

Result<ScheduleKind> parse_schedule_kind(std::string_view name) {
  std::string known;
  for (const KindRow& row : kinds) {
    if (row.name == name) return row.kind;
    known += (known.empty() ? "" : ", ");
    known += row.name;
  }
  return unknown_name("schedule kind", name, known);
}

std::string_view collective_name(Collective collective) {
  const std::optional<std::size_t> index = index_of(collective);
  return index ? collective_names.at(*index) : "unknown";
}

Result<Collective> parse_collective(std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < collective_names.size(); ++i) {
    if (collective_names.at(i) == name) return static_cast<Collective>(i + 1);
    known += (known.empty() ? "" : ", ");
    known += collective_names.at(i);
  }
  return unknown_name("collective", name, known);
}

bool has_root(Collective collective) { return collective == Collective::broadcast || collective == Collective::reduce; }

bool supports(ScheduleKind kind, Collective collective) { return cut_of(kind, collective) != Cut::none; }

Status check_request(const ScheduleRequest& request) {
  if (!supports(request.kind, request.collective)) {
    std::string having;
    for (const KindRow& row : kinds) {
      if (!supports(row.kind, request.collective)) continue;
      having += (having.empty() ? "" : ", ");
      having += row.name;
    }
    return Error{Code::invalid_argument,
                 text("there is no ", schedule_kind_name(request.kind), " schedule for the collective ",
                      collective_name(request.collective), having.empty() ? "" : "; it has ", having)};
  }
  if (request.rank_count == 0 || request.rank_count > rank_count_max) {
    return Error{Code::invalid_argument,
                 text("a schedule has 1 to ", rank_count_max, " ranks, not ", request.rank_count)};
  }
  if (request.root.value >= request.rank_count) {
    return Error{Code::invalid_argument,
                 text("root ", request.root.value, " is not one of ", request.rank_count, " ranks"), request.root};
  }
  return {};
}

Result<std::uint32_t> slice_count(const ScheduleRequest& request) {
  GOSSAMER_TRY(check_request(request));
  if (request.rank_count == 1) return 1;
  switch (cut_of(request.kind, request.collective)) {
    case Cut::none:
    case Cut::whole:
      return 1;
    case Cut::by_rank:
      return request.rank_count;
    case Cut::chunks:
      return chunk_count;
    case Cut::twice_chunks:
      return 2 * chunk_count;
    case Cut::chunks_by_rank:
      return std::max(chunk_count, request.rank_count);
  }
  GOSSAMER_CHECK(false, "every cut has its slices");
}

Result<Program> make_program(const ScheduleRequest& request, Rank rank) {
  GOSSAMER_TRY(check_request(request));
  if (rank.value >= request.rank_count) {
    return Error{Code::invalid_argument, text("rank ", rank.value, " is not one of ", request.rank_count, " ranks"),
                 rank};
  }
  if (request.rank_count == 1) return Program{};
  return find_kind(request.kind)->make(request, rank.value);
}

Result<Schedule> make_schedule(const ScheduleRequest& request) {
  const Result<std::uint32_t> slices = slice_count(request);
  if (!slices) return slices.error();
  Schedule schedule{request, *slices, {}};
  schedule.programs.reserve(request.rank_count);
  for (std::uint32_t rank = 0; rank < request.rank_count; ++rank) {
    Result<Program> program = make_program(request, Rank{rank});
    if (!program) return std::move(program).error();
    schedule.programs.push_back(*std::move(program));
  }
  return schedule;
}

Result<RankSchedule> make_rank_schedule(const ScheduleRequest& request, Rank rank) {
  const Result<std::uint32_t> slices = slice_count(request);
  if (!slices) return slices.error();
  Result<Program> program = make_program(request, rank);
  if (!program) return std::move(program).error();
  const Words words = words_of(request);
  return RankSchedule{.name = std::string(schedule_kind_name(request.kind)),
                      .slice_count = *slices,
                      .own_slice = request.collective == Collective::all_gather ? rank.value : 0,
                      .program = *std::move(program),
                      .merging = std::string(words.merging),
                      .moving = std::string(words.moving)};
}

bool operator==(const Schedule& a, const Schedule& b) {
  return a.request.kind == b.request.kind && a.request.collective == b.request.collective &&
         a.request.rank_count == b.request.rank_count && a.request.root == b.request.root &&
         a.slice_count == b.slice_count && a.programs == b.programs;
}

void ProgramWriter::add(StepKind kind, std::uint32_t peer, std::uint32_t first, std::uint32_t count) {
  GOSSAMER_CHECK(!program_.rounds.empty() && count <= slice_count_, "a step belongs to a round and to the buffer");
  first %= slice_count_;
  const std::uint32_t until_end = count < slice_count_ - first ? count : slice_count_ - first;
  std::vector<Step>& steps = program_.rounds.back().steps;
  if (until_end > 0) steps.push_back({kind, Rank{peer}, {first, until_end}});
  if (count > until_end) steps.push_back({kind, Rank{peer}, {0, count - until_end}});
}

Program ProgramWriter::finish() && {
  while (!program_.rounds.empty() && program_.rounds.back().steps.empty()) program_.rounds.pop_back();
  return std::move(program_);
}

}  // namespace gossamer::topology
