#include "topology/simulate/load_over_time.h"

namespace gossamer::topology {

void LoadOverTime::add(std::size_t link_class, Picoseconds begin, Picoseconds duration) {
  if (duration == 0) return;
  const Picoseconds end = later(begin, duration);
  while (end > width_ * slices) widen();
  Slices& of = classes_[link_class];
  const auto first = static_cast<std::size_t>(begin / width_);
  const auto last = static_cast<std::size_t>((end - 1) / width_);
  if (first == last) {
    of.busy[first] += end - begin;
    return;
  }
  of.busy[first] += (first + 1) * width_ - begin;
  of.busy[last] += end - last * width_;
  ++of.full[first + 1];
  --of.full[last];
}

std::array<Picoseconds, LoadOverTime::slices> LoadOverTime::total(const Slices& of) const {
  std::array<Picoseconds, slices> all = of.busy;
  std::int64_t full = 0;
  for (std::size_t i = 0; i < slices; ++i) {
    full += of.full[i];
    all[i] += static_cast<Picoseconds>(full) * width_;
  }
  return all;
}

void LoadOverTime::widen() {
  for (Slices& of : classes_) {
    const std::array<Picoseconds, slices> before = total(of);
    of = {};
    for (std::size_t i = 0; i < slices; ++i) of.busy[i / 2] += before[i];
  }
  width_ *= 2;
}

std::vector<Picoseconds> LoadOverTime::busy(std::size_t link_class) const {
  const std::array<Picoseconds, slices> all = total(classes_[link_class]);
  return {all.begin(), all.end()};
}

}  // namespace gossamer::topology
