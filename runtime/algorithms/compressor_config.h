// What a compressor is asked to do, and the numbers that follow from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/base.h"
#include "runtime/algorithms/catalogue.h"
#include "runtime/algorithms/options.h"
#include "runtime/algorithms/parts/layout.h"
#include "runtime/control/control.h"
#include "sketch/sketch.h"
#include "topology/topology.h"

namespace gossamer::runtime {

// What a shape takes over as it is.
struct CompressorOptions : NamedOptions {
  bool keep_k = false;
  sketch::CellType cells = sketch::CellType::f32;   // of the sketch
  sketch::CellType values = sketch::CellType::f32;  // of exact values: one of the algorithm's
  std::uint64_t seed = 1;
  std::optional<topology::ScheduleKind> schedule;  // none: chosen by the cost model
  MemoryKind memory = MemoryKind::host;            // of gradients, update and weights; ranks may differ
  void* stream = nullptr;  // of that memory's device: what the caller does with it there; null: it waits by itself
};

struct CompressorConfig : CompressorOptions {
  std::string name;  // empty: the algorithm's name
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  std::vector<Tensor> tensors;
  double density = 0.0;       // 0, and -1 below: the algorithm's default
  std::uint32_t rows = 0;     // 0: default_rows
  std::uint32_t columns = 0;  // 0: k, in whole cache lines
  double oversampling = 0.0;  // 0: default_oversampling
  double momentum = -1.0;
  double clip = -1.0;  // 0: none
};

// Defaults that do not depend on the algorithm; catalogue.h has the others.
inline constexpr std::uint32_t default_rows = 3;
inline constexpr double default_oversampling = 2.0;

// A valid configuration with nothing left open.
struct CompressorShape : CompressorOptions {
  std::string name;
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  Layout layout;
  std::uint64_t k = 0;           // coordinates meant to be applied, of layout.sparse()
  std::uint64_t candidates = 0;  // gs-SGD: coordinates that the sketch names, |H|
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  float momentum = 0.0f;
  double clip = 0.0;
};

// How messages speak of fields: as C does, or as flags of a command.
struct Wording {
  std::string_view before_field = "";
  std::string_view before_value = " is ";
  std::string_view before_expected = ", expected ";
};
// What is wrong whatever the algorithm and the tensors are.
[[nodiscard]] Status check_options(const CompressorConfig& config, const Wording& wording = {});

// invalid_argument says which field is wrong, its value, and the range.
[[nodiscard]] Result<CompressorShape> resolve(const CompressorConfig& config);

// What ranks must have in common, by name, beside the tensors and what follows from them (compressor_part.h).
[[nodiscard]] std::vector<Field> shared_fields(const CompressorShape& shape);

}  // namespace gossamer::runtime
