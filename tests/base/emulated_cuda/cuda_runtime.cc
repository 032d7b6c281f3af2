#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>

#include "cuda_runtime_api.h"

namespace {

constexpr int polls_for_a_copy = 3;
constexpr std::size_t device_bytes = std::size_t{1} << 32;

struct Work {  // a copy, or a wait for another stream's work
  void* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
  cudaStream_t awaited = nullptr;
  std::size_t behind = 0;
};

std::map<const std::byte*, std::size_t> device_blocks;
int streams_alive = 0;
int events_alive = 0;

}  // namespace

struct CUstream_st {
  std::deque<Work> work;   // not done
  std::size_t queued = 0;  // since the beginning
  std::size_t done = 0;
  int polls = 0;  // for the first of `work`
};

struct CUevent_st {
  cudaStream_t stream = nullptr;
  std::size_t behind = 0;  // done when so much of the stream's work is
};

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::strcpy(properties->name, "emulated device");
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "an emulated error";
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  if (bytes > device_bytes) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*memory, 0xa5, bytes);  // fresh device memory holds anything
  device_blocks[static_cast<std::byte*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  device_blocks.erase(static_cast<std::byte*>(memory));
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemset(void* memory, int value, std::size_t bytes) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  auto entry = device_blocks.upper_bound(static_cast<const std::byte*>(pointer));
  attributes->type = cudaMemoryTypeUnregistered;
  if (entry == device_blocks.begin()) return cudaSuccess;
  --entry;
  if (pointer < entry->first + entry->second) attributes->type = cudaMemoryTypeDevice;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  ++streams_alive;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  --streams_alive;
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  stream->work.push_back({.to = to, .from = from, .bytes = bytes});
  ++stream->queued;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  ++events_alive;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {stream, stream->queued};
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  stream->work.push_back({.awaited = event->stream, .behind = event->behind});
  ++stream->queued;
  return cudaSuccess;
}
namespace {
bool is_done(CUstream_st& stream, std::size_t behind) {
  while (stream.done < behind) {
    if (++stream.polls <= polls_for_a_copy) return false;
    const Work work = stream.work.front();
    if (work.awaited != nullptr && !is_done(*work.awaited, work.behind)) return false;
    if (work.bytes > 0) std::memmove(work.to, work.from, work.bytes);
    stream.work.pop_front();
    ++stream.done;
    stream.polls = 0;
  }
  return true;
}
}  // namespace
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return is_done(*event->stream, event->behind) ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  --events_alive;
  return cudaSuccess;
}

// For the test: what has not been given back.
int emulated_cuda_left_over() { return streams_alive + events_alive + static_cast<int>(device_blocks.size()); }
