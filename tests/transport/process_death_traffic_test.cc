// What happens when a rank's process dies in the middle of receiving, or of puts both ways.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

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

// Goal: a rank that is killed in the middle of puts both ways ends its puts and the waits for its notices, and nothing
// else; its memory may still be read where it is mapped. Method: puts of 8 B, 8,000 B and 1 MiB both ways, into memory
// of the caller and of the transport; the peer is killed at three moments.
TEST_P(DeathInTraffic, KilledInTheMiddleOfPuts) {
  for (std::uint64_t moment = 0; moment < 3; ++moment) {
    next_ = 0;
    ASSERT_NO_FATAL_FAILURE(begin_with("put"));
    const auto own = transport_->allocate_memory(mebibyte);
    ASSERT_TRUE(own.ok());
    std::array<RemoteRegion, 2> remotes;
    for (const std::size_t i : {0u, 1u}) {
      const auto key =
          transport_->export_region(i == 0 ? *own : Region{region_.id, region_.base, mebibyte, region_.kind});
      ASSERT_TRUE(key.ok()) << key.error().message;
      std::copy(key->begin(), key->end(), memory_.data() + 2 * mebibyte);
      ASSERT_TRUE(transport_->start_send(Rank{1}, Tag{5 + i}, {region_, 2 * mebibyte, key->size()}, 1).ok());
      ASSERT_TRUE(transport_->start_receive(Rank{1}, Tag{3 + i}, {region_, 3 * mebibyte, 1'024}, 2).ok());
      ASSERT_TRUE(poll_until([&] { return completions_.size() == 2; }, 20 * second_ns));
      const std::byte* const theirs = memory_.data() + 3 * mebibyte;
      const auto remote = transport_->import_region(Rank{1}, RegionKey(theirs, theirs + completions_.at(2).bytes));
      ASSERT_TRUE(remote.ok()) << remote.error().message;
      remotes[i] = *remote;
      completions_.clear();
    }
    std::fill_n(memory_.data() + 2 * mebibyte, mebibyte, std::byte{7});  // as the peer's memory, whoever wrote last
    std::size_t waits = 0;                                               // that have been started
    const auto start = [&] {
      while (pending() < 8) {
        const std::size_t before = pending();
        const bool wait = waits < 2 * completions_.size() / 3 + 4;
        if (wait) {
          ++waits;
          expect_taken(transport_->start_await_notice(Rank{1}, Notice{1}, next_));
        } else {
          const std::size_t bytes = next_ % 3 == 0 ? 8 : next_ % 3 == 1 ? 8'000 : mebibyte;
          expect_taken(transport_->start_put(remotes[next_ % 2], 0, {region_, 2 * mebibyte, bytes}, Notice{1}, next_));
        }
        if (pending() == before) return;
      }
    };
    ASSERT_NO_FATAL_FAILURE(keep_up(start, moment * 500'000));
    const pid_t dead = peer_->pid();
    peer_->kill();
    go_on(start, second_ns / 50);
    expect_taken(transport_->start_await_notice(Rank{1}, Notice{2}, next_));  // that can only end as lost
    transport_->fail_peer(Rank{1});
    expect_all_to_end();
    EXPECT_EQ(completions_.at(next_ - 1).code, Code::peer_lost);
    EXPECT_EQ(transport_->start_put(remotes[0], 0, slice(8), Notice{1}, 1).error().code, Code::peer_lost);
    EXPECT_EQ(transport_->start_await_notice(Rank{1}, Notice{1}, 1).error().code, Code::peer_lost);
    const auto mapped = transport_->map_remote(remotes[0]);
    EXPECT_EQ(mapped.ok(), transport_->capabilities().can_map);
    if (mapped.ok()) {
      EXPECT_TRUE(std::all_of(*mapped, *mapped + mebibyte, [](std::byte b) { return b == std::byte{7}; }));
    }
    transport_->release_memory(*own);
    expect_an_orderly_end(dead);
    ASSERT_FALSE(HasFatalFailure());
  }
}

}  // namespace
}  // namespace gossamer::transport
