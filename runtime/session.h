// A session: this process's membership, from joining to leaving.
//
//   control (TCP mesh) ── agreement, losses ──┐
//   transport (UCX)    ── payloads ───────────┼── driver ── engine ── compressors
//   clock              ───────────────────────┘
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"
#include "runtime/compressor.h"
#include "runtime/compressor_config.h"
#include "runtime/control.h"
#include "runtime/driver.h"
#include "runtime/settings.h"
#include "transport/transport.h"

namespace gossamer::runtime {

// Version of what peers say to each other: tags, payload layouts, control messages.
inline constexpr std::uint32_t wire_version = 1;

// What a session stands on. A simulation gives simulated ones.
struct SessionParts {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Control> control;
  std::unique_ptr<transport::Transport> transport;  // its view is open
  Patience patience;
  std::optional<ComputeCost> simulated;
  std::uint64_t timeout_ns = 30'000'000'000;  // of agreements
  std::unique_ptr<ThreadPool> pool;           // null: one thread
  std::string job;                            // whose dead peers' shared-memory files are swept at the end
};

// One thread at a time.
class Session {
 public:
  // Joins as gossamer_init says. Blocks, at most the init timeout.
  [[nodiscard]] static Result<std::unique_ptr<Session>> join(const SettingsRequest& request);
  // out_of_resources where a descriptor or a thread of its own cannot be had.
  [[nodiscard]] static Result<std::unique_ptr<Session>> make(SessionParts parts);
  // Leaves: compressors that are left go first. Bounded at about 2 s.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] Rank rank() const { return parts_.rank; }
  [[nodiscard]] std::uint32_t rank_count() const { return parts_.rank_count; }
  [[nodiscard]] std::uint64_t control_bytes_sent() const { return parts_.control->bytes_sent(); }

  // Collective; the compressor is the session's until destroy_compressor or the session's end.
  Result<Compressor*> make_compressor(const CompressorConfig& config);
  void destroy_compressor(Compressor* compressor);

  // Collectives that block, at most limit_ns (0: the session's timeout).
  Status broadcast(std::span<std::byte> data, Rank root, std::uint64_t limit_ns);
  Status check_equal(std::string_view name, std::span<const std::byte> data, std::uint64_t limit_ns);

  // For the owner of a simulation.
  [[nodiscard]] Driver& driver() { return *driver_; }
  Status start_thread() { return driver_->start_thread(); }

 private:
  explicit Session(SessionParts parts) : parts_(std::move(parts)) {}

  SessionParts parts_;
  topology::CostModel cost_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Driver> driver_;
  std::vector<std::unique_ptr<Compressor>> compressors_;
  // Memory that the transport may still use after a loss: freed after the view is closed.
  std::vector<std::unique_ptr<Compressor>> retired_;
  std::vector<std::shared_ptr<void>> retired_memory_;
};

}  // namespace gossamer::runtime
