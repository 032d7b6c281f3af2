// Zeroed memory on cache-line boundaries; in huge pages where it is large.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "base/base.h"

namespace gossamer::runtime {

inline constexpr std::size_t buffer_alignment = 64;

[[nodiscard]] constexpr std::size_t align_up(std::size_t bytes) {
  return (bytes + buffer_alignment - 1) / buffer_alignment * buffer_alignment;
}

// Owns `bytes` zeroed bytes; never empty, so that it can always be registered.
class Buffer {
 public:
  Buffer() = default;

  [[nodiscard]] static Result<Buffer> make(std::size_t bytes) {
    Buffer buffer;
    buffer.bytes_ = align_up(bytes == 0 ? 1 : bytes);
    const bool is_large = wants_huge_pages(buffer.bytes_);
    const std::size_t alignment = is_large ? huge_page_bytes : buffer_alignment;
    // What is asked for has to be a multiple of the alignment.
    const std::size_t asked = (buffer.bytes_ + alignment - 1) / alignment * alignment;
    buffer.data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, asked)));
    if (!buffer.data_)
      return Error{Code::out_of_resources, text("no memory for a buffer of ", format_bytes(buffer.bytes_))};
    if (is_large) advise_huge_pages(buffer.data_.get(), buffer.bytes_);
    std::memset(buffer.data_.get(), 0, buffer.bytes_);
    return buffer;
  }

  [[nodiscard]] std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // The first `count` elements as T.
  template <typename T>
  [[nodiscard]] std::span<T> as(std::size_t count) const {
    GOSSAMER_CHECK(count * sizeof(T) <= bytes_, "a view larger than its buffer");
    return {reinterpret_cast<T*>(data_.get()), count};
  }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t bytes_ = 0;
};

}  // namespace gossamer::runtime
