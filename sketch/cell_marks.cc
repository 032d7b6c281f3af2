#include "sketch/cell_marks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <new>

#include "sketch/hash.h"

namespace gossamer::sketch {
namespace {

constexpr std::uint64_t word_bits = 64;

// Floats in order as integers, and the key of such a one: unlike floats, these have an order with NaN too.
std::int32_t in_order(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}
std::int32_t key_in_order(std::int32_t value) { return (value ^ (value >> 31)) & 0x7fffffff; }

std::int32_t median_of(std::int32_t* values, std::uint32_t count) {
  if (count == 1) return values[0];
  if (count == 3) return std::max(std::min(values[0], values[1]), std::min(std::max(values[0], values[1]), values[2]));
  std::nth_element(values, values + count / 2, values + count);
  return values[count / 2];
}

// The share of coordinates that have a mark in a majority of rows, from the share of marks in each row.
double majority_share(const double* shares, std::uint32_t rows) {
  std::array<double, rows_max + 1> of_count = {1.0};
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::uint32_t count = row + 1; count > 0; --count)
      of_count[count] = of_count[count] * (1 - shares[row]) + of_count[count - 1] * shares[row];
    of_count[0] *= 1 - shares[row];
  }
  double share = 0.0;
  for (std::uint32_t count = (rows + 1) / 2; count <= rows; ++count) share += of_count[count];
  return share;
}

}  // namespace

bool CellMarks::allocate(const kernels::RowShape& shape) {
  rows_ = shape.rows;
  words_of_row_ = shape.row_stride / word_bits + 2;
  words_.reset(new (std::nothrow) std::uint64_t[rows_ * words_of_row_]);
  return words_ != nullptr;
}

std::size_t CellMarks::working_bytes() const { return rows_ * words_of_row_ * sizeof(std::uint64_t); }

bool CellMarks::mark(const kernels::RowShape& shape, const float* rows, std::int32_t above, std::uint64_t coordinates) {
  // Measured: a coordinate by itself takes as long as 40 by SIMD, marking a cell as long as estimating one coordinate.
  constexpr double share_max = 1.0 / 64;
  constexpr std::uint64_t coordinates_per_cell = 4;
  constexpr std::size_t sampled_words = 16;
  if (coordinates < coordinates_per_cell * rows_ * shape.columns) return false;
  std::array<double, rows_max> shares{};
  // The first words of each row tell at once where there are far too many.
  for (const bool is_sample : {true, false}) {
    for (std::uint32_t row = 0; row < rows_; ++row) {
      const float* const cells = rows + row * shape.row_stride;
      std::uint64_t* const words = words_.get() + row * words_of_row_;
      const std::size_t whole = std::min(shape.row_stride / word_bits, is_sample ? sampled_words : words_of_row_);
      kernels::mark_above(cells, whole, above, words);
      std::fill(words + whole, words + words_of_row_, std::uint64_t{0});
      const std::size_t end = is_sample ? whole * word_bits : shape.row_stride;
      for (std::size_t i = whole * word_bits; i < end; ++i)
        words[whole] |= static_cast<std::uint64_t>(kernels::key_of(cells[i]) > above) << i % word_bits;
      std::uint64_t marked = 0;
      for (std::size_t w = 0; w < words_of_row_; ++w) marked += static_cast<std::uint64_t>(std::popcount(words[w]));
      const auto looked_at = static_cast<double>(std::max<std::size_t>(1, std::min<std::size_t>(end, shape.columns)));
      shares[row] = std::min(1.0, static_cast<double>(marked) / looked_at);
    }
    if (majority_share(shares.data(), rows_) > (is_sample ? 2 : 1) * share_max) return false;
  }
  return true;
}

std::uint64_t CellMarks::window(std::uint32_t row, std::uint64_t column) const {
  const std::uint64_t* const word = words_.get() + row * words_of_row_ + column / word_bits;
  const std::uint64_t shift = column % word_bits;
  return (word[0] >> shift) | (word[1] << 1 << (word_bits - 1 - shift));
}

template <std::uint32_t rows_known>
std::uint64_t CellMarks::majority(std::uint32_t rows, const std::uint64_t* columns) const {
  if constexpr (rows_known == 1) return window(0, columns[0]);
  // 64 counters of four bits, side by side; then whether adding 16 - (r + 1) / 2 carries out of them.
  std::array<std::uint64_t, 4> count{};
  for (std::uint32_t row = 0; row < rows; ++row) {
    std::uint64_t carry = window(row, columns[row]);
    for (std::uint64_t& bit : count) {
      const std::uint64_t sum = bit ^ carry;
      carry &= bit;
      bit = sum;
    }
  }
  const std::uint32_t added = 16 - (rows + 1) / 2;
  std::uint64_t carry = 0;
  for (std::uint32_t bit = 0; bit < count.size(); ++bit)
    carry = ((added >> bit) & 1) != 0 ? count[bit] | carry : count[bit] & carry;
  return carry;
}

template <std::uint32_t rows_known>
void CellMarks::majorities(const std::uint64_t* columns, std::size_t count, std::uint64_t* bits) const {
  if constexpr (rows_known == 3) {  // one shift for all words of a row: the compiler's SIMD does it
    const std::uint64_t* rows[3];
    std::uint64_t shifts[3];
    for (std::uint32_t row = 0; row < 3; ++row) {
      rows[row] = words_.get() + row * words_of_row_ + columns[row] / word_bits;
      shifts[row] = columns[row] % word_bits;
    }
    const auto window_at = [&](int row, std::size_t i) {
      return (rows[row][i] >> shifts[row]) | (rows[row][i + 1] << 1 << (word_bits - 1 - shifts[row]));
    };
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t a = window_at(0, i), b = window_at(1, i), c = window_at(2, i);
      bits[i] = (a & b) | ((a | b) & c);
    }
  } else {
    std::array<std::uint64_t, rows_max> moved;
    std::copy_n(columns, rows_, moved.begin());
    for (std::size_t i = 0; i < count; ++i) {
      bits[i] = majority<rows_known>(rows_, moved.data());
      for (std::uint32_t row = 0; row < rows_; ++row) moved[row] += word_bits;
    }
  }
}

template <std::uint32_t rows_known>
std::size_t CellMarks::keep(const kernels::RowShape& shape, const float* rows, std::uint64_t first, std::size_t count,
                            std::uint32_t first_index, std::int32_t above, std::uint32_t* indices,
                            std::int32_t* keys) const {
  constexpr std::size_t words_max = segment_length_max / word_bits;
  const std::uint32_t length = segment_length(shape.columns);
  const std::uint32_t row_count = rows_known != 0 ? rows_known : rows_;
  std::uint64_t segment = first / length;
  auto position = static_cast<std::uint32_t>(first % length);
  std::size_t kept = 0;
  std::array<std::uint64_t, rows_max> columns;
  std::array<std::int32_t, rows_max> values;
  std::array<std::uint64_t, words_max> words;
  std::array<std::uint64_t, words_max + 1> some;  // words with a bit, and where they begin
  std::array<std::uint32_t, words_max + 1> begins;
  for (; count != 0; ++segment, position = 0) {
    const SegmentHash hash = segment_hash(shape.seed, segment);
    for (std::uint32_t row = 0; row < row_count; ++row)
      columns[row] = std::uint64_t{segment_offset(hash, row, shape.columns)} + position;
    const std::size_t part = std::min<std::size_t>(count, length - position);
    const std::size_t word_count = (part + word_bits - 1) / word_bits;
    majorities<rows_known>(columns.data(), word_count, words.data());
    if (part % word_bits != 0) words[word_count - 1] &= (std::uint64_t{1} << part % word_bits) - 1;
    std::size_t used = 0;
    std::size_t found = 0;
    for (std::size_t word = 0; word < word_count; ++word) {
      some[used] = words[word];
      begins[used] = static_cast<std::uint32_t>(word * word_bits);
      used += words[word] != 0 ? 1U : 0U;
      found += static_cast<std::size_t>(std::popcount(words[word]));
    }
    some[used] = 0;
    std::size_t word = 0;
    std::uint64_t bits = some[0];
    for (; found != 0; --found) {  // over the bits of all words: how many one has cannot be predicted
      const std::uint32_t i = begins[word] + static_cast<std::uint32_t>(std::countr_zero(bits));
      const std::uint32_t signs = sign_bits(hash, position + i);
      for (std::uint32_t row = 0; row < row_count; ++row) {
        const auto cell = std::bit_cast<std::uint32_t>(rows[row * shape.row_stride + columns[row] + i]);
        values[row] = in_order(std::bit_cast<float>(cell ^ ((signs << row) & 0x80000000u)));
      }
      const std::int32_t key = key_in_order(median_of(values.data(), row_count));
      indices[kept] = first_index + i;
      keys[kept] = key;
      kept += key > above ? 1U : 0U;
      bits &= bits - 1;
      word += bits == 0 ? 1U : 0U;
      bits = bits == 0 ? some[word] : bits;
    }
    first_index += static_cast<std::uint32_t>(part);
    count -= part;
  }
  return kept;
}

std::size_t CellMarks::keep_above(const kernels::RowShape& shape, const float* rows, std::uint64_t first,
                                  std::size_t count, std::uint32_t first_index, std::int32_t above,
                                  std::uint32_t* indices, std::int32_t* keys) const {
  switch (rows_) {
    case 1:
      return keep<1>(shape, rows, first, count, first_index, above, indices, keys);
    case 3:
      return keep<3>(shape, rows, first, count, first_index, above, indices, keys);
    default:
      return keep<0>(shape, rows, first, count, first_index, above, indices, keys);
  }
}

}  // namespace gossamer::sketch
