#include "runtime/algorithms/compressor_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace gossamer::runtime {

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

// A number's range, in words and as a test.
struct NumberRow {
  std::string_view field;
  double (*value_in)(const CompressorConfig& config);
  bool (*is_allowed)(double value);  // false for NaN
  std::string_view expected;
};

constexpr NumberRow rows_of_numbers[] = {
    {"density", [](const CompressorConfig& c) { return c.density; },
     [](double value) { return value >= 0.0 && value <= 1.0; }, "a fraction in (0, 1], or 0 for the default"},
    {"rows", [](const CompressorConfig& c) { return static_cast<double>(c.rows); },
     [](double value) { return value == 0.0 || (value <= 15.0 && std::fmod(value, 2.0) == 1.0); },
     "an odd number from 1 to 15, or 0 for the default"},
    {"oversampling", [](const CompressorConfig& c) { return c.oversampling; },
     [](double value) { return value == 0.0 || (value >= 1.0 && std::isfinite(value)); },
     "at least 1, or 0 for the default"},
    // As it is applied, in f32: a number just below 1 must not become 1.
    {"momentum", [](const CompressorConfig& c) { return c.momentum; },
     [](double value) { return value == -1.0 || (value >= 0.0 && static_cast<float>(value) < 1.0f); },
     "a number in [0, 1), below 1 as f32 too, or -1 for the default"},
    // A norm that f32 can hold: to a smaller one every gradient would be cut to nothing.
    {"clip", [](const CompressorConfig& c) { return c.clip; },
     [](double value) {
       return value == -1.0 || value == 0.0 || (value >= std::numeric_limits<float>::min() && std::isfinite(value));
     },
     "a norm of at least 1.18e-38, 0 for no clipping, or -1 for the default"},
};

std::string names_of(std::span<const sketch::CellType> types) {
  return alternatives(types, [](sketch::CellType type) { return sketch::cell_type_name(type); });
}

Status check_cells(const CompressorConfig& config) {
  const AlgorithmRow& row = row_of(config.algorithm);
  const auto is_one_of = [](std::span<const sketch::CellType> types, sketch::CellType type) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  if (!is_one_of(sketch::wire_cell_types(), config.cells))
    return wrong(
        text("cells is ", sketch::cell_type_name(config.cells), ", expected ", names_of(sketch::wire_cell_types())));
  if (config.cells != sketch::CellType::f32 && !row.is_sketched)
    return wrong(
        text("cells is ", sketch::cell_type_name(config.cells), ", but ", row.name, " has no sketch: expected f32"));
  if (!is_one_of(row.values, config.values))
    return wrong(text("values is ", sketch::cell_type_name(config.values), ", expected ", names_of(row.values), " for ",
                      row.name));
  return {};
}

Status check_decode(const CompressorConfig& config) {
  if (config.decode == DecodeKind::whole) return {};
  if (!row_of(config.algorithm).is_sketched)
    return wrong(text("decode is sharded, but ", algorithm_name(config.algorithm), " has no sketch: expected whole"));
  return {};
}

Status check_memory(const CompressorConfig& config) {
  if (config.memory == MemoryKind::host && config.stream != nullptr)
    return wrong("a stream is given, but memory is host: expected none, or the memory of its device");
  if (config.memory == MemoryKind::host) return {};
  GOSSAMER_TRY(find_device_memory(config.memory));
  if (row_of(config.algorithm).make_on_device == nullptr)
    return wrong(text("memory is ", memory_kind_name(config.memory), ", but ", algorithm_name(config.algorithm),
                      " takes its gradients from host memory: expected host, or the dense algorithm"));
  return {};
}

}  // namespace

Status check_options(const CompressorConfig& config, const Wording& wording) {
  const auto say = [&](std::string_view field, std::string_view value, std::string_view expected) {
    return wrong(text(wording.before_field, field, wording.before_value, value, wording.before_expected, expected));
  };
  for (const NumberRow& row : rows_of_numbers)
    if (const double value = row.value_in(config); !row.is_allowed(value))
      return say(row.field, digits(value), row.expected);
  if (config.decode == DecodeKind::sharded && config.selection != SelectionKind::top)
    return say("decode", text("sharded with ", wording.before_field, "selection ", option_selection.name_in(config)),
               text(wording.before_field, "selection top, or ", wording.before_field, "decode whole"));
  return {};
}

Result<CompressorShape> resolve(const CompressorConfig& config) {
  const AlgorithmRow* const row = find_algorithm(static_cast<std::int64_t>(config.algorithm));
  if (row == nullptr) return wrong(text("there is no algorithm of number ", static_cast<int>(config.algorithm)));
  GOSSAMER_TRY(check_options(config));
  GOSSAMER_TRY(check_cells(config));
  GOSSAMER_TRY(check_decode(config));
  GOSSAMER_TRY(check_memory(config));
  GOSSAMER_ASSIGN(auto layout, Layout::make(config.tensors));

  CompressorShape shape;
  static_cast<CompressorOptions&>(shape) = config;
  shape.algorithm = config.algorithm;
  shape.name = config.name.empty() ? std::string(algorithm_name(config.algorithm)) : config.name;
  shape.layout = std::move(layout);
  shape.momentum = static_cast<float>(config.momentum == -1.0 ? row->momentum : config.momentum);
  shape.clip = config.clip == -1.0 ? row->clip : config.clip;
  if (row->moves_everything()) return shape;

  const std::uint64_t d = shape.layout.sparse();
  if (d == 0)
    return wrong(text("every tensor is exact, so ", shape.name, " has nothing to compress: use the dense algorithm"));
  const double density = config.density > 0.0 ? config.density : row->density;
  shape.k = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(density * static_cast<double>(d))), 1, d);
  if (!row->is_sketched) return shape;

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
  std::vector<Field> fields = {
      {"algorithm", std::string(algorithm_name(shape.algorithm))},
      {"name", shape.name},
      {"cells", std::string(sketch::cell_type_name(shape.cells))},
      {"values", std::string(sketch::cell_type_name(shape.values))},
      {"clip", digits(shape.clip)},
      {"momentum", digits(shape.momentum)},
      {"seed", text(shape.seed)},
      {"keep_k", text(shape.keep_k)},
      {"schedule", shape.schedule ? std::string(topology::schedule_kind_name(*shape.schedule)) : "auto"}};
  for (const OptionRow& option : all_options)
    fields.push_back({std::string(option.field), std::string(option.name_in(shape))});
  return fields;
}

}  // namespace gossamer::runtime
