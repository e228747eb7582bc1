#pragma once
#include <cmath>

#include "emulsion/core/gauss_rule.hpp"
#include "emulsion/core/normal_tail.hpp"

namespace emulsion {

/// Owen's function (1956),
///
///   T(h, a) = 1 / (2 pi) times the integral of exp(-h^2 (1 + x^2) / 2) / (1 + x^2) over x from 0 to a,
///
/// with which the distribution function of a skew normal is Phi(z) - 2 T(z, shape). By quadrature, for |a| > 1 by the
/// reflection T(h, a) + T(a h, 1 / a) = Phi(h) / 2 + Phi(a h) / 2 - Phi(h) Phi(a h), a, h >= 0. Error 1e-15.
inline double owen_t(double h, double a) {
  if (a < 0) return -owen_t(h, -a);
  h = std::abs(h);
  if (a > 1) {
    const double p = 0.5 * std::erfc(h / std::sqrt(2.0)), q = 0.5 * std::erfc(a * h / std::sqrt(2.0));
    return 0.5 * p + 0.5 * q - p * q - owen_t(a * h, 1 / a);
  }
  if (!(h < 40)) return 0;
  static const GaussRule rule = GaussRule::legendre(40);
  double sum = 0;
  for (Index i = 0; i < rule.nodes.size(); ++i) {
    const double x = 0.5 * a * (1 + rule.nodes(i)), square = 1 + x * x;
    sum += rule.weights(i) * std::exp(-0.5 * h * h * square) / square;
  }
  return 0.5 * a * sum / two_pi;
}

}  // namespace emulsion
