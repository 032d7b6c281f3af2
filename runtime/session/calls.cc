// One-off calls that block: their data travels with the agreement where it is small, else in chunks over a plan that
// the first call of its kind makes.
#include <algorithm>

#include "runtime/collectives/mean.h"
#include "runtime/session/make_on_all.h"
#include "sketch/sketch.h"

namespace gossamer::runtime {

namespace {

// Data that travels with the agreement, through rank 0 to all.
constexpr std::size_t inline_bytes_max = std::size_t{8} << 10;
// Rank 0 sends what all ranks gave to each of them: so much together at most.
constexpr std::size_t inline_traffic_max = std::size_t{32} << 20;

// The same on all ranks.
bool sum_fits_agreement(std::size_t bytes, std::uint32_t rank_count) {
  return bytes <= std::min(inline_bytes_max, inline_traffic_max / rank_count / rank_count);
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

Error wrong_size(std::string_view call, std::size_t rank, std::size_t sent, std::size_t expected) {
  return Error{Code::malformed, text(call, ": rank ", rank, " sent ", sent, " B, expected ", expected, " B"),
               Rank{static_cast<std::uint32_t>(rank)}};
}

}  // namespace

Status Session::broadcast(std::span<std::byte> data, Rank root, std::uint64_t limit_ns, std::optional<Error> mistake) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  if (!mistake && root.value >= rank_count())
    mistake =
        Error{Code::invalid_argument, text("root is ", root.value, ", expected a rank from 0 to ", rank_count() - 1)};
  const InFlight in_flight(*engine_->in_flight_count());
  const Call call{"broadcast",
                  {topology::Collective::broadcast, root},
                  {{"bytes", text(data.size())}, {"root", text(root.value)}},
                  data.size() <= inline_bytes_max};
  const bool gives = rank() == root;
  const auto blobs = agree_on_call(call, gives ? data : std::span<std::byte>(), mistake, deadline);
  GOSSAMER_TRY(blobs);
  if (rank_count() == 1) return {};
  if (!call.is_inline) return move_chunks(call, data, *blobs, deadline);
  const Blob& sent = (*blobs)[root.value];
  if (sent.size() != data.size()) return wrong_size(call.name, root.value, sent.size(), data.size());
  if (!gives) std::copy(sent.begin(), sent.end(), data.begin());
  return {};
}

Status Session::all_reduce(const ElementVector& vector, std::byte* data, std::uint64_t limit_ns,
                           std::optional<Error> mistake) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  if (const Status fits = sketch::check_op_fits(vector.type, vector.op); !mistake && !fits.ok()) mistake = fits.error();
  const InFlight in_flight(*engine_->in_flight_count());
  const std::span<std::byte> bytes(data, mistake ? 0 : vector.bytes());
  const Call call{"all_reduce",
                  {topology::Collective::all_reduce, Rank{0}, vector.type, vector.op},
                  {{"count", text(vector.count)},
                   {"type", std::string(sketch::element_type_name(vector.type))},
                   {"op", std::string(sketch::reduce_op_name(vector.op))}},
                  sum_fits_agreement(bytes.size(), rank_count())};
  if (!mistake) begin_mean(vector, rank_count(), data, vector.count);
  const auto blobs = agree_on_call(call, bytes, mistake, deadline);
  GOSSAMER_TRY(blobs);
  if (rank_count() > 1 && !call.is_inline) GOSSAMER_TRY(move_chunks(call, bytes, *blobs, deadline));
  if (rank_count() > 1 && call.is_inline) {
    for (std::size_t r = 0; r < blobs->size(); ++r)
      if ((*blobs)[r].size() != bytes.size()) return wrong_size(call.name, r, (*blobs)[r].size(), bytes.size());
    Blob sum = (*blobs)[0];
    for (std::size_t r = 1; r < blobs->size(); ++r)
      sketch::reduce_elements(vector.type, vector.op, sum.data(), sum.data(), (*blobs)[r].data(), vector.count);
    std::copy(sum.begin(), sum.end(), bytes.begin());
  }
  end_mean(vector, rank_count(), data, vector.count);
  return {};
}

Status Session::barrier(std::uint64_t limit_ns, std::optional<Error> mistake) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  const InFlight in_flight(*engine_->in_flight_count());
  Contribution mine;
  mine.trouble = mistake;
  const auto all = agree_among("barrier", {}, mine, {}, deadline);
  if (mistake) return *mistake;
  GOSSAMER_TRY(all);
  return {};
}

Status Session::check_equal(std::string_view name, std::span<const std::byte> data, std::uint64_t limit_ns,
                            std::optional<Error> mistake) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  Contribution mine;
  mine.trouble = mistake;
  std::vector<Field> fields;
  if (!mistake) fields = {{"bytes", text(data.size())}, {"hash", hex(sketch::hash_bytes(data))}};
  const auto agreed = agree_among(name, fields, mine, {}, deadline);
  if (mistake) return *mistake;
  GOSSAMER_TRY(agreed);
  return {};
}

Status Session::load_states(Compressor& compressor, const Result<std::vector<SavedState>>& states, bool allows_new,
                            std::uint64_t limit_ns) {
  const Deadline deadline(*parts_.clock, limit_ns != 0 ? limit_ns : parts_.timeout_ns);
  const InFlight in_flight(*engine_->in_flight_count());
  std::vector<Field> fields;
  Contribution mine;
  auto taken = contained([&]() -> Result<TakenState> {
    GOSSAMER_TRY(states);
    auto own = compressor.take(*states, allows_new);
    GOSSAMER_TRY(own);
    std::string found;
    for (const bool is_found : own->found) found += is_found ? '1' : '0';
    fields = {{"saved ranks", text(own->rank_count)},
              {"step", text(own->step)},
              {"tensors found", hex(sketch::hash_bytes(std::as_bytes(std::span(found))))}};
    if (compressor.is_momentum_shared())
      fields.push_back({"momentum", hex(sketch::hash_bytes(std::as_bytes(std::span(own->momentum))))});
    return own;
  });
  if (!taken.ok()) mine.trouble = taken.error();
  const auto agreed = agree_among(text("load of ", compressor.name()), fields, mine, {}, deadline);
  GOSSAMER_TRY(taken);  // the own mistake first
  GOSSAMER_TRY(agreed);
  return compressor.load(*taken);
}

Result<std::vector<Blob>> Session::agree_on_call(const Call& call, std::span<const std::byte> given,
                                                 const std::optional<Error>& mistake, const Deadline& deadline) {
  Contribution mine;
  if (mistake) {
    mine.trouble = mistake;
  } else if (call.is_inline) {
    mine.blob.assign(given.begin(), given.end());
  } else {
    PlanOffer offer = numbers_.offer(offered_max(rank_count()));
    if (const auto plan = call_plans_.find(call.kind); plan != call_plans_.end())
      offer.held = PlanDraw{plan->second.plan->number(), plan->second.plan->ledger()};
    mine.blob = encode_offer(offer);
  }
  auto blobs = agree_among(call.name, call.fields, mine, {}, deadline);
  if (mistake) return *mistake;
  return blobs;
}

// The plan that all ranks hold and have used alike, or a new one: where a call ended on one rank alone, the next one
// does not meet its messages.
Result<Session::CallPlan*> Session::call_plan(const Call& call, const std::vector<Blob>& blobs,
                                              const Deadline& deadline) {
  GOSSAMER_ASSIGN(const auto offers, decode_offers(blobs));
  if (common_plan(offers)) return &call_plans_.at(call.kind);
  GOSSAMER_ASSIGN(const auto draw, draw_plan(offers));
  drop_call_plan(call.kind, std::min(retire_limit_ns, deadline.left_ns()));
  return make_on_all(
      text(call.name, " made"), {}, draw, deadline,
      [&]() -> Result<CallPlan*> {
        std::map<CallKind, CallPlan> entry;  // nothing fails once the plan is made
        CallPlan& made = entry[call.kind];
        auto work = std::make_unique<ChunkWork>();
        GOSSAMER_TRY(work->set_up(call.kind, rank(), rank_count(), parts_.policy));
        made.work = work.get();
        GOSSAMER_ASSIGN(made.plan, Plan::make(draw, std::string(call.name), std::move(work), *driver_, *parts_.clock));
        call_plans_.merge(entry);
        return &call_plans_.at(call.kind);
      },
      [&](CallPlan*) { drop_call_plan(call.kind, std::min(retire_limit_ns, deadline.left_ns())); });
}

Status Session::move_chunks(const Call& call, std::span<std::byte> data, const std::vector<Blob>& offers,
                            const Deadline& deadline) {
  GOSSAMER_ASSIGN(CallPlan* const plan, call_plan(call, offers, deadline));
  const bool is_broadcast = call.kind.collective == topology::Collective::broadcast;
  const bool gives = !is_broadcast || rank() == call.kind.root;
  const bool gets = !is_broadcast || rank() != call.kind.root;
  // What is in flight at the deadline still has to be given up.
  const std::uint64_t reserve_ns = std::min(retire_limit_ns, deadline.left_ns() / 8);
  Status moved;
  for (std::size_t at = 0; at < data.size() && moved.ok(); at += ChunkWork::chunk_bytes) {
    const std::span<std::byte> chunk = data.subspan(at, std::min(ChunkWork::chunk_bytes, data.size() - at));
    plan->work->set_bytes(chunk.size());
    if (gives) plan->work->put(chunk);
    moved = plan->plan->start();
    if (moved.ok()) moved = plan->plan->wait(deadline.left_before_ns(reserve_ns));
    if (!moved.ok() && plan->plan->is_in_flight()) {
      Error late = std::move(moved).error();
      late.message += text(", with ", data.size() - at, " of ", data.size(), " B to go");
      moved = late;
    }
    if (moved.ok() && gets) plan->work->take(chunk);
  }
  if (!moved.ok()) drop_call_plan(call.kind, std::min(retire_limit_ns, deadline.left_ns()));
  return moved;
}

void Session::drop_call_plan(const CallKind& kind, std::uint64_t limit_ns) {
  const auto found = call_plans_.find(kind);
  if (found == call_plans_.end()) return;
  std::unique_ptr<Plan> plan = std::move(found->second.plan);
  call_plans_.erase(found);
  retire(std::move(plan), limit_ns);
}

}  // namespace gossamer::runtime
