// Device memory for tests, and a sketch that skips the test where there is no device.
#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "../inputs.h"
#include "sketch/cuda/cuda_sketch.h"

namespace gossamer::sketch {

// A vector on the device. It begins `skew` elements off the alignment of device memory.
template <typename T>
class DeviceVector {
 public:
  explicit DeviceVector(const std::vector<T>& values, std::size_t skew = 0) : size_(values.size()), skew_(skew) {
    void* memory = nullptr;
    GOSSAMER_CHECK(cudaMalloc(&memory, (size_ + skew_ + 1) * sizeof(T)) == cudaSuccess, "no device memory");
    memory_ = static_cast<T*>(memory);
    copy(memory_ + skew_, values.data());
  }
  DeviceVector(const DeviceVector&) = delete;
  DeviceVector& operator=(const DeviceVector&) = delete;
  ~DeviceVector() { static_cast<void>(cudaFree(memory_)); }

  [[nodiscard]] std::span<T> span() { return {memory_ + skew_, size_}; }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> values(size_);
    copy(values.data(), memory_ + skew_);
    return values;
  }

 private:
  void copy(T* to, const T* from) const {
    GOSSAMER_CHECK(cudaMemcpy(to, from, size_ * sizeof(T), cudaMemcpyDefault) == cudaSuccess, "a copy failed");
  }

  T* memory_ = nullptr;
  std::size_t size_;
  std::size_t skew_;
};

inline std::unique_ptr<CudaSketch> make_cuda(const SketchShape& shape, std::uint64_t select_max = 0) {
  return std::move(make_cuda_sketch(shape, select_max)).value();
}

inline ::testing::AssertionResult succeeds(const Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.error().message;
}

// Each test says first why it does not run where there is no device.
class CudaSketchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status available = cuda_available();
    if (!available.ok()) GTEST_SKIP() << available.error().message;
  }
};

}  // namespace gossamer::sketch
