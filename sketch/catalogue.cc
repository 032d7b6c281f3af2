#include "sketch/catalogue.h"

#include <array>

namespace gossamer::sketch {
namespace {

#define GOSSAMER_CELL_TYPE(name, ...) CellType::name,
constexpr std::array all_types = {GOSSAMER_CELL_TABLE(GOSSAMER_CELL_TYPE)};
constexpr std::array wire_types = {GOSSAMER_WIRE_CELL_TABLE(GOSSAMER_CELL_TYPE)};
#undef GOSSAMER_CELL_TYPE

constexpr std::uint8_t first_inner_number = 128;
#define GOSSAMER_CELL_NUMBER(name, NAME, number, ...) static_assert((number) < first_inner_number);
GOSSAMER_WIRE_CELL_TABLE(GOSSAMER_CELL_NUMBER)
#undef GOSSAMER_CELL_NUMBER
#define GOSSAMER_CELL_NUMBER(name, NAME, number, ...) static_assert((number) >= first_inner_number);
GOSSAMER_INNER_CELL_TABLE(GOSSAMER_CELL_NUMBER)
#undef GOSSAMER_CELL_NUMBER

}  // namespace

std::span<const CellType> all_cell_types() { return all_types; }
std::span<const CellType> wire_cell_types() { return wire_types; }

std::optional<CellType> find_cell_type(std::int64_t number) {
  for (const CellType type : wire_types)
    if (static_cast<std::int64_t>(type) == number) return type;
  return std::nullopt;
}

std::optional<CellType> find_cell_type(std::string_view name) {
  for (const CellType type : wire_types)
    if (cell_type_name(type) == name) return type;
  return std::nullopt;
}

CellType widen_for(CellType type, std::uint32_t contributions) {
  constexpr std::int32_t levels_min = 15;
  while (is_integer(type) && level_max_of(type, contributions) < levels_min && row_of(type).wider != type)
    type = row_of(type).wider;
  return type;
}

}  // namespace gossamer::sketch
