#include "runtime/algorithms/parts/layout.h"

#include <limits>
#include <set>

namespace gossamer::runtime {

Result<Layout> Layout::make(std::vector<Tensor> tensors) {
  if (tensors.empty())
    return Error{Code::invalid_argument,
                 "a compressor needs at least one tensor, got none: set tensors and tensor_count"};
  Layout layout;
  std::set<std::string> names;
  for (const Tensor& tensor : tensors) {
    if (tensor.count == 0)
      return Error{Code::invalid_argument, text("tensor \"", tensor.name, "\" has no elements: leave it out")};
    if (!names.insert(tensor.name).second)
      return Error{Code::invalid_argument, text("two tensors are named \"", tensor.name, "\": give each its own name")};
    layout.outer_.push_back(layout.dimension_);
    if (tensor.count > std::numeric_limits<std::uint32_t>::max() - layout.dimension_)
      return Error{Code::invalid_argument,
                   text("the tensors have more than ", std::numeric_limits<std::uint32_t>::max(),
                        " elements together: use several compressors")};
    layout.dimension_ += tensor.count;
  }
  layout.tensors_ = std::move(tensors);
  layout.inner_.resize(layout.tensors_.size());
  std::uint64_t next = 0;
  for (const bool exact : {false, true}) {
    for (std::size_t i = 0; i < layout.tensors_.size(); ++i) {
      if (layout.tensors_[i].exact != exact) continue;
      layout.inner_[i] = next;
      next += layout.tensors_[i].count;
      layout.by_inner_.push_back(i);
    }
    if (!exact) layout.sparse_ = next;
  }
  return layout;
}

std::size_t Layout::place_of(std::uint64_t position) const {
  const auto after = std::upper_bound(by_inner_.begin(), by_inner_.end(), position,
                                      [this](std::uint64_t p, std::size_t i) { return p < inner_[i]; });
  return static_cast<std::size_t>(after - by_inner_.begin()) - 1;
}

Layout::Place Layout::place_outside(std::uint64_t position) const {
  const auto after = std::upper_bound(outer_.begin(), outer_.end(), position);
  const auto tensor = static_cast<std::size_t>(after - outer_.begin()) - 1;
  return {tensor, position - outer_[tensor]};
}

std::uint64_t Layout::to_outer(std::uint64_t inner) const {
  const std::size_t tensor = by_inner_[place_of(inner)];
  return inner - inner_[tensor] + outer_[tensor];
}

void Layout::to_outer(std::span<const std::uint32_t> inner, std::span<std::uint32_t> outer) const {
  std::size_t at = 0;
  for (std::size_t i = 0; i < inner.size(); ++i) {
    while (inner[i] >= inner_[by_inner_[at]] + tensors_[by_inner_[at]].count) ++at;
    outer[i] = static_cast<std::uint32_t>(inner[i] - inner_[by_inner_[at]] + outer_[by_inner_[at]]);
  }
}

}  // namespace gossamer::runtime
