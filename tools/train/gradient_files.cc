#include "tools/train/gradient_files.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sketch/sketch.h"
#include "tools/command/results.h"

namespace gossamer::tools {
namespace {

static_assert(std::endian::native == std::endian::little, "gradient files are little-endian, written as they lie");

constexpr const char* schema = "gossamer.gradient/1";

// What the JSON says that reading needs.
struct Description {
  std::uint64_t step = 0;
  std::uint64_t dimension = 0;
  std::vector<GradientTensor> tensors;
};

Error cannot(const char* what, const std::string& path) {
  return {Code::unavailable, text("cannot ", what, " ", path, ": ", std::strerror(errno))};
}

// Strictly: the library would cut fractions and wrap negative numbers.
Result<std::uint64_t> whole_number(const std::string& path, const nlohmann::json& document, const char* key) {
  const nlohmann::json& value = document.at(key);
  if (!value.is_number_unsigned()) {
    return Error{Code::malformed, text(path, ": ", key, " is ", value.dump(), "; expected a whole number")};
  }
  return value.get<std::uint64_t>();
}

Result<Description> read_description(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot("read", path);
  try {
    const nlohmann::json document = nlohmann::json::parse(file);
    if (document.at("schema") != schema) {
      return Error{Code::malformed, text(path, " has schema ", document.at("schema").dump(), "; expected ", schema)};
    }
    Description out;
    GOSSAMER_ASSIGN(const auto step, whole_number(path, document, "step"));
    GOSSAMER_ASSIGN(const auto dimension, whole_number(path, document, "dimension"));
    out.step = step;
    out.dimension = dimension;
    if (!document.at("tensors").is_array()) return Error{Code::malformed, text(path, ": the tensors are no list")};
    std::uint64_t rest = out.dimension;
    for (const nlohmann::json& each : document.at("tensors")) {
      GOSSAMER_ASSIGN(const auto count, whole_number(path, each, "count"));
      GradientTensor tensor{each.at("name"), count, each.at("exact")};
      if (tensor.count > rest) return Error{Code::malformed, text(path, ": the tensors are longer than the dimension")};
      rest -= tensor.count;
      out.tensors.push_back(std::move(tensor));
    }
    if (rest != 0) return Error{Code::malformed, text(path, ": the tensors are shorter than the dimension")};
    return out;
  } catch (const nlohmann::json::exception& error) {
    return Error{Code::malformed, text(path, " is not a gradient's description: ", error.what())};
  }
}

// The values of all tensors that are not exact.
Result<std::vector<float>> read_values(const std::string& path, const Description& description) {
  std::error_code failed;
  const std::uintmax_t bytes = std::filesystem::file_size(path, failed);
  if (failed) return Error{Code::unavailable, text("cannot read ", path, ": ", failed.message())};
  if (bytes % sizeof(float) != 0 || bytes / sizeof(float) != description.dimension) {
    return Error{Code::malformed,
                 text(path, " has ", bytes, " bytes; expected 4 for each of ", description.dimension, " coordinates")};
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::vector<float> out;
  for (const GradientTensor& tensor : description.tensors) {
    const auto length = static_cast<std::streamsize>(tensor.count * sizeof(float));
    if (tensor.exact) {
      file.seekg(length, std::ios::cur);
      continue;
    }
    const std::size_t at = out.size();
    out.resize(at + tensor.count);
    file.read(reinterpret_cast<char*>(out.data() + at), length);
  }
  if (!file) return cannot("read", path);
  if (out.empty()) return Error{Code::malformed, text(path, ": every tensor is exact, none is left to sketch")};
  const std::size_t bad = sketch::first_non_finite(out);
  if (bad != out.size()) {
    return Error{Code::malformed, text(path, ": NaN or infinity at sketched coordinate ", bad,
                                       "; expected the gradient of a run that did not diverge")};
  }
  return out;
}

}  // namespace

bool is_dump_step(std::uint64_t step, std::uint64_t steps, std::uint64_t every) {
  if (every != 0) return step % every == 0;
  const auto part = [steps](std::uint64_t percent) { return std::max<std::uint64_t>(1, steps * percent / 100); };
  return step == 1 || step == part(10) || step == part(50) || step == part(90);
}

Status write_gradient(const std::string& folder, const GradientOrigin& origin,
                      const std::vector<GradientTensor>& tensors, std::span<const float> gradient) {
  nlohmann::json names = nlohmann::json::array();
  for (const GradientTensor& each : tensors) {
    names.push_back({{"name", each.name}, {"count", each.count}, {"exact", each.exact}});
  }
  const nlohmann::json document = {
      {"schema", schema},    {"dimension", gradient.size()},  {"tensors", names},      {"step", origin.step},
      {"seed", origin.seed}, {"algorithm", origin.algorithm}, {"ranks", origin.ranks}, {"dataset", origin.dataset}};
  const std::string path = text(folder, "/gradient-", origin.step);
  // The description last: readers go by it.
  GOSSAMER_TRY(write_whole(path + ".f32", {reinterpret_cast<const char*>(gradient.data()), gradient.size_bytes()}));
  return write_whole(path + ".json", json_text(document));
}

Result<std::vector<NamedVector>> read_gradients(const std::string& folder) {
  std::error_code failed;
  std::vector<std::filesystem::path> paths;
  for (auto each = std::filesystem::directory_iterator(folder, failed);
       !failed && each != std::filesystem::directory_iterator(); each.increment(failed)) {
    const std::string name = each->path().filename().string();
    if (name.rfind("gradient-", 0) == 0 && each->path().extension() == ".json") paths.push_back(each->path());
  }
  if (failed) return Error{Code::unavailable, text("cannot read the folder ", folder, ": ", failed.message())};
  if (paths.empty()) {
    return Error{Code::unavailable, text("no gradient-STEP.json in ", folder,
                                         ": write some with `gossamer train --dump-gradients ", folder, "`")};
  }
  std::vector<std::pair<std::uint64_t, NamedVector>> found;
  for (std::filesystem::path& path : paths) {
    const Result<Description> description = read_description(path.string());
    if (!description.ok()) return description.error();
    path.replace_extension(".f32");
    Result<std::vector<float>> values = read_values(path.string(), *description);
    if (!values.ok()) return std::move(values).error();
    found.emplace_back(description->step, NamedVector{path.stem().string(), std::move(*values)});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<NamedVector> out;
  for (auto& [step, gradient] : found) out.push_back(std::move(gradient));
  return out;
}

}  // namespace gossamer::tools
