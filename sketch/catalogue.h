// The one list of cell types. A new one is a row here, what it does in each kernel that the compiler then names, and
// its number in gossamer.h.
//
// X(name, NAME, number, holder, kind, most, wider)
//
//   name    as people write it
//   NAME    GOSSAMER_CELLS_<NAME> in gossamer.h, with the same number: part of the interface, never used again
//   number  below 128; from 128 on for what no caller can ask for, which has no number in gossamer.h
//   holder  what has its size
//   kind    `floating`: merged sums are rounded, so their bits depend on the order; `integer`: they wrap, and do not
//   most    its largest magnitude. A sum of 32 bits keeps one for the rounding that follows
//   wider   what integers become where `most` is too little for all ranks: widen_for. Itself: nothing
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

// What a caller may ask for.
#define GOSSAMER_WIRE_CELL_TABLE(X)                           \
  X(f32, F32, 0, float, floating, 0x1.fffffep127, f32)        \
  X(bf16, BF16, 1, std::uint16_t, floating, 0x1.fep127, bf16) \
  X(f16, F16, 2, std::uint16_t, floating, 65'504, f16)        \
  X(i8, I8, 3, std::int8_t, integer, 127, i16)                \
  X(i16, I16, 4, std::int16_t, integer, 32'767, i32)
// What is made inside alone.
#define GOSSAMER_INNER_CELL_TABLE(X) X(i32, , 128, std::int32_t, integer, 1 << 30, i32)
#define GOSSAMER_CELL_TABLE(X) GOSSAMER_WIRE_CELL_TABLE(X) GOSSAMER_INNER_CELL_TABLE(X)

namespace gossamer::sketch {

// What a payload is made of. No switch over it has a `default:`: a new type has to be decided everywhere.
#define GOSSAMER_CELL_ENUM(name, NAME, number, ...) name = number,
enum class CellType : std::uint8_t { GOSSAMER_CELL_TABLE(GOSSAMER_CELL_ENUM) };
#undef GOSSAMER_CELL_ENUM

enum class CellKind : std::uint8_t { floating, integer };

struct CellRow {
  std::string_view name = "unknown";
  std::uint32_t bytes = 0;
  CellKind kind = CellKind::floating;
  double most = 0;
  CellType wider = CellType::f32;
};

[[nodiscard]] constexpr CellRow row_of(CellType type) {
  switch (type) {
#define GOSSAMER_CELL_ROW(name, NAME, number, holder, kind, most, wider) \
  case CellType::name:                                                   \
    return {#name, sizeof(holder), CellKind::kind, most, CellType::wider};
    GOSSAMER_CELL_TABLE(GOSSAMER_CELL_ROW)
#undef GOSSAMER_CELL_ROW
  }
  return {};
}

// In the order of their numbers.
[[nodiscard]] std::span<const CellType> all_cell_types();
[[nodiscard]] std::span<const CellType> wire_cell_types();  // that a caller may ask for
// One that a caller may ask for, by its number in the interface or by its name; or nothing.
[[nodiscard]] std::optional<CellType> find_cell_type(std::int64_t number);
[[nodiscard]] std::optional<CellType> find_cell_type(std::string_view name);

[[nodiscard]] constexpr std::string_view cell_type_name(CellType type) { return row_of(type).name; }
[[nodiscard]] constexpr std::uint32_t cell_bytes(CellType type) { return row_of(type).bytes; }
[[nodiscard]] constexpr bool is_integer(CellType type) { return row_of(type).kind == CellKind::integer; }

// Largest magnitude of one contribution when `contributions` of them share cells of this integer type; 0: no room.
[[nodiscard]] constexpr std::int32_t level_max_of(CellType type, std::uint32_t contributions) {
  return is_integer(type) ? static_cast<std::int32_t>(static_cast<std::uint32_t>(row_of(type).most) / contributions)
                          : 0;
}

// The narrowest integer type, not below `type`, that leaves each of `contributions` at least 15 levels a side: 8
// bits to 8 contributions, 16 to 2,184, 32 beyond. Fewer levels than that lose more coordinates than the bytes
// are worth (docs/sketch.md). A floating-point type is wide enough as it is.
[[nodiscard]] CellType widen_for(CellType type, std::uint32_t contributions);

}  // namespace gossamer::sketch
