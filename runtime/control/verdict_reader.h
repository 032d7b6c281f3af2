// A verdict on its way from rank 0: itself, then the frames of blobs that belong to it. No network.
#pragma once

#include <cstdint>
#include <optional>

#include "base/base.h"
#include "runtime/control/wire.h"

namespace gossamer::runtime {

// One connection's. What it holds is bounded, whatever rank 0 says: by gathered_bytes_max, and a blob for each rank.
class VerdictReader {
 public:
  explicit VerdictReader(std::uint32_t rank_count) : rank_count_(rank_count) {}

  // The next frame, of either kind. The whole verdict where this was its last one. `malformed`: a verdict before the
  // one under way is whole, blobs that belong to none, none in a frame, or too many.
  [[nodiscard]] Result<std::optional<wire::Verdict>> take(const wire::Verdict& verdict);
  [[nodiscard]] Result<std::optional<wire::Verdict>> take(const wire::Blobs& blobs);

 private:
  [[nodiscard]] Result<std::optional<wire::Verdict>> go_on();

  const std::uint32_t rank_count_;
  std::optional<wire::Verdict> arriving_;  // its `more` counts down
  std::uint64_t bytes_ = 0;                // of its blobs
};

}  // namespace gossamer::runtime
