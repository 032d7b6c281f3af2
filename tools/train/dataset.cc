#include "tools/train/dataset.h"

#include <algorithm>
#include <cmath>

#include "tools/train/idx.h"

namespace gossamer::tools {
namespace {

constexpr std::uint32_t fashion_side = 28;
constexpr std::uint32_t fashion_classes = 10;

Result<Samples> load_part(const std::string& folder, const std::string& part, std::uint32_t count) {
  Result<IdxArray> images = read_idx(folder, part + "-images-idx3-ubyte", 3);
  if (!images.ok()) return std::move(images).error();
  Result<IdxArray> labels = read_idx(folder, part + "-labels-idx1-ubyte", 1);
  if (!labels.ok()) return std::move(labels).error();
  const std::vector<std::uint32_t>& sizes = images->sizes;
  if (sizes[0] != count || sizes[1] != fashion_side || sizes[2] != fashion_side) {
    return Error{Code::malformed, text(folder, "/", part, "-images: expected ", count, " images of 28 x 28, found ",
                                       sizes[0], " of ", sizes[1], " x ", sizes[2])};
  }
  if (labels->sizes[0] != count) {
    return Error{Code::malformed,
                 text(folder, "/", part, "-labels: expected ", count, " labels, found ", labels->sizes[0])};
  }
  const auto wrong = std::find_if(labels->values.begin(), labels->values.end(),
                                  [](std::uint8_t label) { return label >= fashion_classes; });
  if (wrong != labels->values.end()) {
    return Error{Code::malformed, text(folder, "/", part, "-labels: expected labels from 0 to 9, found ", int{*wrong},
                                       " at place ", wrong - labels->values.begin())};
  }
  return Samples{fashion_side * fashion_side, std::move(images->values), std::move(labels->values)};
}

}  // namespace

void Samples::copy(std::size_t index, float* out) const {
  const std::uint8_t* from = values.data() + index * features;
  for (std::uint32_t i = 0; i < features; ++i) out[i] = static_cast<float>(from[i]) * (1.0f / 255.0f);
}

Result<Dataset> load_fashion_mnist(const std::string& folder) {
  const auto with_remedy = [](Error error) {
    error.message +=
        "; Fashion-MNIST is in the Debian package dataset-fashion-mnist (apt install dataset-fashion-mnist), "
        "or name its folder with --data";
    return error;
  };
  Result<Samples> train = load_part(folder, "train", 60'000);
  if (!train.ok()) return with_remedy(std::move(train).error());
  Result<Samples> test = load_part(folder, "t10k", 10'000);
  if (!test.ok()) return with_remedy(std::move(test).error());
  return Dataset{"fashion-mnist", fashion_classes, std::move(*train), std::move(*test)};
}

Result<Dataset> make_synthetic(const SyntheticOptions& options) {
  if (options.train_count == 0 || options.test_count == 0 || options.features == 0 || options.classes < 2 ||
      options.classes > 256 || std::uint64_t{options.train_count} * options.features > std::uint64_t{1} << 30) {
    return Error{
        Code::invalid_argument,
        text("a synthetic data set has at least 1 sample and 1 feature, 2 to 256 classes and at most 2^30 values; "
             "asked for ",
             options.train_count, " samples of ", options.features, " features in ", options.classes, " classes")};
  }
  Random random(mix64(options.seed, 0x73796e7468));
  std::vector<double> centres(std::size_t{options.classes} * options.features);
  for (double& each : centres) each = random.normal();
  const auto draw = [&](std::uint32_t count) {
    Samples out;
    out.features = options.features;
    out.values.reserve(std::size_t{count} * options.features);
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto label = static_cast<std::uint32_t>(random.below(options.classes));
      out.labels.push_back(static_cast<std::uint8_t>(label));
      for (std::uint32_t j = 0; j < options.features; ++j) {
        const double value = centres[std::size_t{label} * options.features + j] + 2.0 * random.normal();
        out.values.push_back(static_cast<std::uint8_t>(std::clamp(std::lround(128.0 + 24.0 * value), 0L, 255L)));
      }
    }
    return out;
  };
  Samples train = draw(options.train_count);
  Samples test = draw(options.test_count);
  return Dataset{"synthetic", options.classes, std::move(train), std::move(test)};
}

}  // namespace gossamer::tools
