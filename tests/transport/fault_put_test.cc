// The fault decorator over a transport that only writes down what it is given: puts and notices, and what the
// decorator itself costs in memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include "tests/support/allocations.h"
#include "transport/simulation.h"

namespace gossamer::transport {
namespace {

// One endpoint whose starts complete at the next poll, except receives and waits, which complete by `arrive`.
class Recorder final : public Transport {
 public:
  struct Put {
    std::vector<std::byte> bytes;
    std::size_t offset = 0;
    Notice notice;
  };

  Recorder() {
    capabilities_.name = "recorder";
    capabilities_.can_put = true;
    waits_.reserve(64);
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
    ++sends;
    finished_.push_back({context, Code::done, slice.bytes});
    return Token{1};
  }
  Result<Token> start_receive(Rank, Tag, const Slice&, std::uint64_t context) override {
    waits_.push_back(context);
    return Token{2};
  }
  Result<RemoteRegion> import_region(Rank peer, const RegionKey&) override { return RemoteRegion{1, peer, 1'000}; }
  Result<Token> start_put(const RemoteRegion&, std::size_t offset, const Slice& from, Notice notice,
                          std::uint64_t context) override {
    if (keeps_bytes) puts.push_back({{from.data(), from.data() + from.bytes}, offset, notice});
    finished_.push_back({context, Code::done, from.bytes});
    return Token{3};
  }
  Result<Token> start_await_notice(Rank, Notice, std::uint64_t context) override {
    waits_.push_back(context);
    return Token{4};
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

  // Something came for the oldest receive or wait.
  void arrive() {
    finished_.push_back({waits_.front(), Code::done, 8});
    waits_.erase(waits_.begin());
  }
  [[nodiscard]] std::size_t waits() const { return waits_.size(); }

  std::vector<Put> puts;
  std::size_t sends = 0;
  bool keeps_bytes = true;

 private:
  Capabilities capabilities_;
  Address address_{std::byte{1}};
  std::uint64_t last_region_ = 0;
  std::vector<std::uint64_t> waits_;
  std::vector<Completion> finished_;
};

// A decorated recorder as rank 0 of two, with 100 bytes to put.
struct Putter {
  explicit Putter(const FaultOptions& options) {
    auto inner = std::make_unique<Recorder>();
    recorder = inner.get();
    transport = make_fault_transport(std::move(inner), options, clock);
    const Status opened = transport->open_view({Epoch{1}, Rank{0}, {{std::byte{1}}, {std::byte{2}}}});
    GOSSAMER_CHECK(opened.ok(), "a view of a recorder");
    for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>(i);
    slice = {*transport->register_memory(memory.data(), memory.size(), MemoryKind::host), 0, memory.size()};
    remote = *transport->import_region(Rank{1}, {});
  }
  ~Putter() { transport->release_memory(slice.region); }
  Putter(const Putter&) = delete;
  Putter& operator=(const Putter&) = delete;

  [[nodiscard]] bool put(std::uint64_t context) {
    return transport->start_put(remote, 40, slice, Notice{7}, context).ok();
  }
  [[nodiscard]] std::size_t completions() {
    std::array<Completion, 16> batch;
    return transport->poll(batch);
  }

  VirtualClock clock;
  std::vector<std::byte> memory = std::vector<std::byte>(100);
  std::unique_ptr<FaultTransport> transport;
  Recorder* recorder = nullptr;
  Slice slice;
  RemoteRegion remote;
};

FaultOptions planned(FaultKind kind, std::uint64_t duration_ns = 0) {
  FaultOptions options;
  options.events = {{.kind = kind, .rank = Rank{0}, .message = 0, .duration_ns = duration_ns}};
  return options;
}

// Goal: a dropped put completes and nothing is written, nor notified. Method: one dropped, one not.
TEST(FaultPut, ADroppedPutWritesNothing) {
  Putter putter(planned(FaultKind::drop));
  ASSERT_TRUE(putter.put(1) && putter.put(2));
  EXPECT_EQ(putter.completions(), 2u);
  ASSERT_EQ(putter.recorder->puts.size(), 1u);
  EXPECT_EQ(putter.recorder->puts[0].bytes, putter.memory);
}

// Goal: a duplicated put writes twice with its notice, from bytes of its own, and completes once. Method: the
// source changes between the two.
TEST(FaultPut, ADuplicatedPutWritesTwice) {
  Putter putter(planned(FaultKind::duplicate));
  const std::vector<std::byte> before = putter.memory;
  ASSERT_TRUE(putter.put(1));
  EXPECT_EQ(putter.completions(), 1u);
  ASSERT_EQ(putter.recorder->puts.size(), 1u);
  std::fill(putter.memory.begin(), putter.memory.end(), std::byte{0});
  const auto next_ns = putter.transport->next_event_ns();
  ASSERT_TRUE(next_ns.has_value());
  EXPECT_FALSE(putter.transport->arm());
  putter.clock.advance_to(*next_ns);
  EXPECT_EQ(putter.completions(), 0u);
  ASSERT_EQ(putter.recorder->puts.size(), 2u);
  for (const Recorder::Put& put : putter.recorder->puts) {
    EXPECT_EQ(put.bytes, before);
    EXPECT_EQ(put.offset, 40u);
    EXPECT_EQ(put.notice.value, 7u);
  }
  EXPECT_TRUE(putter.transport->arm());
}

// Goal: a corrupted put writes one other bit, and the source stays. Method: bytes are compared.
TEST(FaultPut, ACorruptedPutWritesOneOtherBit) {
  Putter putter(planned(FaultKind::corrupt));
  const std::vector<std::byte> before = putter.memory;
  ASSERT_TRUE(putter.put(1));
  EXPECT_EQ(putter.completions(), 1u);
  EXPECT_EQ(putter.memory, before);
  ASSERT_EQ(putter.recorder->puts.size(), 1u);
  const auto& written = putter.recorder->puts[0].bytes;
  std::size_t different = 0;
  for (std::size_t i = 0; i < before.size(); ++i) different += written[i] != before[i] ? 1u : 0u;
  EXPECT_EQ(different, 1u);
}

// Goal: a delayed put is handed over at its time, and mistakes in it are told at once. Method: the clock is moved
// to just before and to the moment; a put outside of the region, and one from memory that is not registered.
TEST(FaultPut, ADelayedPutWaitsAndIsCheckedAtOnce) {
  Putter putter(planned(FaultKind::delay, 500));
  Slice foreign = putter.slice;
  foreign.region.id = 77;
  EXPECT_EQ(putter.transport->start_put(putter.remote, 901, putter.slice, Notice{7}, 1).error().code,
            Code::invalid_argument);
  EXPECT_EQ(putter.transport->start_put(putter.remote, 0, foreign, Notice{7}, 1).error().code, Code::invalid_argument);
  ASSERT_TRUE(putter.put(1));
  putter.clock.advance_to(499);
  EXPECT_EQ(putter.completions(), 0u);
  EXPECT_EQ(putter.recorder->puts.size(), 0u);
  EXPECT_EQ(putter.transport->next_event_ns(), 500u);
  putter.clock.advance_to(500);
  EXPECT_EQ(putter.completions(), 1u);
  EXPECT_EQ(putter.recorder->puts.size(), 1u);
}

// Goal: over a cut link no put is made, and no notice comes; the wait goes on after it. Method: cut by hand.
TEST(FaultPut, ACutLinkCarriesNeitherPutsNorNotices) {
  Putter putter(FaultOptions{});
  ASSERT_TRUE(putter.transport->start_await_notice(Rank{1}, Notice{7}, 1).ok());
  putter.transport->cut(Rank{1});
  ASSERT_TRUE(putter.put(2));
  EXPECT_EQ(putter.completions(), 1u);
  EXPECT_EQ(putter.recorder->puts.size(), 0u);
  putter.recorder->arrive();
  EXPECT_EQ(putter.completions(), 0u);
  EXPECT_EQ(putter.recorder->waits(), 1u);
  EXPECT_EQ(putter.transport->counts().lost_in_cuts, 2u);
  putter.transport->restore(Rank{1});
  putter.recorder->arrive();
  EXPECT_EQ(putter.completions(), 1u);
}

// Goal: once warm, neither a quiet decorator nor one with faults allocates: slots, held starts and copies are
// used again. Method: operator new counted over many messages of every fate, of several sizes.
TEST(FaultPool, AWarmDecoratorAllocatesNothing) {
  for (const bool quiet : {true, false}) {
    FaultOptions options{.seed = 2};
    if (!quiet) options = {.seed = 2, .delay = 0.5, .drop = 0.2, .duplicate = 0.3, .corrupt = 0.3, .stall = 0.1};
    options.delay_ns_max = 1'000;
    options.stall_ns_max = 1'000;
    Putter putter(options);
    putter.recorder->keeps_bytes = false;
    const auto round = [&](std::size_t i) {
      bool ok = true;
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{8}, std::size_t{100}}) {
        Slice slice = putter.slice;
        slice.bytes = bytes;
        ok &= putter.transport->start_send(Rank{1}, Tag{i}, slice, i).ok();
        ok &= putter.transport->start_put(putter.remote, 0, slice, Notice{1}, i).ok();
        ok &= putter.transport->start_receive(Rank{1}, Tag{i}, slice, i).ok();
      }
      for (int turn = 0; turn < 3; ++turn) {
        putter.clock.advance_to(putter.clock.now_ns() + 3'000);
        static_cast<void>(putter.completions());
        while (putter.recorder->waits() > 0) putter.recorder->arrive();
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
