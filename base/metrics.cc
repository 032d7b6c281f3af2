#include "base/metrics.h"

#include "base/text.h"

namespace gossamer {
namespace {

// Bytes and nanoseconds of a month are exact in these.
constexpr int counter_digits = 15;
constexpr int gauge_digits = 9;

std::string escaped(std::string_view raw) {
  std::string out;
  for (const char c : valid_utf8(raw)) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

}  // namespace

void MetricsWriter::begin(std::string_view name, std::string_view type, std::string_view unit,
                          std::string_view meaning) {
  append(out_, "# HELP ", name, ' ', meaning, "\n# TYPE ", name, ' ', type, '\n');
  if (!unit.empty()) append(out_, "# UNIT ", name, ' ', unit, '\n');
}

void MetricsWriter::begin_gauge(std::string_view name, std::string_view unit, std::string_view meaning) {
  begin(name, "gauge", unit, meaning);
  sample_name_ = name;
  digits_ = gauge_digits;
}

void MetricsWriter::begin_counter(std::string_view name, std::string_view unit, std::string_view meaning) {
  begin(name, "counter", unit, meaning);
  sample_name_ = text(name, "_total");
  digits_ = counter_digits;
}

void MetricsWriter::add(const Labels& labels, double value) {
  append(out_, sample_name_, labels.empty() ? "" : "{");
  for (std::size_t i = 0; i < labels.size(); ++i)
    append(out_, i == 0 ? "" : ",", labels[i].first, "=\"", escaped(labels[i].second), '"');
  append(out_, labels.empty() ? " " : "} ", general(value, digits_), '\n');
}

std::string MetricsWriter::end() && { return std::move(out_ += "# EOF\n"); }

}  // namespace gossamer
