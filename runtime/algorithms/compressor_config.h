// What a compressor is asked to do, and the numbers that follow from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/catalogue.h"
#include "runtime/algorithms/parts/layout.h"
#include "runtime/control/control.h"
#include "sketch/sketch.h"
#include "topology/topology.h"

namespace gossamer::runtime {

enum class SelectionKind : std::uint8_t { top = 0, heavymix = 1 };
// Who decodes the merged sketch: every rank all of it, or each rank d/P of its coordinates.
enum class DecodeKind : std::uint8_t { whole = 0, sharded = 1 };

struct CompressorConfig {
  std::string name;  // empty: the algorithm's name
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  std::vector<Tensor> tensors;
  double density = 0.0;       // 0, and -1 below: the algorithm's default
  std::uint32_t rows = 0;     // 0: default_rows
  std::uint32_t columns = 0;  // 0: k, in whole cache lines
  double oversampling = 0.0;  // 0: default_oversampling
  double momentum = -1.0;
  double clip = -1.0;  // 0: none
  SelectionKind selection = SelectionKind::top;
  bool keep_k = false;
  sketch::CellType cells = sketch::CellType::f32;   // of the sketch
  sketch::CellType values = sketch::CellType::f32;  // of exact values: one of the algorithm's
  std::uint64_t seed = 1;
  std::optional<topology::ScheduleKind> schedule;  // none: chosen by the cost model
  DecodeKind decode = DecodeKind::whole;           // sharded: of a sketch, with selection top
  MemoryKind memory = MemoryKind::host;            // of gradients, update and weights; ranks may differ
};

// Defaults that do not depend on the algorithm; catalogue.h has the others.
inline constexpr std::uint32_t default_rows = 3;
inline constexpr double default_oversampling = 2.0;

// A valid configuration with nothing left open.
struct CompressorShape {
  std::string name;
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  Layout layout;
  std::uint64_t k = 0;           // coordinates meant to be applied, of layout.sparse()
  std::uint64_t candidates = 0;  // gs-SGD: coordinates that the sketch names, |H|
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  float momentum = 0.0f;
  double clip = 0.0;
  SelectionKind selection = SelectionKind::top;
  bool keep_k = false;
  sketch::CellType cells = sketch::CellType::f32;
  sketch::CellType values = sketch::CellType::f32;
  std::uint64_t seed = 0;
  std::optional<topology::ScheduleKind> schedule;
  DecodeKind decode = DecodeKind::whole;
  MemoryKind memory = MemoryKind::host;
};

// invalid_argument says which field is wrong, its value, and the range.
[[nodiscard]] Result<CompressorShape> resolve(const CompressorConfig& config);

// What ranks must have in common, by name, beside the tensors and what follows from them (compressor_part.h).
[[nodiscard]] std::vector<Field> shared_fields(const CompressorShape& shape);

}  // namespace gossamer::runtime
