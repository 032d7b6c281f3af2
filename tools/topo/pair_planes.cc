#include "tools/topo/pair_planes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "tools/topo/measurement_file.h"

namespace gossamer::tools {
namespace {

using topology::PairLoad;
using topology::PairMeasurement;

constexpr std::uint32_t not_asked = 0, no_figure = 1, first_code = 2, last_code = 65'535;
constexpr double interval_end_max = 8.0;  // times or parts of the median

struct Cell {
  topology::Estimate p50;
  double p99 = 0;
};

class Plane {
 public:
  Plane(double low, double high) : low_(std::log(low)), step_((std::log(high) - low_) / (last_code - first_code)) {}
  [[nodiscard]] std::uint32_t code(double value) const {
    if (!(value > 0) || !(step_ > 0)) return first_code;
    const double code = first_code + (std::log(value) - low_) / step_;
    return static_cast<std::uint32_t>(std::lround(std::clamp<double>(code, first_code, last_code)));
  }

 private:
  double low_;
  double step_;
};

// Up, so that what is shown holds what was found.
std::uint8_t reach(double end, double middle) {
  if (!(end > 0) || !(middle > 0)) return 255;
  const double share = std::abs(std::log(end / middle)) / std::log(interval_end_max);
  return static_cast<std::uint8_t>(std::min(255.0, std::ceil(255 * std::cbrt(share) - 1e-6)));
}

void append_16(std::string& out, std::uint32_t code) {
  out += static_cast<char>(code & 0xff);
  out += static_cast<char>(code >> 8);
}

Cell cell_of(const LinkFigures& figures, bool is_latency) {
  return is_latency ? Cell{figures.latency_ns, figures.latency_p99_ns} : Cell{figures.gb_per_s, figures.gb_per_s_p99};
}

nlohmann::json planes_of(const Links& links, const PairTiers& tiers, PairLoad load, bool is_latency) {
  const std::size_t ranks = tiers.order.size();
  std::vector<std::optional<Cell>> cells(ranks * ranks);
  nlohmann::json missing = nlohmann::json::array();
  nlohmann::json reasons = nlohmann::json::array();
  std::map<std::string, std::size_t> known;
  std::vector<bool> asked(ranks * ranks);
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (std::size_t at = 0; at < cells.size(); ++at) {
    const PairMeasurement* pair = links.find(load, tiers.order[at / ranks], tiers.order[at % ranks]);
    if (pair == nullptr) continue;
    asked[at] = true;
    if (const std::optional<LinkFigures> figures = figures_of(*pair)) {
      const Cell cell = cell_of(*figures, is_latency);
      cells[at] = cell;
      for (const double value : {cell.p50.value, cell.p99}) {
        if (value > 0) low = std::min(low, value);
        high = std::max(high, value);
      }
    } else {
      const auto [reason, is_new] = known.try_emplace(pair->missing, known.size());
      if (is_new) reasons.push_back(pair->missing);
      missing.push_back(at);
      missing.push_back(reason->second);
    }
  }
  if (!(high > 0)) low = high = 1;
  const Plane plane(low, high);
  std::string p50, p99, below, above;
  for (std::size_t at = 0; at < cells.size(); ++at) {
    const std::optional<Cell>& cell = cells[at];
    append_16(p50, cell ? plane.code(cell->p50.value) : asked[at] ? no_figure : not_asked);
    append_16(p99, cell ? plane.code(cell->p99) : not_asked);
    below += static_cast<char>(cell ? reach(cell->p50.low, cell->p50.value) : 0);
    above += static_cast<char>(cell ? reach(cell->p50.high, cell->p50.value) : 0);
  }
  return {{"what", is_latency ? "latency" : "bandwidth"},
          {"load", std::string(pair_load_name(load))},
          {"low", low},
          {"high", high},
          {"p50", base64(p50)},
          {"p99", base64(p99)},
          {"below", base64(below)},
          {"above", base64(above)},
          {"missing", missing},
          {"reasons", reasons}};
}

}  // namespace

nlohmann::json pair_planes(const Links& links, const PairTiers& tiers) {
  nlohmann::json out = nlohmann::json::array();
  for (const PairLoad load : {PairLoad::idle, PairLoad::loaded}) {
    if (!links.has(load)) continue;
    for (const bool is_latency : {true, false}) out.push_back(planes_of(links, tiers, load, is_latency));
  }
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (at + i < bytes.size() ? static_cast<std::uint8_t>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += at + i > bytes.size() ? '=' : letters[group >> (18 - 6 * i) & 63];
    }
  }
  return out;
}

}  // namespace gossamer::tools
