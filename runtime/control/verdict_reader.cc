#include "runtime/control/verdict_reader.h"

#include <utility>

namespace gossamer::runtime {
namespace {

Error malformed(std::string_view what) { return {Code::malformed, text("rank 0 sent ", what), Rank{0}}; }

}  // namespace

Result<std::optional<wire::Verdict>> VerdictReader::take(const wire::Verdict& verdict) {
  if (arriving_) return malformed("a verdict before the last one was whole");
  if (verdict.more() > rank_count_) return malformed("a verdict with more frames of blobs than ranks");
  arriving_ = verdict;
  bytes_ = 0;
  for (const std::string& blob : verdict.blobs()) bytes_ += blob.size();
  return go_on();
}

Result<std::optional<wire::Verdict>> VerdictReader::take(const wire::Blobs& blobs) {
  if (!arriving_) return malformed("blobs that belong to no verdict");
  if (blobs.blobs().empty()) return malformed("a frame of blobs without any");
  for (const std::string& blob : blobs.blobs()) {
    bytes_ += blob.size();
    arriving_->add_blobs(blob);
  }
  arriving_->set_more(arriving_->more() - 1);
  return go_on();
}

Result<std::optional<wire::Verdict>> VerdictReader::go_on() {
  if (static_cast<std::uint32_t>(arriving_->blobs_size()) > rank_count_)
    return malformed("more blobs than there are ranks");
  if (bytes_ > gathered_bytes_max) return malformed("more bytes of blobs than may be gathered");
  if (arriving_->more() > 0) return std::optional<wire::Verdict>();
  return std::exchange(arriving_, std::nullopt);
}

}  // namespace gossamer::runtime
