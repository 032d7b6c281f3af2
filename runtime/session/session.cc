#include "runtime/session/session.h"

#include <algorithm>
#include <mutex>

#include "runtime/session/make_on_all.h"
#include "runtime/session/report.h"
#include "runtime/session/tensor_difference.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {
// What leaving may take after the plans in flight: the view.
constexpr std::uint64_t close_limit_ns = 1'000'000'000;
// And before them, the peers' operations that began together with ours.
constexpr std::uint64_t settle_limit_ns = 5'000'000'000;

// Memory that a transport which could not close may still write to. It stays until the process ends.
struct Abandoned {
  std::mutex mutex;
  std::vector<std::unique_ptr<Driver>> drivers;  // they own staging memory
  std::vector<std::unique_ptr<Plan>> plans;
};
Abandoned& abandoned() {
  static Abandoned* const kept = new Abandoned;  // never destroyed
  return *kept;
}
}  // namespace

Session::Session(SessionParts parts)
    : who_(text("rank ", parts.rank.value, " of ", parts.rank_count, parts.host.empty() ? "" : " on ", parts.host)),
      parts_(std::move(parts)) {}

Result<std::unique_ptr<Session>> Session::make(SessionParts parts) {
  auto engine = std::make_unique<Engine>(parts.rank, Epoch{1});
  GOSSAMER_ASSIGN(auto driver, Driver::make(*engine, *parts.transport, *parts.control, *parts.clock, parts.patience,
                                            parts.simulated));
  std::unique_ptr<Session> session(new Session(std::move(parts)));
  session->engine_ = std::move(engine);
  session->driver_ = std::move(driver);
  session->driver_->count_waits(session->rank_count());
  if (session->parts_.trace) session->driver_->trace_to(*session->parts_.trace);
  session->parts_.control->watch(session->engine_->in_flight_count());
  return session;
}

Session::~Session() {
  if (rank_count() > 1 && driver_->was_used() && driver_->is_idle())
    parts_.control->settle(settle_limit_ns, [this] { return !driver_->has_thread() && driver_->progress(); });
  driver_->stop_thread();
  driver_->write_trace();
  if (!parts_.metrics_path.empty()) remember([this] { write_metrics(report()); });
  parts_.metrics_path.clear();
  while (!call_plans_.empty()) drop_call_plan(CallKind(call_plans_.begin()->first), retire_limit_ns);
  while (!collectives_.empty()) destroy_collective(collectives_.back().get());
  while (!compressors_.empty()) destroy_compressor(compressors_.back().get());
  const Status closed = parts_.transport->close_view(close_limit_ns);
  if (closed.ok())
    while (!allocations_.empty()) free(allocations_.begin()->first);
  parts_.control->leave();
  if (!closed.ok() || driver_->is_copying()) {
    log(LogLevel::warning, text("the memory of unfinished transfers is kept: ",
                                closed.ok() ? "copies to or from device memory do not end" : closed.error().message));
    Abandoned& kept = abandoned();
    const std::lock_guard lock(kept.mutex);
    kept.drivers.push_back(std::move(driver_));
    for (auto& plan : retired_) kept.plans.push_back(std::move(plan));
  }
  driver_.reset();
  parts_.transport.reset();
  if (!parts_.simulated) transport::sweep_shared_memory();
}

Result<Compressor*> Session::make_compressor(const Result<CompressorConfig>& config) {
  const Deadline deadline(*parts_.clock, parts_.timeout_ns);
  std::vector<Field> fields;
  Contribution mine;
  auto shape = contained([&]() -> Result<CompressorShape> {
    GOSSAMER_TRY(config);
    auto resolved = resolve(*config);
    GOSSAMER_TRY(resolved);
    fields = shared_fields(*resolved);
    mine.blob = encode_compressor_part(make_compressor_part(*resolved, numbers_.offer(offered_max(rank_count()))));
    return resolved;
  });
  if (!shape.ok()) {
    fields.clear();
    mine = {{}, shape.error()};
  }
  const auto parts = parts_.control->agree_and_gather("compressor", fields, mine, deadline.left_ns());
  GOSSAMER_TRY(shape);  // the own mistake first
  GOSSAMER_TRY(parts);
  GOSSAMER_ASSIGN(const auto draw, draw_compressor_plan(*parts, shape->layout, deadline));
  return make_on_all(
      "compressor made", {}, draw, deadline,
      [&]() -> Result<Compressor*> {
        compressors_.reserve(compressors_.size() + 1);  // nothing fails once the plan is made
        GOSSAMER_ASSIGN(auto compressor,
                        Compressor::make({std::move(*shape), rank(), rank_count(), &parts_.policy, parts_.pool.get()},
                                         draw, *driver_, *parts_.clock));
        compressors_.push_back(std::move(compressor));
        return compressors_.back().get();
      },
      [&](Compressor* made) { destroy_compressor(made); });
}

Result<PlanDraw> Session::draw_compressor_plan(const std::vector<Blob>& blobs, const Layout& layout,
                                               const Deadline& deadline) {
  std::vector<CompressorPart> parts;
  std::vector<PlanOffer> offers;
  for (std::uint32_t r = 0; r < rank_count(); ++r) {
    GOSSAMER_ASSIGN(auto part, decode_compressor_part(blobs[r], Rank{r}));
    offers.push_back(std::move(part.offer));
    parts.push_back(std::move(part));
  }
  for (std::uint32_t r = 1; r < rank_count(); ++r) {
    const TensorList first{Rank{0}, parts[0].tensor_count, parts[0].tensors_hash};
    const TensorList other{Rank{r}, parts[r].tensor_count, parts[r].tensors_hash};
    if (first.count != other.count || first.hash != other.hash)
      return tensor_mismatch(*parts_.control, rank(), layout, first, other, deadline);
  }
  GOSSAMER_TRY(check_derived(parts));
  return draw_plan(offers);
}

SessionReport Session::report() const {
  SessionReport report;
  report.rank = rank();
  report.rank_count = rank_count();
  report.host = parts_.host;
  report.job = parts_.job;
  report.way = transport::describe_way(parts_.transport->capabilities());
  report.control_bytes_sent = control_bytes_sent();
  report.waited_for_ns = driver_->waited_for_ns();
  for (const auto& each : compressors_) report.compressors.push_back(report_of(*each, rank_count()));
  for (const auto& each : collectives_) report.collectives.push_back(report_of(*each));
  return report;
}

void Session::write_metrics(const SessionReport& report) const {
  if (parts_.metrics_path.empty()) return;
  const Status written = write_whole_file(parts_.metrics_path, metrics_of(report, past_), Outlives::process);
  if (!written.ok())
    log(LogLevel::warning,
        text("the metrics could not be written to ", parts_.metrics_path, " (", written.error().message,
             "): GOSSAMER_METRICS names a file in a folder that this process may write to"));
}

void Session::destroy_compressor(Compressor* compressor) {
  const auto found = std::find_if(compressors_.begin(), compressors_.end(),
                                  [&](const auto& entry) { return entry.get() == compressor; });
  GOSSAMER_CHECK(found != compressors_.end(), "a compressor of another session, or destroyed twice");
  if (!parts_.metrics_path.empty()) remember([&] { past_.add(report_of(**found, rank_count())); });
  std::unique_ptr<Plan> plan = (*found)->release_plan();
  compressors_.erase(found);
  retire(std::move(plan), retire_limit_ns);
}

void Session::retire(std::unique_ptr<Plan> plan, std::uint64_t limit_ns) {
  if (const auto ledger = plan->retire(limit_ns))
    numbers_.give_back(plan->number(), *ledger);
  else
    retired_.push_back(std::move(plan));
}

Status Session::share_memory(std::string_view subject, std::span<const Rank> members, std::uint32_t plan,
                             std::span<const transport::RegionKey> keys, const Deadline& deadline) {
  const bool is_offered_by_all = std::none_of(keys.begin(), keys.end(), [](const auto& key) { return key.empty(); });
  if (!is_offered_by_all) {  // which all see alike
    driver_->use_shared(plan, false);
    return {};
  }
  const Status mapped = driver_->map_shared(plan, members, keys);
  if (!mapped.ok()) log(LogLevel::warning, text(subject, ": goes by messages on this host: ", mapped.error().message));
  Contribution mine;
  mine.blob = {mapped.ok() ? std::byte{1} : std::byte{0}};
  const auto all = agree_among(text(subject, ", memory shared"), {}, mine, members, deadline);
  GOSSAMER_TRY(all);
  driver_->use_shared(
      plan, std::all_of(all->begin(), all->end(), [&](const Blob& blob) { return blob == Blob{std::byte{1}}; }));
  return {};
}

Result<std::vector<Blob>> Session::agree_among(std::string_view subject, std::span<const Field> fields,
                                               const Contribution& mine, std::span<const Rank> members,
                                               const Deadline& deadline) {
  return parts_.control->agree_among(members, subject, fields, mine, deadline.left_ns());
}

}  // namespace gossamer::runtime
