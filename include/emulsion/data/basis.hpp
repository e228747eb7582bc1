#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "emulsion/core/error.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/points.hpp"

namespace emulsion {

// Functions of covariates, so that experts which are linear in them are not linear in x. Rows of ones are left out:
// models add their intercepts.

/// Powers of every covariate, (p degree) x n: x_1, x_1^2, ..., x_1^degree, x_2, ...; no products of two covariates.
///
///   fit_experts(SoftmaxGate(3, 1), LinearExpert(2), Regression(polynomial(x, 2), y, x));
///
/// @param x  p x n, one observation per column
/// @throws   InvalidArgument  if degree < 1, or a value or its power is not finite
///
/// Far from zero, beside their spread, powers are nearly linear functions of each other: subtract a centre from x
/// first. Cost O(n p degree).
[[gnu::cold]] inline Eigen::MatrixXd polynomial(const Points<>& x, Index degree) {
  require(degree >= 1, "the degree of a polynomial must be at least 1, got ", degree);
  require_finite(x, "covariate");
  Eigen::MatrixXd result(x.dimension() * degree, x.size());
  for (Index i = 0; i < x.size(); ++i) {
    for (Index j = 0; j < x.dimension(); ++j) {
      double power = 1;
      for (Index d = 0; d < degree; ++d) result(j * degree + d, i) = (power *= x(j, i));
      require(std::isfinite(power), "power ", degree, " of covariate ", j, " of observation ", i, ", ", x(j, i),
              ", is out of range");
    }
  }
  return result;
}

/// B-splines of one covariate, (m - 1 + degree) x n: piecewise polynomials with degree - 1 continuous derivatives at
/// the inner ones of m knots. Each is positive between at most degree + 2 neighbouring knots and zero elsewhere, and
/// all of them sum to one: beside an intercept, one is too many. Leave the first out,
///
///   const Eigen::MatrixXd basis = b_spline(x, {0, 10, 25, 60}, 3);                     // 6 x n
///   fit_experts(SoftmaxGate(2, 1), LinearExpert(5), Regression(basis.bottomRows(5), y, x));
///
/// @param x      1 x n, between the first and the last knot
/// @param knots  m >= 2, increasing; both ends count degree + 1 times
/// @throws       InvalidArgument  if x has more dimensions than one, a knot is not above the one before it, the degree
///               is negative, or a value lies outside the knots
///
/// Cost O(n (log m + degree^2)). De Boor (1978), chapter 10.
[[gnu::cold]] inline Eigen::MatrixXd b_spline(const Points<>& x, const std::vector<double>& knots, Index degree) {
  const auto m = static_cast<Index>(knots.size());
  require(x.dimension() == 1, "a spline is of one covariate, got ", x.dimension(), " (x is ", x.dimension(), " x ",
          x.size(), "; an observation is a column, rows(x) adapts rows)");
  require(degree >= 0, "the degree of a spline must not be negative, got ", degree);
  require(m >= 2, "a spline needs at least two knots, got ", m);
  for (std::size_t i = 0; i < knots.size(); ++i) {
    require(std::isfinite(knots[i]) && (i == 0 || knots[i] > knots[i - 1]),
            "the knots of a spline must be finite and increase; knot ", i, " is ", knots[i]);
  }
  const auto knot = [&](Index i) { return knots[static_cast<std::size_t>(std::clamp<Index>(i, 0, m - 1))]; };
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(m - 1 + degree, x.size());
  for (Index i = 0; i < x.size(); ++i) {
    const double at = x(0, i);
    require(at >= knots.front() && at <= knots.back(), "observation ", i, ", ", at, ", lies outside the knots, ",
            knots.front(), " to ", knots.back());
    const auto above = std::upper_bound(knots.begin(), knots.end() - 1, at) - knots.begin();
    const Index piece = std::min<Index>(m - 2, above - 1);  // knots piece <= at <= piece + 1
    auto values = result.col(i).segment(piece, degree + 1);
    values(0) = 1;
    for (Index d = 1; d <= degree; ++d) {  // of degree d, from those of degree d - 1
      double carried = 0;
      for (Index r = 0; r < d; ++r) {
        const double low = knot(piece + 1 + r - d), high = knot(piece + 1 + r);
        const double share = values(r) / (high - low);
        values(r) = carried + (high - at) * share;
        carried = (at - low) * share;
      }
      values(d) = carried;
    }
  }
  return result;
}

}  // namespace emulsion
