// What `gossamer topo verify` measures: the schedules that a topology file recommends beside those that there would be
// without it, in turns, so that whatever else the machines do falls on all alike.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/runtime.h"
#include "topology/topology_file.h"

namespace gossamer::tools {

struct VerifyConfig {
  std::string topology;
  topology::Collective collective = topology::Collective::all_reduce;
  std::vector<std::uint64_t> sizes;  // bytes; empty: those that the file expects something of, to 4 MiB
  std::uint32_t turns = 7;
  double turn_ms = 10.0;  // a turn repeats an operation for about so long
};

// One of those that take turns. Times are of an operation, on the rank that took longest.
struct Contender {
  std::string name;      // "recommended", "default", or a kind: for all ranks as they are numbered
  std::string schedule;  // what the file says: "ring", "by cost"; of others the name
  double p50_us = 0.0;
  double least_us = 0.0;
};

struct VerifiedSize {
  std::uint64_t bytes = 0;
  double predicted_us = 0.0;          // by the file, between its sizes as their logarithms go; 0: it says nothing
  double predicted_default_us = 0.0;  // the same of doing without it
  std::uint32_t repeats = 1;          // of an operation in a turn
  std::vector<Contender> contenders;  // recommended, default, then kinds

  [[nodiscard]] const Contender& best_fixed() const;
};

// What the file expects of a collective at this size, and without it; 0 and 0 where it says nothing near.
[[nodiscard]] topology::ExpectedTime expected_at(const topology::TopologyFile& file, topology::Collective collective,
                                                 std::uint64_t bytes);
[[nodiscard]] std::vector<std::uint64_t> sizes_to_verify(const topology::TopologyFile& file,
                                                         topology::Collective collective);

// All ranks of a session that has the file call it; all get the same.
[[nodiscard]] Result<std::vector<VerifiedSize>> verify(runtime::Session& session, const VerifyConfig& config,
                                                       const topology::TopologyFile& file);

// Schema gossamer.topo.verify/1: a row for each size and contender.
[[nodiscard]] nlohmann::json verify_document(const std::vector<VerifiedSize>& sizes, const VerifyConfig& config,
                                             std::uint32_t ranks, const nlohmann::json& environment);
[[nodiscard]] std::string verify_text(const std::vector<VerifiedSize>& sizes, const VerifyConfig& config,
                                      std::uint32_t ranks);

// How many times as long as the best fixed schedule what is recommended takes, where that is most.
[[nodiscard]] double worst_ratio(const std::vector<VerifiedSize>& sizes);

}  // namespace gossamer::tools
