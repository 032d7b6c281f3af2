#include "tools/bench/bench_sketch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <new>
#include <thread>

#include "sketch/sketch.h"
#include "tools/bench/bincount_sketch.h"
#include "tools/bench/memory_kernels.h"
#include "tools/command/report.h"

namespace gossamer::tools {
namespace {

using sketch::CellType;
using Body = std::function<void()>;

float kept = 0;  // what reads give, so that they are made

double seconds_of(const Body& body) {
  const auto before = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

// Median seconds of one call of each body. They take turns, so that a slow moment of the machine meets all of them;
// short ones are called many times in a turn.
std::vector<double> alternate(const std::vector<Body>& bodies, std::uint32_t repeats) {
  constexpr double turn_seconds = 2e-3;
  std::vector<std::vector<double>> times(bodies.size());
  std::vector<std::size_t> calls(bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    static_cast<void>(seconds_of(bodies[i]));  // memory is there, caches are as they will be
    calls[i] = static_cast<std::size_t>(std::clamp(turn_seconds / seconds_of(bodies[i]), 1.0, 10'000.0));
  }
  for (std::uint32_t round = 0; round < repeats; ++round) {
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const double turn = seconds_of([&] {
        for (std::size_t call = 0; call < calls[i]; ++call) bodies[i]();
      });
      times[i].push_back(turn / static_cast<double>(calls[i]));
    }
  }
  std::vector<double> medians;
  for (auto& each : times) {
    const auto middle = each.begin() + static_cast<std::ptrdiff_t>(each.size() / 2);
    std::nth_element(each.begin(), middle, each.end());
    medians.push_back(*middle);
  }
  return medians;
}

// The vectors of one dimension.
struct Vectors {
  explicit Vectors(std::uint64_t dimension)
      : v(sketch_bench_vector(dimension)), g(dimension), u(dimension), u_next(dimension) {
    for (std::uint64_t i = 0; i < dimension; ++i) g[i] = v[i] * 0.125f;
  }
  std::vector<float> v, g, u, u_next;
};

class Bench {
 public:
  explicit Bench(const SketchBenchConfig& config) : config_(config) {}

  Status run() {
    for (const std::uint64_t dimension : config_.dimensions) {
      try {
        vectors_ = std::make_unique<Vectors>(dimension);
      } catch (const std::bad_alloc&) {
        return Error{Code::out_of_resources,
                     text("no memory for vectors of ", dimension, " elements: leave out the largest of --dimensions")};
      }
      for (const std::uint32_t threads : config_.threads) {
        GOSSAMER_ASSIGN(pool_, ThreadPool::make({threads, threads > 1}));
        for (const std::uint32_t rows : config_.rows)
          for (const std::uint32_t columns : config_.columns) GOSSAMER_TRY(measure({dimension, rows, columns}));
      }
    }
    return {};
  }

  [[nodiscard]] const nlohmann::json& rows() const { return rows_; }

 private:
  Status measure(const sketch::SketchShape& shape) {
    complain_progress(shape);
    const auto k = static_cast<std::uint64_t>(std::ceil(config_.density * static_cast<double>(shape.dimension)));
    GOSSAMER_ASSIGN(sketch_, sketch::make_count_sketch(shape, k, pool_.get()));
    chosen_.resize(k);
    for (const std::string& name : config_.cells) measure_cells(shape, sketch::find_cell_type(name).value());
    if (config_.wants("bincount") && pool_->threads() == 1) measure_rival(shape);
    return {};
  }

  void measure_cells(const sketch::SketchShape& shape, CellType type) {
    const std::span<const float> vector(vectors_->v);
    const auto norm = static_cast<float>(std::sqrt(sketch::sum_squares(vector)));
    const sketch::CellFormat format{type,
                                    sketch::choose_fixed_point(shape, 31, norm, sketch::largest_magnitude(vector)), 1};
    std::vector<std::byte> cells(shape.cells() * sketch::cell_bytes(type));
    sketch_->encode_cells(1, vector, format, cells, nullptr);
    const Body read = [&] { kept = kept + read_all(vector); };
    const Body additions = [&] { kept = kept + add_in_cache(shape.dimension * shape.rows); };
    if (config_.wants("encode")) {
      const auto times = alternate({[&] { sketch_->encode_cells(1, vector, format, cells, nullptr); }, read, additions},
                                   config_.repeats);
      add_row("encode", shape, type, shape.dimension * 4, times[0], times[1], std::max(times[1], times[2]));
    }
    if (config_.wants("decode")) {
      const auto times = alternate({[&] {
                                      sketch_->load_cells(1, type, cells);
                                      sketch_->select_top(chosen_);
                                    },
                                    read, additions},
                                   config_.repeats);
      add_row("decode", shape, type, shape.dimension * 4, times[0], times[1], times[2]);
    }
    if (config_.wants("merge")) measure_merge(shape, type, cells);
    if (config_.wants("compress") && !sketch::is_integer(type)) measure_compress(shape, format, cells);
  }

  void measure_merge(const sketch::SketchShape& shape, CellType type, std::span<const std::byte> cells) {
    const sketch::PayloadShape payload{shape.cells(), 0, type};
    std::vector<std::byte> into(payload.bytes());
    std::vector<std::byte> from(payload.bytes());
    std::copy(cells.begin(), cells.end(), from.begin());
    std::vector<float> a(payload.bytes() / sizeof(float));
    std::vector<float> b(a.size());
    const auto times = alternate({[&] { sketch::merge(payload, 0, into.data(), from.data(), payload.bytes()); },
                                  [&] { kept = kept + read_all(a); }, [&] { add_once(a, b); }},
                                 config_.repeats);
    add_row("merge", shape, type, payload.bytes(), times[0], times[1], times[2]);
  }

  // Momentum, residual and encoding: in one pass, and one after the other.
  void measure_compress(const sketch::SketchShape& shape, const sketch::CellFormat& format,
                        std::span<std::byte> cells) {
    Vectors& x = *vectors_;
    std::vector<float> v_next(shape.dimension);
    constexpr std::uint64_t beyond_caches = std::uint64_t{1} << 22;
    const auto accumulate = [&](std::uint64_t first, std::size_t count, std::span<float> copy) {
      const auto part = [&](std::vector<float>& vector) { return std::span(vector).subspan(first, count); };
      sketch::accumulate(part(x.g), 1.0f, 0.3f, {part(x.u), part(x.v)},
                         {part(x.u_next), part(v_next), copy, shape.dimension >= beyond_caches});
    };
    const auto produce = [&](std::uint64_t first, std::span<float> copy) {
      accumulate(first, copy.size(), copy);
      const std::uint64_t next = first + copy.size();
      return sketch::CountSketch::Upcoming{{x.g.data() + next, x.u.data() + next, x.v.data() + next}};
    };
    const Body fused = [&] { sketch_->encode_cells(1, v_next, format, cells, produce); };
    const Body separate = [&] {
      constexpr std::uint64_t piece = 1u << 16;
      const auto pieces = static_cast<std::uint32_t>((shape.dimension + piece - 1) / piece);
      pool_->run(pieces, [&](std::uint32_t part, std::uint32_t) {
        accumulate(part * piece, static_cast<std::size_t>(std::min(piece, shape.dimension - part * piece)), {});
      });
      sketch_->encode_cells(1, v_next, format, cells, nullptr);
    };
    const auto times = alternate({fused, [&] { kept = kept + read_all(x.v); }, separate}, config_.repeats);
    add_row("compress", shape, format.type, shape.dimension * 4, times[0], times[1], times[2]);
  }

  void measure_rival(const sketch::SketchShape& shape) {
    constexpr std::uint64_t memory_max = std::uint64_t{6} << 30;
    if (BincountSketch::working_bytes(shape.dimension, shape.rows, shape.columns) > memory_max) return;
    BincountSketch rival(7, shape.dimension, shape.rows, shape.columns);
    std::vector<float> cells(shape.cells());
    std::vector<float> rival_cells(shape.cells());
    std::vector<std::uint32_t> rival_chosen(chosen_.size());
    const auto repeats = std::min(config_.repeats, 3u);  // the rival is slow
    const Body ours_encode = [&] { sketch_->encode(1, vectors_->v, cells); };
    const Body ours_decode = [&] {
      sketch_->load(1, cells);
      sketch_->select_top(chosen_);
    };
    const auto encode = alternate({ours_encode, [&] { rival.encode(vectors_->v, rival_cells); }}, repeats);
    const auto decode = alternate({ours_decode, [&] { rival.decode(rival_cells, rival_chosen); }}, repeats);
    const auto add = [&](const char* kernel, const std::vector<double>& times) {
      nlohmann::json row = row_of(kernel, shape, CellType::f32, shape.dimension * 4, times[0]);
      row["peer"] = "bincount";
      row["peer_gb_per_s"] = static_cast<double>(shape.dimension) * 4 / times[1] / 1e9;
      row["peer_ratio"] = times[1] / times[0];
      row["peer_bytes"] = BincountSketch::working_bytes(shape.dimension, shape.rows, shape.columns);
      rows_.push_back(std::move(row));
    };
    add("encode", encode);
    add("decode", decode);
  }

  nlohmann::json row_of(const char* kernel, const sketch::SketchShape& shape, CellType type, std::uint64_t bytes,
                        double seconds) const {
    return {{"kernel", kernel},
            {"cell", std::string(sketch::cell_type_name(type))},
            {"rows", shape.rows},
            {"columns", shape.columns},
            {"dimension", shape.dimension},
            {"threads", pool_->threads()},
            {"gb_per_s", static_cast<double>(bytes) / seconds / 1e9},
            {"bytes", sketch_->working_bytes()}};
  }

  void add_row(const char* kernel, const sketch::SketchShape& shape, CellType type, std::uint64_t bytes, double seconds,
               double read_seconds, double floor_seconds) {
    nlohmann::json row = row_of(kernel, shape, type, bytes, seconds);
    row["read_gb_per_s"] = static_cast<double>(bytes) / read_seconds / 1e9;
    row["ratio"] = read_seconds / seconds;
    row["floor_ratio"] = seconds / floor_seconds;
    rows_.push_back(std::move(row));
  }

  void complain_progress(const sketch::SketchShape& shape) const {
    std::fputs(text("bench sketch: d ", shape.dimension, ", ", pool_->threads(), " threads, ", shape.rows, " x ",
                    shape.columns, "\n")
                   .c_str(),
               stderr);
  }

  const SketchBenchConfig& config_;
  std::unique_ptr<Vectors> vectors_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<sketch::CountSketch> sketch_;
  std::vector<std::uint32_t> chosen_;
  nlohmann::json rows_ = nlohmann::json::array();
};

}  // namespace

Status check_bench(const SketchBenchConfig& config) {
  const auto wrong = [](auto... parts) { return Error{Code::invalid_argument, text(parts...)}; };
  for (const std::uint32_t rows : config.rows)
    if (rows > 15 || rows % 2 == 0) return wrong("--rows ", rows, ": expected odd numbers from 1 to 15");
  for (const std::uint32_t columns : config.columns)
    if (columns < 1 || columns > 1u << 28) return wrong("--columns ", columns, ": expected 1 to 2^28");
  for (const std::uint64_t dimension : config.dimensions)
    if (dimension < 1 || dimension > UINT32_MAX) return wrong("--dimensions ", dimension, ": expected 1 to 2^32 - 1");
  for (const std::uint32_t threads : config.threads)
    if (threads > 256) return wrong("--threads ", threads, ": expected 1 to 256, or 0 for every core");
  if (!(config.density > 0 && config.density <= 1))
    return wrong("--density ", config.density, ": expected a fraction above 0, at most 1");
  if (config.repeats < 1 || config.repeats > 1000) return wrong("--repeats ", config.repeats, ": expected 1 to 1000");
  return {};
}

// The cube of a sum of uniforms.
std::vector<float> sketch_bench_vector(std::uint64_t dimension) {
  std::vector<float> vector(dimension);
  for (std::uint64_t i = 0; i < dimension; ++i) {
    const std::uint64_t random = mix64(i);
    const float x = (static_cast<float>(random & 0xffff) + static_cast<float>(random >> 16 & 0xffff) +
                     static_cast<float>(random >> 32 & 0xffff)) /
                        65'536.0f -
                    1.5f;
    vector[i] = x * x * x;
  }
  return vector;
}

Result<nlohmann::json> bench_sketch(const SketchBenchConfig& config) {
  SketchBenchConfig all = config;
  for (std::uint32_t& threads : all.threads)
    if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  std::sort(all.threads.begin(), all.threads.end());
  all.threads.erase(std::unique(all.threads.begin(), all.threads.end()), all.threads.end());
  Bench bench(all);
  GOSSAMER_TRY(bench.run());
  return bench.rows();
}

std::string sketch_bench_table(const nlohmann::json& rows) {
  const bool on_device = !rows.empty() && rows.front().contains("device");
  std::vector<std::vector<std::string>> table;
  if (on_device)
    table = {{"kernel", "cell", "d", "rows", "columns", "us", "GB/s", "copy GB/s", "of copy", "working memory"}};
  else
    table = {{"kernel", "cell", "d", "threads", "rows", "columns", "GB/s", "read GB/s", "of read", "over floor",
              "bincount", "working memory"}};
  const auto number = [](const nlohmann::json& row, const char* key, int digits) {
    return row.contains(key) ? format_number(row.at(key).get<double>(), digits) : std::string("-");
  };
  for (const nlohmann::json& row : rows) {
    if (on_device) {
      table.push_back({row.at("kernel").get<std::string>(), row.at("cell").get<std::string>(),
                       number(row, "dimension", 0), number(row, "rows", 0), number(row, "columns", 0),
                       number(row, "p50_us", 1), number(row, "gb_per_s", 1), number(row, "copy_gb_per_s", 1),
                       number(row, "ratio", 2),
                       row.contains("bytes") ? format_bytes(row.at("bytes").get<std::uint64_t>()) : std::string("-")});
      continue;
    }
    const std::string peer = number(row, "peer_ratio", 1);
    table.push_back({row.at("kernel").get<std::string>(), row.at("cell").get<std::string>(),
                     number(row, "dimension", 0), number(row, "threads", 0), number(row, "rows", 0),
                     number(row, "columns", 0), number(row, "gb_per_s", 2), number(row, "read_gb_per_s", 2),
                     number(row, "ratio", 2), number(row, "floor_ratio", 2), peer == "-" ? peer : peer + " x",
                     format_bytes(row.at("bytes").get<std::uint64_t>())});
  }
  return format_table(table);
}

}  // namespace gossamer::tools
