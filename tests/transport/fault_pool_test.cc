// What the fault decorator itself costs in memory, over a transport that does nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tests/support/allocations.h"
#include "transport/simulation.h"

namespace gossamer::transport {
namespace {

// One endpoint whose sends complete at the next poll, and receives by `arrive`.
class Idle final : public Transport {
 public:
  Idle() {
    receives_.reserve(64);
    finished_.reserve(64);
  }
  const Capabilities& capabilities() const override { return capabilities_; }
  const Address& address() const override { return address_; }
  Status open_view(const View&) override { return {}; }
  Status close_view(std::uint64_t) override { return {}; }
  Result<Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override {
    return Region{++last_region_, static_cast<std::byte*>(base), bytes, kind};
  }
  void release_memory(const Region&) override {}
  Result<Token> start_send(Rank, Tag, const Slice& slice, std::uint64_t context) override {
    finished_.push_back({context, Code::done, slice.bytes});
    return Token{1};
  }
  Result<Token> start_receive(Rank, Tag, const Slice&, std::uint64_t context) override {
    receives_.push_back(context);
    return Token{2};
  }
  void cancel(Token) override {}
  std::size_t poll(std::span<Completion> completions) override {
    const std::size_t count = std::min(completions.size(), finished_.size());
    std::copy_n(finished_.begin(), count, completions.begin());
    finished_.erase(finished_.begin(), finished_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void fail_peer(Rank) override {}
  int event_descriptor() const override { return -1; }
  bool arm() override { return true; }

  // Something came for every receive.
  void arrive() {
    for (const std::uint64_t context : receives_) finished_.push_back({context, Code::done, 8});
    receives_.clear();
  }

 private:
  Capabilities capabilities_;
  Address address_{std::byte{1}};
  std::uint64_t last_region_ = 0;
  std::vector<std::uint64_t> receives_;
  std::vector<Completion> finished_;
};

// Goal: once warm, neither a quiet decorator nor one with faults allocates: slots, held starts and copies are
// used again. Method: operator new counted over many messages of every fate, of several sizes.
TEST(FaultPool, AWarmDecoratorAllocatesNothing) {
  for (const bool quiet : {true, false}) {
    FaultOptions options{.seed = 2};
    if (!quiet) options = {.seed = 2, .delay = 0.5, .drop = 0.2, .duplicate = 0.3, .corrupt = 0.3, .stall = 0.1};
    options.delay_ns_max = 1'000;
    options.stall_ns_max = 1'000;
    VirtualClock clock;
    auto inner = std::make_unique<Idle>();
    Idle& idle = *inner;
    const auto transport = make_fault_transport(std::move(inner), options, clock);
    ASSERT_TRUE(transport->open_view({Epoch{1}, Rank{0}, {{std::byte{1}}, {std::byte{2}}}}).ok());
    std::vector<std::byte> memory(100);
    const auto region = transport->register_memory(memory.data(), memory.size(), MemoryKind::host);
    ASSERT_TRUE(region.ok());
    std::array<Completion, 16> batch;
    const auto round = [&](std::size_t i) {
      bool ok = true;
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{8}, std::size_t{33}, std::size_t{100}}) {
        const Slice slice{*region, 0, bytes};
        ok &= transport->start_send(Rank{1}, Tag{i}, slice, i).ok();
        ok &= transport->start_receive(Rank{1}, Tag{i}, slice, i).ok();
      }
      for (int turn = 0; turn < 3; ++turn) {
        clock.advance_to(clock.now_ns() + 3'000);
        static_cast<void>(transport->poll(batch));
        idle.arrive();
      }
      return ok;
    };
    for (std::size_t i = 0; i < 3'000; ++i) ASSERT_TRUE(round(i));
    const std::size_t before = gossamer::testing::allocation_count();
    bool all = true;
    for (std::size_t i = 0; i < 300; ++i) all &= round(i);
    EXPECT_EQ(gossamer::testing::allocation_count(), before) << "quiet: " << quiet;
    EXPECT_TRUE(all);
  }
}

}  // namespace
}  // namespace gossamer::transport
