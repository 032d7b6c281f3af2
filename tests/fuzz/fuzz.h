// What the fuzz targets share. Each defines LLVMFuzzerTestOneInput, which takes any bytes, returns 0, and stops the
// process (GOSSAMER_CHECK, or a sanitizer) on a finding. It keeps no state from one input to the next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/base.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace gossamer::fuzz {

// The parameters of a case, taken from the front of an input; 0 once it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  // An unsigned integer, little-endian.
  template <typename Number>
  [[nodiscard]] Number take() {
    Number number = 0;
    const std::size_t bytes = std::min(sizeof number, rest_.size());
    if (bytes > 0) std::memcpy(&number, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
    return number;
  }

  // Up to `count` bytes, fewer where the input ends. They end where the input's memory ends when it is used up, so
  // that the address sanitizer sees a read beyond them.
  [[nodiscard]] std::span<const std::byte> take_bytes(std::size_t count) {
    const auto taken = std::as_bytes(rest_.first(std::min(count, rest_.size())));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  [[nodiscard]] std::span<const std::byte> take_rest() { return take_bytes(rest_.size()); }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const std::uint8_t> rest_;
};

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Every refusal has a code that tells the caller to drop the bytes, or to mend them, and says why.
inline void check_refusal(const Error& error, Code expected) {
  GOSSAMER_CHECK(error.code == expected, "a refusal with the wrong code: " + error.message);
  GOSSAMER_CHECK(!error.message.empty(), "a refusal without a reason");
}

}  // namespace gossamer::fuzz
