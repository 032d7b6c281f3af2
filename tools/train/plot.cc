#include "tools/train/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/base.h"
#include "tools/command/svg.h"

namespace gossamer::tools {
namespace {

// Colours that stay apart for colour-blind readers (Okabe and Ito 2008), darkest first.
constexpr std::array<const char*, 7> colours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                "#e69f00", "#56b4e9", "#000000"};
constexpr double panel_width = 460, panel_height = 320;
constexpr double left = 70, right = 24, top = 96, bottom = 58, legend_row = 22;

// Coordinates need no more than a tenth of a pixel.
std::string at(double value) { return fixed(value, 1); }

// "0.05", "1k", "20M": short enough to stand under a tick.
std::string tick_label(double value) {
  static constexpr std::array<std::pair<double, const char*>, 3> units = {{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}};
  const char* unit = "";
  for (const auto& [size, name] : units) {
    if (std::abs(value) >= size) {
      value /= size;
      unit = name;
      break;
    }
  }
  return general(std::abs(value) < 1e-12 ? 0.0 : value, 4) + unit;
}

struct Axis {
  bool log = false;
  double low = 0, high = 1;  // in the axis's own scale: logarithms on a log axis
  std::vector<double> ticks;
  std::vector<double> labelled;

  [[nodiscard]] double scale(double value) const { return log ? std::log10(value) : value; }
  // 0 at the lower end, 1 at the upper.
  [[nodiscard]] double place(double value) const { return (scale(value) - low) / (high - low); }
};

bool usable(double x, double y, bool log_x) { return std::isfinite(x) && std::isfinite(y) && (!log_x || x > 0); }

void add_linear_ticks(Axis& axis, int about) {
  const double raw = (axis.high - axis.low) / about;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 5.0}) {
    if (nice * power >= raw) {
      step = nice * power;
      break;
    }
  }
  axis.low = std::floor(axis.low / step + 1e-9) * step;
  axis.high = std::ceil(axis.high / step - 1e-9) * step;
  const auto count = static_cast<int>(std::lround((axis.high - axis.low) / step));
  for (int i = 0; i <= count; ++i) axis.ticks.push_back(axis.low + i * step);
  axis.labelled = axis.ticks;
}

// Ticks at 1 to 9 times each power of ten; labels at 1, or at 1, 2 and 5 where few powers are in sight.
void add_log_ticks(Axis& axis) {
  const double span = axis.high - axis.low;
  for (int power = static_cast<int>(std::floor(axis.low)); power <= static_cast<int>(std::ceil(axis.high)); ++power) {
    for (int times = 1; times <= 9; ++times) {
      const double value = times * std::pow(10.0, power);
      const double place = std::log10(value);
      if (place < axis.low - 1e-9 || place > axis.high + 1e-9) continue;
      axis.ticks.push_back(value);
      if (times == 1 || (span < 3.5 && (times == 2 || times == 5))) axis.labelled.push_back(value);
    }
  }
  if (axis.labelled.size() < 2) axis.labelled = axis.ticks;
}

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] bool empty() const { return low > high; }
};

Axis make_axis(Extent extent, bool log) {
  Axis axis;
  axis.log = log;
  axis.low = axis.scale(extent.low);
  axis.high = axis.scale(extent.high);
  if (axis.high - axis.low < 1e-9 * std::max(1.0, std::abs(axis.high))) {
    const double room = log ? 0.3 : std::max(1e-3, 0.05 * std::abs(axis.high));
    axis.low -= room;
    axis.high += room;
  }
  if (log) {
    const double room = 0.04 * (axis.high - axis.low);
    axis.low -= room;
    axis.high += room;
    add_log_ticks(axis);
  } else {
    add_linear_ticks(axis, 5);
  }
  return axis;
}

// Each series has its own marker, so that a plot printed in grey can be read.
void draw_marker(std::string& out, std::size_t kind, double x, double y, const char* colour) {
  const std::string style = std::string("\" fill=\"") + colour + "\" stroke=\"#fff\" stroke-width=\"1\"/>\n";
  switch (kind % 4) {
    case 0:
      append(out, "<circle cx=\"", at(x), "\" cy=\"", at(y), "\" r=\"4", style);
      break;
    case 1:
      append(out, "<rect x=\"", at(x - 3.6), "\" y=\"", at(y - 3.6), "\" width=\"7.2\" height=\"7.2", style);
      break;
    case 2:
      append(out, "<path d=\"M", at(x), ' ', at(y - 4.8), " l4.6 8 h-9.2 z", style);
      break;
    default:
      append(out, "<path d=\"M", at(x), ' ', at(y - 5), " l5 5 l-5 5 l-5 -5 z", style);
  }
}

void draw_text(std::string& out, double x, double y, const char* anchor, const std::string& more,
               const std::string& content) {
  append(out, "<text x=\"", at(x), "\" y=\"", at(y), "\" text-anchor=\"", anchor, "\" ", more, '>', svg_escape(content),
         "</text>\n");
}

void draw_axes(std::string& out, const PlotPanel& panel, const Axis& x, const Axis& y, double x0, double y0) {
  for (const double tick : y.ticks) {
    const double py = y0 + panel_height * (1 - y.place(tick));
    append(out, "<path class=\"grid\" d=\"M", at(x0), ' ', at(py), " h", at(panel_width), "\"/>\n");
    draw_text(out, x0 - 9, py + 4, "end", "class=\"tick\"", tick_label(tick));
  }
  for (const double tick : x.ticks) {
    const double px = x0 + panel_width * x.place(tick);
    const bool labelled = std::find(x.labelled.begin(), x.labelled.end(), tick) != x.labelled.end();
    if (labelled) append(out, "<path class=\"grid\" d=\"M", at(px), ' ', at(y0), " v", at(panel_height), "\"/>\n");
    append(out, "<path class=\"axis\" d=\"M", at(px), ' ', at(y0 + panel_height), " v", (labelled ? 6 : 3), "\"/>\n");
    if (labelled) draw_text(out, px, y0 + panel_height + 20, "middle", "class=\"tick\"", tick_label(tick));
  }
  append(out, "<path class=\"axis\" d=\"M", at(x0), ' ', at(y0), " v", at(panel_height), " h", at(panel_width),
         "\"/>\n");
  draw_text(out, x0 + panel_width / 2, y0 + panel_height + 44, "middle", "class=\"label\"", panel.x_label);
  append(out, "<text transform=\"translate(", at(x0 - 52), ' ', at(y0 + panel_height / 2),
         ") rotate(-90)\" text-anchor=\"middle\" class=\"label\">", svg_escape(panel.y_label), "</text>\n");
}

void draw_panel(std::string& out, const PlotPanel& panel, const std::vector<std::string>& names, double x0, double y0) {
  draw_text(out, x0, y0 - 14, "start", "class=\"panel\"", panel.title);
  Extent xs, ys;
  for (const PlotSeries& series : panel.series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      if (!usable(series.x[i], series.y[i], panel.log_x)) continue;
      xs.take(series.x[i]);
      ys.take(series.y[i]);
    }
  }
  if (xs.empty()) {
    append(out, "<rect class=\"axis\" fill=\"none\" x=\"", at(x0), "\" y=\"", at(y0), "\" width=\"", at(panel_width),
           "\" height=\"", at(panel_height), "\"/>\n");
    draw_text(out, x0 + panel_width / 2, y0 + panel_height / 2, "middle", "class=\"label\"", "no data");
    return;
  }
  const Axis x = make_axis(xs, panel.log_x);
  const Axis y = make_axis(ys, false);
  draw_axes(out, panel, x, y, x0, y0);
  for (const PlotSeries& series : panel.series) {
    const auto order = static_cast<std::size_t>(std::find(names.begin(), names.end(), series.name) - names.begin());
    const char* colour = colours[order % colours.size()];
    std::string line, markers;
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      if (!usable(series.x[i], series.y[i], panel.log_x)) continue;
      const double px = x0 + panel_width * x.place(series.x[i]);
      const double py = y0 + panel_height * (1 - y.place(series.y[i]));
      append(line, (line.empty() ? "" : " "), at(px), ',', at(py));
      draw_marker(markers, order, px, py, colour);
    }
    append(out, "<polyline fill=\"none\" stroke=\"", colour,
           "\" stroke-width=\"2\" stroke-linejoin=\"round\" points=\"", line, "\"/>\n", markers);
  }
}

}  // namespace

std::string render_svg(const Plot& plot) {
  std::vector<std::string> names;
  for (const PlotPanel& panel : plot.panels) {
    for (const PlotSeries& series : panel.series) {
      if (std::find(names.begin(), names.end(), series.name) == names.end()) names.push_back(series.name);
    }
  }
  const auto panel_count = static_cast<double>(std::max<std::size_t>(plot.panels.size(), 1));
  const double width = panel_count * (left + panel_width + right);
  // About 7 pixels a letter of the legend; a row is broken before it would leave the picture.
  std::vector<std::pair<double, double>> places;
  double legend_x = left, legend_y = 0;
  for (const std::string& name : names) {
    const double need = 46 + 7.2 * static_cast<double>(name.size());
    if (legend_x + need > width - right && legend_x > left) {
      legend_x = left;
      legend_y += legend_row;
    }
    places.emplace_back(legend_x, legend_y);
    legend_x += need;
  }
  const double y0 = top;
  const double legend_top = y0 + panel_height + bottom + 14;
  const double height = legend_top + legend_y + (names.empty() ? 0 : legend_row);

  std::string out;
  append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"",
         at(width), "\" height=\"", at(height), "\" viewBox=\"0 0 ", at(width), ' ', at(height),
         "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n<title>", svg_escape(plot.title),
         "</title>\n<style>.grid{stroke:#e3e6ea;stroke-width:1}.axis{stroke:#59636e;stroke-width:1;fill:none}"
         ".tick{font-size:12px;fill:#59636e}.label{font-size:13px;fill:#24292f}"
         ".panel{font-size:14px;font-weight:bold;fill:#24292f}</style>\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
  draw_text(out, left, 30, "start", "font-size=\"18\" font-weight=\"bold\" fill=\"#24292f\"", plot.title);
  draw_text(out, left, 52, "start", "font-size=\"13\" fill=\"#59636e\"", plot.subtitle);
  for (std::size_t i = 0; i < plot.panels.size(); ++i) {
    draw_panel(out, plot.panels[i], names, static_cast<double>(i) * (left + panel_width + right) + left, y0);
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto [x, y] = places[i];
    const char* colour = colours[i % colours.size()];
    append(out, "<path stroke=\"", colour, "\" stroke-width=\"2\" d=\"M", at(x), ' ', at(legend_top + y), " h26\"/>\n");
    draw_marker(out, i, x + 13, legend_top + y, colour);
    draw_text(out, x + 33, legend_top + y + 4.5, "start", "class=\"label\"", names[i]);
  }
  append(out, "</svg>\n");
  return out;
}

}  // namespace gossamer::tools
