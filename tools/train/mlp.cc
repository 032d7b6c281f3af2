#include "tools/train/mlp.h"

#include <algorithm>
#include <cmath>

#include "base/base.h"

namespace gossamer::tools {

extern const MlpKernel mlp_kernel_of_baseline;
#ifdef GOSSAMER_MLP_HAS_AVX2
extern const MlpKernel mlp_kernel_of_avx2;
#endif

const MlpKernel& mlp_kernel_baseline() { return mlp_kernel_of_baseline; }

const MlpKernel* mlp_kernel_avx2() {
#ifdef GOSSAMER_MLP_HAS_AVX2
  return &mlp_kernel_of_avx2;
#else
  return nullptr;
#endif
}

const MlpKernel& mlp_kernel() {
#ifdef GOSSAMER_MLP_HAS_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return mlp_kernel_of_avx2;
#endif
  return mlp_kernel_of_baseline;
}

double softmax_cross_entropy(std::span<float> logits, std::span<const std::uint8_t> labels, std::size_t classes) {
  double loss = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::span<float> row = logits.subspan(i * classes, classes);
    const float most = *std::max_element(row.begin(), row.end());
    const double right = static_cast<double>(row[labels[i]]) - static_cast<double>(most);
    double sum = 0;
    for (float& each : row) {
      each = std::exp(each - most);
      sum += static_cast<double>(each);
    }
    loss += std::log(sum) - right;
    for (float& each : row) each = static_cast<float>(static_cast<double>(each) / sum);
    row[labels[i]] -= 1.0f;
  }
  return loss;
}

Mlp::Mlp(std::vector<std::uint32_t> sizes, std::size_t batch_max, const MlpKernel& kernel)
    : sizes_(std::move(sizes)), kernel_(kernel) {
  GOSSAMER_CHECK(sizes_.size() >= 2 && batch_max > 0, "an MLP has an input and an output");
  std::size_t offset = 0;
  const auto add = [&](std::string name, std::size_t count, bool bias) {
    tensors_.push_back({std::move(name), offset, count, bias});
    offset += count;
  };
  for (std::size_t i = 0; i < layer_count(); ++i) {
    add(text("w", i + 1), layer(i).inputs * layer(i).outputs, false);
    add(text("b", i + 1), layer(i).outputs, true);
  }
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    activations_.emplace_back(batch_max * sizes_[i]);
    deltas_.emplace_back(i == 0 ? 0 : batch_max * sizes_[i]);
  }
}

std::size_t Mlp::weight_count() const { return tensors_.back().offset + tensors_.back().count; }

void Mlp::initialise(std::uint64_t seed, std::span<float> weights) const {
  for (std::size_t i = 0; i < layer_count(); ++i) {
    const MlpTensor& w = tensors_[2 * i];
    const MlpTensor& b = tensors_[2 * i + 1];
    const double deviation = std::sqrt(2.0 / static_cast<double>(layer(i).inputs));
    Random random(mix64(mix64(seed, 0x77656967687473), i));
    for (std::size_t j = 0; j < w.count; ++j) weights[w.offset + j] = static_cast<float>(deviation * random.normal());
    std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(b.offset), b.count, 0.0f);
  }
}

void Mlp::forward(std::span<const float> weights, std::size_t samples) {
  for (std::size_t i = 0; i < layer_count(); ++i) {
    kernel_.forward(layer(i), samples, activations_[i].data(), weights.data() + tensors_[2 * i].offset,
                    weights.data() + tensors_[2 * i + 1].offset, i + 1 < layer_count(), activations_[i + 1].data());
  }
}

double Mlp::loss_and_gradient(std::span<const float> weights, std::span<const std::uint8_t> labels,
                              std::span<float> gradient) {
  const std::size_t samples = labels.size();
  if (samples == 0) {
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    return 0;
  }
  forward(weights, samples);
  std::copy_n(activations_.back().begin(), samples * sizes_.back(), deltas_.back().begin());
  const double loss = softmax_cross_entropy(deltas_.back(), labels, sizes_.back());
  for (std::size_t i = layer_count(); i-- > 0;) {
    kernel_.backward(layer(i), samples, activations_[i].data(), weights.data() + tensors_[2 * i].offset,
                     deltas_[i + 1].data(), gradient.data() + tensors_[2 * i].offset,
                     gradient.data() + tensors_[2 * i + 1].offset, i == 0 ? nullptr : deltas_[i].data());
  }
  return loss;
}

Mlp::Score Mlp::score(std::span<const float> weights, std::span<const std::uint8_t> labels) {
  Score out;
  if (labels.empty()) return out;
  forward(weights, labels.size());
  std::vector<float>& logits = activations_.back();
  const std::size_t classes = sizes_.back();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
    const auto best = std::max_element(row, row + static_cast<std::ptrdiff_t>(classes)) - row;
    out.correct += std::uint64_t{best == labels[i]};
  }
  out.loss = softmax_cross_entropy(logits, labels, classes);
  return out;
}

}  // namespace gossamer::tools
