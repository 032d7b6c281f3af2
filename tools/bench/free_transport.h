// A transport that moves no bytes: every start completes at the next poll, whatever the peer does. What a plan over it
// costs is the engine's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/base.h"
#include "transport/transport.h"

namespace gossamer::tools {

class FreeTransport final : public transport::Transport {
 public:
  // While it is held, nothing completes.
  void hold(bool held) { held_ = held; }

  const transport::Capabilities& capabilities() const override { return capabilities_; }
  const transport::Address& address() const override { return address_; }
  Status open_view(const transport::View&) override { return {}; }
  Status close_view(std::uint64_t) override { return {}; }
  Result<transport::Region> register_memory(void* base, std::size_t bytes, MemoryKind kind) override {
    return transport::Region{1, static_cast<std::byte*>(base), bytes, kind};
  }
  void release_memory(const transport::Region&) override {}
  Result<transport::Token> start_send(Rank, Tag, const transport::Slice& slice, std::uint64_t context) override {
    return start(slice, context);
  }
  Result<transport::Token> start_receive(Rank, Tag, const transport::Slice& slice, std::uint64_t context) override {
    return start(slice, context);
  }
  void cancel(transport::Token) override {}
  std::size_t poll(std::span<transport::Completion> completions) override {
    std::size_t count = 0;
    if (held_) return 0;
    while (taken_ != started_ && count < completions.size()) completions[count++] = ring_[taken_++ % ring_.size()];
    return count;
  }
  void fail_peer(Rank) override {}
  int event_descriptor() const override { return -1; }
  bool arm() override { return false; }

 private:
  transport::Token start(const transport::Slice& slice, std::uint64_t context) {
    GOSSAMER_CHECK(started_ - taken_ < ring_.size(), "more messages under way than there is room for");
    ring_[started_++ % ring_.size()] = {context, Code::done, slice.bytes};
    return {started_};
  }

  std::array<transport::Completion, 1024> ring_;
  std::size_t started_ = 0;
  std::size_t taken_ = 0;
  bool held_ = false;
  transport::Capabilities capabilities_{.name = "free", .memory_kinds = {MemoryKind::host}};
  transport::Address address_;
};

}  // namespace gossamer::tools
