#include "runtime/session.h"

#include <algorithm>
#include <mutex>

#include "runtime/broadcast.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {
// What leaving may take: the plans in flight, then the view.
constexpr std::uint64_t retire_limit_ns = 200'000'000;
constexpr std::uint64_t close_limit_ns = 1'000'000'000;

// Memory that a transport which could not close may still write to. It stays until the process ends.
struct Abandoned {
  std::mutex mutex;
  std::vector<std::unique_ptr<Driver>> drivers;  // they own staging memory
  std::vector<std::unique_ptr<Compressor>> compressors;
  std::vector<std::shared_ptr<void>> memory;
};
Abandoned& abandoned() {
  static Abandoned* const kept = new Abandoned;  // never destroyed
  return *kept;
}
}  // namespace

Result<std::unique_ptr<Session>> Session::make(SessionParts parts) {
  auto engine = std::make_unique<Engine>(parts.rank, Epoch{1});
  auto driver = Driver::make(*engine, *parts.transport, *parts.control, *parts.clock, parts.patience, parts.simulated);
  GOSSAMER_TRY(driver);
  std::unique_ptr<Session> session(new Session(std::move(parts)));
  session->engine_ = std::move(engine);
  session->driver_ = std::move(*driver);
  return session;
}

Session::~Session() {
  driver_->stop_thread();
  while (!compressors_.empty()) destroy_compressor(compressors_.back().get());
  const Status closed = parts_.transport->close_view(close_limit_ns);
  parts_.control->leave();
  if (!closed.ok() || driver_->is_copying()) {
    log(LogLevel::warning, text("rank ", rank().value, " keeps the memory of unfinished transfers: ",
                                closed.ok() ? "copies to or from device memory do not end" : closed.error().message));
    Abandoned& kept = abandoned();
    const std::lock_guard lock(kept.mutex);
    kept.drivers.push_back(std::move(driver_));
    for (auto& compressor : retired_) kept.compressors.push_back(std::move(compressor));
    for (auto& memory : retired_memory_) kept.memory.push_back(std::move(memory));
  }
  driver_.reset();
  parts_.transport.reset();
  if (!parts_.job.empty()) transport::sweep_shared_memory(parts_.job);
}

Result<Compressor*> Session::make_compressor(const CompressorConfig& config) {
  auto shape = resolve(config);
  // A rank with a wrong configuration tells the others, so that nobody waits for it.
  std::vector<Field> fields = {{"error", shape.ok() ? "none" : shape.error().message}};
  if (shape.ok()) {
    const auto more = shared_fields(*shape);
    fields.insert(fields.end(), more.begin(), more.end());
  }
  const Status agreed = parts_.control->agree("compressor", fields, parts_.timeout_ns);
  GOSSAMER_TRY(shape);  // the own mistake first
  GOSSAMER_TRY(agreed);
  auto compressor =
      Compressor::make({std::move(*shape), rank(), rank_count(), cost_, parts_.pool.get()}, *driver_, *parts_.clock);
  GOSSAMER_TRY(compressor);
  compressors_.push_back(std::move(*compressor));
  return compressors_.back().get();
}

void Session::destroy_compressor(Compressor* compressor) {
  const auto found = std::find_if(compressors_.begin(), compressors_.end(),
                                  [&](const auto& entry) { return entry.get() == compressor; });
  GOSSAMER_CHECK(found != compressors_.end(), "a compressor of another session, or destroyed twice");
  std::unique_ptr<Compressor> taken = std::move(*found);
  compressors_.erase(found);
  if (!taken->retire(retire_limit_ns)) retired_.push_back(std::move(taken));
}

Status Session::broadcast(std::span<std::byte> data, Rank root, std::uint64_t limit_ns) {
  if (root.value >= rank_count())
    return Error{Code::invalid_argument,
                 text("root is ", root.value, ", expected a rank from 0 to ", rank_count() - 1)};
  const std::uint64_t limit = limit_ns != 0 ? limit_ns : parts_.timeout_ns;
  const std::vector<Field> fields = {{"bytes", text(data.size())}, {"root", text(root.value)}};
  GOSSAMER_TRY(parts_.control->agree("broadcast", fields, limit));
  auto work = std::make_shared<BroadcastWork>();
  GOSSAMER_TRY(work->set_up(data, root, rank(), rank_count(), cost_));
  const auto plan = driver_->add("broadcast", *work);
  GOSSAMER_TRY(plan);
  const std::uint64_t before_ns = parts_.clock->now_ns();
  Status status = driver_->submit(*plan);
  if (status.ok()) {
    const Code code = driver_->wait(*plan, limit);
    if (code == Code::pending)
      status = Error{Code::deadline, driver_->describe_wait(*plan, parts_.clock->now_ns() - before_ns)};
    else if (code != Code::done)
      status = driver_->state(*plan).error;
    else
      work->take(data);
  }
  if (!driver_->remove(*plan, retire_limit_ns)) retired_memory_.push_back(work);
  return status;
}

Status Session::check_equal(std::string_view name, std::span<const std::byte> data, std::uint64_t limit_ns) {
  const std::vector<Field> fields = {{"bytes", text(data.size())}, {"hash", text(std::hex, sketch::hash_bytes(data))}};
  return parts_.control->agree(name, fields, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
}

}  // namespace gossamer::runtime
