// The one list of a compressor's options that have names. A new one is its names and a row here, and its enum, field
// and initial value in gossamer.h. From here come the enum, the field of a configuration, the check of the C interface,
// the agreement of ranks, and the flag of `gossamer train`. Its use is an algorithm's.
//
// X(field, Kind, names, reach, meaning)
//
//   field     of CompressorOptions and of gossamer_compressor_config; gossamer_<field> is the enum there
//   Kind      the enum here
//   names     a list of X(name, NAME, number): the name as people write it, GOSSAMER_<NAME> in gossamer.h with the same
//             number, which is never used again. Number 0, the default, stands first
//   reach     `sketched`: it concerns algorithms with a sketch; `every`
//   meaning   for people
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/algorithms/choice.h"

#define GOSSAMER_SELECTION_NAMES(X) X(top, SELECT_TOP, 0) X(heavymix, SELECT_HEAVYMIX, 1)
#define GOSSAMER_DECODE_NAMES(X) X(whole, DECODE_WHOLE, 0) X(sharded, DECODE_SHARDED, 1)

#define GOSSAMER_OPTION_TABLE(X)                                                                      \
  X(selection, SelectionKind, GOSSAMER_SELECTION_NAMES, sketched, "how the sketch names coordinates") \
  X(decode, DecodeKind, GOSSAMER_DECODE_NAMES, sketched, "who decodes the merged sketch: each rank all, or its part")

namespace gossamer::runtime {

#define GOSSAMER_OPTION_VALUE(name, NAME, number) name = number,
#define GOSSAMER_OPTION_ENUM(field, Kind, names, ...) enum class Kind : std::uint8_t { names(GOSSAMER_OPTION_VALUE) };
GOSSAMER_OPTION_TABLE(GOSSAMER_OPTION_ENUM)
#undef GOSSAMER_OPTION_ENUM
#undef GOSSAMER_OPTION_VALUE

struct NamedOptions {
#define GOSSAMER_OPTION_FIELD(field, Kind, ...) Kind field = Kind{};
  GOSSAMER_OPTION_TABLE(GOSSAMER_OPTION_FIELD)
#undef GOSSAMER_OPTION_FIELD
};

enum class OptionReach : std::uint8_t { every, sketched };

struct OptionRow {
  std::string_view field;
  std::span<const Choice> choices;
  OptionReach reach;
  std::string_view meaning;
  std::int32_t (*number_in)(const NamedOptions& options);
  void (*set)(NamedOptions& options, std::int32_t number);  // one of the choices'

  [[nodiscard]] std::string_view name_in(const NamedOptions& options) const {
    return find_choice(choices, number_in(options))->name;
  }
};

#define GOSSAMER_OPTION_CHOICE(name, NAME, number) Choice{#name, number},
#define GOSSAMER_OPTION_ROW(field, Kind, names, reach, meaning)                             \
  inline constexpr std::array choices_of_##field = {names(GOSSAMER_OPTION_CHOICE)};         \
  static_assert(choices_of_##field[0].number == 0);                                         \
  inline constexpr OptionRow option_##field = {                                             \
      #field,                                                                               \
      choices_of_##field,                                                                   \
      OptionReach::reach,                                                                   \
      meaning,                                                                              \
      [](const NamedOptions& options) { return static_cast<std::int32_t>(options.field); }, \
      [](NamedOptions& options, std::int32_t number) { options.field = static_cast<Kind>(number); }};
GOSSAMER_OPTION_TABLE(GOSSAMER_OPTION_ROW)
#undef GOSSAMER_OPTION_ROW
#undef GOSSAMER_OPTION_CHOICE

#define GOSSAMER_OPTION_ENTRY(field, ...) option_##field,
inline constexpr OptionRow all_options[] = {GOSSAMER_OPTION_TABLE(GOSSAMER_OPTION_ENTRY)};
#undef GOSSAMER_OPTION_ENTRY

}  // namespace gossamer::runtime
