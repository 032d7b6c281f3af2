#include "topology/schedule_rules.h"
#include "topology/text_file.h"

namespace gossamer::topology {

Status check_purpose(const Schedule& schedule, Collective collective, std::uint32_t rank_count, Rank root) {
  const ScheduleRequest& request = schedule.request;
  if (request.collective != collective) {
    return Error{Code::invalid_argument,
                 text("the schedule is for the collective ", collective_name(request.collective), ", expected ",
                      collective_name(collective))};
  }
  if (request.rank_count != rank_count) {
    return Error{Code::invalid_argument,
                 text("the schedule is over ", request.rank_count, " ranks, expected ", rank_count)};
  }
  if (has_root(collective) && request.root != root) {
    return Error{Code::invalid_argument, text("the schedule has root ", request.root.value, ", expected ", root.value)};
  }
  return {};
}

Status prove_schedule(const Schedule& schedule, Collective collective, std::uint32_t rank_count, Rank root) {
  GOSSAMER_TRY(check_purpose(schedule, collective, rank_count, root));
  return check_schedule(schedule);
}

Result<Schedule> prove_schedule(std::string_view text, Collective collective, std::uint32_t rank_count, Rank root) {
  Result<Schedule> schedule = parse_schedule(text);
  if (schedule) GOSSAMER_TRY(prove_schedule(*schedule, collective, rank_count, root));
  return schedule;
}

Result<std::string> read_schedule(const std::string& path) { return read_text_file("schedule", path); }

Result<Graph> load_graph(const std::string& path) {
  const Result<std::string> content = read_text_file("graph", path);
  if (!content) return content.error();
  Result<Graph> graph = parse_graph(*content);
  if (graph) return graph;
  return Error{graph.error().code, text("graph file ", path, ": ", graph.error().message)};
}

Result<Schedule> load_schedule(const std::string& path, Collective collective, std::uint32_t rank_count, Rank root) {
  const Result<std::string> content = read_schedule(path);
  if (!content) return content.error();
  Result<Schedule> schedule = prove_schedule(*content, collective, rank_count, root);
  if (schedule) return schedule;
  Error error = std::move(schedule).error();
  error.message = text("schedule file ", path, ": ", error.message);
  return error;
}

}  // namespace gossamer::topology
