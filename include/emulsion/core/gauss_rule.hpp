#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// Nodes and weights (n) of an integral, exact for polynomials of degree 2 n - 1: from the eigenvalues of the matrix of
/// the orthogonal polynomials' recurrence (Golub and Welsch, 1969).
struct GaussRule {
  Eigen::VectorXd nodes, weights;

  /// E[f(z)], z ~ N(0, 1)
  static GaussRule hermite(int n) {
    return {n, 1, [](double k) { return std::sqrt(k); }};
  }
  /// The integral from -1 to 1
  static GaussRule legendre(int n) {
    return {n, 2, [](double k) { return k / std::sqrt(4 * k * k - 1); }};
  }

 private:
  /// `total`: the integral of 1; off(k): element k of the matrix beside its diagonal, which is zero.
  template <class Off>
  GaussRule(int n, double total, const Off& off) : nodes(n), weights(n) {
    Eigen::MatrixXd a = Eigen::MatrixXd::Zero(n, n), v(n, n);
    for (int k = 1; k < n; ++k) a(k, k - 1) = a(k - 1, k) = off(k);
    symmetric_eigen(a, v);
    for (int i = 0; i < n; ++i) nodes(i) = a(i, i), weights(i) = total * v(0, i) * v(0, i);
  }
};

}  // namespace emulsion
