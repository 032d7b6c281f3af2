// What every transport must do when processes come back, views change, and views are large.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "cluster.h"
#include "skips.h"

namespace gossamer::transport {
namespace {

class ConformanceViews : public OverBackends {};

INSTANTIATE_TEST_SUITE_P(, ConformanceViews, ::testing::ValuesIn(all_backends()), backend_name);

// Goal: a rank may come back as another process, with another address, in the next view. Method: three times rank 1's
// endpoint is destroyed and a new one takes its place, with messages of several sizes both ways; the
// survivor's transport stays the same.
TEST_P(ConformanceViews, ARestartedPeerIsReachedUnderItsNewAddress) {
  Cluster cluster(GetParam(), 2);
  Block at_0(cluster.at(0), mebibyte);
  Address former;
  for (std::uint32_t epoch = 1; epoch <= 4; ++epoch) {
    EXPECT_NE(cluster.at(1).address(), former);
    cluster.open(epoch);
    {
      Block at_1(cluster.at(1), mebibyte);
      for (const std::size_t bytes : {std::size_t{8}, std::size_t{9'000}, mebibyte}) {
        at_1.clear();
        at_0.fill(epoch);
        ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{bytes}, at_1.slice(), 1).ok());
        ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{bytes}, at_0.slice(0, bytes), 2).ok());
        ASSERT_EQ(cluster.await(1, 1).code, Code::done) << "view " << epoch << ", " << bytes << " B";
        ASSERT_EQ(cluster.await(0, 2).code, Code::done);
        EXPECT_TRUE(at_1.holds(epoch, bytes));
        ASSERT_TRUE(cluster.at(0).start_receive(Rank{1}, Tag{bytes + 1}, at_0.slice(), 1).ok());
        ASSERT_TRUE(cluster.at(1).start_send(Rank{0}, Tag{bytes + 1}, at_1.slice(0, bytes), 2).ok());
        ASSERT_EQ(cluster.await(0, 1).code, Code::done);
        ASSERT_EQ(cluster.await(1, 2).code, Code::done);
      }
      cluster.close();
    }
    former = cluster.at(1).address();
    cluster.restart(1);
  }
}

// Goal: a message that leaves late, after its receiver has gone on to the next view, never lands there. Method: rank 0
// stays in the old view and sends with a tag that rank 1 receives with in the new one, from itself and with nobody
// sending; sizes of every protocol.
TEST_P(ConformanceViews, AMessageSentLateNeverLands) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{8}, std::size_t{9'000}, mebibyte}) {
    Cluster cluster(GetParam(), 3);
    cluster.open(1);
    Block out(cluster.at(0), mebibyte);
    Block in(cluster.at(1), mebibyte);
    out.fill(3);
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 1).ok());
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(0, 8), 1).ok());
    ASSERT_EQ(cluster.await(1, 1).code, Code::done);
    ASSERT_EQ(cluster.await(0, 1).code, Code::done);
    in.clear();
    ASSERT_TRUE(cluster.at(1).close_view(2 * second_ns).ok());
    ASSERT_TRUE(cluster.at(2).close_view(2 * second_ns).ok());
    // The tag holds the view, so the runtime's receive has another one.
    const auto late = cluster.at(0).start_send(Rank{1}, Tag{(std::uint64_t{1} << 52) | 7}, out.slice(0, bytes), 2);
    EXPECT_TRUE(late.ok() || late.error().code == Code::peer_lost);
    View view{Epoch{2}, Rank{0}, {cluster.at(1).address(), cluster.at(2).address()}};
    ASSERT_TRUE(cluster.at(1).open_view(view).ok());
    view.rank = Rank{1};
    ASSERT_TRUE(cluster.at(2).open_view(view).ok());
    Block good(cluster.at(2), 100);
    good.fill(4);
    ASSERT_TRUE(cluster.at(1).start_receive(Rank{1}, Tag{(std::uint64_t{2} << 52) | 7}, in.slice(), 3).ok());
    for (int i = 0; i < 300; ++i) cluster.step();
    EXPECT_FALSE(cluster.has(1, 3)) << bytes << " B";
    ASSERT_TRUE(cluster.at(2).start_send(Rank{0}, Tag{(std::uint64_t{2} << 52) | 7}, good.slice(), 4).ok());
    EXPECT_EQ(cluster.await(1, 3).code, Code::done);
    EXPECT_TRUE(in.holds(4, 100));
  }
}

// Goal: a close is bounded by its deadline, whatever is under way. Method: several deadlines, with a rendezvous that
// has no receiver; the other side is not polled.
TEST_P(ConformanceViews, CloseViewKeepsItsDeadline) {
  for (const std::uint64_t deadline_ns : {second_ns / 100, second_ns / 10, second_ns / 2}) {
    Cluster cluster(GetParam(), 2);
    cluster.open(1);
    Block out(cluster.at(0), mebibyte);
    ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
    for (int i = 0; i < 3; ++i) cluster.step();
    const SteadyClock clock;
    const std::uint64_t start_ns = clock.now_ns();
    const Status closed = cluster.at(0).close_view(deadline_ns);
    EXPECT_LT(clock.now_ns() - start_ns, deadline_ns + second_ns / 5);
    EXPECT_TRUE(closed.ok() || closed.error().code == Code::deadline) << closed.error().message;
  }
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (int descriptor = 0; descriptor < 4'096; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0) ++count;
  }
  return count;
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t processor_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

// Goal: a view costs what is used of it. Method: a view of 1,000 ranks, of which one other is real; its opening, a
// talk to that one and its closing are bounded in time, memory and descriptors; opening in processor time too, which
// other work on the machine does not change.
TEST_P(ConformanceViews, AViewOfAThousandConnectsOnlyToThoseTalkedTo) {
  Cluster cluster(GetParam(), 2);
  View view{Epoch{1}, Rank{0}, {}};
  for (std::size_t i = 0; i < 1'000; ++i) view.addresses.push_back(cluster.at(i % 2).address());
  const std::size_t descriptors = open_descriptors();
  const std::size_t resident = resident_bytes();
  const SteadyClock clock;
  const std::uint64_t start_ns = clock.now_ns();
  const std::uint64_t processor_start_ns = processor_ns();
  ASSERT_TRUE(cluster.at(0).open_view(view).ok());
  EXPECT_LT(processor_ns() - processor_start_ns, second_ns / 20);
  EXPECT_LT(clock.now_ns() - start_ns, second_ns / 2);
  view.rank = Rank{1};
  ASSERT_TRUE(cluster.at(1).open_view(view).ok());
  Block out(cluster.at(0), 8);
  Block in(cluster.at(1), 8);
  ASSERT_TRUE(cluster.at(0).start_send(Rank{1}, Tag{1}, out.slice(), 1).ok());
  ASSERT_TRUE(cluster.at(1).start_receive(Rank{0}, Tag{1}, in.slice(), 1).ok());
  ASSERT_EQ(cluster.await(1, 1).code, Code::done);
  ASSERT_EQ(cluster.await(0, 1).code, Code::done);
  EXPECT_LE(open_descriptors(), descriptors + 8);
  // An adapter's first connection fills its receive queue, 35 MB at UCX's defaults; a thousand would take a thousand.
  EXPECT_LT(resident_bytes(), resident + (rdma_backends().empty() ? 32u : 128u) * mebibyte);
  const std::uint64_t before_close_ns = clock.now_ns();
  cluster.close();
  EXPECT_LT(clock.now_ns() - before_close_ns, second_ns / 2);
}

}  // namespace
}  // namespace gossamer::transport
