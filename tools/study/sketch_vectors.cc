#include "tools/study/sketch_vectors.h"

#include <algorithm>
#include <cmath>

#include "base/base.h"

namespace gossamer::tools {
namespace {

constexpr std::size_t layer_count = 64;
constexpr double layer_spread = 2;
constexpr std::uint64_t run_length = 1024;
constexpr double beside_run = 0.01;
constexpr double heavy_factor = 20;
constexpr std::uint64_t heavy_stride = 16;
constexpr double mean_shift = 3;

// fill(t) for each coordinate, in order.
template <typename Fill>
std::vector<float> filled(std::uint64_t dimension, const Fill& fill) {
  std::vector<float> out(dimension);
  for (std::uint64_t t = 0; t < dimension; ++t) out[t] = static_cast<float>(fill(t));
  return out;
}

std::vector<float> draw_layers(Random& random, std::uint64_t dimension) {
  std::vector<std::uint64_t> cuts = {0, dimension};
  for (std::size_t i = 1; i < layer_count; ++i) cuts.push_back(random.below(dimension));
  std::sort(cuts.begin(), cuts.end());
  std::size_t layer = 0;
  double scale = 1;
  return filled(dimension, [&](std::uint64_t t) {
    while (layer < layer_count && t >= cuts[layer]) {
      ++layer;
      scale = std::exp(layer_spread * random.normal());
    }
    return scale * random.normal();
  });
}

}  // namespace

std::vector<float> draw_sketch_vector(const std::string& name, std::uint64_t dimension, std::uint64_t seed) {
  const auto found = std::find(sketch_vector_names.begin(), sketch_vector_names.end(), name);
  GOSSAMER_CHECK(found != sketch_vector_names.end() && dimension > 0, "no such vector: " + name);
  Random random(mix64(seed, static_cast<std::uint64_t>(found - sketch_vector_names.begin())));
  if (name == "layer-clustered") return draw_layers(random, dimension);
  if (name == "one-hot") {
    std::vector<float> out(dimension, 0.0F);
    out[random.below(dimension)] = 1.0F / 3.0F;
    return out;
  }
  if (name == "heavy-tailed") {
    // Half a chi-square with two degrees of freedom is exponential, and the ratio needs no more.
    return filled(dimension,
                  [&](std::uint64_t) { return random.normal() / std::sqrt(-std::log(1.0 - random.uniform())); });
  }
  if (name == "one-run") {
    const std::uint64_t first = dimension > run_length ? random.below(dimension - run_length + 1) : 0;
    return filled(dimension, [&](std::uint64_t t) {
      return random.normal() * (t >= first && t - first < run_length ? 1.0 : beside_run);
    });
  }
  if (name == "every-16th-heavy") {
    return filled(dimension,
                  [&](std::uint64_t t) { return random.normal() * (t % heavy_stride == 0 ? heavy_factor : 1.0); });
  }
  const double mean = name == "mean-shifted" ? mean_shift : 0.0;
  return filled(dimension, [&](std::uint64_t) { return mean + random.normal(); });
}

}  // namespace gossamer::tools
