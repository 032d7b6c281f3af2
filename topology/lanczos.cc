#include "topology/lanczos.h"

#include <algorithm>
#include <cmath>

namespace gossamer::topology {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The tridiagonal matrix that the products so far make of the large one.
struct Tridiagonal {
  std::vector<double> diagonal;
  std::vector<double> beside;  // one less than used

  // Whether an eigenvalue is above `x`: a pivot of the elimination of (T - x) is positive (Sylvester).
  [[nodiscard]] bool reaches_above(double x) const {
    double pivot = -1;
    for (std::size_t i = 0; i < diagonal.size(); ++i) {
      const double carried = i == 0 ? 0.0 : beside[i - 1] * beside[i - 1] / pivot;
      pivot = diagonal[i] - x - carried;
      if (pivot > 0) return true;
      if (pivot == 0) pivot = -1e-300;
    }
    return false;
  }

  [[nodiscard]] double largest() const {
    double low = 0;
    double high = 2;
    for (int i = 0; i < 60; ++i) {
      const double middle = 0.5 * (low + high);
      (reaches_above(middle) ? low : high) = middle;
    }
    return low;
  }
};

}  // namespace

Estimate largest_eigenvalue(std::size_t size, FunctionRef<void(std::vector<double>&)> multiply,
                            std::size_t products_max) {
  constexpr double settled = 1e-4;
  constexpr double used_up = 1e-14;  // what is left is rounding: the space is used up
  Random random(size);
  std::vector<double> now(size);
  for (double& each : now) each = random.normal();
  const double length = std::sqrt(dot(now, now));
  for (double& each : now) each /= length;

  Tridiagonal known;
  std::vector<double> before(size, 0.0);
  std::vector<double> next;
  std::size_t ask_at = 20;
  double last = 0;
  for (std::size_t products = 1; products <= products_max; ++products) {
    next = now;
    multiply(next);
    const double along = dot(next, now);
    const double back = known.beside.empty() ? 0 : known.beside.back();
    for (std::size_t i = 0; i < size; ++i) next[i] -= along * now[i] + back * before[i];
    known.diagonal.push_back(along);
    const double rest = std::sqrt(dot(next, next));
    if (rest < used_up) return {known.largest(), true};
    if (products == ask_at) {
      const double value = known.largest();
      if (std::abs(value - last) <= settled * (1 - value)) return {value, true};
      last = value;
      ask_at += std::max<std::size_t>(20, ask_at / 10);
    }
    known.beside.push_back(rest);
    before.swap(now);
    now.swap(next);
    for (double& each : now) each /= rest;
  }
  return {known.largest(), false};
}

}  // namespace gossamer::topology
