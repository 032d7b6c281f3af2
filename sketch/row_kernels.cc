// Kernels that know the sketch: encode, fold, estimate.
#include <cstring>

#include "sketch/hash.h"
#include "sketch/kernels.h"
#include "sketch/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sketch/row_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace gossamer::sketch::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using WordTag = hn::RebindToUnsigned<FloatTag>;
using Floats = hn::Vec<FloatTag>;
using Words = hn::Vec<WordTag>;
inline constexpr std::size_t lanes = hn::MaxLanes(FloatTag());
static_assert(lanes <= lanes_max);

// The counter hash of hash.h for `lanes` coordinates at a time.
class SignStream {
 public:
  HWY_INLINE SignStream(const SegmentHash& hash, std::uint32_t position)
      : counter_(hn::Add(hn::Mul(hn::Iota(WordTag(), position), hn::Set(WordTag(), sign_step)),
                         hn::Set(WordTag(), hash.sign_key_first))),
        key_(hn::Set(WordTag(), hash.sign_key_second)) {}

  HWY_INLINE Words next() {
    Words x = counter_;
    counter_ = hn::Add(counter_, hn::Set(WordTag(), static_cast<std::uint32_t>(lanes) * sign_step));
    x = hn::Xor(x, hn::ShiftRight<sign_shift_first>(x));
    x = hn::Mul(x, hn::Set(WordTag(), sign_multiplier_first));
    x = hn::Xor(hn::Xor(x, hn::ShiftRight<sign_shift_second>(x)), key_);
    return hn::Mul(x, hn::Set(WordTag(), sign_multiplier_second));
  }

 private:
  Words counter_;
  Words key_;
};

// +-value, negated where bit 31 - row is set.
template <int row>
HWY_INLINE Floats with_sign(Floats value, Words bits) {
  const FloatTag d;
  return hn::Xor(value, hn::BitCast(d, hn::And(hn::ShiftLeft<row>(bits), hn::Set(WordTag(), 0x80000000u))));
}

// ---- encode ----------------------------------------------------------------------------------

// What rows are made of: how a value becomes something to add, and how its sign turns.
struct FloatCells {
  using Cell = float;
  using Vector = Floats;

  HWY_INLINE static Vector load(const Cell* at) { return hn::LoadU(FloatTag(), at); }
  HWY_INLINE static void store(Vector cells, Cell* at) { hn::StoreU(cells, FloatTag(), at); }
  HWY_INLINE Vector of(Floats value) const { return value; }
  template <int row>
  HWY_INLINE static Vector turned(Vector value, Words bits) {
    return with_sign<row>(value, bits);
  }
};

struct FixedCells {
  using Cell = std::int32_t;
  using Tag = hn::RebindToSigned<FloatTag>;
  using Vector = hn::Vec<Tag>;

  HWY_INLINE static Vector load(const Cell* at) { return hn::LoadU(Tag(), at); }
  HWY_INLINE static void store(Vector cells, Cell* at) { hn::StoreU(cells, Tag(), at); }
  HWY_INLINE Vector of(Floats value) const { return hn::NearestInt(hn::Mul(value, hn::Set(FloatTag(), scale))); }
  template <int row>
  HWY_INLINE static Vector turned(Vector value, Words bits) {
    const Vector all_if_negated = hn::ShiftRight<31>(hn::BitCast(Tag(), hn::ShiftLeft<row>(bits)));
    return hn::Sub(hn::Xor(value, all_if_negated), all_if_negated);
  }

  float scale = 0.0f;
};

template <class Cells, std::size_t row, std::size_t rows>
HWY_INLINE void add_to_rows(typename Cells::Vector value, Words bits, typename Cells::Cell* const* windows,
                            std::size_t i) {
  if constexpr (row < rows) {
    typename Cells::Cell* const window = windows[row] + i;
    Cells::store(hn::Add(Cells::load(window), Cells::template turned<static_cast<int>(row)>(value, bits)), window);
    add_to_rows<Cells, row + 1, rows>(value, bits, windows, i);
  }
}

// What is fetched while values are added. From memory: hardware prefetch stops at page ends and loses the vector among
// so many streams. Four segments ahead into the second level and half a one into the first: encoding takes 0.7 of the
// time.
struct FetchValues {
  HWY_INLINE void operator()(const float* values, std::size_t i) const {
    __builtin_prefetch(values + i + segment_length_max / 2);
    __builtin_prefetch(values + i + 4 * segment_length_max, 0, 2);
  }
  HWY_INLINE FetchValues from(std::size_t) const { return *this; }
};

// What the next values will be made from.
struct FetchUpcoming {
  const float* streams[3];
  HWY_INLINE void operator()(const float*, std::size_t i) const {
    for (const float* stream : streams) __builtin_prefetch(stream + i, 0, 2);
  }
  HWY_INLINE FetchUpcoming from(std::size_t done) const {
    return {{streams[0] + done, streams[1] + done, streams[2] + done}};
  }
};

// `count` coordinates of one segment, from `position` on, into `rows` rows from `first_row` on. `windows` begin where
// the first coordinate goes.
template <class Cells, std::size_t rows, class Fetch>
void encode_window(const Cells& cells, const Fetch& fetch, const SegmentHash& hash, std::uint32_t position,
                   std::uint32_t first_row, const float* HWY_RESTRICT values, std::size_t count,
                   typename Cells::Cell* const* windows) {
  SignStream signs(hash, position);
  const auto turn = static_cast<int>(first_row);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    fetch(values, i);
    add_to_rows<Cells, 0, rows>(cells.of(hn::LoadU(FloatTag(), values + i)), hn::ShiftLeftSame(signs.next(), turn),
                                windows, i);
  }
  if (i < count) {  // lanes past the end add a zero of either sign, which changes no cell
    HWY_ALIGN float tail[lanes] = {};
    std::memcpy(tail, values + i, (count - i) * sizeof(float));
    add_to_rows<Cells, 0, rows>(cells.of(hn::Load(FloatTag(), tail)), hn::ShiftLeftSame(signs.next(), turn), windows,
                                i);
  }
}

// More rows at a time need more registers than there are; the segment stays in the first cache level for the rest.
constexpr std::uint32_t rows_at_once = 5;

template <class Cells, class Fetch>
void encode_with(const Cells& cells, Fetch fetch, const RowShape& shape, const RowRange& range,
                 const float* HWY_RESTRICT values, std::uint64_t first, std::size_t count,
                 typename Cells::Cell* rows_begin) {
  const std::uint32_t length = segment_length(shape.columns);
  std::uint64_t segment = first / length;
  auto position = static_cast<std::uint32_t>(first % length);
  const std::uint32_t groups = (range.count + rows_at_once - 1) / rows_at_once;
  for (; count != 0; ++segment, position = 0) {
    const SegmentHash hash = segment_hash(shape.seed, segment);
    const std::size_t part = count < length - position ? count : length - position;
    for (std::uint32_t group = 0; group < groups; ++group) {
      const std::uint32_t begin = range.first + range.count * group / groups;
      const std::uint32_t end = range.first + range.count * (group + 1) / groups;
      typename Cells::Cell* windows[rows_at_once];
      for (std::uint32_t row = begin; row < end; ++row) {
        windows[row - begin] =
            rows_begin + row * shape.row_stride + segment_offset(hash, row, shape.columns) + position;
      }
      switch (end - begin) {
        case 1:
          encode_window<Cells, 1>(cells, fetch, hash, position, begin, values, part, windows);
          break;
        case 2:
          encode_window<Cells, 2>(cells, fetch, hash, position, begin, values, part, windows);
          break;
        case 3:
          encode_window<Cells, 3>(cells, fetch, hash, position, begin, values, part, windows);
          break;
        case 4:
          encode_window<Cells, 4>(cells, fetch, hash, position, begin, values, part, windows);
          break;
        default:
          encode_window<Cells, 5>(cells, fetch, hash, position, begin, values, part, windows);
      }
    }
    values += part;
    count -= part;
    fetch = fetch.from(part);
  }
}

void encode_rows(const RowShape& shape, const RowRange& range, const float* values, std::uint64_t first,
                 std::size_t count, float* rows) {
  encode_with(FloatCells(), FetchValues(), shape, range, values, first, count, rows);
}

void encode_rows_fetching(const RowShape& shape, const RowRange& range, const float* values, std::uint64_t first,
                          std::size_t count, float* rows, const CountSketch::Upcoming& upcoming) {
  FetchUpcoming fetch{};
  for (std::size_t i = 0; i < upcoming.streams.size(); ++i)  // what is in cache costs nothing
    fetch.streams[i] = upcoming.streams[i] != nullptr ? upcoming.streams[i] : values;
  encode_with(FloatCells(), fetch, shape, range, values, first, count, rows);
}

void encode_rows_fixed(const RowShape& shape, float scale, const float* values, std::uint64_t first, std::size_t count,
                       std::int32_t* rows) {
  encode_with(FixedCells{scale}, FetchValues(), shape, {0, shape.rows}, values, first, count, rows);
}

void fold_rows_fixed(const RowShape& shape, std::int32_t* rows) {
  const std::size_t length = segment_length(shape.columns);
  for (std::size_t row = 0; row < shape.rows; ++row) {
    auto* const cells = reinterpret_cast<std::uint32_t*>(rows + row * shape.row_stride);
    for (std::size_t b = 0; b < length; ++b) cells[b] += cells[shape.columns + b];
  }
}

void fold_rows(const RowShape& shape, const float* rows, float* cells) {
  const FloatTag d;
  const std::size_t length = segment_length(shape.columns);
  for (std::size_t row = 0; row < shape.rows; ++row) {
    const float* const from = rows + row * shape.row_stride;
    float* const to = cells + row * shape.columns;
    std::size_t b = 0;
    for (; b + lanes <= length; b += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, from + b), hn::LoadU(d, from + shape.columns + b)), d, to + b);
    }
    for (; b < length; ++b) to[b] = from[b] + from[shape.columns + b];
    std::memcpy(to + length, from + length, (shape.columns - length) * sizeof(float));
  }
}

// ---- estimate --------------------------------------------------------------------------------

template <std::size_t a, std::size_t b>
HWY_INLINE void order(Floats* s) {
  const Floats low = hn::Min(s[a], s[b]);
  s[b] = hn::Max(s[a], s[b]);
  s[a] = low;
}

template <std::size_t i, std::size_t n>
HWY_INLINE void order_mirrored(Floats* s) {
  if constexpr (i < n / 2) {
    order<i, n - 1 - i>(s);
    order_mirrored<i + 1, n>(s);
  }
}

template <std::size_t i, std::size_t n>
HWY_INLINE void extremes_outward(Floats* s) {
  if constexpr (i < (n + 1) / 2) {
    order<0, i>(s);
    order<n - 1 - i, n - 1>(s);
    extremes_outward<i + 1, n>(s);
  }
}

// The median of `rows` values by forgetting: of any (rows + 1) / 2 + 1 of them the least and the greatest
// cannot be the median; drop both, take in the next value, repeat. For 3, 5 and 7 rows these are the
// shortest known networks (3, 7 and 13 exchanges).
template <std::size_t n>
HWY_INLINE Floats median_of(Floats* s, const Floats* rest) {
  if constexpr (n == 1) {
    return s[0];
  } else {
    order_mirrored<0, n>(s);
    extremes_outward<1, n>(s);
    if constexpr (n == 3) {
      return s[1];
    } else {
      s[n - 1] = *rest;
      return median_of<n - 1>(s + 1, rest + 1);
    }
  }
}

template <std::size_t row, std::size_t rows>
HWY_INLINE void read_rows(Words bits, const float* const* windows, std::size_t i, Floats* s) {
  if constexpr (row < rows) {
    s[row] = with_sign<static_cast<int>(row)>(hn::LoadU(FloatTag(), windows[row] + i), bits);
    read_rows<row + 1, rows>(bits, windows, i, s);
  }
}

// Adding +0 makes one zero of both, whatever min and max do with their signs on this target.
template <std::size_t rows>
HWY_INLINE Floats estimate_lanes(Words bits, const float* const* windows, std::size_t i) {
  Floats s[rows];
  read_rows<0, rows>(bits, windows, i, s);
  constexpr std::size_t first = rows == 1 ? 1 : (rows + 1) / 2 + 1;
  return hn::Add(median_of<first>(s, s + first), hn::Zero(FloatTag()));
}

template <std::size_t rows>
void estimate_with(const RowShape& shape, const float* rows_begin, std::uint64_t first, float* HWY_RESTRICT estimates,
                   std::size_t count) {
  const FloatTag d;
  const std::uint32_t length = segment_length(shape.columns);
  std::uint64_t segment = first / length;
  std::uint32_t position = static_cast<std::uint32_t>(first % length);
  for (; count != 0; ++segment, position = 0) {
    const SegmentHash hash = segment_hash(shape.seed, segment);
    const float* windows[rows];
    for (std::uint32_t row = 0; row < rows; ++row) {
      windows[row] = rows_begin + row * shape.row_stride + segment_offset(hash, row, shape.columns) + position;
    }
    const std::size_t part = count < length - position ? count : length - position;
    SignStream signs(hash, position);
    std::size_t i = 0;
    for (; i + lanes <= part; i += lanes) {
      hn::StoreU(estimate_lanes<rows>(signs.next(), windows, i), d, estimates + i);
    }
    if (i < part) {
      HWY_ALIGN float tail[lanes];
      hn::Store(estimate_lanes<rows>(signs.next(), windows, i), d, tail);
      std::memcpy(estimates + i, tail, (part - i) * sizeof(float));
    }
    estimates += part;
    count -= part;
  }
}

void estimate_rows(const RowShape& shape, const float* rows, std::uint64_t first, float* estimates, std::size_t count) {
  switch (shape.rows) {
    case 1:
      return estimate_with<1>(shape, rows, first, estimates, count);
    case 3:
      return estimate_with<3>(shape, rows, first, estimates, count);
    case 5:
      return estimate_with<5>(shape, rows, first, estimates, count);
    case 7:
      return estimate_with<7>(shape, rows, first, estimates, count);
    case 9:
      return estimate_with<9>(shape, rows, first, estimates, count);
    case 11:
      return estimate_with<11>(shape, rows, first, estimates, count);
    case 13:
      return estimate_with<13>(shape, rows, first, estimates, count);
    default:
      return estimate_with<15>(shape, rows, first, estimates, count);
  }
}

}  // namespace gossamer::sketch::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gossamer::sketch::kernels {

HWY_EXPORT(encode_rows);
HWY_EXPORT(encode_rows_fetching);
HWY_EXPORT(encode_rows_fixed);
HWY_EXPORT(fold_rows);
HWY_EXPORT(fold_rows_fixed);
HWY_EXPORT(estimate_rows);

void encode_rows(const RowShape& shape, const RowRange& range, const float* values, std::uint64_t first,
                 std::size_t count, float* rows) {
  HWY_DYNAMIC_DISPATCH(encode_rows)(shape, range, values, first, count, rows);
}

void encode_rows_fetching(const RowShape& shape, const RowRange& range, const float* values, std::uint64_t first,
                          std::size_t count, float* rows, const CountSketch::Upcoming& upcoming) {
  HWY_DYNAMIC_DISPATCH(encode_rows_fetching)(shape, range, values, first, count, rows, upcoming);
}

void encode_rows_fixed(const RowShape& shape, float scale, const float* values, std::uint64_t first, std::size_t count,
                       std::int32_t* rows) {
  HWY_DYNAMIC_DISPATCH(encode_rows_fixed)(shape, scale, values, first, count, rows);
}

void fold_rows_fixed(const RowShape& shape, std::int32_t* rows) { HWY_DYNAMIC_DISPATCH(fold_rows_fixed)(shape, rows); }

void fold_rows(const RowShape& shape, const float* rows, float* cells) {
  HWY_DYNAMIC_DISPATCH(fold_rows)(shape, rows, cells);
}

void estimate_rows(const RowShape& shape, const float* rows, std::uint64_t first, float* estimates, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(estimate_rows)(shape, rows, first, estimates, count);
}

}  // namespace gossamer::sketch::kernels
#endif  // HWY_ONCE
