// The Count-Sketch as a PyTorch script has it: the rival that `gossamer bench sketch` measures beside ours.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gossamer::tools {

// Fair to that script: columns and signs of every coordinate and row are drawn beforehand and kept (columns as
// 64-bit integers, as torch indexes), one thread, each tensor operation a loop over memory of its own:
//
//   encode   for each row: w = sign * v ;  bincount(columns, weights = w, minlength = c)
//   decode   for each row: e = table[columns] * sign ;  median over rows ;  top-k of |median|
//
// Better than torch in one respect: the median of 3 and 5 rows is a network, not a sort.
class BincountSketch {
 public:
  BincountSketch(std::uint64_t seed, std::uint64_t dimension, std::uint32_t rows, std::uint32_t columns);

  [[nodiscard]] static std::uint64_t working_bytes(std::uint64_t dimension, std::uint32_t rows, std::uint32_t columns);

  void encode(std::span<const float> vector, std::span<float> cells);
  // Ascending.
  void decode(std::span<const float> cells, std::span<std::uint32_t> indices);

 private:
  std::uint64_t dimension_;
  std::uint32_t rows_;
  std::uint32_t columns_;
  std::vector<std::int64_t> column_;  // rows_ times dimension_
  std::vector<float> sign_;
  std::vector<float> weights_;                 // dimension_
  std::vector<std::vector<float>> estimates_;  // rows_ times dimension_
  std::vector<std::uint32_t> order_;
};

}  // namespace gossamer::tools
