// Device memory that any access by the host faults on, and copies that end late; for tests and builds without a GPU.
//
//   memfd ──┬── mapped PROT_NONE     the "device pointer" that is given out
//           └── mapped read-write    private to the copier
//
// A copy moves its bytes at its very end, so that a source that is overwritten, or a destination that is read, too
// early is found. Its end comes with the n-th question for it, n drawn from the seed.
#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::testing {

struct FakeDeviceOptions {
  std::uint64_t seed = 1;
  std::uint32_t polls_max = 5;  // of one copy, until it ends
};

// Found as MemoryKind::fake_device while it lives; one at a time.
class FakeDevice final : public DeviceMemory {
 public:
  explicit FakeDevice(const FakeDeviceOptions& options = {});
  // Checks that all memory has been given back.
  ~FakeDevice() override;
  FakeDevice(const FakeDevice&) = delete;
  FakeDevice& operator=(const FakeDevice&) = delete;

  MemoryKind kind() const override { return MemoryKind::fake_device; }
  const std::string& description() const override { return description_; }
  Result<void*> allocate(std::size_t bytes) override;
  void release(void* memory) override;
  Result<void*> allocate_pinned(std::size_t bytes) override;
  void release_pinned(void* memory) override;
  bool owns(const void* pointer) const override;
  Result<std::unique_ptr<CopyQueue>> make_queue() override;

  // A stream of the program's, which does nothing by itself: what it is given happens when a copy must come after it.
  // As long as the device.
  [[nodiscard]] void* make_stream();
  // A copy of the stream's; both ends stay.
  void enqueue(void* stream, void* to, const void* from, std::size_t bytes);
  // How much of what it was given has happened.
  [[nodiscard]] std::size_t stream_done(void* stream) const;

  // Copies that have ended, and that are under way, over all queues.
  [[nodiscard]] std::uint64_t copies_ended() const { return ended_.load(); }
  [[nodiscard]] std::int64_t copies_under_way() const { return under_way_.load(); }
  [[nodiscard]] std::uint64_t bytes_copied() const { return bytes_.load(); }
  // From now on copies never end (true), or end again.
  void hang(bool hangs) { hangs_.store(hangs); }
  // Every question for a copy's end is answered with this error from now on.
  void break_copies(bool broken) { broken_.store(broken); }
  // Allocations of device memory that are left until one fails.
  void fail_allocation_after(std::int64_t count) { allocations_left_.store(count); }

 private:
  friend class FakeCopyQueue;
  struct Block {
    std::byte* alias = nullptr;
    std::size_t bytes = 0;
  };
  // Where the copier reaches `bytes` bytes there: the alias of device memory, host memory as it is.
  [[nodiscard]] std::byte* reach(const void* memory, std::size_t bytes) const;
  struct Stream {
    struct Work {
      std::byte* to = nullptr;
      const std::byte* from = nullptr;
      std::size_t bytes = 0;
    };
    std::vector<Work> work;
    std::size_t done = 0;
  };
  [[nodiscard]] std::size_t stream_given(void* stream) const;
  void run_stream(void* stream, std::size_t until);

  const FakeDeviceOptions options_;
  const std::string description_ = "fake device";
  mutable std::mutex mutex_;
  std::map<const std::byte*, Block> blocks_;
  std::map<void*, std::size_t> pinned_;
  std::list<Stream> streams_;
  std::atomic<std::uint64_t> queues_{0};
  std::atomic<std::uint64_t> ended_{0};
  std::atomic<std::int64_t> under_way_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> hangs_{false};
  std::atomic<bool> broken_{false};
  std::atomic<std::int64_t> allocations_left_{1 << 30};
};

// Device memory with contents, for tests.
template <typename T>
class DeviceArray {
 public:
  DeviceArray(DeviceMemory& memory, std::size_t count) : memory_(memory), count_(count) {
    auto block = DeviceBlock::make(memory, std::max<std::size_t>(1, count * sizeof(T)));
    GOSSAMER_CHECK(block.ok(), block.error().message);
    block_ = std::move(*block);
  }
  DeviceArray(DeviceMemory& memory, const std::vector<T>& values) : DeviceArray(memory, values.size()) { set(values); }

  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(block_.data()); }
  [[nodiscard]] std::size_t size() const { return count_; }
  void set(const std::vector<T>& values) { copy(data(), values.data()); }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> values(count_);
    copy(values.data(), data());
    return values;
  }

 private:
  void copy(void* to, const void* from) const {
    if (count_ == 0) return;
    auto queue = memory_.make_queue();
    GOSSAMER_CHECK(queue.ok(), queue.error().message);
    GOSSAMER_CHECK((*queue)->start(to, from, count_ * sizeof(T)).ok(), "a copy starts");
    GOSSAMER_CHECK(wait_for_copies(**queue, 1).ok(), "a copy ends");
  }

  DeviceMemory& memory_;
  std::size_t count_;
  DeviceBlock block_;
};

}  // namespace gossamer::testing
