#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// Nodes in (-1, 1) and weights (n) of the integral over that interval, exact for polynomials of degree 2 n - 1:
/// eigenvalues of the recurrence's matrix (Golub and Welsch, 1969).
struct LegendreRule {
  Eigen::VectorXd nodes, weights;

  explicit LegendreRule(int n) : nodes(n), weights(n) {
    Eigen::MatrixXd a = Eigen::MatrixXd::Zero(n, n), v(n, n);
    for (int i = 1; i < n; ++i) {
      const double k = i;
      a(i, i - 1) = a(i - 1, i) = k / std::sqrt(4 * k * k - 1);
    }
    symmetric_eigen(a, v);
    for (int i = 0; i < n; ++i) nodes(i) = a(i, i), weights(i) = 2 * v(0, i) * v(0, i);
  }
};

}  // namespace emulsion
