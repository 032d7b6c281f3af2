// The ranks of one host as a launcher sees them: processes of its own (local_ranks.h), or of its agent on another host
// (remote_ranks.h).
#pragma once

#include <poll.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gossamer::tools {

inline constexpr std::uint64_t never_ns = ~std::uint64_t{0};

struct PeerEnd {
  std::uint32_t rank = 0;
  std::int64_t pid = 0;
  int status = 0;  // exit status, or 128 + signal
  int signal = 0;  // 0 where it ended by itself
  std::uint64_t duration_ns = 0;
  std::string host;  // as it was listed; empty: this one
};

enum class RankStream { output, errors };

// Why a rank could not be started. exit_code 0: nothing failed.
struct StartFailure {
  int exit_code = 0;
  std::string message;
};

// Whom ranks tell what they do.
class RanksOwner {
 public:
  // Whole lines, each with its prefix.
  virtual void on_lines(RankStream stream, std::string lines) = 0;
  // A rank has ended. All its lines have come before.
  virtual void on_end(const PeerEnd& end) = 0;
  // The ranks of a host cannot be started, or the way to them is lost. on_end follows for each.
  virtual void on_failure(const StartFailure& failure) = 0;
  // Whether lines are taken at the moment; else they wait in pipes.
  [[nodiscard]] virtual bool takes_lines() const = 0;

 protected:
  ~RanksOwner() = default;
};

// One loop polls what add_polled adds and hands the same entries back.
class Ranks {
 public:
  virtual ~Ranks() = default;
  // How many have not ended.
  [[nodiscard]] virtual std::size_t alive() const = 0;
  // To each rank's group.
  virtual void send(int signal) = 0;
  virtual void add_polled(std::vector<pollfd>& polled) = 0;
  virtual void take_polled(std::span<const pollfd> polled) = 0;
  // When take_time is due.
  [[nodiscard]] virtual std::uint64_t deadline_ns() const { return never_ns; }
  virtual void take_time(std::uint64_t /*now_ns*/) {}
  // Counts those that SIGKILL did not end as ended, and says so.
  virtual void give_up() = 0;
};

}  // namespace gossamer::tools
