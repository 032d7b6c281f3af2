// Private to `topology/measure`: nested groups of things whose distances are known in part.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace gossamer::topology {

// Symmetric, of logarithms; NaN where nothing is known.
class Distances {
 public:
  explicit Distances(std::uint32_t size)
      : size_(size), values_(static_cast<std::size_t>(size) * size, std::numeric_limits<double>::quiet_NaN()) {}
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] double operator()(std::uint32_t a, std::uint32_t b) const { return values_[index(a, b)]; }
  void set(std::uint32_t a, std::uint32_t b, double value) { values_[index(a, b)] = values_[index(b, a)] = value; }

 private:
  [[nodiscard]] std::size_t index(std::uint32_t a, std::uint32_t b) const {
    return static_cast<std::size_t>(a) * size_ + b;
  }
  std::uint32_t size_;
  std::vector<double> values_;
};

// The group of each thing, numbered by the least thing in it.
using Partition = std::vector<std::uint32_t>;

struct Levels {
  std::vector<Partition> partitions;  // finest first; each is a union of groups of the one before
  double gain = 0.0;                  // how much better they describe the distances than fewer levels, in nats
};

// How what a slow host adds to a distance is taken away.
enum class Excess : std::uint8_t {
  adds_up,  // delays: by subtracting it
  governs,  // narrow places: what it hides is not known
};

// None for distances that are all alike. `noise`: standard deviation of one distance. A thing whose place is not known
// is alone in its group. `known`: the finest level, where it need not be found; levels above it are looked for.
[[nodiscard]] Levels find_levels(const Distances& distances, double noise, Excess excess, const Partition& known = {});

}  // namespace gossamer::topology
