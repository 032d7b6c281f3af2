// What happens when a rank's process dies in the middle of receiving, or while others read its memory.
#include <gtest/gtest.h>

#include <algorithm>

#include "cluster.h"
#include "skips.h"
#include "survivor.h"

namespace gossamer::transport {
namespace {

class DeathInTraffic : public OverBackends, protected Survivor {
 protected:
  void begin_with(const std::string& mode) {
    ASSERT_NO_FATAL_FAILURE(begin({GetParam().transport, GetParam().ways}, mode));
    ASSERT_NO_FATAL_FAILURE(exchange());
    completions_.clear();
  }

  // Counts a start as pending; one that fails at once must say that the peer is lost.
  void expect_taken(const Result<Token>& token) {
    if (token.ok()) {
      ++next_;
    } else {
      EXPECT_EQ(token.error().code, Code::peer_lost) << token.error().message;
    }
  }
  [[nodiscard]] std::size_t pending() const { return next_ - completions_.size(); }

  // Calls `start` and polls, in turns, until the peer has written its byte and then for `duration_ns` more.
  template <typename Start>
  void keep_up(const Start& start, std::uint64_t duration_ns) {
    const std::uint64_t end_ns = clock_.now_ns() + 20 * second_ns;
    while (!peer_->has_signalled()) {
      ASSERT_LT(clock_.now_ns(), end_ns) << "no traffic";
      start();
      poll();
    }
    go_on(start, duration_ns);
  }
  template <typename Start>
  void go_on(const Start& start, std::uint64_t duration_ns) {
    const std::uint64_t end_ns = clock_.now_ns() + duration_ns;
    while (clock_.now_ns() < end_ns) {
      start();
      poll();
    }
  }

  // After fail_peer: all ends in time, as done or peer_lost.
  void expect_all_to_end() {
    EXPECT_TRUE(poll_until([&] { return pending() == 0; }, allowance(second_ns))) << pending() << " are left";
    for (const auto& [context, completion] : completions_) {
      EXPECT_TRUE(completion.code == Code::done || completion.code == Code::peer_lost) << code_name(completion.code);
    }
  }

  std::uint64_t next_ = 0;  // the next context
};

INSTANTIATE_TEST_SUITE_P(, DeathInTraffic, ::testing::ValuesIn(real_backends()), backend_name);

// Goal: a rank that is killed while messages to it are on their way ends its starts and nothing else. Method: messages
// of 1 MiB and of 8,000 B, some at once, to a process that receives; it is killed at three moments of that.
TEST_P(DeathInTraffic, KilledWhileItReceives) {
  for (std::uint64_t moment = 0; moment < 3; ++moment) {
    next_ = 0;
    ASSERT_NO_FATAL_FAILURE(begin_with("receive"));
    const auto send = [&] {
      while (pending() < 4) {
        const std::size_t before = pending();
        expect_taken(
            transport_->start_send(Rank{1}, Tag{100'000 + next_}, slice(next_ % 3 == 0 ? 8'000 : mebibyte), next_));
        if (pending() == before) return;
      }
    };
    ASSERT_NO_FATAL_FAILURE(keep_up(send, moment * 500'000));
    const pid_t dead = peer_->pid();
    peer_->kill();
    go_on(send, second_ns / 50);
    transport_->fail_peer(Rank{1});
    expect_all_to_end();
    EXPECT_EQ(transport_->start_send(Rank{1}, Tag{1}, slice(8), 1).error().code, Code::peer_lost);
    expect_an_orderly_end(dead);
    ASSERT_FALSE(HasFatalFailure());
  }
}

std::vector<Backend> processes_that_map() {
  std::vector<Backend> backends = mapping_backends();
  std::erase_if(backends, [](const Backend& each) { return each.is_sim(); });
  return backends;
}

class DeathOfAnOwner : public DeathInTraffic {};
INSTANTIATE_TEST_SUITE_P(, DeathOfAnOwner, ::testing::ValuesIn(processes_that_map()), backend_name);

// Goal: what a killed rank let others read is read on where it is mapped, and can be mapped no more once it is swept.
// Method: 1 MiB of the peer's, filled with sevens; it is killed while it polls.
TEST_P(DeathOfAnOwner, ItsMemoryIsReadOn) {
  ASSERT_NO_FATAL_FAILURE(begin_with("share"));
  ASSERT_TRUE(transport_->start_receive(Rank{1}, Tag{3}, slice(1'024), 1).ok());
  ASSERT_TRUE(poll_until([&] { return completions_.size() == 1; }, 20 * second_ns));
  const RegionKey key(memory_.data(), memory_.data() + completions_.at(1).bytes);
  const auto remote = transport_->import_region(Rank{1}, key);
  ASSERT_TRUE(remote.ok()) << remote.error().message;
  ASSERT_EQ(remote->bytes, mebibyte);
  const auto mapped = transport_->map_remote(*remote);
  ASSERT_TRUE(mapped.ok()) << mapped.error().message;
  const pid_t dead = peer_->pid();
  peer_->kill();
  transport_->fail_peer(Rank{1});
  static_cast<void>(sweep_shared_memory());
  EXPECT_TRUE(std::all_of(*mapped, *mapped + mebibyte, [](std::byte b) { return b == std::byte{7}; }));
  EXPECT_EQ(transport_->import_region(Rank{1}, key).error().code, Code::unavailable);
  expect_an_orderly_end(dead);
}

}  // namespace
}  // namespace gossamer::transport
