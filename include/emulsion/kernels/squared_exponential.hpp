#pragma once
#include "emulsion/kernels/stationary.hpp"

namespace emulsion {

/// f = exp(-r^2 / 2).
struct SquaredExponentialShape {
  template <class Array>
  void value(Array&& r2) const {
    r2 = (-0.5 * r2).exp();
  }
  template <class Array>
  void slope(Array&& r2) const {
    r2 = -0.5 * (-0.5 * r2).exp();
  }
};

/// k(a, b) = variance exp(-1/2 sum_j (a_j - b_j)^2 / l_j^2): infinitely smooth (Rasmussen and Williams, 2006, eq. 4.9).
using SquaredExponential = Stationary<SquaredExponentialShape>;
static_assert(Kernel<SquaredExponential>);

}  // namespace emulsion
