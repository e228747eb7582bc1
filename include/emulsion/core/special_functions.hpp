#pragma once
#include <Eigen/Core>
#include <cmath>
#include <unsupported/Eigen/SpecialFunctions>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/constants.hpp"

namespace emulsion {

// The gamma function and what follows from it, by Eigen (whose lgamma, unlike std::lgamma, two threads may call).

/// log Gamma(a), a > 0
inline double log_gamma(double a) { return Eigen::numext::lgamma(a); }
/// psi(a) = d/da log Gamma(a), a > 0
inline double digamma(double a) { return Eigen::numext::digamma(a); }
/// log B(a, b) = log Gamma(a) + log Gamma(b) - log Gamma(a + b)
inline double log_beta(double a, double b) { return log_gamma(a) + log_gamma(b) - log_gamma(a + b); }

/// log Gamma_d(a) = d (d - 1) / 4 log pi + sum_{j < d} log Gamma(a - j / 2), a > (d - 1) / 2
inline double log_multivariate_gamma(Index d, double a) {
  double sum = 0.25 * static_cast<double>(d * (d - 1)) * (log_two_pi - std::log(2.0));
  for (Index j = 0; j < d; ++j) sum += log_gamma(a - 0.5 * static_cast<double>(j));
  return sum;
}
/// The derivative of log Gamma_d
inline double multivariate_digamma(Index d, double a) {
  double sum = 0;
  for (Index j = 0; j < d; ++j) sum += digamma(a - 0.5 * static_cast<double>(j));
  return sum;
}

/// sum_k log Gamma(a_k) - log Gamma(sum_k a_k): the logarithm of a Dirichlet density's integral.
inline double log_dirichlet_integral(const Eigen::Ref<const Eigen::VectorXd>& a) {
  double sum = 0, total = 0;
  for (Index k = 0; k < a.size(); ++k) sum += log_gamma(a(k)), total += a(k);
  return sum - log_gamma(total);
}

}  // namespace emulsion
