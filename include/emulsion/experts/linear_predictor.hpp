#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/newton_step.hpp"
#include "emulsion/covariance/structure.hpp"
#include "emulsion/data/frame.hpp"
#include "emulsion/distributions/gaussian_statistics.hpp"

namespace emulsion {

/// The frame of covariates (p) and responses (q) together, from those of both.
[[gnu::cold]] inline Frame joined(const Frame& x, const Frame& y) {
  Frame all = Frame::identity(x.dimension() + y.dimension());
  all.centre << x.centre, y.centre;
  all.scale << x.scale, y.scale;
  all.spread << x.spread, y.spread;
  return all;
}

/// The same affine map in the coordinates of another frame: coefficients q x (1 + p), the intercepts first, of frames
/// over (x, y).
[[gnu::cold]] inline Eigen::MatrixXd moved_coefficients(const Eigen::MatrixXd& coefficients, const Frame& from,
                                                        const Frame& to) {
  const Index q = coefficients.rows(), p = coefficients.cols() - 1;
  Eigen::MatrixXd result(q, 1 + p);
  for (Index r = 0; r < q; ++r) {
    const double ratio = to.scale(p + r) / from.scale(p + r);
    double intercept = coefficients(r, 0) + from.centre(p + r);
    for (Index j = 0; j < p; ++j) {
      const double ratio_x = to.scale(j) / from.scale(j);
      intercept += coefficients(r, 1 + j) * (to.centre(j) / ratio_x - from.centre(j));
      result(r, 1 + j) = ratio * coefficients(r, 1 + j) / ratio_x;
    }
    result(r, 0) = ratio * intercept - to.centre(p + r);
  }
  return result;
}

/// What a least-squares fit works in; the first one allocates it, so that a model that only predicts holds no p x p
/// matrix.
struct RegressionSpace {
  Eigen::MatrixXd gram, right;  // p x p, p x q
  Eigen::VectorXd unit;         // p: root mean squares of the covariates
};

/// Weighted least squares of the last q dimensions of the statistics on the first p: coefficients (q x (1 + p), the
/// intercepts first), and the scatter of the residuals (lower triangle of q x q, column by column; its diagonal where
/// `diagonal`). A covariate that is a linear function of those before it (to a millionth of its deviation) gets the
/// coefficient zero: the fit is the same. Returns how many do.
///
/// Cost p^3 / 3 + p^2 q.
[[gnu::cold]] inline Index least_squares(const GaussianStatistics& s, Index p, Index q, RegressionSpace& space,
                                         Eigen::MatrixXd& coefficients, Eigen::VectorXd& residual, bool diagonal) {
  const Index d = p + q;
  const auto scatter = [&](Index i, Index j) {
    return s.scatter(i >= j ? lower_place(i, j, d) : lower_place(j, i, d));
  };
  space.gram.resize(p, p), space.right.resize(p, q), space.unit.resize(p);
  for (Index j = 0; j < p; ++j) {
    const double square = scatter(j, j);
    space.unit(j) = square > 0 ? std::sqrt(square) : 1;
  }
  for (Index j = 0; j < p; ++j) {
    for (Index i = j; i < p; ++i) space.gram(i, j) = scatter(i, j) / space.unit(i) / space.unit(j);
    for (Index r = 0; r < q; ++r) space.right(j, r) = scatter(p + r, j) / space.unit(j);
  }
  const Index left_out = solve_positive(space.gram, space.right, 1e-12);
  for (Index r = 0; r < q; ++r) {
    double intercept = s.mean(p + r);
    for (Index j = 0; j < p; ++j) {
      coefficients(r, 1 + j) = space.right(j, r) / space.unit(j);
      intercept -= coefficients(r, 1 + j) * s.mean(j);
    }
    coefficients(r, 0) = intercept;
  }
  // (-B, I) S (-B, I)': an error of B enters squared.
  Index at = 0;
  for (Index c = 0; c < q; ++c) {
    for (Index r = c; r < (diagonal ? c + 1 : q); ++r) {
      double sum = scatter(p + r, p + c);
      for (Index j = 0; j < p; ++j) {
        double own = -scatter(p + c, j);
        for (Index i = 0; i < p; ++i) own += coefficients(c, 1 + i) * scatter(i, j);
        sum += coefficients(r, 1 + j) * own - coefficients(c, 1 + j) * scatter(p + r, j);
      }
      residual(at++) = r == c && sum < 0 ? 0.0 : sum;
    }
  }
  return left_out;
}

/// What y - b - B x are in moments of (x, y), or of x and residuals already: their mean (q), scatter with the
/// covariates (q x p) and scatter (lower triangle of q x q, column by column; its diagonal where `diagonal`), all about
/// the means.
struct ResidualMoments {
  Eigen::VectorXd mean;
  Eigen::MatrixXd crossed;
  Eigen::VectorXd scatter;
};

/// Of coefficients q x (1 + p), the intercepts first. Cost p q (p + q).
[[gnu::cold]] inline ResidualMoments residual_moments(const GaussianStatistics& s, const Eigen::MatrixXd& coefficients,
                                                      bool diagonal) {
  const Index q = coefficients.rows(), p = coefficients.cols() - 1, d = p + q;
  const auto scatter = [&](Index i, Index j) {
    return s.scatter(i >= j ? lower_place(i, j, d) : lower_place(j, i, d));
  };
  ResidualMoments result{Eigen::VectorXd(q), Eigen::MatrixXd(q, p), Eigen::VectorXd(diagonal ? q : q * (q + 1) / 2)};
  for (Index r = 0; r < q; ++r) {
    result.mean(r) = s.mean(p + r) - coefficients(r, 0);
    for (Index j = 0; j < p; ++j) result.mean(r) -= coefficients(r, 1 + j) * s.mean(j);
  }
  for (Index r = 0; r < q; ++r) {
    for (Index j = 0; j < p; ++j) {
      double sum = scatter(p + r, j);
      for (Index i = 0; i < p; ++i) sum -= coefficients(r, 1 + i) * scatter(i, j);
      result.crossed(r, j) = sum;
    }
  }
  Index at = 0;
  for (Index c = 0; c < q; ++c) {
    for (Index r = c; r < (diagonal ? c + 1 : q); ++r) {
      double sum = scatter(p + r, p + c);
      for (Index j = 0; j < p; ++j) {
        sum -= coefficients(r, 1 + j) * scatter(j, p + c) + result.crossed(r, j) * coefficients(c, 1 + j);
      }
      result.scatter(at++) = sum;
    }
  }
  return result;
}

}  // namespace emulsion
