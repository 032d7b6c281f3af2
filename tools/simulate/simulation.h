// `gossamer simulate`, but for its command line: from words to outcomes, and what is told of them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/base.h"
#include "topology/simulate/simulate.h"

namespace gossamer::tools {

struct SimulateConfig {
  std::uint32_t ranks = 8;
  std::string bytes = "1M";
  std::string collective = "all-reduce";
  std::vector<std::string> schedules = {"auto"};  // kinds, auto: chosen by the cost model, file:PATH
  std::uint32_t root = 0;
  std::string fabric = "flat";  // words of topology::make_fabric, or file:PATH
  std::string cost = "rdma";
  // In place of what follows from the cost model.
  std::optional<double> latency_ns, overhead_ns, gap_ns, per_byte_ns, merge_ns_per_byte;
  std::optional<std::uint64_t> shuffle;  // seed: ranks on hosts in a random order
  std::uint32_t top = 5;                 // busiest links that are told
  std::string json;
  std::string plot;
};

struct SimulatedSchedule {
  std::string name;
  topology::Outcome outcome;
  double predicted_ns = 0;  // by the cost model; NaN for a schedule from a file
};

// Owns the fabric that the outcomes are about.
struct Simulation {
  std::uint32_t ranks = 0;
  std::uint64_t bytes = 0;
  std::string collective;
  std::unique_ptr<topology::Fabric> fabric;
  topology::HostModel host;
  std::vector<SimulatedSchedule> schedules;
};

// Errors: invalid_argument (the words), malformed and unavailable (a file), out_of_resources.
[[nodiscard]] Result<Simulation> run_simulation(const SimulateConfig& config);

// "gossamer.simulate/1": a row for each schedule; link_classes, busiest_links and critical_path with the schedule's
// name.
[[nodiscard]] nlohmann::json simulation_document(const Simulation& simulation, const SimulateConfig& config,
                                                 const nlohmann::json& environment);
[[nodiscard]] std::string simulation_table(const nlohmann::json& document);

}  // namespace gossamer::tools
