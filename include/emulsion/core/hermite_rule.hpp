#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// Nodes and weights (n) of E[f(z)] for z ~ N(0, 1), exact for polynomials of degree 2 n - 1: eigenvalues of the
/// recurrence's matrix (Golub and Welsch, 1969).
struct HermiteRule {
  Eigen::VectorXd nodes, weights;

  explicit HermiteRule(int n) : nodes(n), weights(n) {
    Eigen::MatrixXd a = Eigen::MatrixXd::Zero(n, n), v(n, n);
    for (int i = 1; i < n; ++i) a(i, i - 1) = a(i - 1, i) = std::sqrt(static_cast<double>(i));
    symmetric_eigen(a, v);
    for (int i = 0; i < n; ++i) nodes(i) = a(i, i), weights(i) = v(0, i) * v(0, i);
  }
};

}  // namespace emulsion
