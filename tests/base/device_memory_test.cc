// Device memory: one suite over the fake device, and over CUDA where there is a device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <optional>

#include "tests/support/fake_device.h"
#ifdef GOSSAMER_EMULATED_CUDA
#include <cuda_runtime_api.h>
#endif

namespace gossamer {
namespace {

using testing::DeviceArray;
using testing::FakeDevice;
using ::testing::HasSubstr;

class DeviceMemoryContract : public ::testing::TestWithParam<MemoryKind> {
 protected:
  void SetUp() override {
    if (GetParam() == MemoryKind::fake_device) fake_.emplace();
    auto found = find_device_memory(GetParam());
    if (!found.ok()) GTEST_SKIP() << found.error().message;
    memory_ = *found;
  }
  std::optional<FakeDevice> fake_;
  DeviceMemory* memory_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(, DeviceMemoryContract, ::testing::Values(MemoryKind::fake_device, MemoryKind::cuda),
                         [](const auto& each) { return each.param == MemoryKind::cuda ? "cuda" : "fake_device"; });

std::vector<std::uint32_t> counting(std::size_t count) {
  std::vector<std::uint32_t> values(count);
  std::iota(values.begin(), values.end(), 7u);
  return values;
}

// Goal: what goes down comes back, also from the middle, and fresh memory is zero. Method: a vector of 3 MB.
TEST_P(DeviceMemoryContract, GivesBackWhatWasCopiedThere) {
  constexpr std::size_t count = 750'001;
  const std::vector<std::uint32_t> values = counting(count);
  DeviceArray<std::uint32_t> first(*memory_, count);
  DeviceArray<std::uint32_t> second(*memory_, count);
  EXPECT_EQ(second.values(), std::vector<std::uint32_t>(count));
  first.set(values);
  auto queue = memory_->make_queue();
  ASSERT_TRUE(queue.ok());
  ASSERT_TRUE((*queue)->start(second.data(), first.data() + 1, (count - 1) * 4).ok());  // within the device
  ASSERT_TRUE(wait_for_copies(**queue, 1).ok());
  std::vector<std::uint32_t> expected(values.begin() + 1, values.end());
  expected.push_back(0);
  EXPECT_EQ(second.values(), expected);
}

// Goal: the copies of one queue end in order, at most in_flight_max are under way, and asking for their end does not
// wait for it. Method: a chain in which each copy reads what the one before it wrote; one start too many.
TEST_P(DeviceMemoryContract, CopiesEndInTheOrderOfTheirStarts) {
  constexpr std::size_t count = 65'536;
  DeviceArray<std::uint32_t> device(*memory_, count * CopyQueue::in_flight_max);
  auto pinned = DeviceBlock::make_pinned(*memory_, count * 4);
  ASSERT_TRUE(pinned.ok());
  const std::vector<std::uint32_t> values = counting(count);
  std::memcpy(pinned->data(), values.data(), count * 4);
  auto queue = memory_->make_queue();
  ASSERT_TRUE(queue.ok());
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE((*queue)->start(device.data(), pinned->data(), count * 4).ok());
    for (std::size_t i = 1; i < CopyQueue::in_flight_max; ++i)
      ASSERT_TRUE((*queue)->start(device.data() + i * count, device.data() + (i - 1) * count, count * 4).ok());
    if (GetParam() == MemoryKind::fake_device) {  // a device that is fast may have ended one
      EXPECT_EQ((*queue)->start(device.data(), pinned->data(), 4).error().code, Code::busy);
    }
    const auto now = (*queue)->ended();
    ASSERT_TRUE(now.ok());
    EXPECT_LE(*now, (*queue)->started());
    ASSERT_TRUE(wait_for_copies(**queue, (*queue)->started()).ok());
    EXPECT_EQ((*queue)->ended().value(), (*queue)->started());
  }
  const auto all = device.values();
  EXPECT_TRUE(std::equal(values.begin(), values.end(), all.end() - count));
}

// A stream as a program has one.
class ProgramsStream {
 public:
  explicit ProgramsStream(std::optional<FakeDevice>& fake) : fake_(fake) {
    if (fake_) stream_ = fake_->make_stream();
#ifdef GOSSAMER_EMULATED_CUDA
    cudaStream_t made = nullptr;
    if (!fake_ && cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking) == cudaSuccess) stream_ = made;
#endif
  }
  ~ProgramsStream() {
#ifdef GOSSAMER_EMULATED_CUDA
    if (!fake_) static_cast<void>(cudaStreamDestroy(static_cast<cudaStream_t>(stream_)));
#endif
  }
  ProgramsStream(const ProgramsStream&) = delete;
  ProgramsStream& operator=(const ProgramsStream&) = delete;
  [[nodiscard]] void* get() const { return stream_; }
  void copy([[maybe_unused]] void* to, [[maybe_unused]] const void* from, [[maybe_unused]] std::size_t bytes) {
    if (fake_) return fake_->enqueue(stream_, to, from, bytes);
#ifdef GOSSAMER_EMULATED_CUDA
    ASSERT_EQ(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream_)), cudaSuccess);
#endif
  }

 private:
  std::optional<FakeDevice>& fake_;
  void* stream_ = nullptr;
};

// Goal: copies come after what a stream was given before, and wait for nothing that it is given later. Method: a stream
// fills a vector, the queue follows it and reads the vector; what fills it otherwise afterwards is not seen, three
// times.
TEST_P(DeviceMemoryContract, CopiesFollowAStream) {
  ProgramsStream stream(fake_);
  if (stream.get() == nullptr) GTEST_SKIP() << "this program has no streams of the device of its own";
  constexpr std::size_t count = 5'000;
  DeviceArray<std::uint32_t> device(*memory_, count);
  auto queue = memory_->make_queue();
  ASSERT_TRUE(queue.ok());
  const std::vector<std::uint32_t> later(count, 1u);
  for (std::uint32_t round = 0; round < 3; ++round) {
    std::vector<std::uint32_t> values = counting(count);
    values[0] = round;
    stream.copy(device.data(), values.data(), count * 4);
    ASSERT_TRUE((*queue)->follow(stream.get()).ok());
    stream.copy(device.data(), later.data(), count * 4);
    std::vector<std::uint32_t> seen(count);
    ASSERT_TRUE((*queue)->start(seen.data(), device.data(), count * 4).ok());
    ASSERT_TRUE(wait_for_copies(**queue, (*queue)->started()).ok());
    EXPECT_EQ(seen, values);
  }
  ASSERT_TRUE((*queue)->follow(stream.get()).ok());  // the last is waited for before the vectors go
  std::uint32_t last = 0;
  ASSERT_TRUE((*queue)->start(&last, device.data(), 4).ok());
  ASSERT_TRUE(wait_for_copies(**queue, (*queue)->started()).ok());
  EXPECT_EQ(last, 1u);
}

// Goal: a pointer's kind is known. Method: the first and last byte, the byte behind, host memory, a null pointer.
TEST_P(DeviceMemoryContract, KnowsItsPointers) {
  DeviceArray<std::byte> device(*memory_, 4096);
  std::vector<std::byte> host(16);
  EXPECT_TRUE(memory_->owns(device.data()));
  EXPECT_TRUE(memory_->owns(device.data() + 4095));
  EXPECT_FALSE(memory_->owns(host.data()));
  EXPECT_FALSE(memory_->owns(nullptr));
  EXPECT_EQ(memory_->kind(), GetParam());
  EXPECT_FALSE(memory_->description().empty());
}

// Goal: memory that does not fit is an error with the size, not an abort. Method: an exabyte.
TEST_P(DeviceMemoryContract, SaysWhatDoesNotFit) {
  if (fake_) fake_->fail_allocation_after(0);
  const auto block = DeviceBlock::make(*memory_, std::size_t{1} << 60);
  ASSERT_FALSE(block.ok());
  EXPECT_EQ(block.error().code, Code::out_of_resources);
  EXPECT_THAT(block.error().message, HasSubstr("1.0 EiB"));
}

#ifdef GOSSAMER_EMULATED_CUDA
}  // namespace
}  // namespace gossamer
int emulated_cuda_left_over();
namespace gossamer {
namespace {

// Goal: streams, events and memory of CUDA are given back. Method: the emulated runtime counts, after the contract's
// tests or before them.
TEST(EmulatedCuda, GivesEverythingBack) {
  {
    auto memory = find_device_memory(MemoryKind::cuda);
    ASSERT_TRUE(memory.ok()) << memory.error().message;
    DeviceArray<int> array(**memory, std::vector<int>{1, 2, 3});
    EXPECT_EQ(array.values(), (std::vector<int>{1, 2, 3}));
    EXPECT_GT(emulated_cuda_left_over(), 0);
  }
  EXPECT_EQ(emulated_cuda_left_over(), 0);
}
#endif

// Goal: the number of tests that skip without a CUDA device is known. Method: a count of the registered ones.
TEST(DeviceMemorySkips, ThisManyNeedADevice) {
  constexpr int expected = 5;
  int count = 0;
  const ::testing::UnitTest& all = *::testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i)
    for (int k = 0; k < all.GetTestSuite(i)->total_test_count(); ++k)
      count += std::string_view(all.GetTestSuite(i)->GetTestInfo(k)->name()).ends_with("/cuda") ? 1 : 0;
  EXPECT_EQ(count, expected);
}

// Goal: the fake device is found only while a test has one, and a kind that is none is an invalid argument with a
// sentence. Method: before, during and after; host memory; the number 9.
TEST(DeviceMemoryKinds, TheFakeDeviceIsThereOnlyInTests) {
  for (const MemoryKind kind : {MemoryKind::fake_device, MemoryKind::host, static_cast<MemoryKind>(9)}) {
    const auto found = find_device_memory(kind);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, Code::invalid_argument);
    EXPECT_THAT(found.error().message, HasSubstr("expected 2 (cuda)"));
  }
  {
    FakeDevice device;
    EXPECT_EQ(find_device_memory(MemoryKind::fake_device).value(), &device);
  }
  EXPECT_FALSE(find_device_memory(MemoryKind::fake_device).ok());
  EXPECT_EQ(memory_kind_name(MemoryKind::fake_device), "fake-device");
}

// Goal: the host cannot read the fake device's memory, or no test would find a forgotten copy. Method: a read and a
// write, each in a process of its own that must die.
TEST(DeviceMemoryDeathTest, TheHostFaultsOnFakeMemory) {
  FakeDevice device;
  DeviceArray<int> memory(device, 4);
  EXPECT_DEATH(std::printf("%d\n", *static_cast<volatile int*>(memory.data())), "");
  EXPECT_DEATH(*static_cast<volatile int*>(memory.data() + 3) = 1, "");
}

// Goal: a copy that ends late is seen late: neither side has moved before. Method: a fake device whose copies take
// three questions; source and destination are looked at in between.
TEST(FakeDeviceTest, ACopyMovesItsBytesAtItsEnd) {
  FakeDevice device({.seed = 5, .polls_max = 40});
  DeviceArray<int> memory(device, std::vector<int>{1, 2, 3});
  std::vector<int> host(3);
  auto queue = device.make_queue();
  int late = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    host = {0, 0, 0};
    ASSERT_TRUE((*queue)->start(host.data(), memory.data(), 12).ok());
    while ((*queue)->ended().value() < i) {
      ++late;
      ASSERT_EQ(host, (std::vector<int>{0, 0, 0}));
    }
    ASSERT_EQ(host, (std::vector<int>{1, 2, 3}));
  }
  EXPECT_GT(late, 100);
}

// Goal: a wait for a device that hangs ends with a sentence, and one for a broken device with the device's. Method: the
// fake device told to.
TEST(FakeDeviceTest, AWaitForADeviceThatHangsEnds) {
  FakeDevice device;
  DeviceArray<int> memory(device, 1);
  int host = 0;
  auto queue = device.make_queue();
  device.hang(true);
  ASSERT_TRUE((*queue)->start(&host, memory.data(), 4).ok());
  const Status late = wait_for_copies(**queue, 1, 1'000'000);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, Code::unavailable);
  EXPECT_THAT(late.error().message, HasSubstr("hangs"));
  device.hang(false);
  device.break_copies(true);
  EXPECT_THAT(wait_for_copies(**queue, 1).error().message, HasSubstr("broken"));
  device.break_copies(false);
  ASSERT_TRUE(wait_for_copies(**queue, 1).ok());
}

}  // namespace
}  // namespace gossamer
