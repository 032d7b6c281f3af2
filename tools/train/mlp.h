// A multilayer perceptron: ReLU between layers, softmax and cross entropy at the end.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/train/mlp_kernel.h"

namespace gossamer::tools {

// One tensor of the weights: w1 (inputs x outputs), b1, w2, b2, ...
struct MlpTensor {
  std::string name;
  std::size_t offset = 0;  // in the concatenation of all tensors
  std::size_t count = 0;
  bool bias = false;
};

// Turns `logits` (samples x classes) into softmax probabilities minus the one-hot label: the gradient of the
// summed cross entropy. Returns that sum. Any finite logits are safe: each row's maximum is taken off first.
double softmax_cross_entropy(std::span<float> logits, std::span<const std::uint8_t> labels, std::size_t classes);

// Weights and gradients are the caller's: one block of weight_count() floats each.
class Mlp {
 public:
  // `sizes`: inputs, hidden layers, classes; at least two, each at least 1. `batch_max`: most samples of a call.
  Mlp(std::vector<std::uint32_t> sizes, std::size_t batch_max, const MlpKernel& kernel);

  [[nodiscard]] const std::vector<MlpTensor>& tensors() const { return tensors_; }
  [[nodiscard]] std::size_t weight_count() const;

  // He initialisation: normal with variance 2 / inputs; biases 0. The same on every machine for one seed.
  void initialise(std::uint64_t seed, std::span<float> weights) const;

  // Where the caller puts up to batch_max samples, row after row, before the two calls below.
  [[nodiscard]] float* inputs() { return activations_.front().data(); }

  // Overwrites `gradient` with the gradient of the *sum* of the samples' losses; returns that sum. No sample:
  // zeros.
  double loss_and_gradient(std::span<const float> weights, std::span<const std::uint8_t> labels,
                           std::span<float> gradient);

  struct Score {
    std::uint64_t correct = 0;
    double loss = 0;  // summed
  };
  [[nodiscard]] Score score(std::span<const float> weights, std::span<const std::uint8_t> labels);

 private:
  void forward(std::span<const float> weights, std::size_t samples);
  [[nodiscard]] LayerShape layer(std::size_t index) const { return {sizes_[index], sizes_[index + 1]}; }
  [[nodiscard]] std::size_t layer_count() const { return sizes_.size() - 1; }

  std::vector<std::uint32_t> sizes_;
  const MlpKernel& kernel_;
  std::vector<MlpTensor> tensors_;
  std::vector<std::vector<float>> activations_;  // by layer, the input first: batch_max x size
  std::vector<std::vector<float>> deltas_;       // the same for the gradients; none for the input
};

}  // namespace gossamer::tools
