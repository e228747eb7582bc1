#pragma once
#include <cmath>

#include "emulsion/kernels/stationary.hpp"

namespace emulsion {

/// f = exp(-r). At r = 0 the slope is infinite, and of no consequence: it is multiplied by zero.
struct Matern12Shape {
  template <class Array>
  void value(Array&& r2) const {
    r2 = (-r2.sqrt()).exp();
  }
  template <class Array>
  void slope(Array&& r2) const {
    r2 = (r2 > 0).select(-0.5 * (-r2.sqrt()).exp() / r2.sqrt(), 0.0);
  }
};

/// f = (1 + s) exp(-s), s = sqrt(3) r.
struct Matern32Shape {
  template <class Array>
  void value(Array&& r2) const {
    r2 = (3 * r2).sqrt();
    r2 = (1 + r2) * (-r2).exp();
  }
  template <class Array>
  void slope(Array&& r2) const {
    r2 = -1.5 * (-(3 * r2).sqrt()).exp();
  }
};

/// f = (1 + s + s^2 / 3) exp(-s), s = sqrt(5) r.
struct Matern52Shape {
  template <class Array>
  void value(Array&& r2) const {
    r2 = (5 * r2).sqrt();
    r2 = (1 + r2 + r2.square() / 3) * (-r2).exp();
  }
  template <class Array>
  void slope(Array&& r2) const {
    r2 = (5 * r2).sqrt();
    r2 = -5.0 / 6 * (1 + r2) * (-r2).exp();
  }
};

/// Matern kernels of smoothness nu = 1/2, 3/2, 5/2: draws have nu - 1/2 derivatives (Rasmussen and Williams, 2006,
/// eqs. 4.14, 4.17).
using Matern12 = Stationary<Matern12Shape>;
using Matern32 = Stationary<Matern32Shape>;
using Matern52 = Stationary<Matern52Shape>;
static_assert(Kernel<Matern12> && Kernel<Matern32> && Kernel<Matern52>);

}  // namespace emulsion
