#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "emulsion/core/concepts.hpp"
#include "emulsion/distributions/gaussian_statistics.hpp"
#include "emulsion/experts/linear_predictor.hpp"

namespace emulsion {

/// What a linear regression of q responses on p covariates learns: the moments of (x, e), e = y - line (1, x) the
/// residuals about a line, that of the expert which collects them.
///
/// They say the same as the moments of (x, y), and keep the digits that those lose where a line explains nearly all of
/// the responses: a residual of 1e-9 of them has a square of 1e-18. Statistics about different lines merge: one is
/// moved.
struct RegressionStatistics {
  GaussianStatistics moments;  ///< of (x, e), in the coordinates of the frame
  Eigen::MatrixXd line;        ///< q x (1 + p), in the frame, the intercepts first

  RegressionStatistics() = default;
  RegressionStatistics(Index covariates, Index responses)
      : moments(covariates + responses, false), line(Eigen::MatrixXd::Zero(responses, 1 + covariates)) {}

  double weight() const { return moments.weight; }

  /// About another line. In place: an iteration with a prior does so, and allocates nothing. Cost p q (p + q).
  void move_to(const Eigen::MatrixXd& other) {
    const Index q = line.rows(), p = line.cols() - 1, d = p + q;
    if (line == other) return;
    if (!(weight() > 0)) return void(line = other);
    const auto place = [&](Index i, Index j) { return i >= j ? lower_place(i, j, d) : lower_place(j, i, d); };
    const auto turn = [&](Index r, Index j) { return line(r, 1 + j) - other(r, 1 + j); };
    Eigen::VectorXd &mean = moments.mean, &scatter = moments.scatter;
    // e + D x has the scatter E + D C' + C' D', C = sum w x e' before and C' after.
    for (const bool after : {false, true}) {
      for (Index c = 0; c < q; ++c) {
        for (Index r = c; r < q; ++r) {
          double sum = 0;
          for (Index j = 0; j < p; ++j) {
            sum += after ? turn(c, j) * scatter(place(p + r, j)) : turn(r, j) * scatter(place(p + c, j));
          }
          scatter(place(p + r, p + c)) += sum;
        }
      }
      for (Index r = 0; r < q && !after; ++r) {
        mean(p + r) += line(r, 0) - other(r, 0);
        for (Index j = 0; j < p; ++j) {
          mean(p + r) += turn(r, j) * mean(j);
          double sum = 0;
          for (Index i = 0; i < p; ++i) sum += turn(r, i) * scatter(place(i, j));
          scatter(place(p + r, j)) += sum;
        }
      }
    }
    for (Index r = 0; r < q; ++r) {
      double& square = scatter(place(p + r, p + r));
      square = square > 0 ? square : 0;
    }
    line = other;
  }

  /// About the line of `other`, which may be the later one.
  RegressionStatistics& operator+=(const RegressionStatistics& other) {
    if (!(other.weight() > 0)) return *this;
    move_to(other.line);
    moments += other.moments;
    return *this;
  }
  /// Without what `other` added: see GaussianStatistics.
  void remove(RegressionStatistics other) {
    other.move_to(line);
    moments.remove(other.moments);
  }
  RegressionStatistics& operator*=(double c) {
    moments *= c;
    if (c == 0) line.setZero();
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    moments.visit(visitor), visitor(line);
  }
};

/// Weighted least squares as of the moments of (x, y). Cost p^3 / 3 + p^2 q.
[[gnu::cold]] inline Index least_squares(const RegressionStatistics& s, RegressionSpace& space,
                                         Eigen::MatrixXd& coefficients, Eigen::VectorXd& residual, bool diagonal) {
  const Index q = s.line.rows(), p = s.line.cols() - 1;
  const Index left_out = least_squares(s.moments, p, q, space, coefficients, residual, diagonal);
  for (Index j = 1; j <= p && left_out > 0; ++j) {
    // A covariate that is a function of others has no change; its slope must be zero, not what the line had.
    if ((coefficients.col(j).array() != 0).any() || (s.line.col(j).array() == 0).all()) continue;
    RegressionStatistics plain = s;
    plain.move_to(Eigen::MatrixXd::Zero(q, 1 + p));
    return least_squares(plain.moments, p, q, space, coefficients, residual, diagonal);
  }
  for (Index i = 0; i < coefficients.size(); ++i) coefficients.data()[i] += s.line.data()[i];
  return left_out;
}

/// The least deviation of response r that the statistics can tell from zero: by the rounding of squares about a line
/// that is far off still, and by that of the terms of the line, of which 1e-10 is certain in log densities.
[[gnu::cold]] inline double least_deviation(const RegressionStatistics& s, Index r) {
  const Index p = s.line.cols() - 1, d = s.moments.mean.size();
  const double residual = s.moments.scatter(lower_place(p + r, p + r, d)) / s.weight();
  double mean = s.line(r, 0) + s.moments.mean(p + r), square = residual;
  for (Index j = 0; j < p; ++j) {
    const double slope = s.line(r, 1 + j);
    mean += slope * s.moments.mean(j);
    square += slope * (s.moments.scatter(lower_place(j, j, d)) / s.weight()) * slope;
  }
  return std::max(std::sqrt(1e-15 * residual), 1e-10 * std::hypot(mean, std::sqrt(square)));
}

/// Of the residuals about coefficients q x (1 + p), the intercepts first. Cost p q (p + q).
[[gnu::cold]] inline ResidualMoments residual_moments(const RegressionStatistics& s,
                                                      const Eigen::MatrixXd& coefficients, bool diagonal) {
  return residual_moments(s.moments, coefficients - s.line, diagonal);
}

}  // namespace emulsion
