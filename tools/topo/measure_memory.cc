#include <cstring>

#include "tools/topo/measure_run.h"

namespace gossamer::tools {
namespace {

using transport::Region;
using transport::Slice;

constexpr std::size_t word_bytes = 64;

class HostMemory final : public LaneMemory {
 public:
  explicit HostMemory(transport::Transport& transport) : transport_(transport) {}
  ~HostMemory() override {
    for (const Region& region : {message_, landing_, words_})
      if (region.base != nullptr) transport_.release_memory(region);
  }

  Status open(std::uint64_t bytes) {
    message_bytes_.resize(bytes);
    landing_bytes_.resize(bytes);
    word_bytes_.resize(word_places * word_bytes);
    GOSSAMER_TRY(keep(message_, message_bytes_));
    GOSSAMER_TRY(keep(landing_, landing_bytes_));
    return keep(words_, word_bytes_);
  }

  Slice message(std::uint64_t bytes) override { return {message_, 0, bytes}; }
  Slice landing(std::uint64_t bytes) override { return {landing_, 0, bytes}; }
  Slice word(std::size_t place) override { return {words_, place * word_bytes, word_bytes}; }
  void write_message(std::uint64_t bytes) override { std::memset(message_.base, ++written_ & 0x7f, bytes); }
  void write_landing(std::uint64_t bytes) override { std::memset(landing_.base, ++written_ & 0x7f, bytes); }

 private:
  Status keep(Region& region, std::vector<std::byte>& bytes) {
    GOSSAMER_ASSIGN(region, transport_.register_memory(bytes.data(), bytes.size(), MemoryKind::host));
    return {};
  }

  transport::Transport& transport_;
  std::vector<std::byte> message_bytes_;
  std::vector<std::byte> landing_bytes_;
  std::vector<std::byte> word_bytes_;
  Region message_;
  Region landing_;
  Region words_;
  int written_ = 0;
};

// Messages lie on the device, words on the host. Written over by a copy from pinned memory.
class OnDevice final : public LaneMemory {
 public:
  OnDevice(transport::Transport& transport, DeviceMemory& device) : transport_(transport), device_(device) {}
  ~OnDevice() override {
    for (const Region& region : {message_, landing_})
      if (region.base != nullptr) transport_.release_memory(region);
  }

  Status open(std::uint64_t bytes) {
    GOSSAMER_ASSIGN(words_, make_host_memory(transport_, 1));
    GOSSAMER_ASSIGN(message_block_, DeviceBlock::make(device_, bytes));
    GOSSAMER_ASSIGN(landing_block_, DeviceBlock::make(device_, bytes));
    GOSSAMER_ASSIGN(source_, DeviceBlock::make_pinned(device_, bytes));
    GOSSAMER_ASSIGN(queue_, device_.make_queue());
    GOSSAMER_ASSIGN(message_, transport_.register_memory(message_block_.data(), bytes, device_.kind()));
    GOSSAMER_ASSIGN(landing_, transport_.register_memory(landing_block_.data(), bytes, device_.kind()));
    return {};
  }

  Slice message(std::uint64_t bytes) override { return {message_, 0, bytes}; }
  Slice landing(std::uint64_t bytes) override { return {landing_, 0, bytes}; }
  Slice word(std::size_t place) override { return words_->word(place); }
  void write_message(std::uint64_t bytes) override { write(message_block_, bytes); }
  void write_landing(std::uint64_t bytes) override { write(landing_block_, bytes); }

 private:
  // A device that refuses is found by the transport, which then cannot move what is there either.
  void write(const DeviceBlock& block, std::uint64_t bytes) {
    if (!queue_->start(block.data(), source_.data(), bytes).ok()) return;
    static_cast<void>(wait_for_copies(*queue_, queue_->started()));
  }

  transport::Transport& transport_;
  DeviceMemory& device_;
  std::unique_ptr<LaneMemory> words_;
  DeviceBlock message_block_;
  DeviceBlock landing_block_;
  DeviceBlock source_;
  std::unique_ptr<CopyQueue> queue_;
  Region message_;
  Region landing_;
};

}  // namespace

Result<std::unique_ptr<LaneMemory>> make_device_memory(transport::Transport& transport, std::uint64_t bytes) {
  GOSSAMER_ASSIGN(DeviceMemory* const device, find_device_memory(MemoryKind::cuda));
  auto memory = std::make_unique<OnDevice>(transport, *device);
  GOSSAMER_TRY(memory->open(bytes));
  return std::unique_ptr<LaneMemory>(std::move(memory));
}

Result<std::unique_ptr<LaneMemory>> make_host_memory(transport::Transport& transport, std::uint64_t bytes) {
  auto memory = std::make_unique<HostMemory>(transport);
  GOSSAMER_TRY(memory->open(bytes));
  return std::unique_ptr<LaneMemory>(std::move(memory));
}

}  // namespace gossamer::tools
