#pragma once
#include <Eigen/Core>
#include <algorithm>

#include "emulsion/covariance/factor_covariance.hpp"
#include "emulsion/distributions/add_moments.hpp"

namespace emulsion {

/// A block of points as families with a FactorCovariance read it, and what one strip of it is worked on in.
struct FactorBlock {
  static constexpr Index lanes = PackedPoints<double>::strip;

  /// For at most that many points in `dimension` dimensions, whose residuals have that covariance.
  FactorBlock(Index most, Index dimension, const FactorCovariance& covariance)
      : points(most, dimension, true), strip(lanes * covariance.dimension()), factors(lanes * covariance.rank()) {}

  /// out(i) += constant - e_i' S^-1 e_i / 2; residuals(x, e) makes e (dimension after dimension, `lanes` points each)
  /// of points that lie at x in the same way.
  template <class Residuals>
  void add_log_density(const FactorCovariance& covariance, double constant, const Residuals& residuals, double* out) {
    double squares[lanes];
    for (Index i = 0; i < points.size; i += lanes) {
      residuals(points.at(i), strip.data());
      covariance.squares<lanes>(strip.data(), factors.data(), squares);
      const Index end = std::min(lanes, points.size - i);
      for (Index l = 0; l < end; ++l) out[i + l] += constant - 0.5 * squares[l];
    }
  }

  /// Adds the moments of the points about a point near their mean. What they need, d x d, the first block allocates: a
  /// prediction never does.
  void accumulate(const Eigen::Ref<const Eigen::VectorXd>& about, const Eigen::Ref<const Eigen::VectorXd>& w,
                  GaussianStatistics& s) {
    if (points.second.cols() != points.padded) {
      points.weighted = points.x;
      points.second = Eigen::MatrixXd::Zero(points.padded, points.padded);
    }
    points.reference.head(points.dimension) = about;
    add_moments(points, w.data(), false, s);
  }

  PackedPoints<double> points;
  Eigen::VectorXd strip, factors;
};

}  // namespace emulsion
