// What travels in a merging stage, and how two of it become one: cells and words of an algorithm, or a user's vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <variant>

#include "sketch/sketch.h"

namespace gossamer::runtime {

// More than any memory holds, and small enough that no product with a size or a rank count wraps.
inline constexpr std::uint64_t element_count_max = std::uint64_t{1} << 46;

// `count` elements of a user's, without padding.
struct ElementVector {
  sketch::ElementType type = sketch::ElementType::f32;
  sketch::ReduceOp op = sketch::ReduceOp::sum;
  std::uint64_t count = 0;
  [[nodiscard]] std::uint64_t bytes() const { return count * sketch::element_bytes(type); }
};

class Payload {
 public:
  Payload() = default;
  Payload(const sketch::PayloadShape& shape) : what_(shape), bytes_(shape.bytes()) {}
  Payload(const ElementVector& vector) : what_(vector), bytes_(vector.bytes()) {}

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Null: a user's vector.
  [[nodiscard]] const sketch::PayloadShape* shape() const { return std::get_if<sketch::PayloadShape>(&what_); }

  // into = into merged with from, for `bytes` bytes that begin at `offset` of the payload, a multiple of 8, and end at
  // another or with the payload.
  void merge(std::uint64_t offset, std::byte* into, const std::byte* from, std::uint64_t bytes) const {
    if (const auto* vector = std::get_if<ElementVector>(&what_))
      sketch::reduce_elements(vector->type, vector->op, into, into, from, bytes / sketch::element_bytes(vector->type));
    else
      sketch::merge(std::get<sketch::PayloadShape>(what_), offset, into, from, bytes);
  }

  // into = a merged with b; `into` may be one of them.
  void merge(std::uint64_t offset, std::byte* into, const std::byte* a, const std::byte* b, std::uint64_t bytes) const {
    if (const auto* vector = std::get_if<ElementVector>(&what_))
      return sketch::reduce_elements(vector->type, vector->op, into, a, b, bytes / sketch::element_bytes(vector->type));
    if (into == b) std::swap(a, b);
    if (into != a) std::memcpy(into, a, bytes);
    sketch::merge(std::get<sketch::PayloadShape>(what_), offset, into, b, bytes);
  }

 private:
  std::variant<sketch::PayloadShape, ElementVector> what_;
  std::uint64_t bytes_ = 0;
};

}  // namespace gossamer::runtime
