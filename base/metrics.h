// Metrics as text for a fleet's monitoring: OpenMetrics, without timestamps.
//
// Prometheus' older text, which the node exporter's textfile collector reads, has the same gauges. Its counters have
// "_total" in their TYPE as well, so a reader of that takes these as untyped: their values are the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gossamer {

class MetricsWriter {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  // A family. All its samples follow, each with labels of its own. A unit ends the name; empty: a plain number.
  void begin_gauge(std::string_view name, std::string_view unit, std::string_view meaning);
  // The samples' name is the family's and "_total". They only grow.
  void begin_counter(std::string_view name, std::string_view unit, std::string_view meaning);
  // Values of labels may be any bytes.
  void add(const Labels& labels, double value);

  // The whole text, with its end.
  [[nodiscard]] std::string end() &&;

 private:
  void begin(std::string_view name, std::string_view type, std::string_view unit, std::string_view meaning);

  std::string sample_name_;
  int digits_ = 0;  // of a sample
  std::string out_;
};

}  // namespace gossamer
