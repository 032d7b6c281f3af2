#include "tools/topo/measure_run.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "topology/measure/suspicion.h"

namespace gossamer::tools {
namespace {

using topology::Measurement;
using topology::PairLoad;
using topology::PairMeasurement;
using topology::PairRound;
using topology::RankPair;
using transport::Region;
using transport::Slice;

constexpr std::uint64_t phase_ns = 3'000'000'000;    // about so long is a phase: what is lost with a rank
constexpr std::uint64_t lead_ns = 3'000'000;         // from a plan's departure to its first slot
constexpr std::uint64_t lead_each_ns = 20'000;       // more for each rank that it is sent to
constexpr std::uint64_t results_ns = 5'000'000'000;  // after a phase its results come within it
constexpr std::uint64_t linger_ns = 20'000'000;      // a member's last words leave within it
constexpr std::uint64_t nap_ns = 1'000'000;          // between looks for a message that is not measured

// Memory registered with a transport, for as long as this lives.
class OwnRegion {
 public:
  [[nodiscard]] static Result<std::unique_ptr<OwnRegion>> make(transport::Transport& transport, std::size_t bytes) {
    auto own = std::unique_ptr<OwnRegion>(new OwnRegion(transport, bytes));
    GOSSAMER_ASSIGN(own->region_, transport.register_memory(own->bytes_.data(), bytes, MemoryKind::host));
    return own;
  }
  ~OwnRegion() {
    if (region_.base != nullptr) transport_.release_memory(region_);
  }
  OwnRegion(const OwnRegion&) = delete;
  OwnRegion& operator=(const OwnRegion&) = delete;
  [[nodiscard]] Slice slice(std::size_t offset, std::size_t bytes) const { return {region_, offset, bytes}; }

 private:
  OwnRegion(transport::Transport& transport, std::size_t bytes) : transport_(transport), bytes_(bytes) {}
  transport::Transport& transport_;
  std::vector<std::byte> bytes_;
  Region region_;
};

template <typename Word>
Slice fill(Slice slice, const std::vector<Word>& words) {
  slice.bytes = words.size() * sizeof(Word);
  if (!words.empty()) std::memcpy(slice.data(), words.data(), slice.bytes);
  return slice;
}

template <typename Word>
std::vector<Word> words_of(const Slice& slice, std::size_t bytes) {
  std::vector<Word> words(bytes / sizeof(Word));
  if (!words.empty()) std::memcpy(words.data(), slice.data(), words.size() * sizeof(Word));
  return words;
}

// ---------------------------------------------------------------------------------------------

//   await a plan ─► run its phase ─► send the results ─┐
//        ▲                                             │
//        └─────────────────────────────────────────────┘   until the last plan, which is answered with nothing in it
class Member final : public MeasureRank {
 public:
  Member(const MeasureEnds& ends, const MeasureOptions& options)
      : ends_(ends),
        flights_(*ends.transport),
        runner_({&flights_, ends.memory, ends.clock, ends.clock_offset_ns, ends.rank}, options.work),
        pair_ns_(options.pair_ns) {}

  Status open(std::size_t size_count) {
    GOSSAMER_ASSIGN(plan_memory_, OwnRegion::make(*ends_.transport, plan_bytes_max));
    GOSSAMER_ASSIGN(results_memory_, OwnRegion::make(*ends_.transport, results_bytes_max(size_count)));
    return await_plan();
  }

  bool advance() override {
    const bool polled = flights_.poll();
    if (state_ == State::finished) return false;
    return step() || polled;
  }

  std::uint64_t wake_ns() const override {
    if (state_ == State::phase) return runner_.finished() ? runner_.end_ns() : runner_.wake_ns();
    return ends_.clock->now_ns() + nap_ns;
  }
  bool is_measuring() const override { return state_ == State::phase && runner_.is_measuring(); }
  bool finished() const override { return state_ == State::finished; }
  void lose(Rank rank, bool /*died*/) override {
    ends_.transport->fail_peer(rank);
    if (rank != Rank{0} || state_ == State::finished) return;
    // With the last plan all is said.
    if (state_ != State::plan && plan_.is_last) {
      state_ = State::finished;
      return;
    }
    end(Error{Code::peer_lost, "rank 0, which collects what is measured, is gone", rank});
  }
  Status status() const override { return status_; }
  bool is_incomplete() const override { return plan_.failed; }

 private:
  enum class State { plan, phase, results, linger, finished };

  void end(Status status) {
    status_ = std::move(status);
    state_ = State::finished;
  }

  Status await_plan() {
    GOSSAMER_ASSIGN(awaited_, flights_.receive(Rank{0}, lane_tag(LaneMessage::plan, Rank{0}, 0, phases_++),
                                               plan_memory_->slice(0, plan_bytes_max)));
    state_ = State::plan;
    plan_limit_ns_ = ends_.clock->now_ns() + 3 * pair_ns_ + 2 * results_ns;
    return {};
  }

  bool take_plan() {
    if (!flights_.has_ended(awaited_)) {
      if (ends_.clock->now_ns() < plan_limit_ns_) return false;
      end(Error{Code::deadline, "rank 0 sends no plan: it takes this rank for one that does not answer", Rank{0}});
      return true;
    }
    const transport::Completion came = flights_.take(awaited_);
    if (came.code != Code::done) {
      end(Error{came.code, "rank 0 sends no plan any more", Rank{0}});
      return true;
    }
    const auto plan =
        decode_plan(words_of<std::uint64_t>(plan_memory_->slice(0, plan_bytes_max), came.bytes), ends_.rank_count);
    if (!plan.ok()) {
      end(plan.error());
      return true;
    }
    plan_ = *plan;
    runner_.begin(plan_);
    state_ = State::phase;
    return true;
  }

  bool run_phase() {
    const bool moved = runner_.advance();
    if (!runner_.finished() || ends_.clock->now_ns() < runner_.end_ns()) return moved;
    const PhaseResults results{plan_.phase, ends_.stolen_cpu ? ends_.stolen_cpu() : 0.0, runner_.take_results()};
    const auto sent = flights_.send(Rank{0}, lane_tag(LaneMessage::results, ends_.rank, 0, plan_.phase),
                                    fill(results_memory_->slice(0, 0), encode_results(results)));
    if (!sent.ok()) {
      end(sent.error());
      return true;
    }
    awaited_ = *sent;
    state_ = State::results;
    return true;
  }

  bool end_results() {
    if (!flights_.has_ended(awaited_)) return false;
    const transport::Completion sent = flights_.take(awaited_);
    linger_until_ns_ = ends_.clock->now_ns() + linger_ns;
    if (sent.code != Code::done) {
      end(Error{sent.code, "rank 0 takes no results any more", Rank{0}});
    } else if (plan_.is_last) {
      state_ = State::linger;
    } else if (const Status awaits = await_plan(); !awaits.ok()) {
      end(awaits);
    }
    return true;
  }

  bool step() {
    switch (state_) {
      case State::plan:
        return take_plan();
      case State::phase:
        return run_phase();
      case State::results:
        return end_results();
      case State::linger:
        if (ends_.clock->now_ns() >= linger_until_ns_) state_ = State::finished;
        return state_ == State::finished;
      case State::finished:
        break;
    }
    return false;
  }

  MeasureEnds ends_;
  Flights flights_;
  PhaseRunner runner_;
  std::uint64_t pair_ns_;
  std::uint64_t plan_limit_ns_ = 0;
  std::unique_ptr<OwnRegion> plan_memory_;
  std::unique_ptr<OwnRegion> results_memory_;
  State state_ = State::plan;
  Flights::Id awaited_ = Flights::none;
  std::uint64_t phases_ = 0;
  std::uint64_t linger_until_ns_ = 0;
  PhasePlan plan_;
  Status status_;
};

// ---------------------------------------------------------------------------------------------

// What is measured in one slot.
struct Slot {
  PairLoad load = PairLoad::idle;
  PairRound pairs;
};

using PairKey = std::tuple<PairLoad, std::uint32_t, std::uint32_t>;
using Pairs = std::map<PairKey, PairMeasurement>;

PairKey key_of(const PairMeasurement& pair) { return {pair.load, pair.from, pair.to}; }

std::vector<PairRound> rounds_of(const MeasureOptions& options, std::uint32_t rank_count) {
  if (options.fraction >= 1.0) return topology::all_pair_rounds(rank_count);
  return topology::sampled_pair_rounds({rank_count, options.fraction, options.seed});
}

// Both directions are there.
bool has(const Pairs& pairs, PairLoad load, const RankPair& pair) {
  const auto has_sizes = [&](std::uint32_t from, std::uint32_t to) {
    const auto found = pairs.find({load, from, to});
    return found != pairs.end() && !found->second.sizes.empty();
  };
  return has_sizes(pair.low, pair.high) && has_sizes(pair.high, pair.low);
}

std::vector<Slot> slots_of(const MeasureOptions& options, const CoordinatorParts& parts, const Pairs& known) {
  const auto rank_count = static_cast<std::uint32_t>(parts.measurement.ranks.size());
  const std::vector<PairRound> rounds = rounds_of(options, rank_count);
  std::vector<Slot> slots;
  if (options.idle) {
    for (PairRound& round : topology::rounds_apart(rounds, parts.place_of_rank)) {
      std::erase_if(round, [&](const RankPair& pair) { return has(known, PairLoad::idle, pair); });
      if (!round.empty()) slots.push_back({PairLoad::idle, std::move(round)});
    }
  }
  for (const PairRound& round : options.loaded ? rounds : std::vector<PairRound>()) {
    // All of a round is the load of each of its pairs.
    if (std::all_of(round.begin(), round.end(), [&](const auto& pair) { return has(known, PairLoad::loaded, pair); }))
      continue;
    slots.push_back({PairLoad::loaded, round});
  }
  return slots;
}

Pairs known_pairs(const Measurement& measurement) {
  Pairs pairs;
  for (const PairMeasurement& pair : measurement.pairs)
    if (!pair.sizes.empty()) pairs[key_of(pair)] = pair;
  return pairs;
}

// Of two measurements of one pair: what disturbs only adds, so the quicker one.
bool is_quicker(const PairMeasurement& a, const PairMeasurement& b) {
  double ratio = 0.0;
  for (const auto& size : a.sizes) {
    for (const auto& other : b.sizes) {
      if (size.bytes == other.bytes) ratio += std::log(size.p50_ns.value / std::max(1e-3, other.p50_ns.value));
    }
  }
  return ratio < 0.0;
}

class Coordinator final : public MeasureCoordinator {
 public:
  Coordinator(const MeasureEnds& ends, const MeasureOptions& options, CoordinatorParts parts)
      : ends_(ends),
        options_(options),
        parts_(std::move(parts)),
        flights_(*ends.transport),
        runner_({&flights_, ends.memory, ends.clock, 0, ends.rank}, options.work),
        results_bytes_(results_bytes_max(options.work.sizes.size())),
        awaited_(ends.rank_count, Flights::none),
        lost_(ends.rank_count),
        silent_(ends.rank_count),
        host_stolen_(parts_.measurement.hosts.size()) {
    pairs_ = known_pairs(parts_.measurement);
    slots_ = slots_of(options_, parts_, pairs_);
  }

  Status open() {
    GOSSAMER_ASSIGN(plans_memory_, OwnRegion::make(*ends_.transport, plan_bytes_max * ends_.rank_count));
    GOSSAMER_ASSIGN(results_memory_, OwnRegion::make(*ends_.transport, results_bytes_ * ends_.rank_count));
    begin_phase();
    return {};
  }

  bool advance() override {
    const bool polled = flights_.poll();
    if (state_ == State::phase) {
      const bool moved = runner_.advance();
      if (!runner_.finished()) return moved || polled;
      take(ends_.rank.value, {phase_, ends_.stolen_cpu ? ends_.stolen_cpu() : 0.0, runner_.take_results()});
      state_ = State::collect;
      return true;
    }
    if (state_ == State::collect) return collect() || polled;
    return false;
  }

  std::uint64_t wake_ns() const override {
    if (state_ == State::phase) return runner_.wake_ns();
    const std::uint64_t now_ns = ends_.clock->now_ns();
    return now_ns < phase_end_ns_ ? phase_end_ns_ : now_ns + nap_ns;
  }
  bool is_measuring() const override { return state_ == State::phase && runner_.is_measuring(); }
  bool finished() const override { return state_ == State::finished; }
  void lose(Rank rank, bool died) override {
    ends_.transport->fail_peer(rank);
    (died ? lost_ : silent_)[rank.value] = true;
  }
  Status status() const override { return {}; }
  bool is_incomplete() const override { return is_incomplete_; }

  Measurement measurement() const override {
    Measurement made = parts_.measurement;
    made.clock_uncertainty_ns = static_cast<double>(parts_.clock_uncertainty_ns);
    made.sampled_fraction = std::min(1.0, options_.fraction);
    made.seed = options_.seed;
    for (std::uint32_t rank = 0; rank < ends_.rank_count; ++rank) made.ranks[rank].died = lost_[rank];
    for (std::size_t host = 0; host < made.hosts.size(); ++host) made.hosts[host].stolen_cpu = host_stolen_[host];
    made.pairs.clear();
    for (const auto& [key, pair] : pairs_) made.pairs.push_back(pair);
    return made;
  }

 private:
  enum class State { phase, collect, finished };

  [[nodiscard]] bool is_gone(std::uint32_t rank) const { return lost_[rank] || silent_[rank]; }

  std::string gone_words(std::uint32_t rank, bool died) const {
    return text("rank ", rank, " on ", parts_.measurement.host_of(rank), died ? " died" : " did not answer");
  }

  void miss(PairLoad load, std::uint32_t from, std::uint32_t to, const std::string& why) {
    is_incomplete_ = true;
    PairMeasurement& pair = pairs_[{load, from, to}];
    if (pair.sizes.empty()) pair = {from, to, load, {}, {}, 1, why};
  }

  // Pairs with somebody who is gone are missing; the others of the slot are still measured.
  void miss_gone(Slot& slot) {
    std::erase_if(slot.pairs, [&](const RankPair& pair) {
      if (!is_gone(pair.low) && !is_gone(pair.high)) return false;
      const std::uint32_t gone = is_gone(pair.low) ? pair.low : pair.high;
      miss(slot.load, pair.low, pair.high, gone_words(gone, lost_[gone]));
      miss(slot.load, pair.high, pair.low, gone_words(gone, lost_[gone]));
      return true;
    });
  }

  // Takes the next slots; where there are none any more, suspicious pairs once, then the end.
  void begin_phase() {
    if (slots_done_ == slots_.size() && !is_retest_) plan_retest();
    const auto now_ns = ends_.clock->now_ns();
    const std::uint64_t wanted =
        std::clamp<std::uint64_t>(phase_ns / std::max<std::uint64_t>(1, options_.pair_ns), 1, phase_slots_max);
    const std::uint64_t count = std::min<std::uint64_t>(wanted, slots_.size() - slots_done_);
    std::vector<PhasePlan> plans(ends_.rank_count);
    phase_slot_count_ = count;
    is_last_ = count == 0;
    for (PhasePlan& plan : plans) {
      plan.phase = phase_;
      plan.first_slot = slots_done_;
      plan.begin_ns = now_ns + lead_ns + lead_each_ns * ends_.rank_count + 2 * parts_.clock_uncertainty_ns;
      plan.slot_ns = options_.pair_ns;
      plan.slot_count = count;
      plan.is_last = is_last_;
      plan.failed = is_incomplete_;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      Slot& slot = slots_[slots_done_ + i];
      miss_gone(slot);
      for (const RankPair& pair : slot.pairs) {
        plans[pair.low].entries.push_back({i, Rank{pair.high}, slot.load});
        plans[pair.high].entries.push_back({i, Rank{pair.low}, slot.load});
      }
    }
    phase_end_ns_ = is_last_ ? now_ns : plans[0].begin_ns + count * options_.pair_ns;
    send_plans(plans);
    runner_.begin(plans[ends_.rank.value]);
    state_ = State::phase;
  }

  void send_plans(const std::vector<PhasePlan>& plans) {
    for (std::uint32_t rank = 0; rank < ends_.rank_count; ++rank) {
      if (rank == ends_.rank.value || is_gone(rank)) continue;
      const auto results = flights_.receive(Rank{rank}, lane_tag(LaneMessage::results, Rank{rank}, 0, phase_),
                                            results_memory_->slice(rank * results_bytes_, results_bytes_));
      if (!results.ok()) {
        silent_[rank] = true;
        continue;
      }
      awaited_[rank] = *results;
      const Slice plan = fill(plans_memory_->slice(rank * plan_bytes_max, 0), encode_plan(plans[rank]));
      const auto sent = flights_.send(Rank{rank}, lane_tag(LaneMessage::plan, ends_.rank, 0, phase_), plan);
      if (sent.ok()) flights_.give_up(*sent, false);
    }
  }

  // True if a rank's results came, or the phase ended.
  bool collect() {
    bool moved = false;
    bool waits = false;
    for (std::uint32_t rank = 0; rank < ends_.rank_count; ++rank) {
      if (awaited_[rank] == Flights::none) continue;
      if (!flights_.has_ended(awaited_[rank])) {
        waits = true;
        continue;
      }
      moved = true;
      const transport::Completion came = flights_.take(awaited_[rank]);
      awaited_[rank] = Flights::none;
      const Slice slice = results_memory_->slice(rank * results_bytes_, came.bytes);
      const auto results =
          decode_results(words_of<double>(slice, came.code == Code::done ? came.bytes : 0), ends_.rank_count);
      if (came.code == Code::done && results.ok()) {
        take(rank, *results);
      } else {
        silent_[rank] = true;
      }
    }
    // Patience of the last slot, and of the way.
    const std::uint64_t limit_ns = phase_end_ns_ + 3 * options_.pair_ns + results_ns;
    if (waits && ends_.clock->now_ns() < limit_ns) return moved;
    for (std::uint32_t rank = 0; rank < ends_.rank_count; ++rank) {
      if (awaited_[rank] == Flights::none) continue;
      flights_.give_up(awaited_[rank], true);
      awaited_[rank] = Flights::none;
      silent_[rank] = true;
    }
    end_phase();
    return true;
  }

  void take(std::uint32_t from, PhaseResults results) {
    double& stolen = host_stolen_[parts_.measurement.ranks[from].host];
    stolen = std::max(stolen, results.stolen_cpu);
    for (PhaseResult& result : results.lanes) {
      if (result.to == from) continue;
      if (result.lane.sizes.empty()) {
        const bool from_is_gone = is_gone(from);
        const std::uint32_t gone = from_is_gone ? from : result.to;
        miss(result.load, from, result.to, gone_words(gone, result.gap == LaneGap::died || lost_[gone]));
        continue;
      }
      PairMeasurement pair = {from, result.to, result.load, std::move(result.lane.sizes), result.lane.fit, 1, {}};
      PairMeasurement& known = pairs_[key_of(pair)];
      const std::uint32_t passes = known.sizes.empty() ? 1 : known.passes + 1;
      if (known.sizes.empty() || is_quicker(pair, known)) known = std::move(pair);
      known.passes = passes;
      known.missing.clear();
    }
  }

  void end_phase() {
    // What a rank that is gone had measured in this phase went with it.
    for (std::uint64_t i = 0; i < phase_slot_count_; ++i) miss_gone(slots_[slots_done_ + i]);
    slots_done_ += phase_slot_count_;
    ++phase_;
    if (is_last_) {
      state_ = State::finished;
      return;
    }
    if (parts_.on_phase) {
      const std::uint64_t left = slots_.size() - slots_done_;
      parts_.on_phase({slots_done_, slots_.size(), left * options_.pair_ns, is_retest_});
    }
    begin_phase();
  }

  void plan_retest() {
    is_retest_ = true;
    const auto rank_count = static_cast<double>(ends_.rank_count);
    const double all = rank_count * (rank_count - 1) / 2 * options_.fraction;
    topology::SuspicionLimits limits;
    limits.most = options_.retested <= 0.0 ? 0 : static_cast<std::size_t>(std::max(2.0, all * options_.retested));
    std::vector<PairRound> idle;
    std::vector<RankPair> loaded;
    for (const auto& each : topology::suspicious_pairs(measurement(), limits)) {
      const RankPair pair = {std::min(each.from, each.to), std::max(each.from, each.to)};
      if (is_gone(pair.low) || is_gone(pair.high)) continue;
      if (each.load == PairLoad::loaded) {
        loaded.push_back(pair);
      } else if (std::find(idle.begin(), idle.end(), PairRound{pair}) == idle.end()) {
        idle.push_back({pair});
      }
    }
    for (const PairRound& round : idle) slots_.push_back({PairLoad::idle, round});
    for (const PairRound& round : loaded.empty() ? std::vector<PairRound>() : rounds_of(options_, ends_.rank_count)) {
      const bool wanted = std::any_of(loaded.begin(), loaded.end(), [&](const RankPair& pair) {
        return std::find(round.begin(), round.end(), pair) != round.end();
      });
      if (wanted) slots_.push_back({PairLoad::loaded, round});
    }
  }

  MeasureEnds ends_;
  MeasureOptions options_;
  CoordinatorParts parts_;
  Flights flights_;
  PhaseRunner runner_;
  std::size_t results_bytes_;
  std::unique_ptr<OwnRegion> plans_memory_;
  std::unique_ptr<OwnRegion> results_memory_;
  std::vector<Flights::Id> awaited_;  // results, by rank
  std::vector<bool> lost_;
  std::vector<bool> silent_;
  std::vector<double> host_stolen_;
  Pairs pairs_;
  std::vector<Slot> slots_;
  std::uint64_t slots_done_ = 0;
  std::uint64_t phase_ = 0;
  std::uint64_t phase_slot_count_ = 0;
  std::uint64_t phase_end_ns_ = 0;
  bool is_last_ = false;
  bool is_retest_ = false;
  bool is_incomplete_ = false;
  State state_ = State::phase;
};

}  // namespace

Result<std::unique_ptr<MeasureRank>> make_member(const MeasureEnds& ends, const MeasureOptions& options) {
  auto member = std::make_unique<Member>(ends, options);
  GOSSAMER_TRY(member->open(options.work.sizes.size()));
  return std::unique_ptr<MeasureRank>(std::move(member));
}

Result<std::unique_ptr<MeasureCoordinator>> make_coordinator(const MeasureEnds& ends, const MeasureOptions& options,
                                                             CoordinatorParts parts) {
  auto coordinator = std::make_unique<Coordinator>(ends, options, std::move(parts));
  GOSSAMER_TRY(coordinator->open());
  return std::unique_ptr<MeasureCoordinator>(std::move(coordinator));
}

Status check_plan(const MeasureOptions& options, const CoordinatorParts& parts) {
  constexpr std::uint64_t most = lane_slots_max / 4;  // two lanes each, and once more for what looks suspicious
  const std::uint64_t slots = planned_slots(options, parts);
  if (slots <= most) return {};
  return Error{Code::invalid_argument, text(slots, " slots are more than one measurement can have, ", most,
                                            ": give --sample a smaller part of the pairs")};
}

std::uint64_t planned_slots(const MeasureOptions& options, const CoordinatorParts& parts) {
  return slots_of(options, parts, known_pairs(parts.measurement)).size();
}

}  // namespace gossamer::tools
