#include "runtime/algorithms/compressor_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace gossamer::runtime {

std::string_view algorithm_name(AlgorithmKind kind) {
  switch (kind) {
    case AlgorithmKind::gs_sgd:
      return "gs-sgd";
    case AlgorithmKind::shared_top_k:
      return "shared-top-k";
    case AlgorithmKind::top_k:
      return "top-k";
    case AlgorithmKind::dense:
      return "dense";
  }
  return "unknown";
}

double default_density(AlgorithmKind kind) {
  switch (kind) {
    case AlgorithmKind::gs_sgd:
      return 0.0195;
    case AlgorithmKind::shared_top_k:
      return 0.005;
    case AlgorithmKind::top_k:
      return 0.0025;
    case AlgorithmKind::dense:
      break;
  }
  return 1.0;
}

double default_momentum(AlgorithmKind kind) { return kind == AlgorithmKind::dense ? 0.0 : 0.3; }

double default_clip(AlgorithmKind kind) { return kind == AlgorithmKind::dense ? 0.0 : 1.0; }

namespace {

Error wrong(std::string message) { return Error{Code::invalid_argument, std::move(message)}; }

// Cells in whole cache lines, as long as there is more than one line.
std::uint32_t whole_lines(std::uint64_t columns) {
  return static_cast<std::uint32_t>(columns >= 32 ? columns / 16 * 16 : columns);
}

// The shortest digits that tell `value` from every other: "1.0000001", not "1".
template <typename Float>
std::string digits(Float value) {
  std::array<char, 32> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  GOSSAMER_CHECK(error == std::errc{}, "room for any double");
  return {buffer.data(), end};
}

// The momentum as it is applied, in f32: a number just below 1 must not become 1.
bool is_momentum(double value) { return value >= 0.0 && static_cast<float>(value) < 1.0f; }

// A norm that f32 can hold: to a smaller one every gradient would be cut to nothing.
bool is_clip(double value) { return value >= std::numeric_limits<float>::min() && std::isfinite(value); }

Status check_numbers(const CompressorConfig& config) {
  if (std::isnan(config.density) || config.density < 0.0 || config.density > 1.0)
    return wrong(text("density is ", digits(config.density), ", expected a fraction in (0, 1], or 0 for the default"));
  if (config.rows > 15 || (config.rows != 0 && config.rows % 2 == 0))
    return wrong(text("rows is ", config.rows, ", expected an odd number from 1 to 15, or 0 for the default"));
  if (std::isnan(config.oversampling) || (config.oversampling != 0.0 && config.oversampling < 1.0) ||
      std::isinf(config.oversampling))
    return wrong(text("oversampling is ", digits(config.oversampling), ", expected at least 1, or 0 for the default"));
  if (config.momentum != -1.0 && !is_momentum(config.momentum))
    return wrong(text("momentum is ", digits(config.momentum),
                      ", expected a number in [0, 1), below 1 as f32 too, or -1 for the default"));
  if (config.clip != -1.0 && config.clip != 0.0 && !is_clip(config.clip))
    return wrong(text("clip is ", digits(config.clip),
                      ", expected a norm of at least 1.18e-38, 0 for no clipping, or -1 for the default"));
  return {};
}

Status check_cells(const CompressorConfig& config) {
  using sketch::CellType;
  const bool is_sketched = config.algorithm == AlgorithmKind::gs_sgd;
  const bool is_dense = config.algorithm == AlgorithmKind::dense;
  if (config.cells == CellType::bitmap || config.cells == CellType::i32)
    return wrong(text("cells is ", sketch::cell_type_name(config.cells), ", expected f32, bf16, f16, i8 or i16"));
  if (config.cells != CellType::f32 && !is_sketched)
    return wrong(text("cells is ", sketch::cell_type_name(config.cells), ", but ", algorithm_name(config.algorithm),
                      " has no sketch: expected f32"));
  const bool fits = config.values == CellType::f32 || (is_sketched && config.values == CellType::i16) ||
                    (is_dense && (config.values == CellType::bf16 || config.values == CellType::f16));
  if (!fits)
    return wrong(text("values is ", sketch::cell_type_name(config.values), ", expected f32",
                      is_sketched ? " or i16"
                      : is_dense  ? ", bf16 or f16"
                                  : "",
                      " for ", algorithm_name(config.algorithm)));
  return {};
}

Status check_decode(const CompressorConfig& config) {
  if (config.decode == DecodeKind::whole) return {};
  if (config.algorithm != AlgorithmKind::gs_sgd)
    return wrong(text("decode is sharded, but ", algorithm_name(config.algorithm), " has no sketch: expected whole"));
  if (config.selection != SelectionKind::top)
    return wrong("decode is sharded with selection heavymix, expected selection top, or decode whole");
  return {};
}

Status check_memory(const CompressorConfig& config) {
  if (config.memory == MemoryKind::host) return {};
  GOSSAMER_TRY(find_device_memory(config.memory));
  if (config.algorithm != AlgorithmKind::dense)
    return wrong(text("memory is ", memory_kind_name(config.memory), ", but ", algorithm_name(config.algorithm),
                      " takes its gradients from host memory: expected host, or the dense algorithm"));
  return {};
}

}  // namespace

Result<CompressorShape> resolve(const CompressorConfig& config) {
  GOSSAMER_TRY(check_numbers(config));
  GOSSAMER_TRY(check_cells(config));
  GOSSAMER_TRY(check_decode(config));
  GOSSAMER_TRY(check_memory(config));
  auto layout = Layout::make(config.tensors);
  GOSSAMER_TRY(layout);

  CompressorShape shape;
  shape.algorithm = config.algorithm;
  shape.name = config.name.empty() ? std::string(algorithm_name(config.algorithm)) : config.name;
  shape.layout = std::move(*layout);
  shape.momentum = static_cast<float>(config.momentum == -1.0 ? default_momentum(config.algorithm) : config.momentum);
  shape.clip = config.clip == -1.0 ? default_clip(config.algorithm) : config.clip;
  shape.selection = config.selection;
  shape.keep_k = config.keep_k;
  shape.cells = config.cells;
  shape.values = config.values;
  shape.seed = config.seed;
  shape.schedule = config.schedule;
  shape.decode = config.decode;
  shape.memory = config.memory;
  if (config.algorithm == AlgorithmKind::dense) return shape;

  const std::uint64_t d = shape.layout.sparse();
  if (d == 0)
    return wrong(text("every tensor is exact, so ", shape.name, " has nothing to compress: use the dense algorithm"));
  const double density = config.density > 0.0 ? config.density : default_density(config.algorithm);
  shape.k = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(density * static_cast<double>(d))), 1, d);
  if (config.algorithm != AlgorithmKind::gs_sgd) return shape;

  if (config.columns > d)
    return wrong(text("columns is ", config.columns, ", more than the ", d,
                      " coordinates that are compressed: a sketch larger than its vector saves nothing; expected 1 to ",
                      d, ", or 0 for the default"));
  shape.rows = config.rows != 0 ? config.rows : default_rows;
  shape.columns = config.columns != 0 ? config.columns : whole_lines(std::min<std::uint64_t>(shape.k, 1u << 28));
  const double oversampling = config.oversampling > 0.0 ? config.oversampling : default_oversampling;
  shape.candidates =
      std::min(d, static_cast<std::uint64_t>(std::min(std::ceil(oversampling * static_cast<double>(shape.k)), 4e9)));
  return shape;
}

std::vector<Field> shared_fields(const CompressorShape& shape) {
  return {{"algorithm", std::string(algorithm_name(shape.algorithm))},
          {"name", shape.name},
          {"cells", std::string(sketch::cell_type_name(shape.cells))},
          {"values", std::string(sketch::cell_type_name(shape.values))},
          {"clip", digits(shape.clip)},
          {"momentum", digits(shape.momentum)},
          {"seed", text(shape.seed)},
          {"selection", shape.selection == SelectionKind::top ? "top" : "heavymix"},
          {"decode", shape.decode == DecodeKind::sharded ? "sharded" : "whole"},
          {"keep_k", text(shape.keep_k)},
          {"schedule", shape.schedule ? std::string(topology::schedule_kind_name(*shape.schedule)) : "auto"}};
}

}  // namespace gossamer::runtime
