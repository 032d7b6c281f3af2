// What the driver makes of peers that are gone.
#include <algorithm>

#include "runtime/engine/driver.h"

namespace gossamer::runtime {

namespace {

// A peer that has left may have sent what we need just before: only silence makes it a loss.
constexpr std::uint64_t silence_ns = 200'000'000;

}  // namespace

bool Driver::look_for_losses() {
  const std::vector<Loss> news = control_.losses(losses_seen_);
  losses_seen_ += news.size();
  bool moved = false;
  for (const Loss& loss : news) {
    if (loss.left) {
      if (left_.empty()) looked_at_ns_ = clock_.now_ns();
      left_.push_back(loss);
      continue;
    }
    lose(loss);
    moved = true;
  }
  if (left_.empty()) return moved;
  // A caller that computes between two tests has not listened meanwhile.
  const std::uint64_t now_ns = clock_.now_ns();
  const std::uint64_t since_ns = now_ns - looked_at_ns_;
  silent_ns_ += simulated_ ? since_ns : std::min(since_ns, sleep_max_ns);
  looked_at_ns_ = now_ns;
  if (engine_.in_flight() == 0 || silent_ns_ < silence_ns) return moved;
  const auto waited =
      std::find_if(left_.begin(), left_.end(), [this](const Loss& loss) { return engine_.any_waits_for(loss.rank); });
  if (waited == left_.end()) return moved;
  lose(*waited);
  left_.erase(waited);
  silent_ns_ = 0;  // the next one may have sent what those who go on need
  return true;
}

void Driver::lose(const Loss& loss) {
  if (!loss.aborted) transport_.fail_peer(loss.rank);
  Error error{loss.aborted ? Code::cancelled : Code::peer_lost,
              text("rank ", loss.rank.value, " is lost: ", loss.reason), loss.rank};
  if (loss.given_up)
    engine_.break_with(std::move(error));
  else
    engine_.lose(loss.rank, std::move(error));
  write_trace();
}

}  // namespace gossamer::runtime
