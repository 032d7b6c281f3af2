#include "tools/train/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace gossamer::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What is wrong with `xml` as far as an SVG of ours can be wrong: tags that do not nest, stray '<' or '&'. "" if
// nothing.
std::string xml_fault(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < xml.size(); ++at) {
    if (xml[at] == '&') {
      const std::size_t end = xml.find(';', at);
      if (end == std::string::npos || end - at > 5) return "bare & at " + std::to_string(at);
    }
    if (xml[at] != '<') continue;
    const std::size_t end = xml.find('>', at);
    if (end == std::string::npos) return "a tag has no end";
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos) return "< inside a tag: " + tag;
    at = end;
    if (tag[0] == '?' || tag.back() == '/') continue;
    const std::string name = tag.substr(0, tag.find(' '));
    if (tag[0] != '/') {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return "closes out of turn: " + tag;
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "not closed: " + open.back();
}

Plot two_panels() {
  Plot plot{"Title",
            "Subtitle",
            {{"By bytes", "bytes (B)", "accuracy", true, {}}, {"By steps", "steps", "accuracy", false, {}}}};
  plot.panels[0].series = {{"dense", {1e6, 1e7, 1e8}, {0.8, 0.85, 0.88}},
                           {"gs-sgd", {1e5, 1e6, 1e7}, {0.79, 0.84, 0.87}}};
  plot.panels[1].series = {{"dense", {469, 938, 1407}, {0.8, 0.85, 0.88}},
                           {"gs-sgd", {469, 938, 1407}, {0.79, 0.84, 0.87}}};
  return plot;
}

// Goal: the picture is well-formed, carries all of its text and no script. Method: two panels of two series.
TEST(Plot, IsWellFormedAndHasTitlesUnitsTicksAndLegend) {
  const std::string svg = render_svg(two_panels());
  EXPECT_EQ(xml_fault(svg), "");
  for (const char* each : {"Title", "Subtitle", "By bytes", "bytes (B)", "accuracy", ">100k<", ">100M<", ">dense<",
                           ">gs-sgd<", "polyline"}) {
    EXPECT_THAT(svg, HasSubstr(each));
  }
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

// Goal: names cannot break the document. Method: markup in every text.
TEST(Plot, EscapesItsText) {
  Plot plot = two_panels();
  plot.title = "a < b & \"c\" > d\x01";
  plot.panels[0].series[0].name = "</svg><script>";
  const std::string svg = render_svg(plot);
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; &quot;c&quot; &gt; d<"));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
}

// Goal: poor data makes a picture, not a hang or nonsense. Method: none, one point, equal points, NaN, zero on a log
// axis.
TEST(Plot, DrawsPoorDataToo) {
  const double nan = std::nan("");
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<PlotSeries> cases = {{"none", {}, {}},
                                         {"one", {5}, {0.5}},
                                         {"equal", {2, 2, 2}, {0.5, 0.5, 0.5}},
                                         {"gaps", {0, -1, nan, inf, 10, 20}, {1, 1, 1, 1, nan, 0.5}},
                                         {"zero", {0, 0}, {0, 0}},
                                         {"wide", {1e-12, 1e12}, {-1e9, 1e9}}};
  for (const PlotSeries& series : cases) {
    for (const bool log_x : {false, true}) {
      const std::string svg = render_svg({"t", "s", {{"p", "x", "y", log_x, {series}}}});
      EXPECT_EQ(xml_fault(svg), "") << series.name;
      EXPECT_THAT(svg, Not(HasSubstr("nan"))) << series.name;
      EXPECT_THAT(svg, Not(HasSubstr("inf"))) << series.name;
      EXPECT_LT(svg.size(), 100'000u) << series.name;
    }
  }
}

}  // namespace
}  // namespace gossamer::tools
