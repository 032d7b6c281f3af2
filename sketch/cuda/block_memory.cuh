// The shared memory that a launch asks for, in 16-byte groups.
#pragma once

#include <cuda_runtime.h>

namespace gossamer::sketch::cuda {

__device__ inline uint4* block_memory() {
  extern __shared__ uint4 block_memory_words[];
  return block_memory_words;
}

}  // namespace gossamer::sketch::cuda
