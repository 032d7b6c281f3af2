// The C interface over the runtime. Nothing throws through it: what the standard library throws
// (no memory) becomes a status here.
#include "bindings/c/gossamer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

#include "bindings/c/call.h"
#include "bindings/c/objects.h"
#include "runtime/runtime.h"
#include "sketch/sketch.h"
#include "topology/topology.h"

using namespace gossamer::c;
using gossamer::Code;
using gossamer::Error;
using gossamer::text;

// In the namespace of the template.
namespace gossamer::c {
template <>
constexpr std::array<PaddedSize, 2> padded_sizes<gossamer_config>{{{64, 60}, {72, 68}}};
// 112 bytes were built with and without `decode` at their end: read_compressor_config takes it where it is one.
template <>
constexpr std::array<PaddedSize, 2> padded_sizes<gossamer_compressor_config>{{{104, 100}, {120, 116}}};
}  // namespace gossamer::c

namespace {

// The table of the header and the table of the core are one: same names, same values.
#define SAME_VALUE(name, value, remedy) static_assert(static_cast<int>(Code::name) == (value));
GOSSAMER_CODE_TABLE(SAME_VALUE)
#undef SAME_VALUE
#define SAME_SCHEDULE(name, NAME, number, ...)          \
  static_assert(GOSSAMER_SCHEDULE_##NAME == (number) && \
                static_cast<int>(gossamer::topology::ScheduleKind::name) == (number));
GOSSAMER_SCHEDULE_TABLE(SAME_SCHEDULE)
#undef SAME_SCHEDULE
#define SAME_ALGORITHM(name, NAME, number) \
  static_assert(GOSSAMER_##NAME == (number) && static_cast<int>(gossamer::runtime::AlgorithmKind::name) == (number));
GOSSAMER_ALGORITHM_TABLE(SAME_ALGORITHM)
#undef SAME_ALGORITHM
#define SAME_CELLS(name, NAME, number, ...) \
  static_assert(GOSSAMER_CELLS_##NAME == (number) && static_cast<int>(gossamer::sketch::CellType::name) == (number));
GOSSAMER_WIRE_CELL_TABLE(SAME_CELLS)
#undef SAME_CELLS
#define SAME_NUMBER(name, NAME, number) static_assert(GOSSAMER_##NAME == (number));
#define SAME_OPTION(field, Kind, names, ...) \
  names(SAME_NUMBER) static_assert(std::is_same_v<decltype(gossamer_compressor_config::field), int32_t>);
GOSSAMER_OPTION_TABLE(SAME_OPTION)
#undef SAME_OPTION
#undef SAME_NUMBER
#define SAME_PROGRESS(name, NAME, number, words) static_assert(GOSSAMER_PROGRESS_##NAME == (number));
GOSSAMER_PROGRESS_TABLE(SAME_PROGRESS)
#undef SAME_PROGRESS
static_assert(static_cast<int>(gossamer::MemoryKind::host) == GOSSAMER_MEMORY_HOST &&
              static_cast<int>(gossamer::MemoryKind::cuda) == GOSSAMER_MEMORY_CUDA);
#define COUNT_ONE(...) +1
static_assert((0 GOSSAMER_CODE_TABLE(COUNT_ONE)) == (0 GOSSAMER_STATUS_TABLE(COUNT_ONE)));
#undef COUNT_ONE

// Sessions of this process and of those that it was forked from.
std::atomic<int> open_sessions{0};
std::atomic<std::uint64_t> owner_forks{0};  // of the process that opened the latest

// A field that filled up a struct's padding would leave its size as it was, and nothing would tell an older caller's
// padding from a newer caller's field: so no struct ends in padding.
#define ENDS_WITH(Struct, field) \
  static_assert(offsetof(Struct, field) + sizeof(Struct::field) == sizeof(Struct), #Struct " ends in padding")
ENDS_WITH(gossamer_config, lease_ns);
ENDS_WITH(gossamer_compressor_config, stream);
ENDS_WITH(gossamer_launch, name);
ENDS_WITH(gossamer_update, compressor);
ENDS_WITH(gossamer_stats, clipped);
#undef ENDS_WITH
static_assert(sizeof(gossamer_tensor) == offsetof(gossamer_tensor, exact) + 8, "ends in a named hole");

constexpr std::size_t compressor_config_size_of_two = 112;
// The last size in which DENSE had momentum 0.9 by default.
constexpr std::size_t compressor_config_size_before_plain_mean = 120;
constexpr std::size_t tensor_size_first = 24;

// What was given becomes the text of settings, which is read and checked where they are resolved.
gossamer_status read_config(const char* function, const gossamer_config* given,
                            gossamer::runtime::SettingsRequest& request) {
  gossamer_config config = GOSSAMER_CONFIG_INIT;
  if (given != nullptr)
    if (const auto status = read_struct(function, given, config); status != GOSSAMER_DONE) return status;
  const auto give = [&](const char* setting, bool is_given, std::string value) {
    if (is_given) request.push_back({setting, std::move(value)});
  };
  const auto give_text = [&](const char* setting, const char* value) {
    if (value != nullptr) request.push_back({setting, value});
  };
  using gossamer::runtime::seconds_text;
  const auto* const progress = gossamer::runtime::find_choice(gossamer::runtime::progress_choices, config.progress);
  give("rank", config.rank != -1, text(config.rank));
  give("rank_count", config.rank_count != -1, text(config.rank_count));
  give_text("rendezvous", config.rendezvous);
  give_text("bind_host", config.bind_host);
  give_text("transport", config.transport);
  give_text("job", config.job);
  give("init_timeout", config.init_timeout_ns != 0, seconds_text(config.init_timeout_ns));
  give("progress", config.progress != GOSSAMER_PROGRESS_AUTO,
       progress != nullptr ? std::string(progress->name) : text(config.progress));
  give("threads", config.threads != 0, text(config.threads));
  give("pin_threads", config.pin_threads != 0, config.pin_threads == 1 ? "yes" : text(config.pin_threads));
  give_text("secret", config.secret);
  give("lease", config.lease_ns != 0, config.lease_ns == -1 ? "0" : seconds_text(config.lease_ns));
  return GOSSAMER_DONE;
}

using gossamer::runtime::Bootstrap;

struct GivenPlace {
  int32_t rank = 0;
  int32_t rank_count = 1;
};

// In the place of what the configuration says.
void give_place(gossamer::runtime::SettingsRequest& request, const GivenPlace& place) {
  std::erase_if(request, [](const auto& each) { return each.name == "rank" || each.name == "rank_count"; });
  request.push_back({"rank", text(place.rank)});
  request.push_back({"rank_count", text(place.rank_count)});
}

// What is negative here is refused as a setting before anything is made of it.
gossamer::runtime::CallersPlace callers_place(int32_t rank, int32_t rank_count) {
  return {gossamer::Rank{static_cast<uint32_t>(rank)}, static_cast<uint32_t>(rank_count)};
}

gossamer::runtime::CallersCalls callers_calls(const gossamer_launch& given) {
  gossamer::runtime::CallersCalls calls;
  calls.name = given.name != nullptr ? given.name : "the caller's callbacks";
  if (given.broadcast != nullptr)
    calls.broadcast = [given](std::span<char> bytes) {
      return given.broadcast(given.context, bytes.data(), bytes.size(), 0) == 0;
    };
  if (given.all_gather != nullptr)
    calls.all_gather = [given](std::span<const char> mine, std::span<char> all) {
      return given.all_gather(given.context, mine.data(), all.data(), mine.size()) == 0;
    };
  return calls;
}

// `make_callers` gives the caller's own way of finding the others, or leaves it empty.
template <typename MakeCallers>
gossamer_status init(const char* function, const gossamer_config* config, gossamer_session** session,
                     std::optional<GivenPlace> place, MakeCallers make_callers) {
  return guarded([&] {
    if (session == nullptr) return fail_argument(function, "session is NULL, expected where to put it");
    *session = nullptr;
    gossamer::count_forks();
    if (open_sessions.load() > 0 && gossamer::fork_count() != owner_forks.load())
      return fail_argument(function,
                           "this process was forked from one with a session, and libraries underneath serve only that "
                           "one; fork before gossamer_init, or start a new program in the child (exec)");
    gossamer::runtime::SettingsRequest request;
    if (const auto status = read_config(function, config, request); status != GOSSAMER_DONE) return status;
    if (place) give_place(request, *place);
    if (const auto settings = gossamer::runtime::resolve_settings(request); !settings.ok())
      return fail(settings.error());
    std::unique_ptr<Bootstrap> callers;
    if (const auto status = make_callers(callers); status != GOSSAMER_DONE) return status;
    auto joined = gossamer::runtime::Session::join(request, std::move(callers));
    if (!joined.ok()) return fail(joined.error());
    *session = make_handle(*std::move(joined));
    owner_forks = (*session)->forks;
    ++open_sessions;
    return GOSSAMER_DONE;
  });
}

// One of the header, or one that the process has a device for.
bool is_memory_kind(int32_t memory) {
  return memory <= GOSSAMER_MEMORY_CUDA ||
         (memory <= 255 && gossamer::find_device_memory(static_cast<gossamer::MemoryKind>(memory)).ok());
}

gossamer_status read_tensors(const char* function, const gossamer_compressor_config& c,
                             gossamer::runtime::CompressorConfig& config) {
  if (c.tensor_size < tensor_size_first || c.tensor_size % alignof(gossamer_tensor) != 0 || c.tensor_size > 65536)
    return fail_argument(function, text("tensor_size is ", c.tensor_size, ", expected sizeof(gossamer_tensor), ",
                                        sizeof(gossamer_tensor), ": begin with the initializer macro"));
  const auto* at = reinterpret_cast<const unsigned char*>(c.tensors);
  for (std::size_t i = 0; i < c.tensor_count; ++i, at += c.tensor_size) {
    gossamer_tensor tensor;
    std::memcpy(&tensor, at, sizeof tensor);
    if (tensor.exact > 1)
      return fail_argument(function, text("exact of tensor ", i, " is ", tensor.exact, ", expected 0 or 1"));
    if (std::any_of(at + sizeof tensor, at + std::max(c.tensor_size, sizeof tensor),
                    [](unsigned char byte) { return byte != 0; }))
      return fail_argument(function, text("tensor ", i, " has fields that this version of the library does not know"));
    config.tensors.push_back(
        {tensor.name != nullptr ? tensor.name : text("tensor ", i), tensor.count, tensor.exact == 1});
  }
  return GOSSAMER_DONE;
}

gossamer_status read_option(const char* function, const gossamer::runtime::OptionRow& option, int32_t number,
                            gossamer::runtime::NamedOptions& options) {
  if (gossamer::runtime::find_choice(option.choices, number) == nullptr)
    return fail_argument(function, text(option.field, " is ", number, ", expected a gossamer_", option.field, ": ",
                                        gossamer::runtime::alternatives(option.choices, [](const auto& choice) {
                                          return text(choice.name, " (", choice.number, ")");
                                        })));
  option.set(options, number);
  return GOSSAMER_DONE;
}

gossamer_status read_compressor_config(const gossamer_compressor_config* given,
                                       gossamer::runtime::CompressorConfig& config) {
  constexpr const char* function = "gossamer_compressor_create";
  gossamer_compressor_config c = GOSSAMER_COMPRESSOR_CONFIG_INIT;
  if (const auto status = read_struct(function, given, c); status != GOSSAMER_DONE) return status;
  const std::size_t caller_size = given->struct_size;
  if (caller_size == compressor_config_size_of_two && c.decode != GOSSAMER_DECODE_SHARDED)
    c.decode = GOSSAMER_DECODE_WHOLE;
  if (caller_size <= compressor_config_size_before_plain_mean && c.algorithm == GOSSAMER_DENSE && c.momentum == -1.0)
    c.momentum = 0.9;
  if (c.tensor_count > 0 && c.tensors == nullptr)
    return fail_argument(function, text("tensors is NULL, expected ", c.tensor_count, " of them"));
  const int32_t algorithm = c.algorithm == 0 ? GOSSAMER_GS_SGD : c.algorithm;
  if (gossamer::runtime::find_algorithm(algorithm) == nullptr)
    return fail_argument(function,
                         text("algorithm is ", c.algorithm, ", expected a gossamer_algorithm, or 0 for gs-SGD"));
#define READ_OPTION(field, ...)                                                                      \
  if (const auto status = read_option(function, gossamer::runtime::option_##field, c.field, config); \
      status != GOSSAMER_DONE)                                                                       \
    return status;
  GOSSAMER_OPTION_TABLE(READ_OPTION)
#undef READ_OPTION
  if (c.schedule != GOSSAMER_SCHEDULE_AUTO && !gossamer::topology::is_schedule(c.schedule))
    return fail_argument(function, text("schedule is ", c.schedule, ", expected a gossamer_schedule"));
  for (const int32_t cells : {c.cells, c.values})
    if (!gossamer::sketch::find_cell_type(cells))
      return fail_argument(function, text("cells is ", c.cells, " and values ", c.values, ", expected gossamer_cells"));
  if (c.memory < 0 || !is_memory_kind(c.memory))
    return fail_argument(function, text("memory is ", c.memory, ", expected a gossamer_memory_kind, or 0 for host"));
  if (c.keep_k > 1) return fail_argument(function, text("keep_k is ", c.keep_k, ", expected 0 or 1"));
  if (c.name != nullptr) config.name = c.name;
  config.algorithm = static_cast<gossamer::runtime::AlgorithmKind>(algorithm);
  if (const auto status = read_tensors(function, c, config); status != GOSSAMER_DONE) return status;
  config.density = c.density;
  config.rows = c.rows;
  config.columns = c.columns;
  config.oversampling = c.oversampling;
  config.momentum = c.momentum;
  config.clip = c.clip;
  config.keep_k = c.keep_k == 1;
  config.cells = static_cast<gossamer::sketch::CellType>(c.cells);
  config.values = static_cast<gossamer::sketch::CellType>(c.values);
  if (c.memory != 0) config.memory = static_cast<gossamer::MemoryKind>(c.memory);
  config.stream = c.stream;
  config.seed = c.seed;
  if (c.schedule != GOSSAMER_SCHEDULE_AUTO) config.schedule = static_cast<gossamer::topology::ScheduleKind>(c.schedule);
  return GOSSAMER_DONE;
}

}  // namespace

extern "C" {

const char* gossamer_version(void) { return gossamer::runtime::version; }

const char* gossamer_status_name(gossamer_status status) {
  switch (static_cast<int>(status)) {
#define STATUS_NAME(name, value, meaning) \
  case value:                             \
    return "GOSSAMER_" #name;
    GOSSAMER_STATUS_TABLE(STATUS_NAME)
#undef STATUS_NAME
    default:
      return "unknown status";
  }
}

const char* gossamer_status_text(gossamer_status status) {
  switch (static_cast<int>(status)) {
#define STATUS_TEXT(name, value, meaning) \
  case value:                             \
    return meaning;
    GOSSAMER_STATUS_TABLE(STATUS_TEXT)
#undef STATUS_TEXT
    default:
      return "unknown status";
  }
}

const char* gossamer_last_error(void) { return last_error.message.c_str(); }
int64_t gossamer_last_error_rank(void) { return last_error.rank ? int64_t{last_error.rank->value} : -1; }
int64_t gossamer_last_error_index(void) { return last_error.index ? static_cast<int64_t>(*last_error.index) : -1; }

void gossamer_set_log(gossamer_log_level least, gossamer_log_sink sink, void* context) {
  if (sink == nullptr) return gossamer::set_log_sink(gossamer::LogLevel::error, {});
  gossamer::set_log_sink(static_cast<gossamer::LogLevel>(least),
                         [sink, context](gossamer::LogLevel level, std::string_view line) {
                           sink(static_cast<gossamer_log_level>(level), std::string(line).c_str(), context);
                         });
}

gossamer_status gossamer_init(const gossamer_config* config, gossamer_session** session) {
  return init("gossamer_init", config, session, {}, [](std::unique_ptr<Bootstrap>&) { return GOSSAMER_DONE; });
}

gossamer_status gossamer_unique_id_create(const gossamer_config* config, gossamer_unique_id* id) {
  static_assert(GOSSAMER_UNIQUE_ID_BYTES == gossamer::runtime::unique_id_bytes);
  constexpr const char* function = "gossamer_unique_id_create";
  return guarded([&] {
    if (id == nullptr) return fail_argument(function, "id is NULL, expected where to put it");
    *id = {};
    gossamer::runtime::SettingsRequest request;
    if (const auto status = read_config(function, config, request); status != GOSSAMER_DONE) return status;
    give_place(request, {});
    const auto settings = gossamer::runtime::resolve_settings(request);
    if (!settings.ok()) return fail(settings.error());
    const auto made = gossamer::runtime::make_unique_id(settings->said.bind_host ? settings->bind_host : std::string(),
                                                        settings->init_timeout_ns);
    if (!made.ok()) return fail(made.error());
    std::copy(made->begin(), made->end(), id->bytes);
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_init_with_id(const gossamer_config* config, const gossamer_unique_id* id, int32_t rank,
                                      int32_t rank_count, gossamer_session** session) {
  constexpr const char* function = "gossamer_init_with_id";
  return init(function, config, session, {{rank, rank_count}}, [&](std::unique_ptr<Bootstrap>& bootstrap) {
    if (id == nullptr) return fail_argument(function, "id is NULL, expected that of rank 0");
    auto made = gossamer::runtime::make_id_bootstrap({id->bytes, strnlen(id->bytes, sizeof id->bytes)},
                                                     callers_place(rank, rank_count));
    if (!made.ok()) return fail(made.error());
    bootstrap = std::move(*made);
    return GOSSAMER_DONE;
  });
}

gossamer_status gossamer_init_with_launch(const gossamer_config* config, const gossamer_launch* launch,
                                          gossamer_session** session) {
  constexpr const char* function = "gossamer_init_with_launch";
  gossamer_launch given = GOSSAMER_LAUNCH_INIT;
  if (launch == nullptr) return fail_argument(function, "launch is NULL, expected rank, rank count and calls");
  if (const auto status = read_struct(function, launch, given); status != GOSSAMER_DONE) return status;
  if (given.broadcast == nullptr && given.all_gather == nullptr)
    return fail_argument(function, "broadcast and all_gather are NULL, expected one of them at least");
  return init(function, config, session, {{given.rank, given.rank_count}}, [&](std::unique_ptr<Bootstrap>& bootstrap) {
    auto made =
        gossamer::runtime::make_calls_bootstrap(callers_calls(given), callers_place(given.rank, given.rank_count));
    if (!made.ok()) return fail(made.error());
    bootstrap = std::move(*made);
    return GOSSAMER_DONE;
  });
}

void gossamer_finalize(gossamer_session* session) {
  if (session == nullptr || session->session == nullptr || is_forked(*session) ||
      refuses_in_observer("gossamer_finalize"))
    return;
  {
    const gossamer::LogScope scope(&session->session->who());
    session->session.reset();
  }
  keep_handles(*session);
  --open_sessions;
}

int32_t gossamer_rank(const gossamer_session* session) {
  return session != nullptr && session->session ? static_cast<int32_t>(session->session->rank().value) : -1;
}

int32_t gossamer_rank_count(const gossamer_session* session) {
  return session != nullptr && session->session ? static_cast<int32_t>(session->session->rank_count()) : -1;
}

gossamer_status gossamer_broadcast(gossamer_session* session, void* data, size_t bytes, int32_t root,
                                   int64_t timeout_ns) {
  constexpr const char* function = "gossamer_broadcast";
  return guarded([&] {
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    uint64_t limit = 0;
    const auto mistake = mistake_of([&] {
      if (data == nullptr && bytes > 0) return fail_argument(function, "data is NULL");
      if (root < 0) return fail_argument(function, text("root is ", root, ", expected a rank"));
      return read_limit(function, timeout_ns, 0, limit);
    });
    return outcome(session->session->broadcast({static_cast<std::byte*>(data), bytes},
                                               gossamer::Rank{static_cast<uint32_t>(root)}, limit, mistake));
  });
}

gossamer_status gossamer_check_equal(gossamer_session* session, const char* name, const void* data, size_t bytes,
                                     int64_t timeout_ns) {
  constexpr const char* function = "gossamer_check_equal";
  return guarded([&] {
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    uint64_t limit = 0;
    const auto mistake = mistake_of([&] {
      if (name == nullptr) return fail_argument(function, "name is NULL, expected what is compared");
      if (data == nullptr && bytes > 0) return fail_argument(function, "data is NULL");
      return read_limit(function, timeout_ns, 0, limit);
    });
    return outcome(session->session->check_equal(name != nullptr ? name : "check_equal",
                                                 {static_cast<const std::byte*>(data), bytes}, limit, mistake));
  });
}

gossamer_status gossamer_compressor_create(gossamer_session* session, const gossamer_compressor_config* config,
                                           gossamer_compressor** compressor) {
  constexpr const char* function = "gossamer_compressor_create";
  return guarded([&] {
    if (compressor != nullptr) *compressor = nullptr;
    const Entered entered(check_given(function, session), session);
    if (!entered.is_done()) return entered.status;
    gossamer::runtime::CompressorConfig request;
    std::list<gossamer_compressor> handle;
    const auto mistake = mistake_of([&] {
      if (compressor == nullptr) return fail_argument(function, "compressor is NULL, expected where to put it");
      if (config == nullptr) return fail_argument(function, "config is NULL, expected at least the tensors");
      // Before the others count on this rank.
      handle.emplace_back(session);
      return read_compressor_config(config, request);
    });
    using gossamer::runtime::CompressorConfig;
    auto made = session->session->make_compressor(mistake ? gossamer::Result<CompressorConfig>(*mistake)
                                                          : gossamer::Result<CompressorConfig>(std::move(request)));
    if (!made.ok()) return fail(made.error());
    handle.front().set(*made);
    *compressor = &handle.front();
    session->compressors.splice(session->compressors.end(), handle);
    return GOSSAMER_DONE;
  });
}

void gossamer_compressor_destroy(gossamer_compressor* compressor) {
  if (compressor == nullptr || refuses_in_observer("gossamer_compressor_destroy")) return;
  gossamer_session* session = compressor->session;
  if (session == nullptr) return drop_kept(compressor);
  if (is_forked(*session)) return;
  const gossamer::LogScope scope(&session->session->who());
  session->session->destroy_compressor(compressor->compressor);
  drop(session->compressors, compressor);
}

gossamer_status gossamer_compress(gossamer_compressor* compressor, const float* const* gradients) {
  constexpr const char* function = "gossamer_compress";
  return guarded([&] {
    if (compressor == nullptr) return fail_argument(function, "compressor is NULL");
    const Entered entered(check_session(function, compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    if (gradients == nullptr) return fail_argument(function, "gradients is NULL, expected one pointer for each tensor");
    const auto& layout = compressor->compressor->layout();
    for (std::size_t i = 0; i < layout.tensor_count(); ++i)
      if (gradients[i] == nullptr)
        return fail_argument(function, text("the gradient of tensor \"", layout.tensor(i).name, "\" is NULL, expected ",
                                            layout.tensor(i).count, " floats"));
    return outcome(compressor->compressor->compress(gradients));
  });
}

gossamer_status gossamer_reduce(gossamer_compressor* compressor, gossamer_operation** operation) {
  return guarded([&] {
    if (compressor == nullptr || operation == nullptr)
      return fail_argument("gossamer_reduce", "compressor or operation is NULL");
    *operation = nullptr;
    const Entered entered(check_start("gossamer_reduce", compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    return started(compressor->compressor->reduce(), compressor->operation, operation);
  });
}

gossamer_status gossamer_operation_test(gossamer_operation* operation) {
  return guarded([&] {
    if (operation == nullptr) return fail_argument("gossamer_operation_test", "operation is NULL");
    const Entered entered(check_session("gossamer_operation_test", operation->session), operation->session);
    if (!entered.is_done()) return entered.status;
    const auto code = operation->plan->test();
    return code.ok() ? static_cast<gossamer_status>(*code) : fail(code.error());
  });
}

gossamer_status gossamer_operation_wait(gossamer_operation* operation, int64_t timeout_ns) {
  constexpr const char* function = "gossamer_operation_wait";
  return guarded([&] {
    if (operation == nullptr) return fail_argument(function, "operation is NULL");
    const Entered entered(check_session(function, operation->session), operation->session);
    if (!entered.is_done()) return entered.status;
    uint64_t limit = 0;
    if (const auto status = read_limit(function, timeout_ns, 60'000'000'000, limit); status != GOSSAMER_DONE)
      return status;
    return outcome(operation->plan->wait(limit));
  });
}

gossamer_status gossamer_recover(gossamer_compressor* compressor, gossamer_update* update) {
  constexpr const char* function = "gossamer_recover";
  return guarded([&] {
    if (compressor == nullptr || update == nullptr) return fail_argument(function, "compressor or update is NULL");
    const Entered entered(check_session(function, compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    const auto found = compressor->compressor->update();
    if (!found.ok()) return fail(found.error());
    gossamer_update value = GOSSAMER_UPDATE_INIT;
    value.count = found->values.size();
    value.indices = found->indices.empty() ? nullptr : found->indices.data();
    value.values = found->values.data();
    value.compressor = compressor;
    return write_struct(function, value, update);
  });
}

gossamer_status gossamer_update_apply(const gossamer_update* update, float* const* weights, float scale) {
  constexpr const char* function = "gossamer_update_apply";
  return guarded([&] {
    gossamer_update known = GOSSAMER_UPDATE_INIT;
    if (update == nullptr || update->compressor == nullptr || update->values == nullptr)
      return fail_argument(function, "update is empty: fill it with gossamer_recover");
    if (const auto status = read_struct(function, update, known); status != GOSSAMER_DONE) return status;
    const Entered entered(check_session(function, update->compressor->session), update->compressor->session);
    if (!entered.is_done()) return entered.status;
    const auto& layout = update->compressor->compressor->layout();
    if (weights == nullptr) return fail_argument(function, "weights is NULL, expected one pointer for each tensor");
    for (std::size_t i = 0; i < layout.tensor_count(); ++i)
      if (weights[i] == nullptr)
        return fail_argument(function, text("the weights of tensor \"", layout.tensor(i).name, "\" are NULL"));
    const gossamer::runtime::Update taken{{update->indices, update->indices != nullptr ? update->count : 0},
                                          {update->values, update->count}};
    return outcome(update->compressor->compressor->apply_to(weights, taken, scale));
  });
}

gossamer_status gossamer_compressor_stats(const gossamer_compressor* compressor, gossamer_stats* stats) {
  constexpr const char* function = "gossamer_compressor_stats";
  return guarded([&] {
    if (compressor == nullptr || stats == nullptr) return fail_argument(function, "compressor or stats is NULL");
    const Entered entered(check_session(function, compressor->session), compressor->session);
    if (!entered.is_done()) return entered.status;
    const auto s = compressor->compressor->stats();
    gossamer_stats value = GOSSAMER_STATS_INIT;
    value.operations = s.operations;
    value.bytes_sent = s.bytes_sent;
    value.compress_ns = s.compress_ns;
    value.exchange_ns = s.exchange_ns;
    value.waiting_ns = s.waiting_ns;
    value.wire_ns = s.wire_ns;
    value.compute_ns = s.compute_ns;
    value.total_bytes_sent = s.total_bytes_sent;
    value.control_bytes_sent = compressor->session->session->control_bytes_sent();
    value.applied = s.applied;
    value.dimension = compressor->compressor->layout().dimension();
    value.gradient_norm = s.gradient_norm;
    value.clipped = s.clipped;
    return write_struct(function, value, stats);
  });
}

}  // extern "C"
