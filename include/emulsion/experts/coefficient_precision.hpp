#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/covariance/precision_factor.hpp"
#include "emulsion/data/frame.hpp"
#include "emulsion/distributions/packed_points.hpp"
#include "emulsion/experts/linear_predictor.hpp"
#include "emulsion/experts/regression_statistics.hpp"

namespace emulsion {

/// The precision K of the coefficients (b, B) of a linear expert, (1 + p) x (1 + p), in units of observations and in
/// the coordinates of a frame, kept about its centre c: the response at c counts as kappa observations, slopes have the
/// precision G = F F', F lower triangular,
///
///   (1, x)' K^-1 (1, x) = 1 / kappa + |F^-1 (x - c)|^2,   |K| = kappa |G|.
class CoefficientPrecision {
 public:
  CoefficientPrecision(double kappa, Eigen::VectorXd centre, Eigen::MatrixXd factor)
      : kappa_(kappa), centre_(std::move(centre)), factor_(std::move(factor)), inverse_(factor_) {
    invert_lower(inverse_);
  }
  /// Of K, symmetric and positive definite, in the coordinates of the data.
  [[gnu::cold]] explicit CoefficientPrecision(const Eigen::Ref<const Eigen::MatrixXd>& k)
      : CoefficientPrecision(k(0, 0), k.col(0).tail(k.rows() - 1) / k(0, 0), corner_factor(k)) {}

  /// p
  Index covariates() const { return centre_.size(); }
  double kappa() const { return kappa_; }
  /// c, p
  const Eigen::VectorXd& centre() const { return centre_; }
  /// F, p x p
  const Eigen::MatrixXd& factor() const { return factor_; }
  /// F^-1, p x p
  const Eigen::MatrixXd& inverse() const { return inverse_; }
  /// K in the coordinates of the data.
  [[gnu::cold]] Eigen::MatrixXd plain(const Frame& frame) const {
    const CoefficientPrecision here = moved(frame, Frame::identity(frame.dimension()));
    Eigen::VectorXd c(1 + covariates());
    c << 1, here.centre_;
    Eigen::MatrixXd k = kappa_ * c * c.transpose();
    k.bottomRightCorner(covariates(), covariates()) += here.factor_ * here.factor_.transpose();
    return k;
  }
  /// The same in another frame over x (and what follows).
  [[gnu::cold]] CoefficientPrecision moved(const Frame& from, const Frame& to) const {
    CoefficientPrecision result = *this;
    for (Index j = 0; j < covariates(); ++j) {
      const double ratio = to.scale(j) / from.scale(j);
      result.centre_(j) = (centre_(j) + from.centre(j)) * ratio - to.centre(j);
      result.factor_.row(j) *= ratio;
      result.inverse_.col(j) /= ratio;
    }
    return result;
  }

  /// log |K|, in the frame
  double log_determinant() const {
    double sum = std::log(kappa_);
    for (Index j = 0; j < covariates(); ++j) sum += 2 * std::log(factor_(j, j));
    return sum;
  }
  /// tr(K_other K^-1). Cost p^3 / 6.
  double trace_of(const CoefficientPrecision& other) const {
    double trace = other.kappa_ / kappa_, between = 0;
    for (Index i = 0; i < covariates(); ++i) {
      double along = 0;
      for (Index j = 0; j <= i; ++j) along += inverse_(i, j) * (other.centre_(j) - centre_(j));
      between += along * along;
      for (Index j = 0; j <= i; ++j) {
        double z = 0;
        for (Index l = j; l <= i; ++l) z += inverse_(i, l) * other.factor_(l, j);
        trace += z * z;
      }
    }
    return trace + other.kappa_ * between;
  }
  /// tr(root' root (A - B) K (A - B)') of coefficients A and B, q x (1 + p). Cost (q p)^2 / 4.
  double square_distance(const PrecisionFactor& root, const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) const {
    const Index q = a.rows(), p = covariates();
    const auto at = [&](Index r, Index j) {  // row r of (A - B) times (1, c), or column j of F below a zero
      double sum = j < 0 ? a(r, 0) - b(r, 0) : 0.0;
      for (Index i = std::max<Index>(0, j); i < p; ++i) {
        sum += (a(r, 1 + i) - b(r, 1 + i)) * (j < 0 ? centre_(i) : factor_(i, j));
      }
      return sum;
    };
    double total = 0;
    for (Index j = -1; j < p; ++j) {
      for (Index r = 0; r < q; ++r) {
        double z = 0;
        for (Index i = root.diagonal() ? r : 0; i <= r; ++i) z += root(r, i) * at(i, j);
        total += z * z * (j < 0 ? kappa_ : 1.0);
      }
    }
    return total;
  }

  /// Becomes that of the moments of covariates, about their mean, whose least squares were solved in that space.
  void learn(const GaussianStatistics& s, const RegressionSpace& space) {
    kappa_ = s.weight;
    for (Index j = 0; j < covariates(); ++j) {
      centre_(j) = s.mean(j);
      for (Index i = j; i < covariates(); ++i) factor_(i, j) = space.gram(i, j) * space.unit(i);
      // A covariate that is a function of others but for rounding: least_squares() takes no notice of it.
      if (!(factor_(j, j) > 0)) factor_(j, j) = 1e-6 * space.unit(j);
    }
    inverse_ = factor_;
    invert_lower(inverse_);
  }
  /// What kappa observations with this precision teach, whose responses lie on the regression (q x (1 + p)).
  [[gnu::cold]] RegressionStatistics statistics(const Eigen::MatrixXd& coefficients) const {
    const Index p = covariates(), q = coefficients.rows();
    const Eigen::MatrixXd scatter = factor_ * factor_.transpose();
    RegressionStatistics s(p, q);
    s.line = coefficients;
    s.moments.weight = kappa_;
    s.moments.mean.head(p) = centre_;
    for (Index j = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) s.moments.scatter(lower_place(i, j, p + q)) = scatter(i, j);
    }
    return s;
  }
  /// Adds errors of covariance S (x) K^-1 to coefficients, given draws from N(0, S).
  template <class Noise>
  void add_noise(const Noise& noise, Eigen::MatrixXd& coefficients) const {
    coefficients.col(0) += noise() / std::sqrt(kappa_);
    for (Index i = 0; i < covariates(); ++i) {
      const Eigen::VectorXd error = noise();
      for (Index j = 0; j <= i; ++j) {
        coefficients.col(1 + j) += inverse_(i, j) * error;
        coefficients.col(0) -= inverse_(i, j) * centre_(j) * error;
      }
    }
  }

  /// c |F^-1 (x - c)|^2 as |A x - a|^2: rows of A, each `padded` long, and a (p).
  void set_rows(double c, Index padded, Eigen::VectorXd& rows, Eigen::VectorXd& shift) const {
    const Index p = covariates();
    if (shift.size() != p || rows.size() != p * padded) {
      rows = Eigen::VectorXd::Zero(p * padded);
      shift = Eigen::VectorXd::Zero(p);
    }
    for (Index i = 0; i < p; ++i) {
      shift(i) = 0;
      for (Index j = 0; j <= i; ++j) {
        const double value = std::sqrt(c) * inverse_(i, j);
        rows(i * padded + j) = value;
        shift(i) += value * centre_(j);
      }
    }
  }
  /// sqrt(1 + (1, x)' K^-1 (1, x)) of observation i, finite for every finite x.
  double widening(const Points<>& x, Index i, const Frame& frame) const {
    const Index p = covariates();
    Eigen::VectorXd away(p), z(p);
    for (Index j = 0; j < p; ++j) away(j) = x(j, i) * frame.scale(j) - frame.centre(j) - centre_(j);
    const double largest = std::max(1.0, largest_magnitude(away));
    for (Index j = 0; j < p; ++j) away(j) /= largest;
    lower_times(inverse_, away.data(), z.data());
    return std::hypot(std::sqrt(1 + 1 / kappa_), largest * std::sqrt(sum_of_squares(z)));
  }

 private:
  /// Cholesky factor of G: the corner of that of K.
  [[gnu::cold]] static Eigen::MatrixXd corner_factor(Eigen::MatrixXd k) {
    const Index p = k.rows() - 1;
    cholesky(k);
    Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(p, p);
    for (Index j = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) factor(i, j) = k(1 + i, 1 + j);
    }
    return factor;
  }

  double kappa_;
  Eigen::VectorXd centre_;            // p
  Eigen::MatrixXd factor_, inverse_;  // p x p
};

}  // namespace emulsion
