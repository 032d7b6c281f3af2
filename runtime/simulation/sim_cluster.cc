#include "runtime/simulation/sim_cluster.h"

#include <algorithm>
#include <limits>

namespace gossamer::runtime {

namespace {

constexpr std::uint64_t never_ns = std::numeric_limits<std::uint64_t>::max();

// A session owns its clock; the cluster's is shared.
class SharedClock final : public Clock {
 public:
  explicit SharedClock(const Clock& clock) : clock_(clock) {}
  std::uint64_t now_ns() const override { return clock_.now_ns(); }

 private:
  const Clock& clock_;
};

}  // namespace

SimCluster::SimCluster(const SimClusterOptions& options)
    : options_(options),
      network_(transport::make_sim_network(options.network, clock_)),
      hub_(options.rank_count, clock_),
      dead_(options.rank_count, false),
      stopped_(options.rank_count, false) {}

Result<std::unique_ptr<SimCluster>> SimCluster::make(const SimClusterOptions& options) {
  if (options.rank_count == 0) return Error{Code::invalid_argument, "a cluster of zero ranks: expected at least one"};
  std::unique_ptr<SimCluster> self(new SimCluster(options));
  std::vector<std::unique_ptr<transport::Transport>> transports;
  for (std::uint32_t r = 0; r < options.rank_count; ++r) {
    transports.push_back(self->network_->make_transport());
    self->addresses_.push_back(transports.back()->address());
    if (!options.faults) continue;
    auto decorated = transport::make_fault_transport(std::move(transports.back()), *options.faults, self->clock_);
    self->faults_.push_back(decorated.get());
    transports.back() = std::move(decorated);
  }
  for (std::uint32_t r = 0; r < options.rank_count; ++r) {
    GOSSAMER_TRY(transports[r]->open_view({Epoch{1}, Rank{r}, self->addresses_}));
    SessionParts parts;
    parts.rank = Rank{r};
    parts.rank_count = options.rank_count;
    parts.clock = std::make_unique<SharedClock>(self->clock_);
    parts.control = self->hub_.make_control(Rank{r});
    parts.transport = std::move(transports[r]);
    parts.simulated = options.compute;
    parts.policy = options.policy;
    GOSSAMER_ASSIGN(auto session, Session::make(std::move(parts)));
    self->sessions_.push_back(std::move(session));
  }
  return self;
}

void SimCluster::kill(Rank rank) {
  if (dead_.at(rank.value)) return;
  dead_.at(rank.value) = true;
  network_->kill(addresses_.at(rank.value));
  hub_.kill(rank, options_.detection_delay_ns);
  alarms_.push_back(clock_.now_ns() + options_.detection_delay_ns);
}

void SimCluster::stop(Rank rank) {
  stopped_.at(rank.value) = true;
  hub_.stop(rank, options_.lease_ns);
  alarms_.push_back(clock_.now_ns() + options_.lease_ns);
}

void SimCluster::resume(Rank rank) {
  stopped_.at(rank.value) = false;
  hub_.resume(rank);
}

bool SimCluster::progress_all() {
  bool moved = false;
  for (std::uint32_t r = 0; r < rank_count(); ++r) {
    if (dead_[r] || stopped_[r]) continue;
    moved |= sessions_[r]->driver().progress();
    if (!faults_.empty() && faults_[r]->is_dead()) kill(Rank{r});
  }
  return moved;
}

std::uint64_t SimCluster::next_event_ns() const {
  std::uint64_t next = never_ns;
  const auto consider = [&](std::uint64_t moment_ns) {
    if (moment_ns > clock_.now_ns()) next = std::min(next, moment_ns);
  };
  // A message that is due already waits for ranks that compute: their end is the next event.
  if (const auto network_ns = network_->next_event_ns()) consider(*network_ns);
  for (std::uint32_t r = 0; r < rank_count(); ++r)
    if (!dead_[r] && !stopped_[r]) {
      consider(sessions_[r]->driver().busy_until_ns());
      consider(sessions_[r]->driver().next_copy_ns());
    }
  for (const transport::FaultTransport* faults : faults_)
    if (const auto fault_ns = faults->next_event_ns()) consider(*fault_ns);
  for (const std::uint64_t alarm_ns : alarms_) consider(alarm_ns);
  return next;
}

bool SimCluster::run_until(const std::function<bool()>& done, std::uint64_t limit_ns) {
  const std::uint64_t end_ns = clock_.now_ns() + limit_ns;
  while (!done()) {
    if (progress_all()) continue;
    const std::uint64_t next = next_event_ns();
    if (next == never_ns || next > end_ns) return done();
    clock_.advance_to(next);
  }
  return true;
}

void SimCluster::run_to(std::uint64_t now_ns) {
  while (true) {
    if (progress_all()) continue;
    const std::uint64_t next = next_event_ns();
    if (next > now_ns) break;
    clock_.advance_to(next);
  }
  clock_.advance_to(std::max(now_ns, clock_.now_ns()));
}

}  // namespace gossamer::runtime
