// How well a sketch of one vector gives the vector back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sketch/sketch.h"

namespace gossamer::tools {

enum class Hashing { segment_shift, random };

// What choosing by estimate comes to, against the `k` largest true magnitudes (ties to the lower index; zeros are
// none of them).
struct ChoiceQuality {
  double recall_k = 0;   // share of them among the k largest estimates
  double recall_2k = 0;  // among the 2k largest; min(2k, d) where d is less
  double recall_4k = 0;
  double energy_k = 0;  // sum of v^2 over the k chosen / over the k largest
};

struct SketchQuality {
  double error_square = 0;             // mean over coordinates of error^2, times c / |v|^2: 1 by theory for one row
  double norm_ratio = 0;               // sqrt(median over rows of the squared row norm) / |v|
  std::vector<ChoiceQuality> choices;  // one for each k
  // Of a vector with one coordinate that is not 0: estimates beside it that are not 0, and estimates that are wrong in
  // another way than collisions can make them: the hot one's in any bit, the others' when not 0, v or -v.
  std::uint64_t one_hot_others = 0;
  std::uint64_t one_hot_wrong = 0;
};

// Truth about one vector, against which any sketch of it is measured. The vector must outlive it, be finite and not
// all 0; each k 1 to d. One thread.
class QualityMeter {
 public:
  QualityMeter(std::span<const float> vector, std::span<const std::uint64_t> ks);

  // Encodes, decodes and compares. `shape.dimension` is the vector's length. Errors: those of make_count_sketch.
  [[nodiscard]] Result<SketchQuality> measure(Hashing hashing, const sketch::SketchShape& shape, std::uint64_t seed);

 private:
  struct Truth {
    std::uint64_t k = 0;
    std::vector<std::uint32_t> indices;  // ascending
    double energy = 0;
  };

  [[nodiscard]] double energy_of(std::span<const std::uint32_t> indices) const;
  [[nodiscard]] double share_found(const Truth& truth, std::span<const std::uint32_t> chosen);
  void compare_one_hot(SketchQuality& out) const;

  std::span<const float> vector_;
  double norm_squared_ = 0;
  bool is_one_hot_ = false;
  std::vector<Truth> truths_;
  std::unique_ptr<sketch::Selector> selector_;
  std::vector<float> estimates_, cells_;
  std::vector<std::uint32_t> chosen_, common_;
};

// By theory: how many estimates beside the hot one of a one-hot vector are not 0, if each of the `others` collides in
// each row with probability 1/c by itself and its sign is fair. A majority of rows must agree.
[[nodiscard]] double expected_one_hot_others(const sketch::SketchShape& shape, std::uint64_t others);

}  // namespace gossamer::tools
