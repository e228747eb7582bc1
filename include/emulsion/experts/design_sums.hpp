#pragma once
#include <Eigen/Core>

#include "emulsion/data/frame.hpp"
#include "emulsion/experts/linear_kernel.hpp"

namespace emulsion {

// Sums over the design (1, x) of packed covariates x (p), which local quadratic statistics of linear predictors are
// made of. Weights w have zeros up to x.rows.

/// to (1 + p) += sum_i w_i (1, x_i). Cost n p.
inline void add_design_sums(const PackedPoints<double>& x, const double* w, double* to) {
  *to += simd_sum(w, x.size);
  add_weighted_sums(x, w, to + 1);
}

/// to += sum_i w_i (1, x_i)(1, x_i)', lower triangle of 1 + p column by column, w >= 0. Cost n p^2 / 2.
inline void add_design_squares(PackedPoints<double>& x, const double* w, double* to) {
  x.reference.setZero();
  const Index p = x.dimension;
  const double weight = moments_about_reference(x, w, false);
  if (!(weight > 0)) return;
  *to++ += weight;
  for (Index j = 0; j < p; ++j) *to++ += x.first(j);
  for (Index j = 0; j < p; ++j) {
    for (Index i = j; i < p; ++i) *to++ += x.second(i, j);
  }
}

/// to (m) += M v, M symmetric: m (m + 1) / 2 numbers, its lower triangle column by column. `v`: j -> v_j.
template <class V>
void add_packed_product(const double* lower, Index m, const V& v, double* to) {
  for (Index j = 0; j < m; ++j) {
    to[j] += *lower++ * v(j);
    for (Index i = j + 1; i < m; ++i, ++lower) {
      to[i] += *lower * v(j);
      to[j] += *lower * v(i);
    }
  }
}

/// largest (1 + p) = max(largest, |(1, x_i)|) over the observations with w_i > 0.
inline void widen_design_ranges(const PackedPoints<double>& x, const double* w, double* largest) {
  *largest = 1;
  widen_ranges(x, w, largest + 1);
}

/// At most how much a linear predictor of those ranges changes where its coefficients change by `step` (1 + p).
template <class Step>
double largest_change(const Step& step, const Eigen::VectorXd& largest) {
  double sum = 0;
  for (Index j = 0; j < largest.size(); ++j) sum += std::abs(step(j)) * largest(j);
  return sum;
}

/// The same linear predictors in the coordinates of another frame over x: a column (a, b) of coefficients, (1 + p) x K,
/// is of a + b'x.
[[gnu::cold]] inline Eigen::MatrixXd moved_predictors(Eigen::MatrixXd coefficients, const Frame& from,
                                                      const Frame& to) {
  for (Index k = 0; k < coefficients.cols(); ++k) {
    for (Index j = 0; j < from.dimension(); ++j) {
      const double ratio = to.scale(j) / from.scale(j);
      coefficients(0, k) += (to.centre(j) / ratio - from.centre(j)) * coefficients(1 + j, k);
      coefficients(1 + j, k) /= ratio;
    }
  }
  return coefficients;
}

/// The linear predictor of coefficients (1 + p) in the frame for observation i of x, in plain arithmetic.
template <class Coefficients>
double linear_predictor(const Coefficients& coefficients, const Frame& frame, const Points<>& x, Index i) {
  double sum = coefficients(0);
  for (Index j = 0; j < x.dimension(); ++j) {
    sum += coefficients(1 + j) * (x(j, i) * frame.scale(j) - frame.centre(j));
  }
  return sum;
}

}  // namespace emulsion
