// What a session has done so far: its numbers, and what is made of them: one line of JSON, whose keys gossamer.h
// explains, and metrics, whose names docs/observability.md explains.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/session/collective.h"
#include "runtime/session/compressor.h"

namespace gossamer::runtime {

struct CompressorReport {
  std::string name;
  AlgorithmKind algorithm = AlgorithmKind::gs_sgd;
  std::size_t tensors = 0;
  std::uint64_t dimension = 0;
  CompressorStats stats;
  double total_dense_bytes = 0;            // that an all-reduce of everything in f32 would have sent
  std::optional<double> residual_squares;  // of what this rank holds back; none: an operation is in flight, or nothing
  std::optional<double> sent_squares;      // Feedback::sent_squares, where the above is known too
};

struct CollectiveReport {
  std::string name;
  std::uint32_t rank_count = 1;
  PlanStats stats;
};

struct SessionReport {
  Rank rank;
  std::uint32_t rank_count = 1;
  std::string host;
  std::string job;
  std::string way;  // what moves the bytes
  std::uint64_t control_bytes_sent = 0;
  std::vector<std::uint64_t> waited_for_ns;  // by rank: Driver::waited_for_ns
  std::vector<CompressorReport> compressors;
  std::vector<CollectiveReport> collectives;
};

// Reads the whole residual, where no operation is in flight.
[[nodiscard]] CompressorReport report_of(Compressor& compressor, std::uint32_t rank_count);
[[nodiscard]] CollectiveReport report_of(Collective& collective);

// The share of the squares of what a step could send (gradient, momentum and residual) that it did send; nothing where
// that is unknown or was nothing.
[[nodiscard]] std::optional<double> recovered(const CompressorReport& report);

[[nodiscard]] std::string json_of(const SessionReport& report);

// What those that are gone have done, by name: counters never fall. Of more than so many names, the rest are together
// under one.
class PastReports {
 public:
  static constexpr std::size_t names_max = 256;

  // Those without an operation are left out.
  void add(CompressorReport report);
  void add(CollectiveReport report);
  [[nodiscard]] const std::map<std::string, CompressorReport>& compressors() const { return compressors_; }
  [[nodiscard]] const std::map<std::string, CollectiveReport>& collectives() const { return collectives_; }

 private:
  std::map<std::string, CompressorReport> compressors_;
  std::map<std::string, CollectiveReport> collectives_;
};

// OpenMetrics. Those of one name are one series: counters of all that there have been, the rest of those that there
// are, or as the last that is gone left it.
[[nodiscard]] std::string metrics_of(const SessionReport& report, const PastReports& past);

}  // namespace gossamer::runtime
