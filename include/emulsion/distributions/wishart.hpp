#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/random.hpp"
#include "emulsion/core/special_functions.hpp"
#include "emulsion/covariance/precision_factor.hpp"

namespace emulsion {

/// Wishart distribution of a precision L in d dimensions with nu degrees of freedom, by the factor of its expectation
/// E[L] = nu W (Bishop, 2006, app. B). A view, of the factor's structure:
///
/// - full, tied: L ~ Wishart(nu, W);
/// - diagonal: every dimension's precision ~ Wishart(nu, w_j) in one dimension;
/// - spherical: one precision for all dimensions ~ Wishart(nu, w) in one: Gamma(nu / 2, rate 1 / (2 w)).
///
/// Posteriors of families with a covariance are made of it. Their observations count `observed(structure, d)` each for
/// nu.
class Wishart {
 public:
  Wishart(const PrecisionFactor& expected, double nu) : root_(expected), nu_(nu) {}

  /// What one observation adds to nu.
  static double observed(Covariance structure, Index d) {
    return structure == Covariance::spherical ? static_cast<double>(d) : 1.0;
  }
  /// In how many dimensions its variates are.
  static Index own_dimension(Covariance structure, Index d) { return is_diagonal(structure) ? 1 : d; }

  /// E[log |L|] - log |nu W|, of all d dimensions.
  double log_determinant_gain() const {
    return (multivariate_digamma(own(), nu_ / 2) + own_number() * std::log(2 / nu_)) * dimensions() / own_number();
  }

  /// Kullback-Leibler divergence of this from `other`, given tr(E[L] E_other[L]^-1): expected_trace().
  double divergence(const Wishart& other, double trace) const {
    double log_ratio = 2 * (root_.log_determinant() - other.root_.log_determinant());
    if (spherical()) log_ratio /= dimensions(), trace /= dimensions();
    log_ratio += variates() * own_number() * std::log(other.nu_ / nu_);
    trace *= other.nu_ / nu_;
    return -0.5 * other.nu_ * log_ratio + 0.5 * nu_ * (trace - variates() * own_number()) +
           variates() * (log_multivariate_gamma(own(), other.nu_ / 2) - log_multivariate_gamma(own(), nu_ / 2) +
                         0.5 * (nu_ - other.nu_) * multivariate_digamma(own(), nu_ / 2));
  }

  /// Logarithm of the integral of |L|^((nu - d - 1) / 2) exp(-tr(W^-1 L) / 2), the density without its constant.
  double log_integral() const {
    return 0.5 * nu_ * (log_scale() + variates() * own_number() * std::log(2.0)) +
           variates() * log_multivariate_gamma(own(), nu_ / 2);
  }

  /// Log density of the covariance L^-1 (inverse Wishart) whose precision factor is `root`, given tr(L E[L]^-1); in
  /// coordinates whose Jacobian has the logarithm `jacobian`.
  double log_density_of_covariance(const PrecisionFactor& root, double trace, double jacobian) const {
    const double of_one = spherical() ? 1 / dimensions() : 1;  // all d precisions are one
    return -0.5 * nu_ * (log_scale() + variates() * own_number() * std::log(2.0)) -
           variates() * log_multivariate_gamma(own(), nu_ / 2) +
           (nu_ + own_number() + 1) * of_one * root.log_determinant() - 0.5 * nu_ * of_one * trace +
           (own_number() + 1) * of_one * jacobian;
  }

  /// The Cholesky factor of a covariance L^-1, L drawn (d x d): with T lower triangular and T'T ~ Wishart(nu, I), by
  /// Bartlett's decomposition from the last dimension on, the precision factor is T (nu W)^(1/2) / sqrt(nu).
  Eigen::MatrixXd sample_factor(Rng& rng) const {
    const Index d = root_.dimension();
    Eigen::MatrixXd t = Eigen::MatrixXd::Zero(d, d);
    const auto chi = [&](double freedom) { return std::sqrt(2 * rng.gamma(freedom / 2)); };
    const double one = spherical() ? chi(nu_) : 0;
    for (Index i = 0; i < d; ++i) {
      if (spherical()) t(i, i) = one;
      else if (root_.diagonal()) t(i, i) = chi(nu_);
      else t(i, i) = chi(nu_ - static_cast<double>(d - 1 - i));
      for (Index j = 0; j < i && !root_.diagonal(); ++j) t(i, j) = rng.normal();
    }
    const Eigen::MatrixXd root = root_.matrix();
    Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(d, d);
    for (Index j = 0; j < d; ++j) {
      for (Index i = j; i < d; ++i) {
        for (Index l = j; l <= i; ++l) factor(i, j) += t(i, l) * root(l, j);
        factor(i, j) /= std::sqrt(nu_);
      }
    }
    invert_lower(factor);
    return factor;
  }

 private:
  bool spherical() const { return root_.structure() == Covariance::spherical; }
  double dimensions() const { return static_cast<double>(root_.dimension()); }
  Index own() const { return own_dimension(root_.structure(), root_.dimension()); }
  double own_number() const { return static_cast<double>(own()); }
  /// How many variates there are.
  double variates() const { return root_.structure() == Covariance::diagonal ? dimensions() : 1.0; }
  /// log |W|, of all variates
  double log_scale() const {
    return 2 * root_.log_determinant() / (spherical() ? dimensions() : 1.0) - variates() * own_number() * std::log(nu_);
  }

  const PrecisionFactor& root_;
  double nu_;
};

/// tr(A B^-1) of precisions by their factors: `root` of A, `other` of B; `factor`: other.factor(), not read where
/// diagonal. Cost d^3 / 6.
inline double expected_trace(const PrecisionFactor& root, const PrecisionFactor& other, const Eigen::MatrixXd& factor) {
  double trace = 0;
  for (Index i = 0; i < root.dimension(); ++i) {
    for (Index j = root.diagonal() ? i : 0; j <= i; ++j) {
      double z = 0;
      if (root.diagonal()) z = root(i, i) / other(i, i);
      for (Index l = j; l <= i && !root.diagonal(); ++l) z += root(i, l) * factor(l, j);
      trace += z * z;
    }
  }
  return trace;
}

}  // namespace emulsion
