// User vectors: what they are made of, how two become one, and the kernels that do it.
//
// The two lists here are the only ones. A new element type is a row, what it does in each kernel that the compiler then
// names (element_kernels.cc), and its number in gossamer.h; an operator likewise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/base.h"

// X(name, NAME, number, holder, kind)
//
//   name    as people write it
//   NAME    GOSSAMER_<NAME> in gossamer.h, with the same number: part of the interface, never used again
//   holder  what has its size
//   kind    `floating`: sums are rounded, so their bits depend on the grouping; `integer`: they wrap, and do not
#define GOSSAMER_ELEMENT_TABLE(X)           \
  X(f32, F32, 0, float, floating)           \
  X(f64, F64, 1, double, floating)          \
  X(bf16, BF16, 2, std::uint16_t, floating) \
  X(f16, F16, 3, std::uint16_t, floating)   \
  X(i8, I8, 4, std::int8_t, integer)        \
  X(i32, I32, 5, std::int32_t, integer)     \
  X(i64, I64, 6, std::int64_t, integer)     \
  X(u8, U8, 7, std::uint8_t, integer)

// X(name, NAME, number, words, takes, instead)
//
//   words    as people write it
//   takes    the kind of elements that it is for, or `any`
//   instead  what to do with elements of the other kind; a clause
#define GOSSAMER_REDUCE_OP_TABLE(X)                                                            \
  X(sum, SUM, 0, "sum", any, "")                                                               \
  X(min, MIN, 1, "min", any, "")                                                               \
  X(max, MAX, 2, "max", any, "")                                                               \
  X(mean, MEAN, 3, "mean", floating, "take the sum and divide it, rounded as is right for it") \
  X(bit_or, BIT_OR, 4, "bit-or", integer, "pass the vector as u8 if its bits are meant")

namespace gossamer::sketch {

#define GOSSAMER_ROW_ENUM(name, NAME, number, ...) name = number,
enum class ElementType : std::uint8_t { GOSSAMER_ELEMENT_TABLE(GOSSAMER_ROW_ENUM) };
enum class ReduceOp : std::uint8_t { GOSSAMER_REDUCE_OP_TABLE(GOSSAMER_ROW_ENUM) };
#undef GOSSAMER_ROW_ENUM

enum class ElementKind : std::uint8_t { floating, integer, any };

struct ElementRow {
  std::string_view name = "unknown";
  std::uint32_t bytes = 0;
  ElementKind kind = ElementKind::floating;
};

struct ReduceOpRow {
  std::string_view name = "unknown";
  ElementKind takes = ElementKind::any;
  std::string_view instead;
};

[[nodiscard]] constexpr ElementRow row_of(ElementType type) {
  switch (type) {
#define GOSSAMER_ROW(name, NAME, number, holder, kind) \
  case ElementType::name:                              \
    return {#name, sizeof(holder), ElementKind::kind};
    GOSSAMER_ELEMENT_TABLE(GOSSAMER_ROW)
#undef GOSSAMER_ROW
  }
  return {};
}

[[nodiscard]] constexpr ReduceOpRow row_of(ReduceOp op) {
  switch (op) {
#define GOSSAMER_ROW(name, NAME, number, words, takes, instead) \
  case ReduceOp::name:                                          \
    return {words, ElementKind::takes, instead};
    GOSSAMER_REDUCE_OP_TABLE(GOSSAMER_ROW)
#undef GOSSAMER_ROW
  }
  return {};
}

// In the order of their numbers.
[[nodiscard]] std::span<const ElementType> all_element_types();
[[nodiscard]] std::span<const ReduceOp> all_reduce_ops();
// By its number in the interface or by its name; or nothing.
[[nodiscard]] std::optional<ElementType> find_element_type(std::int64_t number);
[[nodiscard]] std::optional<ElementType> find_element_type(std::string_view name);
[[nodiscard]] std::optional<ReduceOp> find_reduce_op(std::int64_t number);
[[nodiscard]] std::optional<ReduceOp> find_reduce_op(std::string_view name);

[[nodiscard]] constexpr std::string_view element_type_name(ElementType type) { return row_of(type).name; }
[[nodiscard]] constexpr std::uint32_t element_bytes(ElementType type) { return row_of(type).bytes; }
[[nodiscard]] constexpr std::string_view reduce_op_name(ReduceOp op) { return row_of(op).name; }

// A mean is of floating-point elements, a bit-or of integers.
[[nodiscard]] constexpr bool op_fits(ElementType type, ReduceOp op) {
  return row_of(op).takes == ElementKind::any || row_of(op).takes == row_of(type).kind;
}
// `invalid_argument` where it does not fit: "mean is for floating-point elements, not for i32: ...".
[[nodiscard]] Status check_op_fits(ElementType type, ReduceOp op);

// into[i] = a[i] op b[i]. Any alignment, any count. `into` may be `a`, `b` or both; otherwise nothing overlaps. The
// same bits on every machine and with every SIMD target, and whichever of the two is `a`:
//
//   integers    sums wrap
//   bf16, f16   widened to f32, combined, rounded to nearest, ties to even; beyond the range: infinity
//   sum         in the type's own precision otherwise; not a number where either is, or for infinities of both signs:
//               then neither sign nor payload is specified
//   mean        as sum: whoever has the whole sum ends it with scale_elements
//   min, max    not a number (the quiet one without sign and payload) where either is; -0 is below +0
//
// One pass, no allocation, no lock. `op` fits the type.
void reduce_elements(ElementType type, ReduceOp op, std::byte* into, const std::byte* a, const std::byte* b,
                     std::size_t count);

// values[i] *= factor, for floating-point types: f32 and f64 are multiplied in f64, bf16 and f16 in f32, where `factor`
// is rounded first; then to nearest. So the mean of n equal f32 values, n < 2^24, whose sum was exact is that value.
void scale_elements(ElementType type, double factor, std::byte* values, std::size_t count);

}  // namespace gossamer::sketch
