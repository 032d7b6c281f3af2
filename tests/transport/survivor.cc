#include "survivor.h"

#include "cluster.h"
#include "tests/support/shared_memory_left.h"

namespace gossamer::transport {

void Survivor::begin(const TransportChoice& choice, const std::string& mode) {
  choice_ = choice;
  completions_.clear();
  auto made = make_transport(choice, "death");
  ASSERT_TRUE(made.ok()) << made.error().message;
  transport_ = std::move(*made);
  memory_.resize(large);
  auto region = transport_->register_memory(memory_.data(), memory_.size(), MemoryKind::host);
  ASSERT_TRUE(region.ok());
  region_ = *region;
  peer_.emplace("death", choice, mode);
  const Address address = peer_->read_address();
  ASSERT_FALSE(address.empty());
  ASSERT_TRUE(transport_->open_view({Epoch{1}, Rank{0}, {transport_->address(), address}}).ok());
  if (mode == "absent") return;
  ASSERT_TRUE(peer_->write_view(transport_->address(), address));
}

void Survivor::exchange() {
  ASSERT_TRUE(transport_->start_receive(Rank{1}, Tag{2}, slice(8), 2).ok());
  ASSERT_TRUE(transport_->start_send(Rank{1}, Tag{1}, slice(8), 1).ok());
  ASSERT_TRUE(poll_until([&] { return completions_.contains(1) && completions_.contains(2); }, 20 * second_ns));
  EXPECT_EQ(completions_.at(1).code, Code::done);
  EXPECT_EQ(completions_.at(2).code, Code::done);
  ASSERT_TRUE(poll_until([&] { return peer_->has_signalled(); }, 20 * second_ns));
}

void Survivor::poll() {
  std::vector<Completion> batch(64);
  const std::size_t count = transport_->poll(batch);
  for (std::size_t i = 0; i < count; ++i) completions_.emplace(batch[i].context, batch[i]);
}

void Survivor::expect_an_orderly_end(pid_t dead) {
  const std::uint64_t close_ns = clock_.now_ns();
  const Status closed = transport_->close_view(second_ns);
  EXPECT_TRUE(closed.ok() || closed.error().code == Code::deadline) << closed.error().message;
  EXPECT_LT(clock_.now_ns() - close_ns, allowance(second_ns + second_ns / 2));
  ::testing::Test::RecordProperty("closed", closed.ok() ? "yes" : "no");
  const std::uint64_t destroy_ns = clock_.now_ns();
  transport_.reset();
  EXPECT_LT(clock_.now_ns() - destroy_ns, allowance(second_ns + second_ns / 2));

  static_cast<void>(sweep_shared_memory());
  const auto left = gossamer::testing::shared_memory_left(text("gossamer-death-", dead, "-"));
  EXPECT_TRUE(left.empty()) << left.front();
  begin(choice_, "idle");
  if (::testing::Test::HasFatalFailure()) return;
  exchange();
  peer_->kill();
  transport_->fail_peer(Rank{1});
  transport_.reset();
}

}  // namespace gossamer::transport
