// Private to `topology/simulate`: how busy classes of links are over a time whose length is not known before.
#pragma once

#include <array>
#include <vector>

#include "topology/simulate/picoseconds.h"

namespace gossamer::topology {

// A fixed number of slices for each class; when time passes the last, neighbours are joined and slices are twice as
// wide. Adding costs O(1), whatever the length.
class LoadOverTime {
 public:
  static constexpr std::size_t slices = 256;

  explicit LoadOverTime(std::size_t classes) : classes_(classes) {}

  // The links of `link_class` are busy with one more from `begin` on.
  void add(std::size_t link_class, Picoseconds begin, Picoseconds duration);

  [[nodiscard]] Picoseconds width() const { return width_; }
  [[nodiscard]] std::vector<Picoseconds> busy(std::size_t link_class) const;

 private:
  struct Slices {
    std::array<Picoseconds, slices> busy = {};  // what fills a slice in part
    std::array<std::int64_t, slices + 1> full =
        {};  // links that are busy from here on to the end of a slice: differences
  };
  [[nodiscard]] std::array<Picoseconds, slices> total(const Slices& of) const;
  void widen();

  Picoseconds width_ = 1'000;
  std::vector<Slices> classes_;
};

}  // namespace gossamer::topology
