// Memory of a CUDA device. The runtime is linked statically and loads the driver when it is first asked, so this is
// safe where there is none.
#include <cuda_runtime_api.h>

#include <array>
#include <cstring>

#include "base/base.h"

namespace gossamer {

namespace {

Error cuda_error(std::string_view what, cudaError_t error) {
  static_cast<void>(cudaGetLastError());
  const Code code = error == cudaErrorMemoryAllocation ? Code::out_of_resources : Code::unavailable;
  return Error{code, text("CUDA could not ", what, ": ", cudaGetErrorString(error))};
}

// Makes a device current in this thread, and the former one afterwards.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    if (cudaGetDevice(&former_) == cudaSuccess && former_ != device) static_cast<void>(cudaSetDevice(device));
    changed_ = former_ != device;
  }
  ~CurrentDevice() {
    if (changed_) static_cast<void>(cudaSetDevice(former_));
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int former_ = 0;
  bool changed_ = false;
};

// A stream that waits for no other, and an event behind each copy. A copy may be started from a thread with another
// current device.
class CudaCopyQueue final : public CopyQueue {
 public:
  static Result<std::unique_ptr<CopyQueue>> make(int device) {
    const CurrentDevice current(device);
    std::unique_ptr<CudaCopyQueue> self(new CudaCopyQueue);
    if (const auto error = cudaStreamCreateWithFlags(&self->stream_, cudaStreamNonBlocking); error != cudaSuccess)
      return cuda_error("make a stream", error);
    for (cudaEvent_t& event : self->events_)
      if (const auto error = cudaEventCreateWithFlags(&event, cudaEventDisableTiming); error != cudaSuccess)
        return cuda_error("make an event", error);
    if (const auto error = cudaEventCreateWithFlags(&self->followed_, cudaEventDisableTiming); error != cudaSuccess)
      return cuda_error("make an event", error);
    return std::unique_ptr<CopyQueue>(std::move(self));
  }

  ~CudaCopyQueue() override {
    for (const cudaEvent_t event : events_)
      if (event != nullptr) static_cast<void>(cudaEventDestroy(event));
    if (followed_ != nullptr) static_cast<void>(cudaEventDestroy(followed_));
    if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
  }

  Status start(void* to, const void* from, std::size_t bytes) override {
    if (started_ - ended_ == in_flight_max)
      return Error{Code::busy, text(in_flight_max, " copies are under way: ask for their end before the next")};
    if (const auto error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_); error != cudaSuccess)
      return cuda_error(text("start a copy of ", format_bytes(bytes)), error);
    if (const auto error = cudaEventRecord(events_[started_ % in_flight_max], stream_); error != cudaSuccess)
      return cuda_error("record an event", error);
    ++started_;
    return {};
  }

  // The event may be recorded again at once: who waits for it waits for what it was then.
  Status follow(void* stream) override {
    if (const auto error = cudaEventRecord(followed_, static_cast<cudaStream_t>(stream)); error != cudaSuccess)
      return cuda_error("record an event in the caller's stream", error);
    if (const auto error = cudaStreamWaitEvent(stream_, followed_, 0); error != cudaSuccess)
      return cuda_error("wait for the caller's stream", error);
    return {};
  }

  Result<std::uint64_t> ended() override {
    while (ended_ < started_) {
      const cudaError_t error = cudaEventQuery(events_[ended_ % in_flight_max]);
      if (error == cudaErrorNotReady) {
        static_cast<void>(cudaGetLastError());  // or the program's next look at it finds ours
        break;
      }
      if (error != cudaSuccess) return cuda_error("copy", error);
      ++ended_;
    }
    return ended_;
  }

 private:
  CudaCopyQueue() = default;
  cudaStream_t stream_ = nullptr;
  std::array<cudaEvent_t, in_flight_max> events_{};
  cudaEvent_t followed_ = nullptr;
  std::uint64_t ended_ = 0;
};

class CudaMemory final : public DeviceMemory {
 public:
  CudaMemory(int device, std::string description) : device_(device), description_(std::move(description)) {}

  MemoryKind kind() const override { return MemoryKind::cuda; }
  const std::string& description() const override { return description_; }

  Result<void*> allocate(std::size_t bytes) override {
    const CurrentDevice current(device_);
    void* memory = nullptr;
    if (const auto error = cudaMalloc(&memory, bytes); error != cudaSuccess)
      return cuda_error(text("allocate ", format_bytes(bytes), " of device memory"), error);
    if (const auto error = cudaMemset(memory, 0, bytes); error != cudaSuccess) {
      static_cast<void>(cudaFree(memory));
      return cuda_error("clear device memory", error);
    }
    // cudaMemset returns early, and our streams do not wait for it.
    if (const auto error = cudaDeviceSynchronize(); error != cudaSuccess) {
      static_cast<void>(cudaFree(memory));
      return cuda_error("clear device memory", error);
    }
    return memory;
  }
  void release(void* memory) override { static_cast<void>(cudaFree(memory)); }

  Result<void*> allocate_pinned(std::size_t bytes) override {
    const CurrentDevice current(device_);
    void* memory = nullptr;
    if (const auto error = cudaHostAlloc(&memory, bytes, cudaHostAllocPortable); error != cudaSuccess)
      return cuda_error(text("lock ", format_bytes(bytes), " of host memory"), error);
    std::memset(memory, 0, bytes);
    return memory;
  }
  void release_pinned(void* memory) override { static_cast<void>(cudaFreeHost(memory)); }

  bool owns(const void* pointer) const override {
    cudaPointerAttributes attributes{};
    if (cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    return attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
  }

  Result<std::unique_ptr<CopyQueue>> make_queue() override { return CudaCopyQueue::make(device_); }

 private:
  const int device_;
  const std::string description_;
};

Result<DeviceMemory*> look_for_cuda() {
  int count = 0;
  if (const auto error = cudaGetDeviceCount(&count); error != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());
    return Error{Code::unavailable,
                 text("no CUDA device: ",
                      error == cudaSuccess ? "none is visible (CUDA_VISIBLE_DEVICES?)" : cudaGetErrorString(error))};
  }
  int device = 0;
  cudaDeviceProp properties{};
  if (const auto error = cudaGetDevice(&device); error != cudaSuccess)
    return cuda_error("say which device is current", error);
  if (const auto error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess)
    return cuda_error("describe the device", error);
  return new CudaMemory(device, properties.name);  // as long as the process: queues and blocks refer to it
}

}  // namespace

Result<DeviceMemory*> find_cuda_memory() {
  static const Result<DeviceMemory*> found = look_for_cuda();
  return found;
}

}  // namespace gossamer
