// The decode of a merged sketch, shared by the ranks: each estimates and selects in its own d/P coordinates, and the
// ranks together find what CountSketch::select_top finds on one.
//
//   slices        | rank 0 | rank 1 | ... |       of the d coordinates
//   histogram     every rank counts the keys of its slice that may be chosen; sum over ranks
//   border        the bucket in which the count of all larger keys reaches |H|; the same on every rank
//   candidates    every rank names what it has above the border, and, with keys, what it has in it; gathered
//   merge         everything above the border, and of what is in it the largest keys: H
//
// Ties go to the lower index in every cut. What a slice may contribute is among its own |H| largest, so no rank
// keeps more, and estimates are made once. Only keys above CountSketch::sample_key are counted, which every rank
// computes by itself; in the rare case that too few are above it, each rank looks once more, at everything.
//
//   payload of the histogram    | 2,048 counts, i32 | hash of the sampled key, ~hash |
//   part of the candidates      | bytes of the first list, 8 B | number of keys, 8 B | keys, 0 to 4 B each |
//                               | index list above the border | index list in it |     offsets in the rank's slice
//
// The keys are those of the second list; one stands for all where they are equal, as with integer cells.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/parts/agreement.h"
#include "runtime/algorithms/parts/context.h"
#include "runtime/algorithms/parts/stages.h"
#include "runtime/engine/buffer.h"

namespace gossamer::runtime {

// Which keys a histogram's buckets hold. Key `base` is the least that is counted.
struct KeyBuckets {
  static constexpr std::uint32_t count = 2048;
  std::int32_t base = 0;
  std::uint32_t shift = 20;

  // Buckets for keys above `above`: narrow ones, two octaves and the rest in the last, since a sampled key is close
  // to the border; for all keys (-1) 1/8 octave each, which reach to infinity.
  [[nodiscard]] static KeyBuckets above(std::int32_t above);
  [[nodiscard]] std::uint32_t of(std::int32_t key) const;  // key >= base
};

// Where the |H| largest keys end: `above` keys are larger than `high`, and `wanted` more come from [low, high].
struct Border {
  std::int32_t low = 0;
  std::int32_t high = 0;
  std::uint64_t above = 0;
  std::uint64_t wanted = 0;
  // Of a key on the wire, as its distance from `low`: none where they are all equal.
  [[nodiscard]] std::uint32_t key_bytes() const;
};

// The border of the `wanted` largest keys; wanted is 0 where the buckets together hold fewer, which `above` counts.
[[nodiscard]] Border find_border(const KeyBuckets& buckets, std::span<const std::uint32_t> counts,
                                 std::uint64_t wanted);

// One rank's part. Offsets ascend; none stands in both lists.
struct CandidateShare {
  std::span<const std::uint32_t> above;
  std::span<const std::uint32_t> border;
  std::span<const std::int32_t> border_keys;
};
// Most bytes of a part that names `count_max` coordinates of a slice of `length`, for any border.
[[nodiscard]] std::uint64_t share_bytes_max(std::uint64_t count_max, std::uint64_t length);
// Returns the bytes used of `out`.
[[nodiscard]] std::uint64_t write_share(const CandidateShare& share, const Border& border, std::span<std::byte> out);
// Where a part is read to; it may name as many coordinates as there is room.
struct ShareRoom {
  std::span<std::uint32_t> above;
  std::span<std::uint32_t> border;
  std::span<std::int32_t> border_keys;
};
// Reads untrusted bytes: `malformed` if anything does not fit the slice's length, the border or the room.
[[nodiscard]] Result<CandidateShare> read_share(std::span<const std::byte> bytes, std::uint64_t length,
                                                const Border& border, const ShareRoom& room);

class ShardedDecode {
 public:
  [[nodiscard]] static Result<ShardedDecode> make(const AlgorithmContext& context);
  [[nodiscard]] Result<Stage> histogram_stage(const AlgorithmContext& context) const;
  [[nodiscard]] Result<Stage> candidates_stage(const AlgorithmContext& context) const;

  // With the merged sketch loaded: looks at this rank's slice and fills the histogram. No other selection of
  // `sketch` may come before fill_candidates.
  StageSize fill_histogram(sketch::CountSketch& sketch);
  // After the histogram was summed: finds the border and fills this rank's part.
  [[nodiscard]] Result<StageSize> fill_candidates(sketch::CountSketch& sketch);
  // After the parts were gathered: writes H, ascending. `malformed` names the rank whose part is wrong; every rank
  // reads the same parts and finds the same.
  [[nodiscard]] Status merge(std::span<const std::uint64_t> part_bytes, std::span<std::uint32_t> candidates);

 private:
  [[nodiscard]] sketch::CoordinateRange slice_of(std::uint32_t rank) const;
  [[nodiscard]] std::size_t own_count_max() const;
  [[nodiscard]] std::byte* part(std::uint32_t rank) const {
    return parts_.data() + rank * part_stride(part_bytes_max_);
  }

  std::uint64_t dimension_ = 0;
  std::uint64_t wanted_ = 0;  // |H|
  std::uint32_t rank_ = 0;
  std::uint32_t rank_count_ = 1;
  std::uint64_t part_bytes_max_ = 0;
  Buffer histogram_;
  Buffer parts_;
  std::int32_t sampled_ = -1;
  sketch::KeyedCoordinates own_;  // the sketch's
  Border border_;
  std::vector<std::uint32_t> above_;  // these three: first of this rank's slice, then of all
  std::vector<std::uint32_t> border_indices_;
  std::vector<std::int32_t> border_keys_;
};

}  // namespace gossamer::runtime
