#include "tests/runtime/cluster_fixture.h"

#include <algorithm>
#include <cmath>

namespace gossamer::runtime::testing {

std::string case_name(const ClusterCase& c) {
  std::string name(algorithm_name(c.algorithm));
  if (c.rank_count > 0) name += text("_", c.rank_count);
  name += text("_", c.schedule ? topology::schedule_kind_name(*c.schedule) : "auto");
  if (c.cells != sketch::CellType::f32) name += text("_cells_", sketch::cell_type_name(c.cells));
  if (c.values != sketch::CellType::f32) name += text("_values_", sketch::cell_type_name(c.values));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::vector<ClusterCase> ClusterFamily::cases() const {
  std::vector<ClusterCase> cases;
  for (const std::uint32_t p : rank_counts) cases.emplace_back(common).rank_count = p;
  return cases;
}

std::vector<Tensor> small_model() {
  return {{"w1", 3000, false}, {"b1", 30, true}, {"w2", 1101, false}, {"b2", 7, true}};
}

CompressorConfig small_config(const ClusterCase& c) {
  CompressorConfig config;
  config.algorithm = c.algorithm;
  config.tensors = small_model();
  config.density = c.algorithm == AlgorithmKind::dense ? 0.0 : 0.02;
  config.columns = c.algorithm == AlgorithmKind::gs_sgd ? 256 : 0;
  config.clip = 0.0;
  config.momentum = 0.9;
  config.schedule = c.schedule;
  config.cells = c.cells;
  config.values = c.values;
  return config;
}

namespace {
SimClusterOptions cluster_options(std::uint32_t rank_count, std::uint64_t seed) {
  SimClusterOptions options;
  options.rank_count = rank_count;
  options.network.seed = seed;
  return options;
}
}  // namespace

TestCluster::TestCluster(const ClusterCase& c, std::uint64_t seed) : TestCluster(c.rank_count, small_config(c), seed) {}

TestCluster::TestCluster(std::uint32_t rank_count, const CompressorConfig& config, std::uint64_t seed) {
  set_up(cluster_options(rank_count, seed), config);
}

TestCluster::TestCluster(const ClusterCase& c, const transport::FaultOptions& faults)
    : TestCluster(c.rank_count, small_config(c), faults) {}

TestCluster::TestCluster(std::uint32_t rank_count, const CompressorConfig& config,
                         const transport::FaultOptions& faults) {
  SimClusterOptions options = cluster_options(rank_count, faults.seed);
  options.faults = faults;
  set_up(options, config);
}

void TestCluster::set_up(const SimClusterOptions& options, const CompressorConfig& config) {
  tensors_ = config.tensors;
  auto made = SimCluster::make(options);
  GOSSAMER_CHECK(made.ok(), "a simulated cluster");
  cluster = std::move(*made);
  for (std::uint32_t r = 0; r < options.rank_count; ++r) {
    auto compressor = cluster->session(Rank{r}).make_compressor(config);
    GOSSAMER_CHECK(compressor.ok(), compressor.ok() ? "" : compressor.error().message);
    compressors.push_back(*compressor);
  }
  alive.assign(options.rank_count, true);
}

std::vector<std::vector<float>> TestCluster::gradients(std::uint32_t rank, std::uint32_t step) const {
  Random random(mix64(mix64(step), rank));
  std::vector<std::vector<float>> gradients;
  for (const Tensor& tensor : tensors_) {
    std::vector<float>& g = gradients.emplace_back(tensor.count);
    for (float& value : g) {
      // Mostly small, some heavy, as gradients are.
      const double scale = random.below(50) == 0 ? 40.0 : 1.0;
      value = static_cast<float>(std::round(random.normal() * scale * 4.0) / 64.0);
    }
  }
  return gradients;
}

void TestCluster::compress(std::uint32_t rank, const std::vector<std::vector<float>>& gradients) {
  std::vector<const float*> pointers;
  for (const auto& g : gradients) pointers.push_back(g.data());
  const Status status = compressors[rank]->compress(pointers.data());
  ASSERT_TRUE(status.ok()) << status.error().message;
}

void TestCluster::compress_all(std::uint32_t step) {
  for (std::uint32_t r = 0; r < rank_count(); ++r)
    if (alive[r]) compress(r, gradients(r, step));
}

void TestCluster::reduce_all() {
  for (std::uint32_t r = 0; r < rank_count(); ++r) {
    if (!alive[r]) continue;
    const Status status = compressors[r]->reduce();
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
}

std::vector<TestCluster::Outcome> TestCluster::run(std::uint64_t limit_ns) {
  std::vector<Outcome> outcomes(rank_count());
  const auto all_ended = [&] {
    for (std::uint32_t r = 0; r < rank_count(); ++r) {
      if (!alive[r] || outcomes[r].code != Code::pending) continue;
      const auto code = compressors[r]->test();
      if (!code.ok())
        outcomes[r] = {code.error().code, code.error()};
      else
        outcomes[r].code = *code;
    }
    for (std::uint32_t r = 0; r < rank_count(); ++r)
      if (alive[r] && outcomes[r].code == Code::pending) return false;
    return true;
  };
  cluster->run_until(all_ended, limit_ns);
  return outcomes;
}

void TestCluster::step(std::uint32_t number) {
  compress_all(number);
  reduce_all();
  const auto outcomes = run();
  for (std::uint32_t r = 0; r < rank_count(); ++r)
    ASSERT_EQ(outcomes[r].code, Code::done) << "rank " << r << ": " << outcomes[r].error.message;
}

std::vector<float> TestCluster::dense_update(std::uint32_t rank) const {
  const auto update = compressors[rank]->update();
  GOSSAMER_CHECK(update.ok(), "an update after a step");
  std::vector<std::vector<float>> dense;
  std::vector<float*> pointers;
  for (const Tensor& tensor : tensors_) dense.emplace_back(tensor.count, 0.0f);
  for (auto& tensor : dense) pointers.push_back(tensor.data());
  apply_update(compressors[rank]->layout(), update->indices, update->values, pointers.data(), 1.0f);
  std::vector<float> flat;
  for (const auto& tensor : dense) flat.insert(flat.end(), tensor.begin(), tensor.end());
  return flat;
}

transport::FaultCounts TestCluster::fault_counts() const {
  transport::FaultCounts all;
  for (std::uint32_t r = 0; r < rank_count(); ++r) {
    const transport::FaultCounts& counts = cluster->faults(Rank{r}).counts();
    for (std::size_t k = 0; k < transport::fault_kind_count; ++k) all.fired[k] += counts.fired[k];
    all.lost_in_cuts += counts.lost_in_cuts;
    all.hash = mix64(all.hash, counts.hash);
  }
  return all;
}

}  // namespace gossamer::runtime::testing
