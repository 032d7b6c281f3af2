// Goal: any bytes are refused as a saved state, or are one whose numbers lie within them and are finite, and which a
// rank can take. Method: the input as it is; and with a right checksum and length, so that what is behind them is
// reached.
#include <cmath>
#include <vector>

#include "fuzz.h"
#include "runtime/session/saved_state.h"
#include "sketch/sketch.h"

namespace {

using namespace gossamer;
using namespace gossamer::runtime;

void check(std::span<const std::byte> bytes) {
  const auto state = read_state("the state", bytes);
  if (!state.ok()) {
    fuzz::check_refusal(state.error(), state.error().code == Code::mismatch ? Code::mismatch : Code::malformed);
    return;
  }
  for (const SavedTensor& tensor : state->tensors) {
    for (const auto& [is_there, at] :
         {std::pair{state->kept.residual, tensor.residual_at}, std::pair{state->kept.momentum, tensor.momentum_at}}) {
      if (!is_there) continue;
      GOSSAMER_CHECK(at + tensor.count * sizeof(float) <= bytes.size(), "numbers beyond the bytes");
      for (std::uint64_t i = 0; i < tensor.count; ++i) {
        float value = 0.0f;
        std::memcpy(&value, bytes.data() + at + i * sizeof value, sizeof value);
        GOSSAMER_CHECK(std::isfinite(value), "a number that is none");
      }
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes);
  if (size < 64) return 0;
  std::vector<std::byte> mended(bytes.begin(), bytes.end());
  const std::uint64_t total = size;
  std::memcpy(mended.data() + 16, &total, sizeof total);
  const std::uint64_t sum =
      mix64(sketch::hash_bytes(std::span(mended).first(24)), sketch::hash_bytes(std::span(mended).subspan(32)));
  std::memcpy(mended.data() + 24, &sum, sizeof sum);
  check(mended);
  return 0;
}
