#pragma once
#include <Eigen/Core>
#include <cmath>
#include <utility>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/distributions/gaussian.hpp"

namespace emulsion {

/// What Gaussian data with uncertain parameters are predicted to be: a Student t on R^d with location m, scale matrix S
/// and nu degrees of freedom,
///
///   log p(x) = log Gamma((nu + d) / 2) - log Gamma(nu / 2) - d / 2 log(nu pi) - 1/2 log |S|
///              - (nu + d) / 2 log(1 + (x - m)' S^-1 (x - m) / nu);
///
/// where S is of the diagonal structure, d independent ones in one dimension. It has no statistics: it is not fitted.
template <class Scalar_, int Dim>
class StudentTPredictive {
 public:
  using Gaussian = BasicGaussian<Scalar_, Dim>;
  using Scalar = Scalar_;
  using Data = typename Gaussian::Data;
  using Packed = typename Gaussian::Packed;

  /// Location and scale matrix as those of a Gaussian.
  StudentTPredictive(Gaussian scale, double degrees_of_freedom)
      : gaussian_(std::move(scale)), freedom_(degrees_of_freedom) {
    const Index d = independent() ? 1 : dimension();
    const auto own = static_cast<double>(d), copies = static_cast<double>(independent() ? dimension() : 1);
    constant_ = copies * (log_gamma((freedom_ + own) / 2) - log_gamma(freedom_ / 2) -
                          0.5 * own * (std::log(freedom_ / 2) + log_two_pi));
    constant_ += gaussian_.frame().log_jacobian() + gaussian_.precision_factor().log_determinant();
  }

  Index dimension() const { return gaussian_.dimension(); }
  double degrees_of_freedom() const { return freedom_; }
  /// d
  Eigen::VectorXd mean() const { return gaussian_.mean(); }
  /// S, d x d
  Eigen::MatrixXd scale() const { return gaussian_.covariance(); }
  /// S nu / (nu - 2), d x d; infinite on the diagonal up to two degrees of freedom.
  Eigen::MatrixXd covariance() const {
    if (freedom_ > 2) return scale() * (freedom_ / (freedom_ - 2));
    Eigen::MatrixXd result = scale();
    result.diagonal().setConstant(std::numeric_limits<double>::infinity());
    return result;
  }

  /// out(i) += log p(x_i)
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    const Index d = dimension();
    const Frame& frame = gaussian_.frame();
    const PrecisionFactor& root = gaussian_.precision_factor();
    Eigen::VectorXd y(d), z(d);
    for (Index i = 0; i < block.size(); ++i) {
      for (Index j = 0; j < d; ++j) {
        y(j) = static_cast<double>(block(j, i)) * frame.scale(j) - frame.centre(j) - gaussian_.location()(j);
      }
      root.times(y.data(), z.data());
      double square = 0, logs = 0;
      for (Index j = 0; j < d; ++j) {
        if (independent()) logs += log_one_plus_square(z(j) / std::sqrt(freedom_));
        else square += z(j) * z(j);
      }
      if (!independent()) {
        logs = std::isfinite(square) ? std::log1p(square / freedom_) : 2 * log_distance(block, i) - std::log(freedom_);
      }
      out(i) += constant_ - 0.5 * (freedom_ + static_cast<double>(independent() ? 1 : d)) * logs;
    }
  }

  double log_distance(const Data& x, Index i) const { return gaussian_.log_distance(x, i); }
  void check(const Data& x) const { gaussian_.check(x); }

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    const Index d = dimension();
    const auto widen = [&] { return std::sqrt(freedom_ / (2 * rng.gamma(freedom_ / 2))); };
    Eigen::VectorXd z(d), y(d);
    const double shared = independent() ? 1 : widen();
    for (Index j = 0; j < d; ++j) z(j) = rng.normal() * (independent() ? widen() : shared);
    gaussian_.precision_factor().divide(z.data(), y.data());
    for (Index j = 0; j < d; ++j) y(j) += gaussian_.location()(j);
    return gaussian_.frame().restored(y);
  }

 private:
  bool independent() const { return gaussian_.structure() == Covariance::diagonal; }
  /// log(1 + x^2), finite for every finite x
  static double log_one_plus_square(double x) {
    const double size = std::abs(x);
    return size < 1e100 ? std::log1p(size * size) : 2 * std::log(size);
  }

  Gaussian gaussian_;
  double freedom_, constant_ = 0;
};

}  // namespace emulsion
