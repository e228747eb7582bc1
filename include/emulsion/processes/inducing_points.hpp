#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/kernels/kernel.hpp"

namespace emulsion {

/// Inducing inputs by greedy conditional variance: each next one is the input whose value those before it tell least
/// of, a pivoted Cholesky factorisation of the Gram (Burt, Rasmussen and van der Wilk, 2020, sec. 4). Fewer than `m`
/// where the rest is below 1e-10 of the largest variance: they would only repeat. Deterministic; of ties the first.
///
/// Cost n M^2; storage n M: for huge n pass a subsample.
///
/// @param x  d x n candidates
/// @return   d x m or fewer of them, in the order chosen
/// @throws InvalidArgument  unless 1 <= m <= n and the candidates are finite
template <Kernel K>
Eigen::MatrixXd greedy_inducing_points(const K& kernel, const Inputs& x, Index m) {
  const Index n = x.cols();
  require(m >= 1 && m <= n, "expected between 1 and ", n, " inducing points (there are ", n, " candidates), got ", m);
  require(x.allFinite(), "candidates for inducing points must be finite");
  kernel.check(x.rows());
  Eigen::VectorXd rest(n);
  kernel.diagonal(x, rest);
  const double least = 1e-10 * rest.maxCoeff();
  Eigen::MatrixXd factor(n, m), column(1, n), chosen(x.rows(), m);
  for (Index k = 0; k < m; ++k) {
    Index best = 0;
    const double variance = rest.maxCoeff(&best);
    if (k > 0 && !(variance > least)) return chosen.leftCols(k);
    chosen.col(k) = x.col(best);
    if (!(variance > 0)) return chosen.leftCols(1);
    kernel.fill(x.col(best), x, column);
    const Eigen::VectorXd row = factor.row(best).head(k).transpose();
    factor.col(k) = column.row(0).transpose();
    factor.col(k).noalias() -= factor.leftCols(k) * row;
    factor.col(k) /= std::sqrt(variance);
    rest = (rest - factor.col(k).cwiseAbs2()).cwiseMax(0.0);
    rest(best) = 0;
  }
  return chosen;
}

}  // namespace emulsion
