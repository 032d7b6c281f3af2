#include "tools/topo/measure_phase.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gossamer::tools {
namespace {

using topology::Estimate;
using topology::LogGp;
using topology::PairLoad;
using topology::SizeSamples;

constexpr std::size_t plan_words = 8;
constexpr std::uint32_t loaded_bit = 1;
constexpr std::size_t size_numbers = 8;
constexpr std::size_t fit_numbers = 13;
constexpr std::size_t lane_numbers = 5;
constexpr std::size_t sizes_max = 64;

// Of a slot, what lanes may use; the rest is for who is late.
constexpr double used_part = 0.9;
// A partner that has not ended after so many slots does not come.
constexpr std::uint64_t patience_slots = 3;

Error foreign_error(const char* what) { return {Code::malformed, text(what, " of another kind than this rank's")}; }

// Reads numbers one after the other; what is beyond the end is a NaN, and remembered.
class PhaseNumbers {
 public:
  explicit PhaseNumbers(std::span<const double> all) : all_(all) {}
  double next() {
    if (at_ < all_.size()) return all_[at_++];
    is_short_ = true;
    return NAN;
  }
  // A whole number of at most `most`.
  std::uint64_t whole(double most) {
    const double value = next();
    if (value >= 0.0 && value <= most) return static_cast<std::uint64_t>(value);
    is_short_ = true;
    return 0;
  }
  Estimate estimate() {
    const double value = next();
    const double low = next();
    return {value, low, next()};
  }
  [[nodiscard]] bool are_right() const { return !is_short_; }

 private:
  std::span<const double> all_;
  std::size_t at_ = 0;
  bool is_short_ = false;
};

void add(std::vector<double>& numbers, const Estimate& estimate) {
  numbers.insert(numbers.end(), {estimate.value, estimate.low, estimate.high});
}

PhaseResult read_lane(PhaseNumbers& numbers, std::uint32_t rank_count) {
  PhaseResult result;
  result.to = static_cast<std::uint32_t>(numbers.whole(rank_count - 1.0));
  result.load = numbers.whole(1) == 1 ? PairLoad::loaded : PairLoad::idle;
  result.gap = static_cast<LaneGap>(numbers.whole(2));
  const std::uint64_t sizes = numbers.whole(sizes_max);
  const bool has_fit = numbers.whole(1) == 1;
  for (std::uint64_t i = 0; i < sizes && numbers.are_right(); ++i) {
    SizeSamples size;
    size.bytes = numbers.whole(0x1p62);
    size.count = static_cast<std::uint32_t>(numbers.whole(UINT32_MAX));
    size.p50_ns = numbers.estimate();
    size.min_ns = numbers.next();
    size.p99_ns = numbers.next();
    size.p999_ns = numbers.next();
    result.lane.sizes.push_back(size);
  }
  if (has_fit) {
    LogGp fit;
    for (Estimate* each : {&fit.alpha_ns, &fit.beta_ns_per_byte, &fit.gap_ns, &fit.overhead_ns})
      *each = numbers.estimate();
    fit.residual = numbers.next();
    result.lane.fit = fit;
  }
  return result;
}

}  // namespace

std::vector<std::uint64_t> encode_plan(const PhasePlan& plan) {
  GOSSAMER_CHECK(plan.entries.size() <= phase_slots_max, "a phase has its most slots");
  std::vector<std::uint64_t> words = {plan.phase,
                                      plan.first_slot,
                                      plan.begin_ns,
                                      plan.slot_ns,
                                      plan.slot_count,
                                      std::uint64_t{plan.is_last},
                                      std::uint64_t{plan.failed},
                                      plan.entries.size()};
  for (const PhaseEntry& entry : plan.entries) {
    const std::uint64_t load = entry.load == PairLoad::loaded ? loaded_bit : 0;
    words.push_back(std::uint64_t{entry.slot} << 40 | load << 32 | entry.peer.value);
  }
  return words;
}

Result<PhasePlan> decode_plan(std::span<const std::uint64_t> words, std::uint32_t rank_count) {
  if (words.size() < plan_words || words[7] > phase_slots_max || words.size() < plan_words + words[7]) {
    return foreign_error("a plan");
  }
  PhasePlan plan{words[0], words[1], words[2], words[3], words[4], words[5] != 0, words[6] != 0, {}};
  for (const std::uint64_t word : words.subspan(plan_words, words[7])) {
    const Rank peer{static_cast<std::uint32_t>(word)};
    if (peer.value >= rank_count) return foreign_error("a plan");
    plan.entries.push_back({static_cast<std::uint32_t>(word >> 40), peer,
                            (word >> 32 & loaded_bit) != 0 ? PairLoad::loaded : PairLoad::idle});
  }
  return plan;
}

std::vector<double> encode_results(const PhaseResults& results) {
  std::vector<double> numbers = {static_cast<double>(results.phase), results.stolen_cpu,
                                 static_cast<double>(results.lanes.size())};
  for (const PhaseResult& result : results.lanes) {
    numbers.insert(numbers.end(), {static_cast<double>(result.to), result.load == PairLoad::loaded ? 1.0 : 0.0,
                                   static_cast<double>(result.gap), static_cast<double>(result.lane.sizes.size()),
                                   result.lane.fit ? 1.0 : 0.0});
    for (const SizeSamples& size : result.lane.sizes) {
      numbers.insert(numbers.end(), {static_cast<double>(size.bytes), static_cast<double>(size.count)});
      add(numbers, size.p50_ns);
      numbers.insert(numbers.end(), {size.min_ns, size.p99_ns, size.p999_ns});
    }
    if (result.lane.fit) {
      const LogGp& fit = *result.lane.fit;
      for (const Estimate* each : {&fit.alpha_ns, &fit.beta_ns_per_byte, &fit.gap_ns, &fit.overhead_ns})
        add(numbers, *each);
      numbers.push_back(fit.residual);
    }
  }
  return numbers;
}

Result<PhaseResults> decode_results(std::span<const double> all, std::uint32_t rank_count) {
  PhaseNumbers numbers(all);
  PhaseResults results;
  results.phase = numbers.whole(0x1p53);
  results.stolen_cpu = numbers.next();
  const std::uint64_t count = numbers.whole(phase_slots_max);
  for (std::uint64_t i = 0; i < count && numbers.are_right(); ++i)
    results.lanes.push_back(read_lane(numbers, rank_count));
  if (!numbers.are_right()) return foreign_error("results");
  return results;
}

std::size_t results_bytes_max(std::size_t size_count) {
  return (3 + phase_slots_max * (lane_numbers + size_numbers * size_count + fit_numbers)) * sizeof(double);
}

// ---------------------------------------------------------------------------------------------

void PhaseRunner::begin(const PhasePlan& plan) {
  plan_ = plan;
  next_ = 0;
  is_measuring_ = false;
}

std::uint64_t PhaseRunner::local_ns(std::uint64_t slot) const {
  return plan_.begin_ns + slot * plan_.slot_ns - static_cast<std::uint64_t>(ends_.clock_offset_ns);
}

std::uint64_t PhaseRunner::wake_ns() const {
  return is_measuring_ || finished() ? 0 : local_ns(plan_.entries[next_].slot);
}

void PhaseRunner::begin_slot() {
  const PhaseEntry& entry = plan_.entries[next_];
  is_measuring_ = true;
  is_second_lane_ = has_result_ = false;
  leads_first_ = ends_.rank < entry.peer;
  give_up_ns_ = std::max(local_ns(entry.slot), ends_.clock->now_ns()) + patience_slots * plan_.slot_ns;
  begin_lanes();
}

// Idle: the lower rank leads, then the other one. Loaded: both at once.
void PhaseRunner::begin_lanes() {
  const PhaseEntry& entry = plan_.entries[next_];
  const auto used_ns = static_cast<std::uint64_t>(static_cast<double>(plan_.slot_ns) * used_part);
  const std::uint64_t begin_ns = local_ns(entry.slot);
  const bool is_loaded = entry.load == PairLoad::loaded;
  // Each direction has its own number, since both have messages of the same kinds.
  LaneSpan span{ends_.rank, entry.peer, 2 * (plan_.first_slot + entry.slot), begin_ns, begin_ns + used_ns, is_loaded};
  const auto lead = [&] {
    span.slot = 2 * (plan_.first_slot + entry.slot) + (leads_first_ ? 0 : 1);
    if (!is_loaded && !is_second_lane_) span.end_ns = begin_ns + used_ns / 2;
    leader_ = std::make_unique<LaneLeader>(*ends_.flights, *ends_.memory, *ends_.clock, work_, span);
  };
  const auto follow = [&] {
    span.slot = 2 * (plan_.first_slot + entry.slot) + (leads_first_ ? 1 : 0);
    follower_ = std::make_unique<LaneFollower>(*ends_.flights, *ends_.memory, span);
  };
  if (is_loaded) {
    lead();
    follow();
  } else if (leads_first_ != is_second_lane_) {
    lead();
  } else {
    follow();
  }
}

bool PhaseRunner::advance_lanes() {
  bool moved = false;
  if (leader_) moved = leader_->advance() || moved;
  if (follower_) moved = follower_->advance() || moved;
  return moved;
}

void PhaseRunner::note_result() {
  PhaseResult result;
  result.to = plan_.entries[next_].peer.value;
  result.load = plan_.entries[next_].load;
  if (leader_ && leader_->finished() && !leader_->trouble()) {
    result.lane = leader_->result();
  } else {
    const bool died = (leader_ && leader_->trouble() && leader_->trouble()->code == Code::peer_lost) ||
                      (follower_ && follower_->trouble() && follower_->trouble()->code == Code::peer_lost);
    result.gap = died ? LaneGap::died : LaneGap::silent;
  }
  results_.push_back(std::move(result));
  has_result_ = true;
}

void PhaseRunner::end_slot() {
  leader_.reset();
  follower_.reset();
  is_measuring_ = false;
  ++next_;
}

bool PhaseRunner::advance() {
  if (finished()) return false;
  if (!is_measuring_) {
    if (ends_.clock->now_ns() < wake_ns()) return false;
    begin_slot();
  }
  const bool moved = advance_lanes();
  const bool is_loaded = plan_.entries[next_].load == PairLoad::loaded;
  const bool leader_ended = !leader_ || leader_->finished();
  const bool follower_ended = !follower_ || follower_->finished();
  const bool failed = (leader_ && leader_->trouble()) || (follower_ && follower_->trouble());
  const bool is_late = !moved && ends_.clock->now_ns() >= give_up_ns_;
  if (!(leader_ended && follower_ended) && !failed && !is_late) return moved;
  if (failed || is_late) {
    if (!has_result_) note_result();
    end_slot();
  } else if (is_loaded) {
    note_result();
    end_slot();
  } else {
    if (leader_) note_result();
    leader_.reset();
    follower_.reset();
    if (is_second_lane_) {
      end_slot();
    } else {
      is_second_lane_ = true;
      begin_lanes();
    }
  }
  return true;
}

}  // namespace gossamer::tools
