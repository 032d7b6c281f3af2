// Which coordinates can have a large estimate, told from bits instead of cells.
//
// The magnitude of a median of r values exceeds a bound only if (r + 1) / 2 of them do, and whether a cell does is the
// same for all d/c coordinates that share it: one bit. 64 neighbours of a segment have 64 neighbouring cells in each
// row, so
//
//   row 0   ..0100100000..      shifted by the segment's offset in row 0
//   row 1   ..0000100010..                                        row 1
//   row 2   ..1000000010..                                        row 2
//   ------------------------
//   two     ..0000100010..      these coordinates are estimated, and no others
//
// Where few are wanted that is a tenth of the work of estimating all of them; what is found is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "sketch/kernels.h"

namespace gossamer::sketch {

class CellMarks {
 public:
  // Room for the cells of `shape`, a bit each. False without memory.
  [[nodiscard]] bool allocate(const kernels::RowShape& shape);
  [[nodiscard]] std::size_t working_bytes() const;

  // Marks the cells whose keys are above `above`. False where estimating all `coordinates` that will be asked about is
  // faster: where so many would have to be estimated by themselves, or cells are that many. Then keep_above must not be
  // called. At most one pass over the cells.
  [[nodiscard]] bool mark(const kernels::RowShape& shape, const float* rows, std::int32_t above,
                          std::uint64_t coordinates);

  // Of coordinates first, first + 1, ... those whose estimate has a key above `above`, which is at least what was
  // marked: as kernels::keep_above of kernels::estimate_rows, counted from `first_index`. Finite cells.
  std::size_t keep_above(const kernels::RowShape& shape, const float* rows, std::uint64_t first, std::size_t count,
                         std::uint32_t first_index, std::int32_t above, std::uint32_t* indices,
                         std::int32_t* keys) const;

 private:
  [[nodiscard]] std::uint64_t window(std::uint32_t row, std::uint64_t column) const;
  // Bit i: (r + 1) / 2 of the rows have a mark at columns[row] + i.
  template <std::uint32_t rows_known>
  [[nodiscard]] std::uint64_t majority(std::uint32_t rows, const std::uint64_t* columns) const;
  // The same at columns[row] + 64 i for `count` of them.
  template <std::uint32_t rows_known>
  void majorities(const std::uint64_t* columns, std::size_t count, std::uint64_t* bits) const;
  template <std::uint32_t rows_known>
  std::size_t keep(const kernels::RowShape& shape, const float* rows, std::uint64_t first, std::size_t count,
                   std::uint32_t first_index, std::int32_t above, std::uint32_t* indices, std::int32_t* keys) const;

  std::unique_ptr<std::uint64_t[]> words_;  // row after row; a window may begin at any bit of a row, so one word more
  std::size_t words_of_row_ = 0;
  std::uint32_t rows_ = 0;
};

}  // namespace gossamer::sketch
