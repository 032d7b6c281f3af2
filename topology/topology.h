// The public header of `topology`: who talks to whom, when, about which slice.
//
// A schedule is a value: for each rank a program of rounds, computed from (kind, collective, ranks,
// root) alone. It does no I/O, reads no clock and holds no memory. The engine runs it, the
// simulator runs the same value, the cost model reads it, `check_schedule` proves it.
//
// Meaning of a round, for the one rank that runs it:
//   1. all sends, receives and receive_merges of the round start together;
//   2. when every one of them is complete, the received contributions are merged into the buffer in
//      the order in which the steps are listed (never in the order of arrival);
//   3. the next round begins.
// A `receive` overwrites its slices, a `receive_merge` adds to them from a staging area. Within a
// round, a slice that is sent is not the target of a `receive`. The k-th send from a to b matches
// the k-th receive at b from a, counted over the whole program, with the same slices.
//
// Rounds are counted alike on all ranks: the two sides of a message of `make_program` are in rounds of the
// same index, and a rank that has nothing to do in one has an empty round there.
//
// A buffer is cut into `slice_count` slices. Buffers that the collectives know:
//   all_reduce      every rank contributes all slices; at the end every rank has all slices with
//                   every contribution exactly once, merged in the same order on every rank
//   all_gather      slice r is contributed by rank r alone; at the end every rank has all slices
//   broadcast       the root contributes all slices; at the end every rank has them
//   reduce_scatter  as all_reduce, but at the end rank r has slice r only
//   reduce          as all_reduce, but at the end the root alone has the slices; the others' hold parts of sums
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "topology/catalogue.h"
#include "topology/graph.h"
#include "topology/rank_count.h"

namespace gossamer::topology {

#define GOSSAMER_SCHEDULE_ENUM(name, NAME, number, ...) name = number,
enum class ScheduleKind : std::uint8_t { GOSSAMER_SCHEDULE_TABLE(GOSSAMER_SCHEDULE_ENUM) };
#undef GOSSAMER_SCHEDULE_ENUM
enum class Collective : std::uint8_t { all_reduce = 1, all_gather = 2, broadcast = 3, reduce_scatter = 4, reduce = 5 };
enum class StepKind : std::uint8_t { send = 1, receive = 2, receive_merge = 3 };

// In the order of their numbers.
[[nodiscard]] std::span<const ScheduleKind> all_schedules();
[[nodiscard]] bool is_schedule(std::int64_t number);
[[nodiscard]] std::string_view schedule_kind_name(ScheduleKind kind);  // "binomial-tree", "butterfly", ...
[[nodiscard]] Result<ScheduleKind> parse_schedule_kind(std::string_view name);
[[nodiscard]] std::string_view collective_name(Collective collective);  // "all-reduce", ...
[[nodiscard]] Result<Collective> parse_collective(std::string_view name);
// Whether it begins or ends at one rank: a broadcast and a reduce do.
[[nodiscard]] bool has_root(Collective collective);

// Neighbouring slices first, first+1, ..., first+count-1. They never wrap around.
struct SliceRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  friend bool operator==(const SliceRange&, const SliceRange&) = default;
};

struct Step {
  StepKind kind = StepKind::send;
  Rank peer;
  SliceRange slices;
  friend bool operator==(const Step&, const Step&) = default;
};

struct Round {
  std::vector<Step> steps;
  friend bool operator==(const Round&, const Round&) = default;
};

struct Program {
  std::vector<Round> rounds;
  friend bool operator==(const Program&, const Program&) = default;
};

struct ScheduleRequest {
  ScheduleKind kind = ScheduleKind::binomial_tree;
  Collective collective = Collective::all_reduce;
  std::uint32_t rank_count = 1;
  Rank root = {};  // of a broadcast and a reduce; of stars, trees and chains elsewhere
};

struct Schedule {
  ScheduleRequest request;
  std::uint32_t slice_count = 1;
  std::vector<Program> programs;  // by rank
  friend bool operator==(const Schedule&, const Schedule&);
};

// One rank's part of a schedule, with all that running it needs and no trace of where it came from: whatever makes one
// (a kind, a composition, a file) has shown that it is right together with the other ranks'.
struct RankSchedule {
  std::string name;  // "ring", for messages
  std::uint32_t slice_count = 1;
  std::uint32_t own_slice = 0;  // the one that this rank contributes, where each contributes its own
  Program program;
  std::string merging = "reduce";    // what a receive_merge is to a reader of a message: "reduce-scatter"
  std::string moving = "broadcast";  // and a receive: "all-gather"
};

// How many slices this schedule cuts its buffer into: a constant of the request (1, P, or a number of chunks).
[[nodiscard]] Result<std::uint32_t> slice_count(const ScheduleRequest& request);

// Where a slice of a merging payload begins: as equal as lines of 64 bytes allow. The one past the last begins at the
// end.
inline constexpr std::uint64_t slice_alignment = 64;
[[nodiscard]] constexpr std::uint64_t slice_begin(std::uint64_t payload_bytes, std::uint32_t slice,
                                                  std::uint32_t slice_count) {
  if (slice == slice_count) return payload_bytes;
  const std::uint64_t lines = payload_bytes / slice_alignment + (payload_bytes % slice_alignment != 0 ? 1 : 0);
  const std::uint64_t begin = lines * slice / slice_count * slice_alignment;
  return begin < payload_bytes ? begin : payload_bytes;
}

// One rank's program, without making the others'. Fails with invalid_argument, and says why, for a
// combination that does not exist (see `supports`), zero ranks or more than rank_count_max, or a rank
// or root out of range.
[[nodiscard]] Result<Program> make_program(const ScheduleRequest& request, Rank rank);
[[nodiscard]] Result<Schedule> make_schedule(const ScheduleRequest& request);
// The same program as an engine runs it.
[[nodiscard]] Result<RankSchedule> make_rank_schedule(const ScheduleRequest& request, Rank rank);
[[nodiscard]] bool supports(ScheduleKind kind, Collective collective);

// Why the schedule is wrong, or success: matching sends and receives, no wait cycle, no overwritten
// slice in use, each contribution exactly once where it belongs, and the same merge tree on every rank
// (so that floating-point sums have the same bits everywhere).
[[nodiscard]] Status check_schedule(const Schedule& schedule);

// Text form, one line a round; parse_schedule(format_schedule(s)) == s. Input is untrusted: bounded and validated.
[[nodiscard]] std::string format_schedule(const Schedule& schedule);
[[nodiscard]] Result<Schedule> parse_schedule(std::string_view text);

// ---------------------------------------------------------------------------------------------
// What a schedule costs: alpha for each message, beta for each byte, gamma for each merged byte.

// The numbers of shared memory, unless others are given.
struct CostModel {
  double alpha_ns = 1'500.0;
  double beta_ns_per_byte = 0.15;
  double gamma_ns_per_byte = 0.05;
};

// Models of known links, by name: "shared-memory", "rdma", "tcp-10g", "tcp-1g".
struct NamedCostModel {
  std::string_view name;
  CostModel model;
};
[[nodiscard]] std::span<const NamedCostModel> known_cost_models();

// A name of the above, or "ALPHA,BETA": microseconds for a message, nanoseconds for a byte. `invalid_argument` says
// what was expected.
[[nodiscard]] Result<CostModel> parse_cost_model(std::string_view text);

struct Cost {
  double nanoseconds = 0;            // of the slowest rank, rounds taken one after the other in lock step
  std::uint64_t bytes_per_rank = 0;  // sent by the rank that sends most
  std::uint32_t rounds = 0;
};

[[nodiscard]] Result<Cost> predict_cost(const ScheduleRequest& request, std::uint64_t payload_bytes,
                                        const CostModel& model);

struct Choice {
  ScheduleKind kind = ScheduleKind::binomial_tree;
  std::string
      reason;  // "circulant for all-reduce of 210.0 KiB over 4 ranks: 92.1 us predicted, butterfly 118.3 us, ..."
};

// Whether choose_schedule may take it for this collective, or only who names it.
[[nodiscard]] bool is_chosen_by_cost(ScheduleKind kind, Collective collective);

// The cheapest kind for this payload by the model. A pure function of its arguments, so that ranks
// that agree on them agree on the schedule. Never star.
[[nodiscard]] Result<Choice> choose_schedule(Collective collective, std::uint32_t rank_count,
                                             std::uint64_t payload_bytes, const CostModel& model);

}  // namespace gossamer::topology
