// The cells of each type as kernels see them: their values, how they merge, and how a sum becomes one; by the
// arithmetic of half.h, so that they have the CPU's bits.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "sketch/half.h"
#include "sketch/sketch.h"

namespace gossamer::sketch::cuda {

struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};
struct Flags {  // of a bitmap
  std::uint8_t bits;
};

template <typename Cell>
__device__ inline float value_of(Cell cell) {
  return static_cast<float>(cell);
}
__device__ inline float value_of(Bf16 cell) { return from_bf16(cell.bits); }
__device__ inline float value_of(F16 cell) { return from_f16(cell.bits); }

template <typename Cell>
__device__ Cell cell_of(float value);
template <>
__device__ inline float cell_of<float>(float value) {
  return value;
}
template <>
__device__ inline Bf16 cell_of<Bf16>(float value) {
  return {to_bf16(value)};
}
template <>
__device__ inline F16 cell_of<F16>(float value) {
  return {to_f16(value)};
}

// Integers wrap.
template <typename Cell>
__device__ inline Cell merged(Cell a, Cell b) {
  return static_cast<Cell>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}
__device__ inline float merged(float a, float b) { return a + b; }
__device__ inline Bf16 merged(Bf16 a, Bf16 b) { return cell_of<Bf16>(value_of(a) + value_of(b)); }
__device__ inline F16 merged(F16 a, F16 b) { return cell_of<F16>(value_of(a) + value_of(b)); }
__device__ inline Flags merged(Flags a, Flags b) { return {static_cast<std::uint8_t>(a.bits | b.bits)}; }

// Calls body(CellTag<Cell>()) for the cells of a type: floating-point ones, integers, all that are numbers.
template <typename T>
struct CellTag {
  using Cell = T;
};
template <typename Body>
[[nodiscard]] cudaError_t with_float(CellType type, const Body& body) {
  if (type == CellType::f32) return body(CellTag<float>());
  return type == CellType::bf16 ? body(CellTag<Bf16>()) : body(CellTag<F16>());
}
template <typename Body>
[[nodiscard]] cudaError_t with_integer(CellType type, const Body& body) {
  if (type == CellType::i8) return body(CellTag<std::int8_t>());
  return type == CellType::i16 ? body(CellTag<std::int16_t>()) : body(CellTag<std::int32_t>());
}
template <typename Body>
[[nodiscard]] cudaError_t with_number(CellType type, const Body& body) {
  return is_integer(type) ? with_integer(type, body) : with_float(type, body);
}

}  // namespace gossamer::sketch::cuda
