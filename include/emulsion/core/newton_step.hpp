#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

// Newton steps that cannot lower what they climb. The log-likelihood of a generalized linear model with its canonical
// link (softmax, logistic, Poisson) is concave, and along any direction its third derivative is at most m times the
// second, m the largest change of a linear predictor (of their differences, for several classes). So (Bach, 2010,
// prop. 1), for a step t times the Newton direction D = H^-1 g,
//
//   f(w + t D) >= f(w) + g'D (t - (exp(t m) - t m - 1) / m^2),
//
// which is largest, and positive, at t = log(1 + m) / m.

/// How much of a Newton step to take where it changes linear predictors by at most m: all of it below one, where the
/// gain is certain too, so that the steps converge quadratically.
inline double safe_share(double m) { return m < 1 ? 1 : std::log1p(m) / m; }

/// The gain per g'D that a share t of the Newton step is certain of.
inline double safe_gain(double t, double m) {
  const double tm = t * m;
  if (tm < 1e-3) return t - 0.5 * t * t;
  return t - (std::expm1(tm) - tm) / (m * m);
}

/// Solves a x = b for symmetric positive definite `a` (lower triangle; becomes its Cholesky factor) and columns of b,
/// in place. A pivot below `least` of its diagonal element, nothing but rounding, is left out: its element of x
/// is zero, so that a direction in which nothing is known is not taken. Returns how many were.
///
/// Cost d^3 / 3 + d^2 per column.
template <class Matrix, class Columns>
Index solve_positive(Matrix& a, Columns& b, double least = 1e-13) {
  const Index d = a.rows();
  Index left_out = 0;
  for (Index j = 0; j < d; ++j) {
    double pivot = a(j, j);
    const double before = pivot;
    for (Index k = 0; k < j; ++k) pivot -= a(j, k) * a(j, k);
    if (!(pivot > least * before) || !std::isfinite(pivot)) {
      for (Index k = 0; k < j; ++k) a(j, k) = 0;
      for (Index i = j; i < d; ++i) a(i, j) = 0;
      ++left_out;
      continue;
    }
    const double root = std::sqrt(pivot);
    a(j, j) = root;
    for (Index k = 0; k < j; ++k) {
      const double factor = a(j, k);
      for (Index i = j + 1; i < d; ++i) a(i, j) -= factor * a(i, k);
    }
    for (Index i = j + 1; i < d; ++i) a(i, j) /= root;
  }
  for (Index c = 0; c < b.cols(); ++c) {
    for (Index i = 0; i < d; ++i) {
      double sum = b(i, c);
      for (Index k = 0; k < i; ++k) sum -= a(i, k) * b(k, c);
      b(i, c) = a(i, i) > 0 ? sum / a(i, i) : 0.0;
    }
    for (Index i = d - 1; i >= 0; --i) {
      double sum = b(i, c);
      for (Index k = i + 1; k < d; ++k) sum -= a(k, i) * b(k, c);
      b(i, c) = a(i, i) > 0 ? sum / a(i, i) : 0.0;
    }
  }
  return left_out;
}

}  // namespace emulsion
