#include "runtime/control/sim.h"

#include <algorithm>

#include "runtime/control/collect.h"
#include "runtime/control/fields.h"
#include "runtime/control/members.h"

namespace gossamer::runtime {

class SimControl final : public Control {
 public:
  SimControl(SimControlHub& hub, Rank rank) : hub_(hub), rank_(rank) {}
  ~SimControl() override { leave(); }

  Result<std::vector<Blob>> agree_among(std::span<const Rank> members, std::string_view subject,
                                        std::span<const Field> fields, const Contribution& mine,
                                        std::uint64_t) override {
    const auto rank_count = static_cast<std::uint32_t>(hub_.ranks_.size());
    GOSSAMER_ASSIGN(const auto list, members_of(subject, members, {rank_, rank_count}));
    GOSSAMER_TRY(check_alive(subject));
    const std::uint64_t number = hub_.ranks_[rank_.value].came[list]++;
    const auto [entry, first] = hub_.given_.try_emplace(
        {list, number}, SimControlHub::Given{rank_, std::string(subject), {fields.begin(), fields.end()}, mine});
    const SimControlHub::Given& given = entry->second;
    if (given.mine.trouble) return trouble_error(subject, given.rank, *given.mine.trouble);
    if (mine.trouble) return trouble_error(subject, rank_, *mine.trouble);
    std::vector<Blob> blobs(list.size(), given.mine.blob);
    blobs[static_cast<std::size_t>(std::find(list.begin(), list.end(), rank_) - list.begin())] = mine.blob;
    if (first) return blobs;
    if (given.subject != subject) {
      return Error{Code::mismatch,
                   text("ranks are at different collectives: rank ", given.rank.value, " is at ", given.subject,
                        ", rank ", rank_.value, " is at ", subject),
                   rank_};
    }
    if (const auto difference = first_difference({given.rank, given.fields}, {rank_, fields})) {
      return Error{Code::mismatch, text(subject, ": ", *difference), rank_};
    }
    return blobs;
  }

  Result<std::vector<Blob>> all_gather(std::string_view subject, const Blob&, std::uint64_t) override {
    GOSSAMER_TRY(check_alive(subject));
    return Error{Code::unavailable, text(subject, ": the simulation cannot gather in one thread")};
  }

  [[nodiscard]] std::optional<Loss> loss() const override {
    if (const auto& given_up = hub_.ranks_[rank_.value].given_up) return given_up;
    const SimControlHub::Loser* known = nullptr;
    for (const SimControlHub::Loser& loser : hub_.losers_) {
      if (loser.known_ns > hub_.clock_.now_ns() || loser.loss.rank == rank_) continue;
      // A death goes before a leaving, then the earlier known, then the earlier scheduled.
      const bool better = known == nullptr || (known->loss.left && !loser.loss.left) ||
                          (known->loss.left == loser.loss.left && loser.known_ns < known->known_ns);
      if (better) known = &loser;
    }
    return known == nullptr ? std::nullopt : std::optional(known->loss);
  }

  [[nodiscard]] std::vector<Loss> losses(std::size_t known) const override {
    std::vector<const SimControlHub::Loser*> gone;
    for (const SimControlHub::Loser& loser : hub_.losers_)
      if (loser.known_ns <= hub_.clock_.now_ns() && loser.loss.rank != rank_) gone.push_back(&loser);
    std::stable_sort(gone.begin(), gone.end(), [](const auto* a, const auto* b) { return a->known_ns < b->known_ns; });
    std::vector<Loss> losses;
    for (std::size_t i = known; i < gone.size(); ++i) losses.push_back(gone[i]->loss);
    // The last word: it comes again with each loss that follows.
    if (const auto& given_up = hub_.ranks_[rank_.value].given_up; given_up && known <= gone.size())
      losses.push_back(*given_up);
    return losses;
  }

  [[nodiscard]] int event_descriptor() const override { return -1; }

  void watch(std::shared_ptr<const std::atomic<std::uint32_t>>) override {}
  void settle(std::uint64_t, const std::function<bool()>&) override {}

  void abort() override {
    if (hub_.ranks_[rank_.value].given_up) return;
    hub_.ranks_[rank_.value].given_up =
        Loss{.rank = rank_, .reason = std::string(abort_reason), .given_up = true, .aborted = true};
    hub_.lose({.rank = rank_, .reason = std::string(abort_reason)}, 0);
  }

  void leave() override {
    if (std::exchange(hub_.ranks_[rank_.value].left, true)) return;
    hub_.lose({rank_, "it left the session", true}, 0);
  }

  [[nodiscard]] std::uint64_t bytes_sent() const override { return 0; }

 private:
  Status check_alive(std::string_view subject) const {
    if (hub_.ranks_[rank_.value].left) {
      return Error{Code::invalid_argument, text(subject, ": this rank has left the session")};
    }
    const auto lost = loss();
    if (lost && !lost->left) return loss_error(subject, *lost);
    return {};
  }

  SimControlHub& hub_;
  const Rank rank_;
};

std::unique_ptr<Control> SimControlHub::make_control(Rank rank) {
  GOSSAMER_CHECK(rank.value < ranks_.size(), "a simulated rank is one of the hub's");
  return std::make_unique<SimControl>(*this, rank);
}

void SimControlHub::lose(Loss loss, std::uint64_t delay_ns) {
  losers_.push_back({std::move(loss), clock_.now_ns() + delay_ns, false});
}

void SimControlHub::kill(Rank rank, std::uint64_t detection_delay_ns) {
  // The dead say no good-bye.
  if (std::exchange(ranks_.at(rank.value).left, true)) return;
  lose({rank, "its process ended (simulated)"}, detection_delay_ns);
}

void SimControlHub::stop(Rank rank, std::uint64_t lease_ns) {
  if (lease_ns == 0 || ranks_.at(rank.value).left) return;
  lose({rank, text("it has not answered for ", format_duration(lease_ns), " (simulated)")}, lease_ns);
  losers_.back().stopped = true;
}

void SimControlHub::resume(Rank rank) {
  const std::uint64_t now_ns = clock_.now_ns();
  for (const Loser& loser : losers_) {
    if (!loser.stopped || loser.loss.rank != rank || loser.known_ns > now_ns) continue;
    const Rank by{rank.value == 0 ? 1u : 0u};
    ranks_[rank.value].given_up = Loss{by, text("it gave this rank up: \"", loser.loss.reason, "\""), false, true};
  }
  std::erase_if(
      losers_, [&](const Loser& loser) { return loser.stopped && loser.loss.rank == rank && loser.known_ns > now_ns; });
}

}  // namespace gossamer::runtime
