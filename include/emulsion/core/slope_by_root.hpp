#pragma once
#include <cmath>

namespace emulsion {

/// Derivative of count log p - total p by the root of p: charts have roots of weights, rates and probabilities, which
/// are finite on the border. There (p = 0) it counts as zero, since EM never leaves the border.
inline double slope_by_root(double count, double total, double p) {
  const double root = std::sqrt(p);
  return root > 0 ? 2 * (count / root - total * root) : 0.0;
}

}  // namespace emulsion
