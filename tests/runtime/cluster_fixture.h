// A simulated cluster with one compressor on each rank, and gradients from a seed.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"
#include "runtime/simulation/sim_cluster.h"

namespace gossamer::runtime::testing {

struct ClusterCase {
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  std::uint32_t rank_count = 4;
  std::optional<topology::ScheduleKind> schedule;
  sketch::CellType cells = sketch::CellType::f32;
  sketch::CellType values = sketch::CellType::f32;
};
[[nodiscard]] std::string case_name(const ClusterCase& c);
inline void PrintTo(const ClusterCase& c, std::ostream* out) { *out << case_name(c); }

// One case for several rank counts: one test, for each test is a process, whose start costs more than a small case.
struct ClusterFamily {
  ClusterCase common;  // its rank_count is 0
  std::vector<std::uint32_t> rank_counts;

  [[nodiscard]] std::vector<ClusterCase> cases() const;
  [[nodiscard]] std::string name() const { return case_name(common); }
};
inline void PrintTo(const ClusterFamily& family, std::ostream* out) { *out << family.name(); }

// Two tensors that are compressed and two that travel whole.
[[nodiscard]] std::vector<Tensor> small_model();
[[nodiscard]] CompressorConfig small_config(const ClusterCase& c);

class TestCluster {
 public:
  explicit TestCluster(const ClusterCase& c, std::uint64_t seed = 1);
  TestCluster(std::uint32_t rank_count, const CompressorConfig& config, std::uint64_t seed);
  TestCluster(const SimClusterOptions& options, const CompressorConfig& config) { set_up(options, config); }
  // Behind fault decorators; the network has the faults' seed.
  TestCluster(const ClusterCase& c, const transport::FaultOptions& faults);
  TestCluster(std::uint32_t rank_count, const CompressorConfig& config, const transport::FaultOptions& faults);

  [[nodiscard]] std::uint32_t rank_count() const { return cluster->rank_count(); }

  // Gradients of one rank in one step: one vector a tensor, on a grid of 1/64 so that sums are exact.
  [[nodiscard]] std::vector<std::vector<float>> gradients(std::uint32_t rank, std::uint32_t step) const;

  void compress(std::uint32_t rank, const std::vector<std::vector<float>>& gradients);
  void compress_all(std::uint32_t step);
  void reduce_all();
  // Runs until every live rank's operation has ended; their codes and errors by rank.
  struct Outcome {
    Code code = Code::pending;
    Error error;
  };
  std::vector<Outcome> run(std::uint64_t limit_ns = 10'000'000'000);
  // compress, reduce, run, all of them done.
  void step(std::uint32_t number);

  // The update of a rank as a dense vector in the caller's order.
  [[nodiscard]] std::vector<float> dense_update(std::uint32_t rank) const;

  // Of all decorators together.
  [[nodiscard]] transport::FaultCounts fault_counts() const;

  std::unique_ptr<SimCluster> cluster;
  std::vector<Compressor*> compressors;
  std::vector<bool> alive;

 private:
  void set_up(const SimClusterOptions& options, const CompressorConfig& config);
  std::vector<Tensor> tensors_;
};

}  // namespace gossamer::runtime::testing
