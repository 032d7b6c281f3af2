// A block of shared memory that a process lets its peers on the same host read.
//
//   owner                                     peer
//   make(folder) ── file "block-<name>" ───►  open(folder, name): the same pages, to read only
//
// Own files, and not memory that UCX allocates (UCP_MEM_MAP_ALLOCATE, ucp_rkey_ptr): there a peer that was excluded
// and lives on may write, and no call of UCX takes the memory back; a key of a peer that died before it was unpacked
// crashes UCX 1.13 (posix); and where /dev/shm is too small UCX silently gives heap. Here each of them is an error with
// a sentence.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/base.h"

namespace gossamer::transport::ucx {

class SharedBlock {
 public:
  // Zeroed. In `folder`, a path that ends with the block's life; or of this process alone when it is empty.
  [[nodiscard]] static Result<std::unique_ptr<SharedBlock>> make(const std::string& folder, std::size_t bytes);
  // A peer's block, to read only; `unavailable` when there is no such file of this user here: another host, or it is
  // gone.
  [[nodiscard]] static Result<std::unique_ptr<SharedBlock>> open(const std::string& folder, std::uint64_t name,
                                                                 std::size_t bytes);
  ~SharedBlock();
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  // Random, so that a file of this name can only be this block; 0: of this process alone.
  [[nodiscard]] std::uint64_t name() const { return name_; }

  // The memory is left behind when the block goes: something may still write to it.
  void leave_behind() { keep_mapped_ = true; }

 private:
  SharedBlock() = default;
  void unlink() const;

  std::string folder_;
  std::byte* data_ = nullptr;
  std::size_t mapped_bytes_ = 0;  // whole pages
  std::uint64_t name_ = 0;
  pid_t owner_ = 0;  // whose end removes the file; 0: a peer's
  bool keep_mapped_ = false;
};

}  // namespace gossamer::transport::ucx
