// Groups, memory that peers read in place, and collectives of the C interface.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bindings/c/call.h"
#include "bindings/c/gossamer.h"
#include "bindings/c/objects.h"
#include "runtime/runtime.h"
#include "sketch/sketch.h"
#include "topology/topology.h"

using namespace gossamer::c;
using gossamer::Rank;
using gossamer::text;
using gossamer::runtime::CollectiveConfig;
using gossamer::runtime::ElementVector;

namespace {

namespace sketch = gossamer::sketch;
namespace topology = gossamer::topology;

#define SAME_COLLECTIVE(name, NAME, number, ...) \
  static_assert(GOSSAMER_##NAME == (number) && static_cast<int>(gossamer::runtime::CollectiveKind::name) == (number));
GOSSAMER_COLLECTIVE_TABLE(SAME_COLLECTIVE)
#undef SAME_COLLECTIVE
#define SAME_TYPE(name, NAME, number, ...) \
  static_assert(GOSSAMER_##NAME == (number) && static_cast<int>(sketch::ElementType::name) == (number));
GOSSAMER_ELEMENT_TABLE(SAME_TYPE)
#undef SAME_TYPE
#define SAME_OP(name, NAME, number, ...) \
  static_assert(GOSSAMER_##NAME == (number) && static_cast<int>(sketch::ReduceOp::name) == (number));
GOSSAMER_REDUCE_OP_TABLE(SAME_OP)
#undef SAME_OP
#define SAME_GRAPH(name, NAME, number, ...) \
  static_assert(GOSSAMER_GRAPH_##NAME == (number) && static_cast<int>(gossamer::topology::GraphKind::name) == (number));
GOSSAMER_GRAPH_TABLE(SAME_GRAPH)
#undef SAME_GRAPH
static_assert(offsetof(gossamer_graph, reserved_) + sizeof(uint32_t) == sizeof(gossamer_graph),
              "gossamer_graph ends in padding");
static_assert(offsetof(gossamer_collective_config, reserved_) + sizeof(uint32_t) == sizeof(gossamer_collective_config),
              "gossamer_collective_config ends in padding");

// Then `schedule` and `reserved_` were where the graph is now.
constexpr std::size_t collective_config_size_before_graphs = 72;
void move_schedule(gossamer_collective_config& c) {
  struct Former {
    int32_t schedule;
    uint32_t reserved;
  } former;
  static_assert(sizeof former == sizeof c.graph);
  std::memcpy(&former, &c.graph, sizeof former);
  c.graph = nullptr;
  c.schedule = former.schedule;
  c.reserved_ = former.reserved;
}

gossamer_status read_vector(const char* function, uint64_t count, int32_t type, int32_t op, ElementVector& vector) {
  const auto element = sketch::find_element_type(type);
  if (!element) return fail_argument(function, text("type is ", type, ", expected a gossamer_type"));
  const auto reduce = sketch::find_reduce_op(op);
  if (!reduce) return fail_argument(function, text("op is ", op, ", expected a gossamer_op"));
  if (count > gossamer::runtime::element_count_max)
    return fail_argument(
        function, text("count is ", count, ", expected at most ", gossamer::runtime::element_count_max, " elements"));
  vector = {*element, *reduce, count};
  return GOSSAMER_DONE;
}

// A buffer in memory of gossamer_allocate ends within it.
gossamer_status check_room(const gossamer_session& session, const char* function, const char* field, const void* buffer,
                           uint64_t bytes) {
  const auto block = session.session->allocation_of(buffer);
  if (block.empty()) return GOSSAMER_DONE;
  const auto room = static_cast<uint64_t>(block.data() + block.size() - static_cast<const std::byte*>(buffer));
  if (bytes <= room) return GOSSAMER_DONE;
  return fail_argument(
      function, text(field, " has ", room, " B up to the end of its gossamer_allocate block, expected ", bytes, " B"));
}

gossamer_status read_graph(const char* function, const gossamer_graph* given, uint32_t ranks,
                           std::shared_ptr<const topology::Graph>& graph) {
  gossamer_graph g = GOSSAMER_GRAPH_INIT;
  if (given != nullptr)
    if (const auto status = read_struct(function, given, g); status != GOSSAMER_DONE) return status;
  if (!topology::is_graph(g.kind))
    return fail_argument(function, text("the graph's kind is ", g.kind, ", expected a gossamer_graph_kind"));
  if (g.reserved_ != 0) return fail_argument(function, "reserved_ of the graph is not 0");
  const auto kind = static_cast<topology::GraphKind>(g.kind);
  const bool is_given = topology::graph_traits(kind).is_given;
  if (!is_given && (g.shares != nullptr || g.path != nullptr || g.period != 0))
    return fail_argument(function, text("shares, path or period are given for a graph of kind ",
                                        topology::graph_kind_name(kind), ", which only MATRIX reads"));
  if (is_given && (g.shares == nullptr) == (g.path == nullptr))
    return fail_argument(function, "a graph of kind MATRIX has shares or a path: expected one of the two");
  if (is_given && (g.degree != 0 || g.seed != 0 || (g.path != nullptr && g.period != 0)))
    return fail_argument(function, "a graph of kind MATRIX has no degree or seed, and one of a file no period");
  auto made = [&] {
    if (!is_given) return topology::make_graph({kind, ranks, g.degree, g.seed});
    if (g.path != nullptr) return topology::load_graph(g.path);
    const uint32_t period = g.period == 0 ? 1 : g.period;
    return topology::graph_from_matrices({g.shares, std::size_t{period} * ranks * ranks}, ranks, period);
  }();
  if (!made.ok()) return fail(made.error());
  graph = std::make_shared<const topology::Graph>(std::move(*made));
  return GOSSAMER_DONE;
}

gossamer_status read_collective_config(const gossamer_session& session, const gossamer_collective_config& c,
                                       CollectiveConfig& config) {
  constexpr const char* function = "gossamer_collective_create";
  const auto* const row = gossamer::runtime::find_collective(c.kind);
  if (row == nullptr) return fail_argument(function, text("kind is ", c.kind, ", expected a gossamer_collective_kind"));
  if (const auto status = read_vector(function, c.count, c.type, c.op, config.vector); status != GOSSAMER_DONE)
    return status;
  if (c.root < 0) return fail_argument(function, text("root is ", c.root, ", expected a rank of the group"));
  if (c.schedule != GOSSAMER_SCHEDULE_AUTO && !gossamer::topology::is_schedule(c.schedule))
    return fail_argument(function, text("schedule is ", c.schedule, ", expected a gossamer_schedule"));
  if (c.reserved_ != 0) return fail_argument(function, "reserved_ is not 0");
  if (c.name != nullptr) config.name = c.name;
  config.kind = row->kind;
  config.root = Rank{static_cast<uint32_t>(c.root)};
  config.input = static_cast<const std::byte*>(c.input);
  config.output = static_cast<std::byte*>(c.output);
  if (config.kind == gossamer::runtime::CollectiveKind::neighbor_reduce) {
    const std::size_t ranks = c.group != nullptr ? c.group->ranks.size() : session.session->rank_count();
    if (const auto status = read_graph(function, c.graph, static_cast<uint32_t>(ranks), config.graph);
        status != GOSSAMER_DONE)
      return status;
  } else if (c.graph != nullptr) {
    return fail_argument(function, "a graph is given, which only NEIGHBOR_REDUCE reads");
  }
  if (c.schedule != GOSSAMER_SCHEDULE_AUTO) config.schedule = static_cast<gossamer::topology::ScheduleKind>(c.schedule);
  // What a rank does not use has no size: checked where the whole vector must be there.
  const bool is_whole_input = config.kind != gossamer::runtime::CollectiveKind::all_gather;
  const bool is_whole_output =
      config.kind != gossamer::runtime::CollectiveKind::reduce_scatter || c.input == nullptr || c.input == c.output;
  if (c.input != nullptr && is_whole_input)
    if (const auto status = check_room(session, function, "input", c.input, config.vector.bytes());
        status != GOSSAMER_DONE)
      return status;
  if (c.output == nullptr || !is_whole_output) return GOSSAMER_DONE;
  return check_room(session, function, "output", c.output, config.vector.bytes());
}

}  // namespace

extern "C" {

gossamer_status gossamer_group_create(gossamer_session* session, const int32_t* ranks, size_t rank_count,
                                      gossamer_group** group) {
  constexpr const char* function = "gossamer_group_create";
  return guarded([&] {
    if (group == nullptr) return fail_argument(function, "group is NULL, expected where to put it");
    *group = nullptr;
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    if (ranks == nullptr || rank_count == 0)
      return fail_argument(function, "ranks is NULL or empty, expected this rank at least");
    const auto session_ranks = static_cast<int64_t>(session->session->rank_count());
    std::list<gossamer_group> made(1, gossamer_group{session, {}});
    std::vector<bool> seen(static_cast<std::size_t>(session_ranks), false);
    for (size_t i = 0; i < rank_count; ++i) {
      if (ranks[i] < 0 || ranks[i] >= session_ranks)
        return fail_argument(function,
                             text("ranks[", i, "] is ", ranks[i], ", expected a rank from 0 to ", session_ranks - 1));
      if (seen[static_cast<std::size_t>(ranks[i])])
        return fail_argument(function, text("ranks[", i, "] is ", ranks[i], ", which is in the group already"));
      seen[static_cast<std::size_t>(ranks[i])] = true;
      made.front().ranks.push_back(Rank{static_cast<uint32_t>(ranks[i])});
    }
    if (!seen[session->session->rank().value])
      return fail_argument(function, text("rank ", session->session->rank().value,
                                          " is outside the group: expected the "
                                          "own rank among its ranks"));
    *group = &made.front();
    session->groups.splice(session->groups.end(), made);
    return GOSSAMER_DONE;
  });
}

void gossamer_group_destroy(gossamer_group* group) {
  if (group == nullptr || refuses_in_observer("gossamer_group_destroy")) return;
  if (group->session == nullptr) return drop_kept(group);
  if (!is_forked(*group->session)) drop(group->session->groups, group);
}

gossamer_status gossamer_allocate(gossamer_session* session, size_t bytes, void** memory) {
  constexpr const char* function = "gossamer_allocate";
  return guarded([&] {
    if (memory == nullptr) return fail_argument(function, "memory is NULL, expected where to put the address");
    *memory = nullptr;
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    const auto made = session->session->allocate(bytes);
    if (!made.ok()) return fail(made.error());
    *memory = made->data();
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_free(gossamer_session* session, void* memory) {
  constexpr const char* function = "gossamer_free";
  return guarded([&] {
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    if (memory != nullptr && !session->session->free(memory))
      return fail_argument(function, "memory is no address that gossamer_allocate gave for this session");
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_collective_create(gossamer_session* session, const gossamer_collective_config* config,
                                           gossamer_collective** collective) {
  constexpr const char* function = "gossamer_collective_create";
  return guarded([&] {
    if (collective != nullptr) *collective = nullptr;
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    gossamer_collective_config c = GOSSAMER_COLLECTIVE_CONFIG_INIT;
    CollectiveConfig request;
    std::list<gossamer_collective> handle;
    std::vector<Rank> members;
    const auto mistake = mistake_of([&] {
      if (config == nullptr) return fail_argument(function, "config is NULL, expected at least the kind");
      if (const auto status = read_struct(function, config, c); status != GOSSAMER_DONE) return status;
      if (config->struct_size == collective_config_size_before_graphs) move_schedule(c);
      if (c.group != nullptr && c.group->session != session)
        return fail_argument(function, "the group is of another session, or of one that was finalized");
      // From here on the others of the group hear of what is wrong.
      if (c.group != nullptr) members = c.group->ranks;
      if (collective == nullptr) return fail_argument(function, "collective is NULL, expected where to put it");
      handle.emplace_back();
      return read_collective_config(*session, c, request);
    });
    auto made = session->session->make_collective(
        mistake ? gossamer::Result<CollectiveConfig>(*mistake) : gossamer::Result<CollectiveConfig>(request), members);
    if (!made.ok()) return fail(made.error());
    handle.front() = {session, *made, {session, &(*made)->plan()}};
    *collective = &handle.front();
    session->collectives.splice(session->collectives.end(), handle);
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_collective_start(gossamer_collective* collective, gossamer_operation** operation) {
  constexpr const char* function = "gossamer_collective_start";
  return guarded([&] {
    if (collective == nullptr || operation == nullptr)
      return fail_argument(function, "collective or operation is NULL");
    *operation = nullptr;
    const Entered entered(check_start(function, collective->session), collective->session);
    if (!entered.is_done()) return entered.status;
    return started(collective->operation.plan->start(), collective->operation, operation);
  });
}

void gossamer_collective_destroy(gossamer_collective* collective) {
  if (collective == nullptr || refuses_in_observer("gossamer_collective_destroy")) return;
  gossamer_session* session = collective->session;
  if (session == nullptr) return drop_kept(collective);
  if (is_forked(*session)) return;
  const gossamer::LogScope scope(&session->session->who());
  session->session->destroy_collective(collective->collective);
  drop(session->collectives, collective);
}

gossamer_status gossamer_collective_slice(const gossamer_collective* collective, int32_t rank, uint64_t* first,
                                          uint64_t* count) {
  constexpr const char* function = "gossamer_collective_slice";
  return guarded([&] {
    if (collective == nullptr || first == nullptr || count == nullptr)
      return fail_argument(function, "collective, first or count is NULL");
    const Entered entered(check_session(function, collective->session), collective->session);
    if (!entered.is_done()) return entered.status;
    const auto rank_count = static_cast<int64_t>(collective->collective->rank_count());
    if (rank < 0 || rank >= rank_count)
      return fail_argument(function, text("rank is ", rank, ", expected one of the group, 0 to ", rank_count - 1));
    const auto slice = collective->collective->slice(static_cast<uint32_t>(rank));
    *first = slice.first;
    *count = slice.count;
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_all_reduce(gossamer_session* session, void* data, uint64_t count, int32_t type, int32_t op,
                                    int64_t timeout_ns) {
  constexpr const char* function = "gossamer_all_reduce";
  return guarded([&] {
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    uint64_t limit = 0;
    ElementVector vector;
    const auto mistake = mistake_of([&] {
      if (data == nullptr && count > 0)
        return fail_argument(function, text("data is NULL, expected ", count, " elements"));
      if (const auto status = read_vector(function, count, type, op, vector); status != GOSSAMER_DONE) return status;
      if (const auto status = check_room(*session, function, "data", data, vector.bytes()); status != GOSSAMER_DONE)
        return status;
      return read_limit(function, timeout_ns, 0, limit);
    });
    return outcome(session->session->all_reduce(vector, static_cast<std::byte*>(data), limit, mistake));
  });
}

gossamer_status gossamer_barrier(gossamer_session* session, int64_t timeout_ns) {
  constexpr const char* function = "gossamer_barrier";
  return guarded([&] {
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    uint64_t limit = 0;
    const auto mistake = mistake_of([&] { return read_limit(function, timeout_ns, 0, limit); });
    return outcome(session->session->barrier(limit, mistake));
  });
}

}  // extern "C"
