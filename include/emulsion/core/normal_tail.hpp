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

/// A standard normal on an interval (a, b): log(Phi(b) - Phi(a)), and how fast it falls where a rises and rises where b
/// does.
struct NormalInterval {
  double log_probability;
  double at_lower, at_upper;  ///< phi(a), phi(b), divided by the probability
};

/// Of the interval from z - below to z + above (both not negative, or infinite), for a point z in it; the logarithm is
/// that of the probability times exp(z^2 / 2), so that the density of z on the interval keeps its digits far out. Of an
/// interval narrower than w, w below one, digits are lost: 1e-16 / w remain.
inline NormalInterval normal_interval(double z, double below, double above) {
  const double a = z - below, b = z + above;
  if (b < 0) {  // the mirror image
    const NormalInterval image = normal_interval(-z, above, below);
    return {image.log_probability, image.at_upper, image.at_lower};
  }
  if (a > 0) {
    const double ratio = std::exp(-0.5 * (below + above) * (a + b));  // phi(b) / phi(a)
    const double mass = mills_ratio(a) - (ratio > 0 ? ratio * mills_ratio(b) : 0.0);
    return {std::log(mass) - 0.5 * log_two_pi + 0.5 * below * (z + a), 1 / mass, ratio / mass};
  }
  const double outside = normal_cdf(a) + normal_cdf(-b);
  const double inside = 0.5 * (std::erf(b / std::sqrt(2.0)) - std::erf(a / std::sqrt(2.0)));
  return {(outside < 0.5 ? std::log1p(-outside) : std::log(inside)) + 0.5 * z * z, normal_density(a) / inside,
          normal_density(b) / inside};
}

}  // namespace emulsion
