// A simulated cluster whose ranks hold their gradients on the host or on the fake device, one dense compressor each.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "runtime/runtime.h"
#include "runtime/simulation/sim_cluster.h"
#include "tests/support/fake_device.h"

namespace gossamer::runtime::testing {

struct DeviceClusterOptions {
  SimClusterOptions cluster;
  std::vector<MemoryKind> memory;  // by rank
  CompressorConfig config;         // `memory` is set by rank
};

// Two tensors of this many elements together, dense, without clipping.
[[nodiscard]] inline CompressorConfig dense_config(std::uint64_t dimension) {
  CompressorConfig config;
  config.algorithm = AlgorithmKind::dense;
  config.tensors = {{"w", dimension - dimension / 3, false}, {"b", dimension / 3, true}};
  config.clip = 0.0;
  return config;
}

class DeviceCluster {
 public:
  DeviceCluster(DeviceMemory& memory, const DeviceClusterOptions& options) : options_(options) {
    auto made = SimCluster::make(options.cluster);
    GOSSAMER_CHECK(made.ok(), "a simulated cluster");
    cluster = std::move(*made);
    for (std::uint32_t r = 0; r < rank_count(); ++r) {
      CompressorConfig config = options.config;
      config.memory = options.memory[r];
      auto compressor = cluster->session(Rank{r}).make_compressor(config);
      GOSSAMER_CHECK(compressor.ok(), compressor.ok() ? "" : compressor.error().message);
      compressors.push_back(*compressor);
      std::vector<std::unique_ptr<gossamer::testing::DeviceArray<float>>>& arrays = device_.emplace_back();
      for (const Tensor& tensor : config.tensors)
        arrays.push_back(std::make_unique<gossamer::testing::DeviceArray<float>>(memory, tensor.count));
    }
    alive.assign(rank_count(), true);
  }

  [[nodiscard]] std::uint32_t rank_count() const { return cluster->rank_count(); }
  [[nodiscard]] bool is_on_device(std::uint32_t rank) const { return options_.memory[rank] != MemoryKind::host; }

  // Not on a grid: the order of sums shows.
  [[nodiscard]] std::vector<std::vector<float>> gradients(std::uint32_t rank, std::uint32_t step) const {
    Random random(mix64(mix64(step), rank));
    std::vector<std::vector<float>> gradients;
    for (const Tensor& tensor : options_.config.tensors)
      for (float& value : gradients.emplace_back(tensor.count))
        value = static_cast<float>(random.below(1u << 24)) * 1.7e-7f - 1.3f;
    return gradients;
  }

  Status compress(std::uint32_t rank, const std::vector<std::vector<float>>& gradients) {
    std::vector<const float*> pointers;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (is_on_device(rank)) device_[rank][i]->set(gradients[i]);
      pointers.push_back(is_on_device(rank) ? device_[rank][i]->data() : gradients[i].data());
    }
    return compressors[rank]->compress(pointers.data());
  }
  void start(std::uint32_t step) {
    for (std::uint32_t r = 0; r < rank_count(); ++r) {
      if (!alive[r]) continue;
      const Status compressed = compress(r, gradients(r, step));
      ASSERT_TRUE(compressed.ok()) << compressed.error().message;
      const Status reduced = compressors[r]->reduce();
      ASSERT_TRUE(reduced.ok()) << reduced.error().message;
    }
  }
  // Until every live rank's operation has ended; by rank, done or the error.
  std::vector<Error> run(std::uint64_t limit_ns = 10'000'000'000) {
    std::vector<Error> outcomes(rank_count(), Error{Code::pending, "pending"});
    cluster->run_until(
        [&] {
          bool all = true;
          for (std::uint32_t r = 0; r < rank_count(); ++r) {
            if (!alive[r] || outcomes[r].code != Code::pending) continue;
            const auto code = compressors[r]->test();
            outcomes[r] = code.ok() ? Error{*code, ""} : code.error();
            all &= outcomes[r].code != Code::pending;
          }
          return all;
        },
        limit_ns);
    return outcomes;
  }
  void step(std::uint32_t number) {
    ASSERT_NO_FATAL_FAILURE(start(number));
    for (const Error& outcome : run()) ASSERT_EQ(outcome.code, Code::done) << outcome.message;
  }

  // Weights of zero with the rank's update applied.
  [[nodiscard]] std::vector<float> applied(std::uint32_t rank) {
    const auto update = compressors[rank]->update();
    GOSSAMER_CHECK(update.ok(), "an update after a step");
    std::vector<std::vector<float>> weights;
    std::vector<float*> pointers;
    for (std::size_t i = 0; i < options_.config.tensors.size(); ++i) {
      weights.emplace_back(options_.config.tensors[i].count);
      if (is_on_device(rank)) device_[rank][i]->set(weights[i]);
      pointers.push_back(is_on_device(rank) ? device_[rank][i]->data() : weights[i].data());
    }
    const Status status = compressors[rank]->apply_to(pointers.data(), *update, -0.5f);
    GOSSAMER_CHECK(status.ok(), status.ok() ? "" : status.error().message);
    std::vector<float> flat;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (is_on_device(rank)) weights[i] = device_[rank][i]->values();
      flat.insert(flat.end(), weights[i].begin(), weights[i].end());
    }
    return flat;
  }

  std::unique_ptr<SimCluster> cluster;
  std::vector<Compressor*> compressors;
  std::vector<bool> alive;

 private:
  DeviceClusterOptions options_;
  std::vector<std::vector<std::unique_ptr<gossamer::testing::DeviceArray<float>>>> device_;
};

}  // namespace gossamer::runtime::testing
