#pragma once
#include <cmath>

#include "emulsion/core/constants.hpp"

namespace emulsion {

// The standard normal distribution function Phi and its ratios to the density phi, of use to whatever is censored,
// truncated or skew. Each keeps its relative precision (1e-14) in both tails, where Phi itself underflows.

inline double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

/// phi(z) = exp(-z^2 / 2) / sqrt(2 pi); the rounding of z^2, which the exponential would magnify, is put right.
inline double normal_density(double z) {
  const double square = z * z;
  if (!(square < 1500)) return 0;  // below the least double, or NaN
  return std::exp(-0.5 * square) * (1 - 0.5 * std::fma(z, z, -square)) / std::sqrt(two_pi);
}

/// Mills' ratio (1 - Phi(x)) / phi(x), for x >= 0; about 1 / x for large x. Beyond 4 Laplace's continued fraction,
/// 1 / (x + 1 / (x + 2 / (x + 3 / ...))).
inline double mills_ratio(double x) {
  if (x < 4) return 0.5 * std::erfc(x / std::sqrt(2.0)) / normal_density(x);
  double below = x;
  const int terms = x < 8 ? 60 : (x < 20 ? 24 : 10);
  for (int k = terms; k >= 1; --k) below = x + k / below;
  return 1 / below;
}

/// phi(z) / Phi(z): the derivative of log Phi; the mean of a standard normal that is truncated to values above -z.
/// About -z for z far below zero.
inline double inverse_mills_ratio(double z) { return z < 0 ? 1 / mills_ratio(-z) : normal_density(z) / normal_cdf(z); }

/// log Phi(z); finite for every z whose square is.
inline double log_normal_cdf(double z) {
  if (z > 4) return std::log1p(-mills_ratio(z) * normal_density(z));
  if (z > -1) return std::log1p(-0.5 * std::erfc(z / std::sqrt(2.0)));
  if (z > -4) return std::log(normal_cdf(z));
  return -0.5 * z * z - 0.5 * log_two_pi + std::log(mills_ratio(-z));
}

}  // namespace emulsion
