#include "runtime/control/lease.h"

#include <algorithm>

namespace gossamer::runtime {
namespace {
constexpr int beats_per_lease = 8;
}

LeaseWatch::LeaseWatch(boost::asio::io_context& io, std::uint64_t lease_ns, std::function<void()> beat)
    : lease_(lease_ns), interval_(lease_ / beats_per_lease), beat_(std::move(beat)), timer_(io) {}

void LeaseWatch::start() {
  judged_from_ = std::chrono::steady_clock::now();
  if (lease_.count() > 0) plan();
}

void LeaseWatch::plan() {
  timer_.expires_after(interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const Time now = std::chrono::steady_clock::now();
    if (now - timer_.expiry() > interval_) judged_from_ = now;
    plan();
    beat_();
  });
}

std::optional<std::uint64_t> LeaseWatch::overdue_ns(const Connection& connection) const {
  const auto silence = std::chrono::steady_clock::now() - std::max(connection.heard_at(), judged_from_);
  if (silence < lease_) return std::nullopt;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(silence).count());
}

}  // namespace gossamer::runtime
