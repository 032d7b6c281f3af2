#include "topology/measure/fit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/base.h"

namespace gossamer::topology {
namespace {

constexpr double normal_975 = 1.959964;
constexpr double least_relative_error = 0.02;
constexpr double huber_limit = 1.345;  // 95 % as good as least squares where all is normal
constexpr int reweightings = 20;
constexpr double far_off = 9.0;             // three sigmas, squared
constexpr double worth_of_a_bend = 15.0;    // more than one disturbed size can be off, less than two
constexpr std::size_t small_sizes_min = 3;  // two are a line whatever they are
constexpr double no_disturbance = 3.0;  // times the line: of the largest size, which nothing but a bend makes so slow
constexpr std::size_t large_sizes_min = 2;  // two that are off the others' line are no disturbance

// Student's t at 0.975.
double t_975(std::size_t freedom) {
  constexpr std::array table = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  return freedom == 0              ? normal_975
         : freedom <= table.size() ? table[freedom - 1]
                                   : normal_975 + 2.5 / static_cast<double>(freedom);
}

// How many of `count` samples lie below the lower end of the median's interval: the largest k with
// P(Binomial(count, 1/2) < k + 1) <= 0.025; -1 where there is none.
int samples_below(std::size_t count) {
  if (count > 1'000)
    return static_cast<int>(
               std::floor(static_cast<double>(count) / 2 - normal_975 / 2 * std::sqrt(static_cast<double>(count)))) -
           1;
  double term = std::pow(0.5, static_cast<double>(count));
  double sum = 0.0;
  int below = -1;
  for (std::size_t k = 0; k < count; ++k) {
    sum += term;
    if (sum > 0.025) break;
    below = static_cast<int>(k);
    term *= static_cast<double>(count - k) / static_cast<double>(k + 1);
  }
  return below;
}

// Nearest rank.
double at_fraction(const std::vector<double>& sorted, double fraction) {
  const double rank = std::ceil(fraction * static_cast<double>(sorted.size()));
  return sorted[std::clamp<std::size_t>(static_cast<std::size_t>(rank), 1, sorted.size()) - 1];
}

struct Point {
  double bytes = 0.0;
  double time_ns = 0.0;
  double sigma_ns = 0.0;
  double low_ns = 0.0;
};

struct Line {
  double alpha = 0.0;
  double beta = 0.0;
  // Of the covariance matrix, for the sigmas as they are.
  double alpha_variance = 0.0;
  double beta_variance = 0.0;
  double reach = 0.0;  // of an interval, in square roots of these
};

Line weighted_line(std::span<const Point> points, const std::vector<double>& trust) {
  double w = 0, wx = 0, wy = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double weight = trust[i] / (points[i].sigma_ns * points[i].sigma_ns);
    w += weight;
    wx += weight * points[i].bytes;
    wy += weight * points[i].time_ns;
  }
  const double x_mean = wx / w;
  const double y_mean = wy / w;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double weight = trust[i] / (points[i].sigma_ns * points[i].sigma_ns);
    xx += weight * (points[i].bytes - x_mean) * (points[i].bytes - x_mean);
    xy += weight * (points[i].bytes - x_mean) * (points[i].time_ns - y_mean);
  }
  Line line;
  line.beta = xy / xx;
  line.alpha = y_mean - line.beta * x_mean;
  line.beta_variance = 1 / xx;
  line.alpha_variance = 1 / w + x_mean * x_mean / xx;
  return line;
}

double misfit(const Line& line, const Point& point) {
  return (point.time_ns - line.alpha - line.beta * point.bytes) / point.sigma_ns;
}

// The line that most points lie on.
Line robust_line(std::span<const Point> points) {
  std::vector<double> trust(points.size(), 1.0);
  Line line = weighted_line(points, trust);
  for (int i = 0; i < reweightings && points.size() > 2; ++i) {
    std::vector<double> distances;
    for (const Point& point : points) distances.push_back(std::abs(misfit(line, point)));
    std::vector<double> sorted = distances;
    const double scale = std::max(1.0, median_estimate(sorted).value / 0.6745);
    for (std::size_t p = 0; p < points.size(); ++p)
      trust[p] = distances[p] <= huber_limit * scale ? 1.0 : huber_limit * scale / distances[p];
    line = weighted_line(points, trust);
  }
  // For sigmas that are as large as the points' distances from the line say.
  const std::size_t freedom = points.size() - 2;
  double misfits = 0.0;
  for (std::size_t p = 0; p < points.size(); ++p)
    misfits += trust[p] * misfit(line, points[p]) * misfit(line, points[p]);
  const double widened = freedom == 0 ? 1.0 : std::max(1.0, misfits / static_cast<double>(freedom));
  line.reach = t_975(freedom) * std::sqrt(widened);
  return line;
}

// How badly the line describes the points; one that is far off counts no more than any other that is.
double badness(const Line& line, std::span<const Point> points) {
  double sum = 0.0;
  for (const Point& point : points) sum += std::min(misfit(line, point) * misfit(line, point), far_off);
  return sum;
}

// One line for all sizes, or one for the small ones and one for the large ones.
struct Lines {
  Line small;
  Line large;
  std::size_t large_from = 0;
};

Lines lines_through(std::span<const Point> points) {
  const Line whole = robust_line(points);
  Lines best{whole, whole, 0};
  double least = badness(whole, points) - worth_of_a_bend;
  for (std::size_t at = small_sizes_min; at + large_sizes_min <= points.size(); ++at) {
    const Lines parts{robust_line(points.first(at)), robust_line(points.subspan(at)), at};
    const double both = badness(parts.small, points.first(at)) + badness(parts.large, points.subspan(at));
    if (both >= least) continue;
    least = both;
    best = parts;
  }
  // Where times scatter the line may pass through the small sizes alone, and by what is known so little even two large
  // ones would be no more than disturbed.
  const Point& last = points.back();
  const std::size_t at = points.size() - std::min(points.size(), large_sizes_min);
  if (at >= small_sizes_min && last.low_ns > no_disturbance * (best.large.alpha + best.large.beta * last.bytes))
    best = {robust_line(points.first(at)), robust_line(points.subspan(at)), at};
  return best;
}

Estimate around(double value, double half_width) {
  return {value, std::max(0.0, value - half_width), value + half_width};
}

}  // namespace

Estimate median_estimate(std::vector<double>& samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const std::size_t middle = samples.size() / 2;
  const double median = samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
  const auto below = static_cast<std::size_t>(std::max(0, samples_below(samples.size())));
  return {median, samples[below], samples[samples.size() - 1 - below]};
}

SizeSamples summarize(std::uint64_t bytes, std::vector<double>& samples_ns) {
  GOSSAMER_CHECK(!samples_ns.empty(), "a size that was measured has samples");
  SizeSamples size;
  size.bytes = bytes;
  size.count = static_cast<std::uint32_t>(samples_ns.size());
  size.p50_ns = median_estimate(samples_ns);
  size.min_ns = samples_ns.front();
  size.p99_ns = at_fraction(samples_ns, 0.99);
  size.p999_ns = at_fraction(samples_ns, 0.999);
  return size;
}

std::optional<LogGp> fit_log_gp(std::span<const SizeSamples> sizes, const Estimate& gap_ns,
                                const Estimate& overhead_ns) {
  if (sizes.size() < 2) return std::nullopt;
  std::vector<Point> points;
  for (const SizeSamples& size : sizes) {
    const double sampled = (size.p50_ns.high - size.p50_ns.low) / (2 * normal_975);
    const double least = std::max(size.p50_ns.value * least_relative_error, 1e-3);
    points.push_back({static_cast<double>(size.bytes), size.p50_ns.value, std::max(sampled, least), size.p50_ns.low});
  }
  const Lines lines = lines_through(points);
  double relative = 0.0;
  for (std::size_t p = 0; p < points.size(); ++p) {
    const Line& line = p < lines.large_from ? lines.small : lines.large;
    const double fitted = std::max(line.alpha + line.beta * points[p].bytes, 1e-3);
    relative += (points[p].time_ns / fitted - 1) * (points[p].time_ns / fitted - 1);
  }
  LogGp fit;
  fit.alpha_ns = around(std::max(0.0, lines.small.alpha), lines.small.reach * std::sqrt(lines.small.alpha_variance));
  fit.beta_ns_per_byte =
      around(std::max(0.0, lines.large.beta), lines.large.reach * std::sqrt(lines.large.beta_variance));
  fit.gap_ns = gap_ns;
  fit.overhead_ns = overhead_ns;
  fit.residual = std::sqrt(relative / static_cast<double>(points.size()));
  return fit;
}

}  // namespace gossamer::topology
