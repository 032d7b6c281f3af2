#include "runtime/session/session.h"

#include <algorithm>
#include <mutex>

#include "runtime/collectives/broadcast.h"
#include "runtime/engine/contained.h"
#include "runtime/session/tensor_difference.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {
// What leaving may take: the plans in flight, then the view.
constexpr std::uint64_t retire_limit_ns = 200'000'000;
constexpr std::uint64_t close_limit_ns = 1'000'000'000;
// And before that, the peers' operations that began together with ours.
constexpr std::uint64_t settle_limit_ns = 5'000'000'000;
// Data of broadcasts that travels with their agreement, through rank 0 to all.
constexpr std::size_t inline_bytes_max = std::size_t{8} << 10;

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

// A blocking collective counts as in flight: a peer that leaves waits for it.
class InFlight {
 public:
  explicit InFlight(std::atomic<std::uint32_t>& count) : count_(count) { count_.fetch_add(1); }
  ~InFlight() { count_.fetch_sub(1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  std::atomic<std::uint32_t>& count_;
};

Result<std::vector<PlanOffer>> offers_of(const std::vector<Blob>& blobs) {
  std::vector<PlanOffer> offers;
  for (std::size_t r = 0; r < blobs.size(); ++r) {
    GOSSAMER_ASSIGN(auto offer, decode_offer(blobs[r], Rank{static_cast<std::uint32_t>(r)}));
    offers.push_back(std::move(offer));
  }
  return offers;
}
}  // namespace

Result<std::unique_ptr<Session>> Session::make(SessionParts parts) {
  auto engine = std::make_unique<Engine>(parts.rank, Epoch{1});
  GOSSAMER_ASSIGN(auto driver, Driver::make(*engine, *parts.transport, *parts.control, *parts.clock, parts.patience,
                                            parts.simulated));
  std::unique_ptr<Session> session(new Session(std::move(parts)));
  session->engine_ = std::move(engine);
  session->driver_ = std::move(driver);
  if (session->parts_.trace) session->driver_->trace_to(*session->parts_.trace);
  session->parts_.control->watch(session->engine_->in_flight_count());
  return session;
}

Session::~Session() {
  if (rank_count() > 1 && driver_->was_used() && driver_->is_idle())
    parts_.control->settle(settle_limit_ns, [this] { return !driver_->has_thread() && driver_->progress(); });
  driver_->stop_thread();
  driver_->write_trace();
  while (!root_plans_.empty()) drop_root_plan(Rank{root_plans_.begin()->first}, retire_limit_ns);
  while (!compressors_.empty()) destroy_compressor(compressors_.back().get());
  const Status closed = parts_.transport->close_view(close_limit_ns);
  parts_.control->leave();
  if (!closed.ok() || driver_->is_copying()) {
    log(LogLevel::warning, text("rank ", rank().value, " keeps the memory of unfinished transfers: ",
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
      "compressor made", draw, deadline,
      [&]() -> Result<Compressor*> {
        compressors_.reserve(compressors_.size() + 1);  // nothing fails once the plan is made
        GOSSAMER_ASSIGN(auto compressor,
                        Compressor::make({std::move(*shape), rank(), rank_count(), cost_, parts_.pool.get()}, draw,
                                         *driver_, *parts_.clock));
        compressors_.push_back(std::move(compressor));
        return compressors_.back().get();
      },
      [&](Compressor* made) { destroy_compressor(made); });
}

template <typename Make, typename Unmake>
auto Session::make_on_all(std::string_view subject, const PlanDraw& draw, const Deadline& deadline, Make make,
                          Unmake unmake) -> decltype(make()) {
  numbers_.take(draw.number);
  auto made = contained(make);
  Contribution mine;
  if (!made.ok()) mine.trouble = made.error();
  const auto all = parts_.control->agree_and_gather(subject, {}, mine, deadline.left_ns());
  if (!made.ok()) {
    numbers_.give_back(draw.number, draw.ledger);
    return made;
  }
  if (!all.ok()) {
    unmake(*made);
    return all.error();
  }
  return made;
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

void Session::destroy_compressor(Compressor* compressor) {
  const auto found = std::find_if(compressors_.begin(), compressors_.end(),
                                  [&](const auto& entry) { return entry.get() == compressor; });
  GOSSAMER_CHECK(found != compressors_.end(), "a compressor of another session, or destroyed twice");
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

Status Session::broadcast(std::span<std::byte> data, Rank root, std::uint64_t limit_ns, std::optional<Error> mistake) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  if (!mistake && root.value >= rank_count())
    mistake =
        Error{Code::invalid_argument, text("root is ", root.value, ", expected a rank from 0 to ", rank_count() - 1)};
  const InFlight in_flight(*engine_->in_flight_count());
  const bool is_inline = data.size() <= inline_bytes_max;
  const std::vector<Field> fields = {{"bytes", text(data.size())}, {"root", text(root.value)}};
  Contribution mine;
  if (mistake) {
    mine.trouble = mistake;
  } else if (is_inline) {
    if (rank() == root) mine.blob.assign(data.begin(), data.end());
  } else {
    PlanOffer offer = numbers_.offer(offered_max(rank_count()));
    if (const auto plan = root_plans_.find(root.value); plan != root_plans_.end())
      offer.held = PlanDraw{plan->second.plan->number(), plan->second.plan->ledger()};
    mine.blob = encode_offer(offer);
  }
  const auto blobs = parts_.control->agree_and_gather("broadcast", fields, mine, deadline.left_ns());
  if (mistake) return *mistake;
  GOSSAMER_TRY(blobs);
  if (rank_count() == 1) return {};
  if (is_inline) {
    const Blob& sent = (*blobs)[root.value];
    if (sent.size() != data.size())
      return Error{Code::malformed,
                   text("broadcast: rank ", root.value, " sent ", sent.size(), " B, expected ", data.size(), " B"),
                   root};
    if (rank() != root) std::copy(sent.begin(), sent.end(), data.begin());
    return {};
  }
  GOSSAMER_ASSIGN(const auto plan, root_plan(root, *blobs, deadline));
  const Status moved = move_chunks(*plan, data, root, deadline);
  if (!moved.ok()) drop_root_plan(root, std::min(retire_limit_ns, deadline.left_ns()));
  return moved;
}

// The one that all ranks hold and have used alike, or a new one: where a broadcast ended on one rank alone, the next
// one does not meet its messages.
Result<Session::RootPlan*> Session::root_plan(Rank root, const std::vector<Blob>& blobs, const Deadline& deadline) {
  GOSSAMER_ASSIGN(const auto offers, offers_of(blobs));
  if (common_plan(offers)) return &root_plans_.at(root.value);
  GOSSAMER_ASSIGN(const auto draw, draw_plan(offers));
  drop_root_plan(root, std::min(retire_limit_ns, deadline.left_ns()));
  return make_on_all(
      "broadcast made", draw, deadline,
      [&]() -> Result<RootPlan*> {
        std::map<std::uint32_t, RootPlan> entry;  // nothing fails once the plan is made
        RootPlan& made = entry[root.value];
        auto work = std::make_unique<BroadcastWork>();
        GOSSAMER_TRY(work->set_up(rank(), root, rank_count(), cost_));
        made.work = work.get();
        GOSSAMER_ASSIGN(made.plan, Plan::make(draw, "broadcast", std::move(work), *driver_, *parts_.clock));
        root_plans_.merge(entry);
        return &root_plans_.at(root.value);
      },
      [&](RootPlan*) { drop_root_plan(root, std::min(retire_limit_ns, deadline.left_ns())); });
}

Status Session::move_chunks(RootPlan& plan, std::span<std::byte> data, Rank root, const Deadline& deadline) {
  const bool is_root = rank() == root;
  // What is in flight at the deadline still has to be given up.
  const std::uint64_t reserve_ns = std::min(retire_limit_ns, deadline.left_ns() / 8);
  for (std::size_t at = 0; at < data.size(); at += BroadcastWork::chunk_bytes) {
    const std::span<std::byte> chunk = data.subspan(at, std::min(BroadcastWork::chunk_bytes, data.size() - at));
    plan.work->set_bytes(chunk.size());
    if (is_root) plan.work->put(chunk);
    GOSSAMER_TRY(plan.plan->start());
    Status moved = plan.plan->wait(deadline.left_before_ns(reserve_ns));
    if (!moved.ok() && plan.plan->is_in_flight()) {
      Error late = std::move(moved).error();
      late.message += text(", with ", data.size() - at, " of ", data.size(), " B to go");
      return late;
    }
    GOSSAMER_TRY(moved);
    if (!is_root) plan.work->take(chunk);
  }
  return {};
}

void Session::drop_root_plan(Rank root, std::uint64_t limit_ns) {
  const auto found = root_plans_.find(root.value);
  if (found == root_plans_.end()) return;
  std::unique_ptr<Plan> plan = std::move(found->second.plan);
  root_plans_.erase(found);
  retire(std::move(plan), limit_ns);
}

Status Session::check_equal(std::string_view name, std::span<const std::byte> data, std::uint64_t limit_ns,
                            std::optional<Error> mistake) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  Contribution mine;
  mine.trouble = mistake;
  std::vector<Field> fields;
  if (!mistake) fields = {{"bytes", text(data.size())}, {"hash", hex(sketch::hash_bytes(data))}};
  const auto agreed = parts_.control->agree_and_gather(name, fields, mine, deadline.left_ns());
  if (mistake) return *mistake;
  GOSSAMER_TRY(agreed);
  return {};
}

}  // namespace gossamer::runtime
