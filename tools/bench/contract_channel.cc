#include "tools/bench/contract_channel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

namespace gossamer::tools {
namespace {

using transport::Address;
using transport::Completion;
using transport::Region;
using transport::Slice;
using transport::Transport;

// In front of what a mapped channel writes: its flag, in a cache line of its own.
constexpr std::size_t flag_bytes = 64;
constexpr std::uint64_t view_deadline_ns = 2'000'000'000;

// A transport in a view of two, and a block of memory for each direction.
class TransportChannel : public Channel {
 public:
  ~TransportChannel() override {
    if (transport_ == nullptr) return;
    static_cast<void>(transport_->close_view(view_deadline_ns));
    transport_->release_memory(out_);
    transport_->release_memory(in_);
  }

  Status set_up(const TransportMaker& make, const Exchange& exchange, const ChannelMemory& memory) {
    GOSSAMER_ASSIGN(transport_, make());
    const Address& mine = transport_->address();
    GOSSAMER_ASSIGN(auto theirs, exchange(mine));
    // Each end must name the same order: the smaller address is rank 0.
    const bool first = mine < theirs;
    self_ = Rank{first ? 0u : 1u};
    peer_ = Rank{first ? 1u : 0u};
    transport::View view{Epoch{1}, self_, {mine, theirs}};
    if (!first) std::swap(view.addresses[0], view.addresses[1]);
    GOSSAMER_TRY(transport_->open_view(view));
    for (const auto& [region, shared] : {std::pair(&out_, memory.out), std::pair(&in_, memory.in)}) {
      GOSSAMER_ASSIGN(*region, make_region(shared));
    }
    return prepare(exchange);
  }

 protected:
  virtual Result<Region> make_region(std::span<std::byte> shared) {
    auto region = transport_->allocate_memory(flag_bytes + shared.size());
    if (region.ok()) std::memset(region->base, 1, region->bytes);  // its pages are there
    return region;
  }
  virtual Status prepare(const Exchange&) { return {}; }

  std::unique_ptr<Transport> transport_;
  Rank self_;
  Rank peer_;
  Region out_;
  Region in_;
};

class MessageChannel final : public TransportChannel {
 public:
  Status ping_pong(std::size_t bytes, std::size_t count, bool leads) override {
    for (std::size_t i = 0; i < count; ++i) {
      GOSSAMER_TRY(transport_->start_receive(peer_, Tag{1}, Slice{in_, 0, bytes}, 1));
      if (!leads) GOSSAMER_TRY(poll_for(1));
      GOSSAMER_TRY(transport_->start_send(peer_, Tag{1}, Slice{out_, 0, bytes}, 2));
      GOSSAMER_TRY(poll_for(leads ? 2 : 1));
    }
    return {};
  }

  // A window of them under way at a time.
  Status stream(std::size_t bytes, std::size_t count, bool leads) override {
    for (std::size_t done = 0; done < count;) {
      const std::size_t window = std::min(stream_window(bytes), count - done);
      for (std::size_t i = 0; i < window; ++i) {
        const Tag tag{100 + i};
        GOSSAMER_TRY(leads ? transport_->start_send(peer_, tag, Slice{out_, 0, bytes}, 1)
                           : transport_->start_receive(peer_, tag, Slice{in_, 0, bytes}, 1));
      }
      GOSSAMER_TRY(poll_for(window));
      done += window;
    }
    GOSSAMER_TRY(leads ? transport_->start_receive(peer_, Tag{2}, Slice{in_, 0, 1}, 2)
                       : transport_->start_send(peer_, Tag{2}, Slice{out_, 0, 1}, 2));
    return poll_for(1);
  }

 private:
  Result<Region> make_region(std::span<std::byte> shared) override {
    return transport_->register_memory(shared.data(), shared.size(), MemoryKind::host);
  }

  // Polls until that many completions more have come.
  Status poll_for(std::size_t count) {
    std::array<Completion, 32> batch;
    TimeLimit limit;
    while (count > 0) {
      const std::size_t polled = transport_->poll(batch);
      for (std::size_t i = 0; i < polled; ++i) {
        if (batch[i].code != Code::done) {
          return Error{batch[i].code, text("a message ended as ", code_name(batch[i].code))};
        }
      }
      GOSSAMER_CHECK(polled <= count, "no completion of another turn");
      count -= polled;
      if (limit.is_over()) return silent_peer_error();
    }
    return {};
  }
};

class MappedChannel final : public TransportChannel {
 public:
  Status ping_pong(std::size_t bytes, std::size_t count, bool leads) override {
    for (std::size_t i = 0; i < count; ++i) {
      if (leads) write(bytes);
      GOSSAMER_TRY(read(bytes));
      if (!leads) write(bytes);
    }
    return {};
  }

  Status stream(std::size_t bytes, std::size_t count, bool leads) override { return ping_pong(bytes, count, leads); }

 private:
  Status prepare(const Exchange& exchange) override {
    std::memset(out_.base, 0, out_.bytes);
    GOSSAMER_ASSIGN(auto mine, transport_->export_region(out_));
    GOSSAMER_ASSIGN(auto key, exchange(mine));
    GOSSAMER_ASSIGN(auto remote, transport_->import_region(peer_, key));
    GOSSAMER_ASSIGN(theirs_, transport_->map_remote(remote));
    return {};
  }

  void write(std::size_t bytes) {
    std::memset(out_.base + flag_bytes, static_cast<int>(written_ & 0x7f), bytes);
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(out_.base)).store(++written_, std::memory_order_release);
  }

  Status read(std::size_t bytes) {
    ++read_;
    auto* const flag = reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(theirs_));
    TimeLimit limit;
    while (std::atomic_ref(*flag).load(std::memory_order_acquire) != read_) {
      if (limit.is_over()) return silent_peer_error();
    }
    std::memcpy(in_.base, theirs_ + flag_bytes, bytes);
    return {};
  }

  const std::byte* theirs_ = nullptr;
  std::uint64_t written_ = 0;
  std::uint64_t read_ = 0;
};

template <typename Kind>
Result<std::unique_ptr<Channel>> make_channel(const TransportMaker& make, const Exchange& exchange,
                                              const ChannelMemory& memory) {
  auto channel = std::make_unique<Kind>();
  GOSSAMER_TRY(channel->set_up(make, exchange, memory));
  return std::unique_ptr<Channel>(std::move(channel));
}

}  // namespace

Result<std::unique_ptr<Channel>> make_message_channel(const TransportMaker& make, const Exchange& exchange,
                                                      const ChannelMemory& memory) {
  return make_channel<MessageChannel>(make, exchange, memory);
}

Result<std::unique_ptr<Channel>> make_mapped_channel(const TransportMaker& make, const Exchange& exchange,
                                                     const ChannelMemory& memory) {
  return make_channel<MappedChannel>(make, exchange, memory);
}

}  // namespace gossamer::tools
