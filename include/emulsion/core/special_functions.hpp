#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
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

/// log a - psi(a) > 0, a > 0, to full precision where the two are large and near each other: about 1 / (2 a).
inline double log_minus_digamma(double a) {
  double sum = 0;
  const double before = a;
  while (a < 12) sum += 1 / a, a += 1;
  const double y = 1 / (a * a);
  const double tail =
      0.5 / a +
      y * (1 / 12.0 - y * (1 / 120.0 - y * (1 / 252.0 - y * (1 / 240.0 - y * (1 / 132.0 - y * 691 / 32760)))));
  return a > before ? sum + tail - std::log(a / before) : tail;
}
/// The a > 0 where log a - psi(a) = value > 0: that of the gamma distribution whose mean logarithm lies so far below
/// the logarithm of its mean. By secants of log(log a - psi(a)) in log a, which is nearly a line.
inline double inverse_log_minus_digamma(double value) {
  const double target = std::log(value);
  double x = value > 1 ? -target : -target - 0.5, y = std::log(log_minus_digamma(std::exp(x))), slope = -1;
  for (int step = 0; step < 50 && y != target; ++step) {
    const double next = x - (y - target) / slope;
    if (!(std::abs(next - x) > 1e-16 * (1 + std::abs(x)))) break;
    const double there = std::log(log_minus_digamma(std::exp(next)));
    const double found = (there - y) / (next - x);
    if (found > -2 && found < -0.5) slope = found;
    if (!(std::abs(there - target) < std::abs(y - target))) break;
    x = next, y = there;
  }
  return std::exp(x);
}
/// log Gamma(a + b) - log Gamma(a) - b log a, a > 0, b >= 0, to full precision where a is large: about
/// b (b - 1) / (2 a).
inline double log_gamma_rise(double a, double b) {
  double sum = 0;
  const double before = a;
  while (a < 12) sum -= std::log1p(b / a), a += 1;
  const auto excess = [](double x) {  // of log Gamma(x) over (x - 1/2) log x - x + 1/2 log(2 pi)
    const double y = 1 / (x * x);
    return (1 / 12.0 - y * (1 / 360.0 - y * (1 / 1260.0 - y * (1 / 1680.0 - y * (1 / 1188.0 - y * 691 / 360360))))) / x;
  };
  sum += (a + b - 0.5) * std::log1p(b / a) - b + (excess(a + b) - excess(a));
  return a > before ? sum + b * std::log(a / before) : sum;
}

/// P(T <= t) of a Student t with nu > 0 degrees of freedom.
inline double student_t_cdf(double t, double nu) {
  const double square = t * t;
  if (!(square < std::numeric_limits<double>::infinity())) return t > 0 ? 1 : 0;
  // Of the two forms of the incomplete beta function, the one whose argument keeps its digits.
  if (square < nu) {
    const double inner = 0.5 * Eigen::numext::betainc(0.5, 0.5 * nu, square / (nu + square));
    return t < 0 ? 0.5 - inner : 0.5 + inner;
  }
  const double outer = 0.5 * Eigen::numext::betainc(0.5 * nu, 0.5, nu / (nu + square));
  return t < 0 ? outer : 1 - outer;
}

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
