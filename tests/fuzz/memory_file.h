// A file in memory with a path, for decoders that open what they read.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

namespace gossamer::fuzz {

class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    GOSSAMER_CHECK(descriptor_ >= 0, "a file in memory");
    GOSSAMER_CHECK(::write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
                   "a small write to memory");
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] static std::string folder() { return "/proc/self/fd"; }
  [[nodiscard]] std::string name() const { return std::to_string(descriptor_); }
  [[nodiscard]] std::string path() const { return folder() + "/" + name(); }

 private:
  int descriptor_;
};

}  // namespace gossamer::fuzz
