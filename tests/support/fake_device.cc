#include "tests/support/fake_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace gossamer::testing {

// Each queue has one copy at the front that questions bring nearer to its end.
class FakeCopyQueue final : public CopyQueue {
 public:
  FakeCopyQueue(FakeDevice& device, std::uint64_t seed) : device_(device), random_(seed) {}
  ~FakeCopyQueue() override {
    GOSSAMER_CHECK(ended_ == started_ || device_.broken_ || device_.hangs_, "a queue goes with copies under way");
    device_.under_way_ -= static_cast<std::int64_t>(started_ - ended_);
  }

  Status start(void* to, const void* from, std::size_t bytes) override {
    if (started_ - ended_ == in_flight_max)
      return Error{Code::busy, text(in_flight_max, " copies are under way: ask for their end before the next")};
    const auto polls = static_cast<std::uint32_t>(random_.below(device_.options_.polls_max + 1));
    copies_[started_ % in_flight_max] = {device_.reach(to, bytes), device_.reach(from, bytes), bytes, polls, followed_,
                                         followed_until_};
    ++started_;
    ++device_.under_way_;
    return {};
  }

  Status follow(void* stream) override {
    if (device_.broken_) return Error{Code::unavailable, "the fake device is broken, as the test asked"};
    followed_ = stream;
    followed_until_ = device_.stream_given(stream);
    return {};
  }

  Result<std::uint64_t> ended() override {
    if (device_.broken_) return Error{Code::unavailable, "the fake device is broken, as the test asked"};
    while (ended_ < started_ && !device_.hangs_) {
      Copy& copy = copies_[ended_ % in_flight_max];
      if (copy.polls_left-- > 0) break;
      if (copy.after != nullptr) device_.run_stream(copy.after, copy.after_until);
      std::memmove(copy.to, copy.from, copy.bytes);
      device_.bytes_ += copy.bytes;
      ++ended_;
      ++device_.ended_;
      --device_.under_way_;
    }
    return ended_;
  }

 private:
  struct Copy {
    std::byte* to = nullptr;
    const std::byte* from = nullptr;
    std::size_t bytes = 0;
    std::uint32_t polls_left = 0;
    void* after = nullptr;  // a stream
    std::size_t after_until = 0;
  };
  FakeDevice& device_;
  Random random_;
  Copy copies_[in_flight_max];
  void* followed_ = nullptr;
  std::size_t followed_until_ = 0;
  std::uint64_t ended_ = 0;
};

FakeDevice::FakeDevice(const FakeDeviceOptions& options) : options_(options) {
  GOSSAMER_CHECK(!find_device_memory(MemoryKind::fake_device).ok(), "one fake device at a time");
  provide_device_memory(MemoryKind::fake_device, this);
}

FakeDevice::~FakeDevice() {
  provide_device_memory(MemoryKind::fake_device, nullptr);
  GOSSAMER_CHECK(blocks_.empty() && pinned_.empty(), "memory of the fake device was not given back");
}

Result<void*> FakeDevice::allocate(std::size_t bytes) {
  GOSSAMER_CHECK(bytes > 0, "an allocation of nothing");
  if (allocations_left_.fetch_sub(1) <= 0)
    return Error{Code::out_of_resources, text("the fake device has no ", format_bytes(bytes), " left")};
  const int file = memfd_create("gossamer-fake-device", MFD_CLOEXEC);
  GOSSAMER_CHECK(file >= 0 && ftruncate(file, static_cast<off_t>(bytes)) == 0, "memory for the fake device");
  void* const device = mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, file, 0);
  void* const alias = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  GOSSAMER_CHECK(device != MAP_FAILED && alias != MAP_FAILED, "mappings for the fake device");
  const std::lock_guard lock(mutex_);
  blocks_[static_cast<std::byte*>(device)] = {static_cast<std::byte*>(alias), bytes};
  return device;
}

void FakeDevice::release(void* memory) {
  const std::lock_guard lock(mutex_);
  const auto entry = blocks_.find(static_cast<std::byte*>(memory));
  GOSSAMER_CHECK(entry != blocks_.end(), "released memory that is not the fake device's");
  munmap(memory, entry->second.bytes);
  munmap(entry->second.alias, entry->second.bytes);
  blocks_.erase(entry);
}

Result<void*> FakeDevice::allocate_pinned(std::size_t bytes) {
  void* const memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  GOSSAMER_CHECK(memory != nullptr, "host memory");
  std::memset(memory, 0, bytes);
  const std::lock_guard lock(mutex_);
  pinned_[memory] = bytes;
  return memory;
}

void FakeDevice::release_pinned(void* memory) {
  const std::lock_guard lock(mutex_);
  GOSSAMER_CHECK(pinned_.erase(memory) == 1, "released pinned memory that is not the fake device's");
  std::free(memory);
}

bool FakeDevice::owns(const void* pointer) const {
  const auto* const at = static_cast<const std::byte*>(pointer);
  const std::lock_guard lock(mutex_);
  auto entry = blocks_.upper_bound(at);
  if (entry == blocks_.begin()) return false;
  --entry;
  return at < entry->first + entry->second.bytes;
}

std::byte* FakeDevice::reach(const void* memory, std::size_t bytes) const {
  auto* const at = static_cast<std::byte*>(const_cast<void*>(memory));
  const std::lock_guard lock(mutex_);
  auto entry = blocks_.upper_bound(at);
  if (entry == blocks_.begin()) return at;
  --entry;
  const auto offset = static_cast<std::size_t>(at - entry->first);
  if (offset >= entry->second.bytes) return at;
  GOSSAMER_CHECK(bytes <= entry->second.bytes - offset, "a copy beyond the end of device memory");
  return entry->second.alias + offset;
}

void* FakeDevice::make_stream() {
  const std::lock_guard lock(mutex_);
  return &streams_.emplace_back();
}

void FakeDevice::enqueue(void* stream, void* to, const void* from, std::size_t bytes) {
  const Stream::Work work = {reach(to, bytes), reach(from, bytes), bytes};
  const std::lock_guard lock(mutex_);
  static_cast<Stream*>(stream)->work.push_back(work);
}

std::size_t FakeDevice::stream_given(void* stream) const {
  const std::lock_guard lock(mutex_);
  return static_cast<Stream*>(stream)->work.size();
}

std::size_t FakeDevice::stream_done(void* stream) const {
  const std::lock_guard lock(mutex_);
  return static_cast<Stream*>(stream)->done;
}

void FakeDevice::run_stream(void* stream, std::size_t until) {
  const std::lock_guard lock(mutex_);
  auto& known = *static_cast<Stream*>(stream);
  for (; known.done < until; ++known.done) {
    const Stream::Work& work = known.work[known.done];
    std::memmove(work.to, work.from, work.bytes);
  }
}

Result<std::unique_ptr<CopyQueue>> FakeDevice::make_queue() {
  return std::unique_ptr<CopyQueue>(std::make_unique<FakeCopyQueue>(*this, mix64(options_.seed, queues_++)));
}

}  // namespace gossamer::testing
