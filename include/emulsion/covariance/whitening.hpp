#pragma once
#include <Eigen/Core>
#include <cmath>
#include <utility>

#include "emulsion/core/error.hpp"
#include "emulsion/covariance/factor_covariance.hpp"
#include "emulsion/covariance/precision_factor.hpp"

namespace emulsion {

// W with W S W' = I of a covariance S (q x q), of which models that are turned round ask products alone.

/// W lower triangular, or a diagonal, from a precision factor.
class Whitening {
 public:
  /// Of coordinates divided by `scale` (q).
  [[gnu::cold]] Whitening(const PrecisionFactor& precision, const Eigen::Ref<const Eigen::VectorXd>& scale)
      : diagonal_(precision.diagonal()) {
    if (diagonal_) w_ = precision.values().cwiseProduct(scale);
    else w_ = precision.matrix() * scale.asDiagonal();
  }

  /// W a
  template <class Matrix>
  Eigen::MatrixXd times(const Matrix& a) const {
    if (diagonal_) return w_.col(0).asDiagonal() * a;
    return w_ * a;
  }
  /// W' a
  template <class Matrix>
  Eigen::MatrixXd transposed_times(const Matrix& a) const {
    if (diagonal_) return w_.col(0).asDiagonal() * a;
    return w_.transpose() * a;
  }
  /// W^-1 a
  template <class Matrix>
  Eigen::MatrixXd divide(const Matrix& a) const {
    if (diagonal_) return w_.col(0).cwiseInverse().asDiagonal() * a;
    Eigen::MatrixXd inverse = w_;
    invert_lower(inverse);
    return inverse * a;
  }
  /// log |W|
  double log_determinant() const {
    double sum = 0;
    for (Index j = 0; j < w_.rows(); ++j) sum += std::log(w_(j, diagonal_ ? 0 : j));
    return sum;
  }
  /// S = loadings loadings' + noise, of a diagonal S: none (q x 0).
  Eigen::MatrixXd loadings() const {
    Eigen::MatrixXd none(w_.rows(), 0);
    return none;
  }
  /// q. @throws InvalidArgument  if S is not diagonal
  Eigen::VectorXd noise() const {
    require(diagonal_,
            "errors with a full covariance have no noise of their own: a diagonal covariance has, or factors");
    return w_.col(0).cwiseAbs2().cwiseInverse();
  }

 private:
  Eigen::MatrixXd w_;
  bool diagonal_ = false;
};

/// Of a covariance of low rank and noise: no q x q matrix is formed.
class FactorWhitening {
 public:
  explicit FactorWhitening(FactorCovariance covariance) : covariance_(std::move(covariance)) {}

  template <class Matrix>
  Eigen::MatrixXd times(const Matrix& a) const {
    Eigen::MatrixXd result = a;
    covariance_.whiten(result);
    return result;
  }
  template <class Matrix>
  Eigen::MatrixXd transposed_times(const Matrix& a) const {
    Eigen::MatrixXd result = a;
    covariance_.whiten_transposed(result);
    return result;
  }
  template <class Matrix>
  Eigen::MatrixXd divide(const Matrix& a) const {
    Eigen::MatrixXd result = a;
    covariance_.unwhiten(result);
    return result;
  }
  double log_determinant() const { return -0.5 * covariance_.log_determinant(); }
  const Eigen::MatrixXd& loadings() const { return covariance_.loadings(); }
  Eigen::VectorXd noise() const { return covariance_.deviations().cwiseAbs2(); }

 private:
  FactorCovariance covariance_;
};

}  // namespace emulsion
