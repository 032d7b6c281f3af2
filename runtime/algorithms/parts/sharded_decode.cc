#include "runtime/algorithms/parts/sharded_decode.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>

namespace gossamer::runtime {

namespace {

constexpr std::int32_t key_max = std::numeric_limits<std::int32_t>::max();
constexpr sketch::PayloadShape histogram_shape{KeyBuckets::count, 2, sketch::CellType::i32};

// What every part begins with.
struct ShareHeader {
  std::uint64_t above_bytes = 0;  // of the first list
  std::uint64_t key_count = 0;    // one for each index of the second list, or one for all
};

Error malformed(std::string message) { return Error{Code::malformed, std::move(message)}; }

// Whether two ascending lists have an element in common.
bool meet(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  auto at = b.begin();
  for (const std::uint32_t each : a) {
    at = std::find_if(at, b.end(), [each](std::uint32_t other) { return other >= each; });
    if (at != b.end() && *at == each) return true;
  }
  return false;
}

}  // namespace

KeyBuckets KeyBuckets::above(std::int32_t above) {
  if (above < 0) return {0, 20};
  return {above + 1, 13};  // a key counts 2^23 an octave
}

std::uint32_t KeyBuckets::of(std::int32_t key) const {
  return std::min(static_cast<std::uint32_t>(key - base) >> shift, count - 1);
}

std::uint32_t Border::key_bytes() const {
  return (static_cast<std::uint32_t>(std::bit_width(static_cast<std::uint32_t>(high - low))) + 7) / 8;
}

Border find_border(const KeyBuckets& buckets, std::span<const std::uint32_t> counts, std::uint64_t wanted) {
  Border border;
  for (std::uint32_t bucket = KeyBuckets::count; bucket-- != 0;) {
    if (border.above + counts[bucket] < wanted) {
      border.above += counts[bucket];
      continue;
    }
    const std::int64_t low = buckets.base + (std::int64_t{bucket} << buckets.shift);
    const std::int64_t end = low + (std::int64_t{1} << buckets.shift);
    border.low = static_cast<std::int32_t>(std::min<std::int64_t>(low, key_max));
    border.high =
        bucket == KeyBuckets::count - 1 ? key_max : static_cast<std::int32_t>(std::min<std::int64_t>(end - 1, key_max));
    border.wanted = wanted - border.above;
    return border;
  }
  return border;
}

std::uint64_t share_bytes_max(std::uint64_t count_max, std::uint64_t length) {
  // count_max coordinates in one list or the other: each list is at most as long as if it had them all.
  return sizeof(ShareHeader) + 2 * sketch::index_list_bytes_max(count_max, length) + count_max * sizeof(std::int32_t);
}

std::uint64_t write_share(const CandidateShare& share, const Border& border, std::span<std::byte> out) {
  const std::uint32_t width = border.key_bytes();
  auto keys = share.border_keys;
  if (std::adjacent_find(keys.begin(), keys.end(), std::not_equal_to<>()) == keys.end())
    keys = keys.first(std::min<std::size_t>(1, keys.size()));
  ShareHeader header{0, keys.size()};
  std::size_t at = sizeof header;
  GOSSAMER_CHECK(at + header.key_count * width <= out.size(), "write_share: less room than share_bytes_max");
  for (const std::int32_t key : keys) {
    const auto distance = static_cast<std::uint32_t>(key - border.low);
    std::memcpy(out.data() + at, &distance, width);
    at += width;
  }
  header.above_bytes = sketch::encode_index_list(share.above, out.subspan(at));
  at += header.above_bytes;
  at += sketch::encode_index_list(share.border, out.subspan(at));
  std::memcpy(out.data(), &header, sizeof header);
  return at;
}

Result<CandidateShare> read_share(std::span<const std::byte> bytes, std::uint64_t length, const Border& border,
                                  const ShareRoom& room) {
  ShareHeader header;
  if (bytes.size() < sizeof header)
    return malformed(text("a part of ", bytes.size(), " B, expected at least ", sizeof header));
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes = bytes.subspan(sizeof header);
  const std::uint32_t width = border.key_bytes();
  if (header.key_count > room.border.size())
    return malformed(text(header.key_count, " border keys, expected at most ", room.border.size()));
  if (header.key_count * width > bytes.size() || header.above_bytes > bytes.size() - header.key_count * width)
    return malformed(text("claims ", header.key_count, " border keys of ", width, " B and a list of ",
                          header.above_bytes, " B in ", bytes.size(), " B"));
  const std::span<std::int32_t> keys = room.border_keys.first(header.key_count);
  for (std::int32_t& key : keys) {
    std::uint32_t distance = 0;
    std::memcpy(&distance, bytes.data(), width);
    bytes = bytes.subspan(width);
    if (distance > static_cast<std::uint32_t>(border.high - border.low))
      return malformed(
          text("a border key ", distance, " above ", border.low, ", expected at most ", border.high - border.low));
    key = border.low + static_cast<std::int32_t>(distance);
  }
  const auto above = sketch::decode_index_list(bytes.first(header.above_bytes), length, room.above);
  if (!above.ok()) return malformed(text("above the border: ", above.error().message));
  const auto in_border = sketch::decode_index_list(bytes.subspan(header.above_bytes), length, room.border);
  if (!in_border.ok()) return malformed(text("in the border: ", in_border.error().message));
  const bool is_one_for_all = header.key_count == 1 && *in_border > 1;
  if (*in_border != header.key_count && !is_one_for_all)
    return malformed(text(*in_border, " indices in the border with ", header.key_count, " keys"));
  if (is_one_for_all) std::fill_n(room.border_keys.begin() + 1, *in_border - 1, keys.front());
  const CandidateShare share{room.above.first(*above), room.border.first(*in_border),
                             room.border_keys.first(*in_border)};
  if (meet(share.above, share.border)) return malformed("a coordinate stands above the border and in it");
  return share;
}

Result<ShardedDecode> ShardedDecode::make(const AlgorithmContext& context) {
  ShardedDecode self;
  self.dimension_ = context.shape.layout.sparse();
  self.wanted_ = context.shape.candidates;
  self.rank_ = context.rank.value;
  self.rank_count_ = context.rank_count;
  const std::uint64_t longest = (self.dimension_ + self.rank_count_ - 1) / self.rank_count_;
  // Always enough. With `above` keys larger than the border's over all ranks, no rank has more of them, and of those
  // in the border each sends its wanted = |H| - above largest: together at most |H|, and no more than its slice has.
  const std::uint64_t count_max = std::min(self.wanted_, longest);
  self.part_bytes_max_ = share_bytes_max(count_max, longest);
  GOSSAMER_ASSIGN(self.histogram_, Buffer::make(histogram_shape.bytes()));
  GOSSAMER_ASSIGN(self.parts_, Buffer::make(self.rank_count_ * part_stride(self.part_bytes_max_)));
  self.above_.resize(self.wanted_);
  self.border_indices_.resize(self.wanted_ + count_max);
  self.border_keys_.resize(self.wanted_ + count_max);
  return self;
}

Result<Stage> ShardedDecode::histogram_stage(const AlgorithmContext& context) const {
  return merging_stage(context, "histogram", histogram_shape, histogram_.data());
}

Result<Stage> ShardedDecode::candidates_stage(const AlgorithmContext& context) const {
  // Usual are |H| indices over all ranks and a thin border: the room is for the worst.
  const std::uint64_t usual = rank_count_ * sizeof(ShareHeader) + sketch::index_list_bytes_max(wanted_, dimension_);
  return gathering_stage(context, "candidates", part_bytes_max_, usual, parts_.data());
}

sketch::CoordinateRange ShardedDecode::slice_of(std::uint32_t rank) const {
  const std::uint64_t begin = dimension_ * rank / rank_count_;
  return {begin, dimension_ * (std::uint64_t{rank} + 1) / rank_count_ - begin};
}

std::size_t ShardedDecode::own_count_max() const {
  return static_cast<std::size_t>(std::min(wanted_, slice_of(rank_).length));
}

StageSize ShardedDecode::fill_histogram(sketch::CountSketch& sketch) {
  sampled_ = sketch.sample_key(wanted_);
  own_ = sketch.select_range(slice_of(rank_), own_count_max(), sampled_);
  const KeyBuckets buckets = KeyBuckets::above(sampled_);
  const auto counts = histogram_.as<std::uint32_t>(KeyBuckets::count);
  std::fill(counts.begin(), counts.end(), 0u);
  for (const std::int32_t key : own_.keys) ++counts[buckets.of(key)];
  const HashWords words = make_hash_words(static_cast<std::uint32_t>(sampled_));
  write_word(histogram_, histogram_shape, 0, words.least);
  write_word(histogram_, histogram_shape, 1, words.most_inverted);
  return {histogram_shape, 0};
}

Result<StageSize> ShardedDecode::fill_candidates(sketch::CountSketch& sketch) {
  GOSSAMER_TRY(check_hash_words({read_word(histogram_, histogram_shape, 0), read_word(histogram_, histogram_shape, 1)},
                                static_cast<std::uint32_t>(sampled_)));
  // Sums of counts are below 2^32, as the dimension is, and additions of i32 wrap.
  border_ = find_border(KeyBuckets::above(sampled_), histogram_.as<std::uint32_t>(KeyBuckets::count), wanted_);
  if (border_.wanted == 0 && sampled_ < 0)
    return Error{Code::disagreement,
                 text("the ranks counted ", border_.above, " coordinates together, expected at least ", wanted_,
                      ": they do not share one sketch, so nothing was applied")};
  if (border_.wanted == 0) {
    // The sample promised more than there was: all that was counted is in H, and the rest of H is below.
    border_ = {0, sampled_, border_.above, wanted_ - border_.above};
    own_ = sketch.select_range(slice_of(rank_), own_count_max(), -1);
  }
  std::size_t above = 0;
  std::size_t in_border = 0;
  for (std::size_t i = 0; i < own_.keys.size(); ++i) {
    if (own_.keys[i] > border_.high) {
      above_[above++] = own_.offsets[i];
    } else if (own_.keys[i] >= border_.low) {
      border_indices_[in_border] = own_.offsets[i];
      border_keys_[in_border++] = own_.keys[i];
    }
  }
  if (in_border > border_.wanted) {
    static_cast<void>(sketch::keep_largest(std::span(border_indices_).first(in_border),
                                           std::span(border_keys_).first(in_border), border_.wanted));
    in_border = border_.wanted;
  }
  const CandidateShare share{std::span(above_).first(above), std::span(border_indices_).first(in_border),
                             std::span(border_keys_).first(in_border)};
  return StageSize{{}, write_share(share, border_, {part(rank_), static_cast<std::size_t>(part_bytes_max_)})};
}

Status ShardedDecode::merge(std::span<const std::uint64_t> part_bytes, std::span<std::uint32_t> candidates) {
  GOSSAMER_CHECK(part_bytes.size() == rank_count_ && candidates.size() == wanted_, "merge: not this plan's sizes");
  std::size_t above = 0;
  std::size_t in_border = 0;
  const auto cut_border = [&] {
    if (in_border <= border_.wanted) return;
    static_cast<void>(sketch::keep_largest(std::span(border_indices_).first(in_border),
                                           std::span(border_keys_).first(in_border), border_.wanted));
    in_border = border_.wanted;
  };
  for (std::uint32_t rank = 0; rank < rank_count_; ++rank) {
    const sketch::CoordinateRange slice = slice_of(rank);
    const auto room = static_cast<std::size_t>(std::min(border_.wanted, slice.length));
    if (room > border_keys_.size() - in_border) cut_border();
    // Slices ascend with ranks, so what is read behind what came before ascends too, and a tie goes to what is there.
    const auto share = read_share(
        {part(rank), part_bytes[rank]}, slice.length, border_,
        {std::span(above_).subspan(above, border_.above - above), std::span(border_indices_).subspan(in_border, room),
         std::span(border_keys_).subspan(in_border, room)});
    if (!share.ok())
      return Error{Code::malformed, text("candidates of rank ", rank, ": ", share.error().message), Rank{rank}};
    const auto first = static_cast<std::uint32_t>(slice.first);
    for (std::uint32_t& each : std::span(above_).subspan(above, share->above.size())) each += first;
    for (std::uint32_t& each : std::span(border_indices_).subspan(in_border, share->border.size())) each += first;
    above += share->above.size();
    in_border += share->border.size();
  }
  if (above != border_.above || in_border < border_.wanted)
    return Error{Code::malformed, text("the ranks named ", above, " coordinates above the border and ", in_border,
                                       " in it, expected ", border_.above, " and at least ", border_.wanted)};
  cut_border();
  std::merge(above_.begin(), above_.begin() + static_cast<std::ptrdiff_t>(above), border_indices_.begin(),
             border_indices_.begin() + static_cast<std::ptrdiff_t>(in_border), candidates.begin());
  return {};
}

}  // namespace gossamer::runtime
