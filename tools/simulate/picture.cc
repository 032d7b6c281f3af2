#include "tools/simulate/picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/base.h"
#include "tools/command/svg.h"

namespace gossamer::tools {
namespace {
namespace picture {

using topology::Outcome;
using topology::Picoseconds;

constexpr std::uint32_t rows_max = 64;
constexpr int columns = 480;  // of two pixels: what is shorter is as the middle of a column
constexpr double plot_width = 960, left = 84, right = 24, top = 96, gap = 74, load_height = 150;

// What a rank does at a moment, with colours that stay apart for colour-blind readers (Okabe and Ito 2008).
struct State {
  const char* name;
  const char* colour;
};
enum StateIndex : std::size_t { transfer, wait_for_sender, wait_for_links, merge, done };
constexpr std::array<State, 4> states = {{{"transfers", "#56b4e9"},
                                          {"waits for a rank that is behind", "#d0d4d9"},
                                          {"waits for links", "#d55e00"},
                                          {"merges", "#009e73"}}};
constexpr std::array<const char*, 8> line_colours = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                                     "#d55e00", "#56b4e9", "#000000", "#8c564b"};

std::string tenth(double value) { return fixed(value, 1); }

void draw_words(std::string& out, double x, double y, const char* anchor, const char* more, const std::string& words) {
  append(out, "<text x=\"", tenth(x), "\" y=\"", tenth(y), "\" text-anchor=\"", anchor, "\" ", more, '>',
         svg_escape(words), "</text>\n");
}

// A step of time with 1, 2 or 5 in front that is in the picture four to ten times.
double tick_step(double time) {
  const double power = std::pow(10.0, std::floor(std::log10(time / 4)));
  for (const double times : {5.0, 2.0}) {
    if (time / (times * power) >= 4) return times * power;
  }
  return power;
}

// The parts of a round, one after the other: it waits for a sender that has not come to its round, transfers, waits for
// links, merges.
class RowWriter {
 public:
  RowWriter(const Outcome& outcome, std::uint32_t rank) : outcome_(outcome), rounds_(outcome.rounds_of(Rank{rank})) {}

  // Times are asked for in rising order.
  StateIndex at(Picoseconds time) {
    while (round_ < rounds_.size() && rounds_[round_].end <= time) ++round_;
    if (round_ == rounds_.size()) return done;
    const topology::PlayedRound& round = rounds_[round_];
    const Picoseconds merging = round.end - round.merging;
    if (time >= merging) return merge;
    const Picoseconds begin = round_ == 0 ? 0 : rounds_[round_ - 1].end;
    const Picoseconds sender_begin =
        round.sender_round == 0 ? 0 : outcome_.rounds_of(Rank{round.sender})[round.sender_round - 1].end;
    if (time < sender_begin) return wait_for_sender;
    return time + round.waited >= merging && round.waited > 0 && time >= begin ? wait_for_links : transfer;
  }

 private:
  const Outcome& outcome_;
  std::span<const topology::PlayedRound> rounds_;
  std::size_t round_ = 0;
};

struct Frame {
  std::uint32_t ranks;
  std::uint32_t rows;
  double row_height;
  double time;  // ps
  [[nodiscard]] double height() const { return rows * row_height; }
  [[nodiscard]] double x(Picoseconds at) const { return left + plot_width * static_cast<double>(at) / time; }
  [[nodiscard]] std::uint32_t rank_of(std::uint32_t row) const {
    return static_cast<std::uint32_t>(std::uint64_t{row} * ranks / rows);
  }
  [[nodiscard]] double y(std::uint32_t rank) const {  // the middle of its row, or of where it would be
    return top + (static_cast<double>(rank) * rows / ranks + (ranks == rows ? 0.5 : 0)) * row_height;
  }
};

void draw_rows(std::string& out, const Outcome& outcome, const Frame& frame) {
  std::array<std::string, states.size()> runs;
  for (std::uint32_t row = 0; row < frame.rows; ++row) {
    RowWriter writer(outcome, frame.rank_of(row));
    StateIndex state = done;
    int begin = 0;
    const auto end_run = [&](int end) {
      if (state != done && end > begin) {
        append(runs.at(state), 'M', begin * 2, ' ', tenth((row + 0.5) * frame.row_height), 'h', (end - begin) * 2);
      }
      begin = end;
    };
    for (int column = 0; column < columns; ++column) {
      const StateIndex next = writer.at(static_cast<Picoseconds>((column + 0.5) / columns * frame.time));
      if (next != state) end_run(column);
      state = next;
    }
    end_run(columns);
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs.at(i).empty()) continue;
    append(out, "<path transform=\"translate(", tenth(left), ' ', tenth(top), ")\" stroke=\"", states.at(i).colour,
           "\" stroke-width=\"", tenth(frame.row_height * 0.86), "\" d=\"", runs.at(i), "\"/>\n");
  }
}

// Where a round of few ends, for the eye.
void draw_round_ends(std::string& out, const Outcome& outcome, const Frame& frame) {
  constexpr std::uint32_t rounds_shown_max = 40;
  if (outcome.rounds > rounds_shown_max) return;
  std::string marks;
  for (std::uint32_t row = 0; row < frame.rows; ++row) {
    for (const topology::PlayedRound& round : outcome.rounds_of(Rank{frame.rank_of(row)})) {
      append(marks, 'M', tenth(frame.x(round.end)), ' ', tenth(top + (row + 0.07) * frame.row_height), 'v',
             tenth(frame.row_height * 0.86));
    }
  }
  append(out, "<path stroke=\"#fff\" stroke-width=\"1\" d=\"", marks, "\"/>\n");
}

void draw_path(std::string& out, const Outcome& outcome, const Frame& frame) {
  if (outcome.critical_path.empty()) return;
  std::string points;
  double last_x = -1;
  for (const topology::PathStep& step : outcome.critical_path) {
    if (frame.x(step.end) - last_x < 1) continue;  // a long path: no more points than pixels
    last_x = frame.x(step.end);
    append(points, tenth(frame.x(step.begin)), ',', tenth(frame.y(step.sender.value)), ' ',
           tenth(frame.x(step.end - step.merging)), ',', tenth(frame.y(step.rank.value)), ' ', tenth(last_x), ',',
           tenth(frame.y(step.rank.value)), ' ');
  }
  append(out, "<polyline fill=\"none\" stroke=\"#000\" stroke-width=\"1.6\" stroke-linejoin=\"round\" points=\"",
         points, "\"/>\n");
}

void draw_time_axis(std::string& out, const Frame& frame, double y0, double height) {
  const double step = tick_step(frame.time);
  for (int i = 0; i * step <= frame.time * (1 + 1e-9); ++i) {
    const double x = left + plot_width * i * step / frame.time;
    append(out, "<path class=\"grid\" d=\"M", tenth(x), ' ', tenth(y0), 'v', tenth(height), "\"/>\n");
    draw_words(out, x, y0 + height + 17, "middle", "class=\"tick\"",
               format_duration(static_cast<std::uint64_t>(std::llround(i * step / 1e3))));
  }
}

void draw_load(std::string& out, const Outcome& outcome, const Frame& frame, double y0) {
  draw_words(out, left, y0 - 10, "start", "class=\"panel\"", "How busy the links are");
  draw_time_axis(out, frame, y0, load_height);
  for (const int share : {0, 50, 100}) {
    const double y = y0 + load_height * (1 - share / 100.0);
    append(out, "<path class=\"grid\" d=\"M", tenth(left), ' ', tenth(y), 'h', tenth(plot_width), "\"/>\n");
    draw_words(out, left - 8, y + 4, "end", "class=\"tick\"", text(share, " %"));
  }
  double legend_x = left;
  std::size_t colour = 0;
  for (const topology::ClassLoad& each : outcome.classes) {
    if (each.all.busy == 0 || colour == line_colours.size()) continue;
    std::string line;
    const double whole = static_cast<double>(outcome.time_slice) * each.links;
    for (std::size_t i = 0; i < each.busy_by_time.size(); ++i) {
      const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(outcome.time_slice);
      if (at > frame.time) break;
      append(line, tenth(left + plot_width * at / frame.time), ',',
             tenth(y0 + load_height * (1 - static_cast<double>(each.busy_by_time[i]) / whole)), ' ');
    }
    append(out, "<polyline fill=\"none\" stroke=\"", line_colours.at(colour), "\" stroke-width=\"1.8\" points=\"", line,
           "\"/>\n<path stroke=\"", line_colours.at(colour), "\" stroke-width=\"3\" d=\"M", tenth(legend_x), ' ',
           tenth(y0 + load_height + 38), "h22\"/>\n");
    draw_words(out, legend_x + 28, y0 + load_height + 42, "start", "class=\"tick\"", each.name);
    legend_x += 52 + 6.6 * static_cast<double>(each.name.size());
    ++colour;
  }
}

}  // namespace picture
}  // namespace

std::string draw_outcome(const topology::Outcome& outcome, const std::string& title, const std::string& subtitle) {
  using namespace picture;
  const auto ranks = static_cast<std::uint32_t>(outcome.first_round.size() - 1);
  const std::uint32_t rows = std::min(ranks, rows_max);
  const Frame frame{ranks, rows, std::clamp(320.0 / rows, 6.0, 24.0),
                    static_cast<double>(std::max<Picoseconds>(outcome.time, 1))};
  const double load_top = top + frame.height() + gap;
  const double width = left + plot_width + right;
  const double height = load_top + load_height + 58;
  std::string out;
  append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"",
         tenth(width), "\" height=\"", tenth(height), "\" viewBox=\"0 0 ", tenth(width), ' ', tenth(height),
         "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n<title>", svg_escape(title),
         "</title>\n<style>.grid{stroke:#e3e6ea;stroke-width:1;fill:none}.tick{font-size:12px;fill:#59636e}"
         ".panel{font-size:14px;font-weight:bold;fill:#24292f}</style>\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
  draw_words(out, left, 28, "start", "font-size=\"18\" font-weight=\"bold\" fill=\"#24292f\"", title);
  draw_words(out, left, 48, "start", "font-size=\"13\" fill=\"#59636e\"", subtitle);

  double legend_x = left;
  for (const State& state : states) {
    append(out, "<rect x=\"", tenth(legend_x), "\" y=\"64\" width=\"14\" height=\"12\" fill=\"", state.colour,
           "\"/>\n");
    draw_words(out, legend_x + 20, 74, "start", "class=\"tick\"", state.name);
    legend_x += 44 + 6.6 * static_cast<double>(std::string_view(state.name).size());
  }
  append(out, "<path stroke=\"#000\" stroke-width=\"1.6\" d=\"M", tenth(legend_x), " 70h22\"/>\n");
  draw_words(out, legend_x + 28, 74, "start", "class=\"tick\"", "critical path");

  draw_time_axis(out, frame, top, frame.height());
  const std::uint32_t label_every = std::max(1u, rows / 8);
  for (std::uint32_t row = 0; row < rows; row += label_every) {
    draw_words(out, left - 8, top + (row + 0.5) * frame.row_height + 4, "end", "class=\"tick\"",
               text("rank ", frame.rank_of(row)));
  }
  draw_rows(out, outcome, frame);
  draw_round_ends(out, outcome, frame);
  draw_path(out, outcome, frame);
  draw_load(out, outcome, frame, load_top);
  out += "</svg>\n";
  return out;
}

}  // namespace gossamer::tools
