#include "tools/command/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

#include "base/base.h"
#include "runtime/runtime.h"
#include "sketch/sketch.h"

namespace gossamer::tools {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

// The first column to the left, the others to the right where `numbers`.
std::string aligned(const std::vector<std::vector<std::string>>& rows, bool numbers) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      if (i != 0) line += "  ";
      line += i != 0 && numbers ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace

double percentile(std::vector<double> samples, double q) {
  if (samples.empty()) return 0;
  const double place = std::ceil(q * static_cast<double>(samples.size())) - 1;
  const auto index = static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(samples.size() - 1)));
  const auto nth = samples.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(samples.begin(), nth, samples.end());
  return *nth;
}

nlohmann::json machine_json() {
  utsname name = {};
  uname(&name);
  return {{"cpu", cpu_model()},
          {"cores", std::thread::hardware_concurrency()},
          {"kernel", std::string(name.sysname) + " " + name.release},
          {"compiler", __VERSION__}};
}

nlohmann::json environment_json() {
  nlohmann::json out = machine_json();
  out["gossamer"] = runtime::version;
  out["hash_version"] = sketch::hash_version;
  out["simd"] = sketch::simd_target();
  return out;
}

std::string format_number(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  return fixed(value, digits);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) { return aligned(rows, true); }
std::string format_columns(const std::vector<std::vector<std::string>>& rows) { return aligned(rows, false); }

}  // namespace gossamer::tools
