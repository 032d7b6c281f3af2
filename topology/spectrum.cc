#include "topology/spectrum.h"

#include <cmath>
#include <Eigen/Dense>

#include "base/base.h"

namespace gossamer::topology {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const RowMajor> view(const SquareMatrix& matrix) {
  const auto size = static_cast<Eigen::Index>(matrix.size);
  return {matrix.values.data(), size, size};
}

bool is_symmetric(const SquareMatrix& matrix) {
  for (std::size_t i = 0; i < matrix.size; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (matrix.values[i * matrix.size + j] != matrix.values[j * matrix.size + i]) return false;
    }
  }
  return true;
}

double largest_of_symmetric(const Eigen::MatrixXd& matrix) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(matrix, Eigen::EigenvaluesOnly);
  GOSSAMER_CHECK(solver.info() == Eigen::Success, "eigenvalues of a symmetric matrix of finite numbers exist");
  return solver.eigenvalues().cwiseAbs().maxCoeff();
}

}  // namespace

double largest_singular_value(const SquareMatrix& matrix) {
  if (is_symmetric(matrix)) return largest_of_symmetric(view(matrix));
  const RowMajor values = view(matrix);
  return std::sqrt(largest_of_symmetric(values.transpose() * values));
}

double spectral_radius(const SquareMatrix& matrix) {
  if (is_symmetric(matrix)) return largest_of_symmetric(view(matrix));
  const Eigen::EigenSolver<Eigen::MatrixXd> solver(view(matrix), false);
  GOSSAMER_CHECK(solver.info() == Eigen::Success, "eigenvalues of a matrix of finite numbers exist");
  return solver.eigenvalues().cwiseAbs().maxCoeff();
}

}  // namespace gossamer::topology
