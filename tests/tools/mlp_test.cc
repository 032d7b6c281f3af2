#include "tools/train/mlp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/base.h"

namespace gossamer::tools {
namespace {

const std::vector<std::uint32_t> sizes = {7, 6, 5, 3};
constexpr std::size_t samples = 9;

struct Problem {
  std::vector<float> inputs;
  std::vector<std::uint8_t> labels;
  std::vector<float> weights;
};

Problem make_problem(const Mlp& mlp) {
  Random random(3);
  Problem out;
  for (std::size_t i = 0; i < samples * sizes.front(); ++i) out.inputs.push_back(static_cast<float>(random.normal()));
  for (std::size_t i = 0; i < samples; ++i) out.labels.push_back(static_cast<std::uint8_t>(random.below(sizes.back())));
  out.weights.resize(mlp.weight_count());
  mlp.initialise(5, out.weights);
  for (const MlpTensor& each : mlp.tensors()) {
    for (std::size_t i = 0; each.bias && i < each.count; ++i)
      out.weights[each.offset + i] = static_cast<float>(0.3 * random.normal());
  }
  return out;
}

// The summed loss in f64, written without matrices.
double reference_loss(const Mlp& mlp, const Problem& problem, const std::vector<double>& weights) {
  double loss = 0;
  for (std::size_t s = 0; s < samples; ++s) {
    std::vector<double> in(problem.inputs.begin() + static_cast<long>(s * sizes[0]),
                           problem.inputs.begin() + static_cast<long>((s + 1) * sizes[0]));
    for (std::size_t layer = 0; layer + 1 < sizes.size(); ++layer) {
      const std::size_t w = mlp.tensors()[2 * layer].offset, b = mlp.tensors()[2 * layer + 1].offset;
      std::vector<double> out(sizes[layer + 1]);
      for (std::size_t o = 0; o < out.size(); ++o) {
        out[o] = weights[b + o];
        for (std::size_t i = 0; i < in.size(); ++i) out[o] += in[i] * weights[w + i * out.size() + o];
        if (layer + 2 < sizes.size()) out[o] = std::max(out[o], 0.0);
      }
      in = out;
    }
    double sum = 0;
    for (const double each : in) sum += std::exp(each);
    loss += std::log(sum) - in[problem.labels[s]];
  }
  return loss;
}

void check_gradient(const MlpKernel& kernel) {
  Mlp mlp(sizes, samples, kernel);
  const Problem problem = make_problem(mlp);
  std::copy(problem.inputs.begin(), problem.inputs.end(), mlp.inputs());
  std::vector<float> gradient(mlp.weight_count(), 99.0f);
  const double loss = mlp.loss_and_gradient(problem.weights, problem.labels, gradient);
  std::vector<double> weights(problem.weights.begin(), problem.weights.end());
  EXPECT_NEAR(loss, reference_loss(mlp, problem, weights), 1e-4);
  constexpr double step = 1e-6;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double kept = weights[i];
    weights[i] = kept + step;
    const double above = reference_loss(mlp, problem, weights);
    weights[i] = kept - step;
    const double below = reference_loss(mlp, problem, weights);
    weights[i] = kept;
    EXPECT_NEAR(static_cast<double>(gradient[i]), (above - below) / (2 * step), 1e-4)
        << kernel.target << ", weight " << i;
  }
}

// Goal: the gradient is the loss's. Method: central differences of a plain f64 loss, for every weight and bias.
TEST(Mlp, GradientAgreesWithFiniteDifferences) { check_gradient(mlp_kernel_baseline()); }

// Goal: the same for the other target. Method: the same, where the machine runs it.
TEST(Mlp, GradientOfTheAvx2KernelAgreesWithFiniteDifferences) {
  if (mlp_kernel_avx2() == nullptr || &mlp_kernel() != mlp_kernel_avx2()) GTEST_SKIP() << "this machine has no AVX2";
  check_gradient(*mlp_kernel_avx2());
}

// What forward and backward give when every array begins `shift` floats after a 64-byte boundary.
std::vector<std::vector<float>> results_at(const MlpKernel& kernel, LayerShape shape, std::size_t count,
                                           std::size_t shift) {
  std::vector<std::vector<float>> blocks;
  const auto place = [&](std::size_t length) {
    blocks.emplace_back(length + 64);
    float* at = blocks.back().data();
    while (reinterpret_cast<std::uintptr_t>(at) % 64 != 0) ++at;
    return at + shift;
  };
  const std::size_t inputs = count * shape.inputs, outputs = count * shape.outputs,
                    weights = shape.inputs * shape.outputs;
  float *in = place(inputs), *w = place(weights), *b = place(shape.outputs), *delta = place(outputs);
  float *out = place(outputs), *dw = place(weights), *db = place(shape.outputs), *back = place(inputs);
  Random random(9);
  const auto fill = [&](float* at, std::size_t length) {
    for (std::size_t i = 0; i < length; ++i) at[i] = static_cast<float>(random.normal());
  };
  fill(in, inputs);
  fill(w, weights);
  fill(b, shape.outputs);
  fill(delta, outputs);
  kernel.forward(shape, count, in, w, b, true, out);
  kernel.backward(shape, count, in, w, delta, dw, db, back);
  return {{out, out + outputs}, {dw, dw + weights}, {db, db + shape.outputs}, {back, back + inputs}};
}

// Goal: a run can be repeated to the bit, wherever its arrays lie in memory. Method: every alignment of a cache line,
// with
// `==`, for shapes that use Eigen's small, vector and blocked products.
TEST(MlpKernel, BitsDoNotDependOnAlignment) {
  std::vector<const MlpKernel*> kernels = {&mlp_kernel_baseline()};
  if (&mlp_kernel() != kernels.front()) kernels.push_back(&mlp_kernel());
  for (const MlpKernel* kernel : kernels) {
    for (const auto& [count, shape] : std::vector<std::pair<std::size_t, LayerShape>>{
             {25, {32, 48}}, {17, {24, 10}}, {32, {300, 128}}, {1, {24, 10}}, {4, {5, 3}}}) {
      const std::vector<std::vector<float>> aligned = results_at(*kernel, shape, count, 0);
      for (std::size_t shift = 1; shift < 16; ++shift) {
        EXPECT_EQ(results_at(*kernel, shape, count, shift), aligned)
            << kernel->target << ", " << count << " samples, " << shape.inputs << " x " << shape.outputs << ", shift "
            << shift;
      }
    }
  }
}

// Goal: a rank without samples contributes zeros, and parts of a batch add up to the whole. Method: split in three.
TEST(Mlp, GradientsOfPartsAddUpToTheWholeBatch) {
  Mlp mlp(sizes, samples, mlp_kernel());
  const Problem problem = make_problem(mlp);
  const auto part = [&](std::size_t first, std::size_t count) {
    std::copy_n(problem.inputs.begin() + static_cast<long>(first * sizes[0]), count * sizes[0], mlp.inputs());
    std::vector<float> gradient(mlp.weight_count(), 99.0f);
    mlp.loss_and_gradient(problem.weights, std::span(problem.labels).subspan(first, count), gradient);
    return gradient;
  };
  const std::vector<float> none = part(0, 0), whole = part(0, 9), a = part(0, 4), b = part(4, 5);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(none[i], 0.0f);
    EXPECT_NEAR(a[i] + b[i], whole[i], 1e-5f);
  }
}

// Goal: no logits, however large, give NaN or infinity where the loss itself is finite. Method: extremes.
TEST(Softmax, StaysFiniteForExtremeLogits) {
  const float large = std::numeric_limits<float>::max() / 4;
  std::vector<float> logits = {large, -large, 0, 1e30f, 1e30f, 1e30f, -1e30f, -1e30f, -1e30f};
  const double loss = softmax_cross_entropy(logits, std::vector<std::uint8_t>{0, 1, 2}, 3);
  EXPECT_NEAR(loss, 2 * std::log(3.0), 1e-6);
  for (const float each : logits) EXPECT_TRUE(std::isfinite(each));
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_NEAR(logits[3 * row] + logits[3 * row + 1] + logits[3 * row + 2], 0.0f, 1e-6f);
  }
}

// Goal: weights come from the seed alone, with He's variance. Method: two seeds, and the spread of a wide layer.
TEST(Mlp, InitialWeightsAreSeededAndHaveHesVariance) {
  const Mlp mlp({200, 300, 2}, 1, mlp_kernel());
  std::vector<float> one(mlp.weight_count()), same(mlp.weight_count(), 1.0f), other(mlp.weight_count());
  mlp.initialise(1, one);
  mlp.initialise(1, same);
  mlp.initialise(2, other);
  EXPECT_EQ(one, same);
  EXPECT_NE(one, other);
  double sum = 0;
  for (std::size_t i = 0; i < 60'000; ++i) sum += static_cast<double>(one[i]) * static_cast<double>(one[i]);
  EXPECT_NEAR(sum / 60'000, 2.0 / 200, 0.0003);
  for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(one[60'000 + i], 0.0f);
}

// Goal: the score counts what the largest logit gets right. Method: a network that copies its input.
TEST(Mlp, ScoreCountsTheLargestLogit) {
  Mlp mlp({2, 2}, 3, mlp_kernel());
  const std::vector<float> weights = {1, 0, 0, 1, 0, 0};
  const float inputs[] = {3, 1, 1, 3, 5, 2};
  std::copy(std::begin(inputs), std::end(inputs), mlp.inputs());
  const Mlp::Score score = mlp.score(weights, std::vector<std::uint8_t>{0, 1, 1});
  EXPECT_EQ(score.correct, 2u);
  EXPECT_NEAR(score.loss, 2 * std::log1p(std::exp(-2.0)) + std::log1p(std::exp(3.0)), 1e-5);
}

}  // namespace
}  // namespace gossamer::tools
