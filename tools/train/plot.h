// Line plots as SVG: no scripts, no fonts or files from elsewhere, readable in any browser offline.
#pragma once

#include <string>
#include <vector>

namespace gossamer::tools {

struct PlotSeries {
  std::string name;
  std::vector<double> x;  // as many as y; points that are not finite, or not above 0 on a log axis, are left out
  std::vector<double> y;
};

struct PlotPanel {
  std::string title;
  std::string x_label;  // with the unit
  std::string y_label;
  bool log_x = false;
  std::vector<PlotSeries> series;  // of one name in two panels: one colour and one line in the legend
};

struct Plot {
  std::string title;
  std::string subtitle;
  std::vector<PlotPanel> panels;  // side by side
};

// A whole SVG document. Any text is escaped. An empty panel says that it has no data.
[[nodiscard]] std::string render_svg(const Plot& plot);

}  // namespace gossamer::tools
