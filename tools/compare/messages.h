// Messages between ranks over Gossamer's transport, for the rivals that have no schedule of Gossamer's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/base.h"
#include "tools/compare/exchange_step.h"
#include "transport/transport.h"

namespace gossamer::compare {

// One registered block, out of which and into which messages go. One thread.
class Messages {
 public:
  // Finds the other ranks in the setup's folder. Blocks until all have come.
  [[nodiscard]] static Result<std::unique_ptr<Messages>> make(const StepSetup& setup, std::size_t bytes);
  ~Messages();

  template <typename T>
  [[nodiscard]] std::span<T> at(std::size_t offset, std::size_t count) {
    return {reinterpret_cast<T*>(region_.base + offset), count};
  }

  // A step begins: the counts of messages, by which sends and receives match, begin again.
  void begin_step();
  Status start_send(Rank to, std::size_t offset, std::size_t bytes);
  Status start_receive(Rank from, std::size_t offset, std::size_t bytes);
  // Until everything that was started has ended.
  Status wait();
  // From rank 0 to all along a binomial tree; every rank names the same place.
  Status broadcast(std::size_t offset, std::size_t bytes);

  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }  // in this step

 private:
  explicit Messages(const StepSetup& setup) : setup_(setup), sent_(setup.rank_count), received_(setup.rank_count) {}
  [[nodiscard]] Tag tag(Rank source, std::uint32_t message) const;

  StepSetup setup_;
  std::unique_ptr<transport::Transport> transport_;
  transport::Region region_;
  std::vector<std::uint32_t> sent_, received_;  // messages of this step, by peer
  std::uint32_t step_ = 0;
  std::size_t outstanding_ = 0;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace gossamer::compare
