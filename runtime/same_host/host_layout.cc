#include "runtime/same_host/host_layout.h"

#include <algorithm>

namespace gossamer::runtime {

using topology::HostForm;

namespace {

// What one pass takes of all slices together: parts of an area stay in the cache of a core, so that memory sees a
// payload once, and a synchronisation is little beside it.
constexpr std::uint64_t pass_bytes_max = std::uint64_t{128} << 10;
// And of one slice, where there are many ranks.
constexpr std::uint64_t piece_bytes_min = 2048;

// A line that a peer still has in its cache costs several times as much to write as one that it has dropped. So parts
// are used again late: as late as fits into a core's own cache, and with small payloads after so many passes.
constexpr std::uint64_t parts_bytes_wanted = std::uint64_t{1} << 20;
constexpr std::uint32_t depth_max = 16;

constexpr std::uint64_t cache_lines(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

HostLayout HostLayout::make(topology::Collective collective, std::uint32_t rank_count, Rank root,
                            std::uint64_t bytes_max) {
  HostLayout layout;
  const bool is_inline = bytes_max <= host_inline_bytes_max(rank_count);
  layout.request_ = {collective, is_inline ? HostForm::whole : HostForm::sliced, rank_count, root};
  layout.slice_count_ = topology::host_slice_count(layout.request_);
  if (layout.is_inline()) {
    layout.part_bytes_ = std::max<std::uint64_t>(128, cache_lines(inline_at + bytes_max));
    return layout;
  }
  const std::uint64_t slice_bytes = cache_lines(cache_lines(bytes_max) / layout.slice_count_ + 1);
  const std::uint64_t wanted = std::max(piece_bytes_min, cache_lines(pass_bytes_max / layout.slice_count_));
  layout.piece_bytes_max_ = std::min(slice_bytes, wanted);
  layout.part_bytes_ = layout.slice_count_ * (stamp_bytes + layout.piece_bytes_max_);
  layout.depth_ = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(parts_bytes_wanted / layout.part_bytes_, topology::host_depth, depth_max));
  return layout;
}

HostLayout::Cut HostLayout::cut(std::uint64_t bytes) const {
  if (is_inline() || bytes == 0) return {};
  // The largest slice has this many lines.
  const std::uint64_t lines = (cache_lines(bytes) / 64 + slice_count_ - 1) / slice_count_;
  const std::uint64_t passes = (lines * 64 + piece_bytes_max_ - 1) / piece_bytes_max_;
  const std::uint64_t lines_each = (lines + passes - 1) / passes;
  return {static_cast<std::uint32_t>((lines + lines_each - 1) / lines_each), lines_each * 64};
}

}  // namespace gossamer::runtime
