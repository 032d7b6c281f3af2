#include "tools/study/sketch_quality.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "tools/study/random_hash_sketch.h"

namespace gossamer::tools {
namespace {

// As select_heavymix estimates it: the median over rows of the squared row norm.
double estimated_norm_squared(const sketch::SketchShape& shape, std::span<const float> cells) {
  std::vector<double> norms;
  for (std::size_t row = 0; row < shape.rows; ++row) {
    norms.push_back(sketch::sum_squares(cells.subspan(row * shape.columns, shape.columns)));
  }
  std::sort(norms.begin(), norms.end());
  return norms[norms.size() / 2];
}

}  // namespace

QualityMeter::QualityMeter(std::span<const float> vector, std::span<const std::uint64_t> ks)
    : vector_(vector), norm_squared_(sketch::sum_squares(vector)), estimates_(vector.size()) {
  GOSSAMER_CHECK(norm_squared_ > 0 && std::isfinite(norm_squared_), "a vector whose norm cannot be divided by");
  const auto nonzero = static_cast<std::uint64_t>(
      std::count_if(vector.begin(), vector.end(), [](float value) { return value != 0.0F; }));
  is_one_hot_ = nonzero == 1;
  const std::uint64_t most = std::min<std::uint64_t>(4 * *std::max_element(ks.begin(), ks.end()), vector.size());
  selector_ = std::move(sketch::make_selector(vector.size(), most)).value();
  chosen_.resize(most);
  for (const std::uint64_t k : ks) {
    GOSSAMER_CHECK(k > 0 && k <= vector.size(), "k out of range");
    Truth truth{k, std::vector<std::uint32_t>(std::min(k, nonzero)), 0};
    selector_->select_largest(vector, truth.indices);
    truth.energy = energy_of(truth.indices);
    truths_.push_back(std::move(truth));
  }
}

double QualityMeter::energy_of(std::span<const std::uint32_t> indices) const {
  double out = 0;
  for (const std::uint32_t t : indices) out += double{vector_[t]} * double{vector_[t]};
  return out;
}

double QualityMeter::share_found(const Truth& truth, std::span<const std::uint32_t> chosen) {
  common_.clear();
  std::set_intersection(truth.indices.begin(), truth.indices.end(), chosen.begin(), chosen.end(),
                        std::back_inserter(common_));
  return static_cast<double>(common_.size()) / static_cast<double>(truth.indices.size());
}

void QualityMeter::compare_one_hot(SketchQuality& out) const {
  const std::uint32_t hot = truths_.front().indices.front();
  const float value = vector_[hot];
  for (std::size_t t = 0; t < estimates_.size(); ++t) {
    const float estimate = estimates_[t];
    if (t == hot) {
      out.one_hot_wrong += static_cast<std::uint64_t>(estimate != value);
    } else if (estimate != 0.0F) {
      out.one_hot_others += 1;
      out.one_hot_wrong += static_cast<std::uint64_t>(std::abs(estimate) != std::abs(value));
    }
  }
}

Result<SketchQuality> QualityMeter::measure(Hashing hashing, const sketch::SketchShape& shape, std::uint64_t seed) {
  cells_.resize(shape.cells());
  std::unique_ptr<sketch::CountSketch> segment_shift;
  if (hashing == Hashing::segment_shift) {
    Result<std::unique_ptr<sketch::CountSketch>> made = sketch::make_count_sketch(shape, chosen_.size());
    if (!made.ok()) return std::move(made).error();
    segment_shift = std::move(*made);
    segment_shift->encode(seed, vector_, cells_);
    segment_shift->load(seed, cells_);
    segment_shift->estimate(0, estimates_);
  } else {
    encode_random_hash(shape, seed, vector_, cells_);
    estimate_random_hash(shape, seed, cells_, estimates_);
  }
  SketchQuality out;
  double error_square = 0;
  for (std::size_t t = 0; t < estimates_.size(); ++t) {
    const double error = double{estimates_[t]} - double{vector_[t]};
    error_square += error * error;
  }
  out.error_square = error_square / static_cast<double>(vector_.size()) * shape.columns / norm_squared_;
  out.norm_ratio = std::sqrt(estimated_norm_squared(shape, cells_) / norm_squared_);
  const auto choose = [&](std::uint64_t count) {
    const auto chosen = std::span(chosen_).first(std::min<std::uint64_t>(count, vector_.size()));
    if (segment_shift != nullptr) {
      segment_shift->select_top(chosen);
    } else {
      selector_->select_largest(estimates_, chosen);
    }
    return chosen;
  };
  for (const Truth& truth : truths_) {
    ChoiceQuality choice;
    const std::span<const std::uint32_t> chosen = choose(truth.k);
    choice.recall_k = share_found(truth, chosen);
    choice.energy_k = energy_of(chosen) / truth.energy;
    choice.recall_2k = share_found(truth, choose(2 * truth.k));
    choice.recall_4k = share_found(truth, choose(4 * truth.k));
    out.choices.push_back(choice);
  }
  if (is_one_hot_) compare_one_hot(out);
  return out;
}

double expected_one_hot_others(const sketch::SketchShape& shape, std::uint64_t others) {
  // The estimate is v when a majority of rows shows v, -v when one shows -v; each row shows each with 1 / (2c).
  const double p = 0.5 / shape.columns;
  const std::uint32_t rows = shape.rows;
  double majority = 0;
  double ways = 1;  // rows over `agree`
  for (std::uint32_t agree = 0; agree <= rows; ++agree) {
    if (agree > rows / 2) majority += ways * std::pow(p, agree) * std::pow(1 - p, rows - agree);
    ways = ways * (rows - agree) / (agree + 1);
  }
  return 2 * majority * static_cast<double>(others);
}

}  // namespace gossamer::tools
