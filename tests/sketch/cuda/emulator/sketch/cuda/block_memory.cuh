// The emulator's place of sketch/cuda/block_memory.cuh.
#pragma once

#include <cuda_runtime.h>

namespace gossamer::sketch::cuda {

inline uint4* block_memory() { return static_cast<uint4*>(emulator::shared_memory()); }

}  // namespace gossamer::sketch::cuda
