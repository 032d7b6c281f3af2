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

// Calls body(CellTag<Cell>()) for the cells of a type: floating-point ones, integers, all.
template <typename T>
struct CellTag {
  using Cell = T;
};
template <typename Body>
[[nodiscard]] cudaError_t with_float(CellType type, const Body& body) {
  switch (type) {
    case CellType::f32:
      return body(CellTag<float>());
    case CellType::bf16:
      return body(CellTag<Bf16>());
    case CellType::f16:
      return body(CellTag<F16>());
    case CellType::i8:
    case CellType::i16:
    case CellType::i32:
      break;
  }
  return cudaErrorInvalidValue;
}
template <typename Body>
[[nodiscard]] cudaError_t with_integer(CellType type, const Body& body) {
  switch (type) {
    case CellType::i8:
      return body(CellTag<std::int8_t>());
    case CellType::i16:
      return body(CellTag<std::int16_t>());
    case CellType::i32:
      return body(CellTag<std::int32_t>());
    case CellType::f32:
    case CellType::bf16:
    case CellType::f16:
      break;
  }
  return cudaErrorInvalidValue;
}
template <typename Body>
[[nodiscard]] cudaError_t with_any(CellType type, const Body& body) {
  return is_integer(type) ? with_integer(type, body) : with_float(type, body);
}

}  // namespace gossamer::sketch::cuda
