// Loops over places that ascend but lie apart: hardware prefetches none of them, and waiting for one after the other
// costs more than all the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace gossamer {

// Asks for the place that turn i + 16 of a loop over `indices` comes to, to write there if T is not const. Index
// `first` is that of vector[0].
template <typename T>
inline void prefetch_ahead(T* vector, std::span<const std::uint32_t> indices, std::size_t i, std::uint64_t first = 0) {
  constexpr std::size_t ahead = 16;
  if (i + ahead < indices.size()) __builtin_prefetch(vector + (indices[i + ahead] - first), std::is_const_v<T> ? 0 : 1);
}

}  // namespace gossamer
