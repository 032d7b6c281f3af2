// Runs kernels on the host, so that their logic is tested where there is no device.
//
// The kernels' own sources are compiled by the host compiler against the headers of this folder. A block's threads are
// stacks of their own on one host thread; a warp runs as far as it can without the others, a thread until it meets the
// others at a barrier or a warp exchange. Blocks and threads come in ascending order in one launch and in descending
// order in the next, and shared memory begins with garbage: a result that depends on the order, as for want of a
// barrier, changes from one launch to the next. It tells nothing about speed or about a device's memory model.
#pragma once

#include <array>
#include <cstddef>
#include <functional>

namespace emulator {

struct Index {
  unsigned x, y, z;
};

struct Here {
  Index thread, block, threads, blocks;
};
inline Here here{};  // of the thread that runs now

// False if the grid is empty or asks for more shared memory than device_limits allows.
bool launch(const Index& blocks, const Index& threads, std::size_t shared_bytes, const std::function<void()>& kernel);

void* shared_memory();
void meet_block();  // waits for all threads of the block that have not ended
unsigned lane();
// Waits for all threads of the warp that have not ended, and gives what each brought (0 for those that have ended).
std::array<unsigned, 32> exchange(unsigned value);

struct DeviceLimits {
  int multiprocessors = 3;
  int block_shared_bytes = 64 << 10;
  int multiprocessor_shared_bytes = 132 << 10;
};
inline constexpr DeviceLimits device_limits;

}  // namespace emulator
