#include "emulator.h"

#include <ucontext.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda_runtime_api.h"

namespace emulator {
namespace {

constexpr std::size_t stack_bytes = 128 << 10;

// makecontext enters a stack once; after that the switches are long jumps, which need no system call. A stack that
// has ended its kernel waits for the next one.
struct Thread {
  std::unique_ptr<char[]> stack;
  ucontext_t entry;
  std::jmp_buf state;
  Index index;
  bool is_entered = false;
  bool has_ended = false;
};

// Threads that meet: the last one to arrive, or to end instead, lets all go on.
struct Meeting {
  std::size_t living = 0;
  std::size_t arrived = 0;
  unsigned generation = 0;

  [[nodiscard]] bool arrive() { return ++arrived == living && go_on(); }
  void leave() {
    --living;
    if (living != 0 && arrived == living) static_cast<void>(go_on());
  }
  [[nodiscard]] bool go_on() {
    arrived = 0;
    ++generation;
    return true;
  }
};

struct Warp {
  Meeting meeting;
  // By even and odd exchanges: a thread is at most one exchange ahead of the slowest.
  std::array<std::array<unsigned, 32>, 2> brought{};
};

struct Block {
  std::vector<std::unique_ptr<Thread>> threads;
  std::vector<Warp> warps;
  Meeting meeting;
  std::size_t count = 0;
  std::size_t running = 0;
  std::size_t steps = 0;  // arrivals and ends: whether a warp still gets on
  std::jmp_buf scheduler;
  const std::function<void()>* kernel = nullptr;
  std::vector<std::max_align_t> shared;
  unsigned launches = 0;
};
Block block;

void yield() {
  if (setjmp(block.threads[block.running]->state) == 0) std::longjmp(block.scheduler, 1);
}

void run_thread() {
  for (;;) {
    (*block.kernel)();
    block.threads[block.running]->has_ended = true;
    ++block.steps;
    block.meeting.leave();
    block.warps[block.running / 32].meeting.leave();
    yield();
  }
}

void resume(std::size_t i) {
  Thread& thread = *block.threads[i];
  block.running = i;
  here.thread = thread.index;
  if (setjmp(block.scheduler) != 0) return;
  if (thread.is_entered) std::longjmp(thread.state, 1);
  thread.is_entered = true;
  setcontext(&thread.entry);
}

void prepare(std::size_t i, const Index& index) {
  if (block.threads.size() == i) {
    auto thread = std::make_unique<Thread>();
    thread->stack = std::make_unique<char[]>(stack_bytes);
    getcontext(&thread->entry);
    thread->entry.uc_stack.ss_sp = thread->stack.get();
    thread->entry.uc_stack.ss_size = stack_bytes;
    thread->entry.uc_link = nullptr;
    makecontext(&thread->entry, run_thread, 0);
    block.threads.push_back(std::move(thread));
  }
  block.threads[i]->index = index;
  block.threads[i]->has_ended = false;
}

// Runs a warp as far as it gets without the others: the worst order for a barrier that is missing.
void run_warp(std::size_t warp, bool is_descending) {
  const std::size_t first = warp * 32;
  const std::size_t size = block.count - first < 32 ? block.count - first : 32;
  std::size_t before = 0;
  do {
    before = block.steps;
    for (std::size_t step = 0; step < size; ++step) {
      const std::size_t next = first + (is_descending ? size - 1 - step : step);
      if (!block.threads[next]->has_ended) resume(next);
    }
  } while (block.steps != before);
}

void run_block(std::size_t shared_bytes, bool is_descending) {
  constexpr unsigned char guard = 0xa5;
  const std::size_t words = shared_bytes / sizeof(std::max_align_t) + 8;
  block.shared.resize(words);
  std::memset(static_cast<void*>(block.shared.data()), guard, words * sizeof(std::max_align_t));
  std::size_t i = 0;
  for (unsigned z = 0; z < here.threads.z; ++z) {
    for (unsigned y = 0; y < here.threads.y; ++y) {
      for (unsigned x = 0; x < here.threads.x; ++x) prepare(i++, {x, y, z});
    }
  }
  block.count = i;
  block.meeting = {.living = i};
  block.warps.assign((i + 31) / 32, Warp());
  for (std::size_t w = 0; w < block.warps.size(); ++w) {
    block.warps[w].meeting.living = i - w * 32 < 32 ? i - w * 32 : 32;
  }
  while (block.meeting.living != 0) {
    for (std::size_t step = 0; step < block.warps.size(); ++step) {
      run_warp(is_descending ? block.warps.size() - 1 - step : step, is_descending);
    }
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(block.shared.data());
  for (std::size_t at = shared_bytes; at < words * sizeof(std::max_align_t); ++at) {
    if (bytes[at] == guard) continue;
    std::fprintf(stderr, "a kernel wrote beyond its %zu bytes of shared memory\n", shared_bytes);
    std::abort();
  }
}

}  // namespace

bool launch(const Index& blocks, const Index& threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0 || threads.x == 0) return false;
  if (shared_bytes > static_cast<std::size_t>(device_limits.block_shared_bytes)) return false;
  const bool is_descending = block.launches++ % 2 != 0;
  block.kernel = &kernel;
  here.blocks = blocks;
  here.threads = threads;
  const std::size_t count = std::size_t{blocks.x} * blocks.y * blocks.z;
  for (std::size_t step = 0; step < count; ++step) {
    const std::size_t i = is_descending ? count - 1 - step : step;
    here.block = {static_cast<unsigned>(i % blocks.x), static_cast<unsigned>(i / blocks.x % blocks.y),
                  static_cast<unsigned>(i / blocks.x / blocks.y)};
    run_block(shared_bytes, is_descending);
  }
  return true;
}

void* shared_memory() { return block.shared.data(); }
unsigned lane() { return static_cast<unsigned>(block.running % 32); }

void meet_block() {
  const unsigned generation = block.meeting.generation;
  ++block.steps;
  if (block.meeting.arrive()) return;
  while (block.meeting.generation == generation) yield();
}

std::array<unsigned, 32> exchange(unsigned value) {
  Warp& warp = block.warps[block.running / 32];
  const unsigned generation = warp.meeting.generation;
  std::array<unsigned, 32>& brought = warp.brought[generation % 2];
  brought[block.running % 32] = value;
  ++block.steps;
  if (!warp.meeting.arrive()) {
    while (warp.meeting.generation == generation) yield();
  }
  const std::array<unsigned, 32> all = brought;
  // The other half has been read by all; who ends before the next exchange brings 0.
  if (warp.meeting.arrived == 0) warp.brought[(generation + 1) % 2] = {};
  return all;
}

}  // namespace emulator

// ---- runtime ---------------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount            ? emulator::device_limits.multiprocessors
           : attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin ? emulator::device_limits.block_shared_bytes
                                                                  : emulator::device_limits.multiprocessor_shared_bytes;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "an emulated error"; }
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (bytes != 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
