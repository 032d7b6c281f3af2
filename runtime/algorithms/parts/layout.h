// Where the tensors of a compressor lie in its flat vectors.
//
//   the caller's order   | w1 | b1 (exact) | w2 | b2 (exact) |
//   in our vectors       | w1 | w2 | b1 | b2 |
//                        |<sparse>|<exact>|
//
// Exact tensors come last, so that the sketch covers one unbroken range.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/base.h"

namespace gossamer::runtime {

struct Tensor {
  std::string name;
  std::uint64_t count = 0;
  bool exact = false;
};

class Layout {
 public:
  // Fails with invalid_argument: no tensors, an empty one, two of one name, more than 2^32 - 1 elements.
  [[nodiscard]] static Result<Layout> make(std::vector<Tensor> tensors);

  [[nodiscard]] std::uint64_t dimension() const { return dimension_; }
  [[nodiscard]] std::uint64_t sparse() const { return sparse_; }  // elements that are not exact; they come first
  [[nodiscard]] std::uint64_t exact() const { return dimension_ - sparse_; }
  [[nodiscard]] std::size_t tensor_count() const { return tensors_.size(); }
  [[nodiscard]] const Tensor& tensor(std::size_t i) const { return tensors_[i]; }
  // Where the tensor begins in our vectors, and in the concatenation in the caller's order.
  [[nodiscard]] std::uint64_t inner_offset(std::size_t i) const { return inner_[i]; }
  [[nodiscard]] std::uint64_t outer_offset(std::size_t i) const { return outer_[i]; }

  // Calls use(tensor, offset in the tensor, position, count) for each tensor's part of positions [first, first +
  // count) of our vectors, ascending.
  template <typename Use>
  void for_each_part(std::uint64_t first, std::uint64_t count, const Use& use) const {
    for (std::size_t at = place_of(first); count != 0; ++at) {
      const std::size_t i = by_inner_[at];
      const std::uint64_t offset = first - inner_[i];
      const std::uint64_t part = std::min(count, tensors_[i].count - offset);
      use(i, offset, first, part);
      first += part;
      count -= part;
    }
  }

  // The tensor at a position in the caller's order, and where in it.
  struct Place {
    std::size_t tensor = 0;
    std::uint64_t offset = 0;
  };
  [[nodiscard]] Place place_outside(std::uint64_t position) const;
  // The same position in the caller's order.
  [[nodiscard]] std::uint64_t to_outer(std::uint64_t inner) const;

  // Turns positions in our vectors, ascending, into positions in the caller's order.
  void to_outer(std::span<const std::uint32_t> inner, std::span<std::uint32_t> outer) const;

 private:
  // Which of by_inner_ holds this position.
  [[nodiscard]] std::size_t place_of(std::uint64_t position) const;

  std::vector<Tensor> tensors_;
  std::vector<std::uint64_t> inner_;
  std::vector<std::uint64_t> outer_;
  std::vector<std::size_t> by_inner_;  // tensors in the order of our vectors
  std::uint64_t dimension_ = 0;
  std::uint64_t sparse_ = 0;
};

}  // namespace gossamer::runtime
