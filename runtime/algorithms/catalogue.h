// The one list of algorithms. A new one is a file <name>.cc in this folder, with its maker and its row, a line here,
// and its number in gossamer.h.
//
// X(name, NAME, number)
//
//   name      row_of_<name> is in <name>.cc
//   NAME      GOSSAMER_<NAME> in gossamer.h, with the same number: part of the interface, never used again
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/base.h"
#include "sketch/sketch.h"

#define GOSSAMER_ALGORITHM_TABLE(X) \
  X(gs_sgd, GS_SGD, 1)              \
  X(shared_top_k, SHARED_TOP_K, 2)  \
  X(top_k, TOP_K, 3)                \
  X(dense, DENSE, 4)

namespace gossamer::runtime {

class Algorithm;
struct AlgorithmContext;

#define GOSSAMER_ALGORITHM_ENUM(name, NAME, number) name = number,
enum class AlgorithmKind : std::uint8_t { GOSSAMER_ALGORITHM_TABLE(GOSSAMER_ALGORITHM_ENUM) };
#undef GOSSAMER_ALGORITHM_ENUM

using AlgorithmMaker = Result<std::unique_ptr<Algorithm>> (*)(AlgorithmContext);

// What a step's bytes depend on.
struct StepSize {
  double sparse = 0;  // coordinates that are compressed
  double exact = 0;   // that travel whole
  double k = 0;       // meant to be applied
  double rows = 0;    // of the sketch
  double columns = 0;
  double candidates = 0;  // that the sketch names
  double rank_count = 1;
  double cell_words = 1;   // words of 4 bytes in a cell of the sketch
  double value_words = 1;  // and in a value
};

// Everything that others ask about an algorithm. Measurements behind the defaults: docs/algorithms.md.
struct AlgorithmRow {
  AlgorithmKind kind;
  std::string_view name;          // "gs-sgd"
  AlgorithmMaker make;            // gradients in host memory
  AlgorithmMaker make_on_device;  // null: host memory only
  double density;                 // default k over d; 1: it moves everything
  double momentum;                // default
  double clip;                    // default; 0: none
  double training_momentum;       // of a training run that names none, here and below
  double training_rate;
  bool is_sketched;                          // has cells, rows, columns, candidates
  std::span<const sketch::CellType> values;  // that exact values may travel as
  // Words that a step moves, in units of 2 (P - 1) / P; an upper estimate where ranks may name the same coordinates.
  double (*step_words)(const StepSize& size);

  // Chooses nothing: what the others are compared with.
  [[nodiscard]] constexpr bool moves_everything() const { return density == 1.0; }
};

#define GOSSAMER_ALGORITHM_ROW(name, ...) extern const AlgorithmRow row_of_##name;
GOSSAMER_ALGORITHM_TABLE(GOSSAMER_ALGORITHM_ROW)
#undef GOSSAMER_ALGORITHM_ROW

// In the order of their numbers.
[[nodiscard]] std::span<const AlgorithmKind> all_algorithms();
// Null where there is none of this number or name.
[[nodiscard]] const AlgorithmRow* find_algorithm(std::int64_t number);
[[nodiscard]] const AlgorithmRow* find_algorithm(std::string_view name);
// Of one that exists.
[[nodiscard]] const AlgorithmRow& row_of(AlgorithmKind kind);
[[nodiscard]] inline std::string_view algorithm_name(AlgorithmKind kind) { return row_of(kind).name; }

// An index list is gaps of 7 bits: one to two bytes an index at usual densities.
inline constexpr double index_words = 12.0 / 32.0;

}  // namespace gossamer::runtime
