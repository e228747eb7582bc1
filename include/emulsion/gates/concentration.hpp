#pragma once
#include <cmath>

#include "emulsion/core/error.hpp"
#include "emulsion/core/special_functions.hpp"

namespace emulsion {

/// The concentration of a gate's prior: a number, or unknown with a Gamma(shape, rate) prior.
///
/// Unknown, it has a factor q(c) of its own in the variational posterior. The gate says how its expected log prior
/// depends on it, f(c); then the best q(c) is proportional to Gamma(c) exp f(c), and contributes log int Gamma(c) exp
/// f(c) dc to the evidence bound. Both are found by the trapezoidal rule in log c, which converges exponentially for
/// such densities.
class Concentration {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a number is a fixed concentration
  Concentration(double value) : mean_(value) {
    require(value > 0 && std::isfinite(value), "a concentration must be positive and finite, got ", value);
  }
  /// @throws InvalidArgument unless shape and rate are positive and finite
  static Concentration gamma(double shape, double rate) {
    require(shape > 0 && std::isfinite(shape) && rate > 0 && std::isfinite(rate),
            "the Gamma prior of a concentration needs a positive, finite shape and rate, got ", shape, " and ", rate);
    Concentration result(shape / rate);
    result.shape_ = shape, result.rate_ = rate;
    return result;
  }

  /// E[c]
  double mean() const { return mean_; }
  bool unknown() const { return shape_ > 0; }
  /// Of the prior of a mixture with another number of components: c multiplied by `ratio`.
  Concentration times(double ratio) const {
    return unknown() ? gamma(shape_, rate_ / ratio) : Concentration(mean_ * ratio);
  }

  /// Takes over the best q(c) given f. A fixed one stays as it is.
  template <class LogPrior>
  void update(const LogPrior& f) {
    if (!unknown()) {
      bound_ = f(mean_);
      return;
    }
    const auto log_density = [&](double t) {
      return shape_ * t - rate_ * std::exp(t) + f(std::exp(t));
    };  // of t = log c
    // One mode between e^-200 and e^200, by golden sections; the density falls on both sides of it.
    constexpr double golden = 0.6180339887498949;
    double low = -200, high = 200, a = high - golden * (high - low), b = low + golden * (high - low);
    double at_a = log_density(a), at_b = log_density(b);
    for (int i = 0; i < 50; ++i) {
      if (at_a < at_b) {
        low = a, a = b, at_a = at_b;
        at_b = log_density(b = low + golden * (high - low));
      } else {
        high = b, b = a, at_b = at_a;
        at_a = log_density(a = high - golden * (high - low));
      }
    }
    const double mode = 0.5 * (low + high), top = log_density(mode);
    const auto reach = [&](double direction) {  // where the density has fallen by exp(-45)
      double step = 1e-3;
      while (log_density(mode + direction * step) > top - 45 && step < 600) step *= 1.5;
      return mode + direction * step;
    };
    const double first = reach(-1), last = reach(1);
    constexpr int nodes = 128;
    const double width = (last - first) / nodes;
    double sum = 0, moment = 0;
    for (int i = 0; i <= nodes; ++i) {
      const double t = first + i * width, p = std::exp(log_density(t) - top);
      sum += p;
      moment += p * std::exp(t);
    }
    mean_ = moment / sum;
    bound_ = top + std::log(sum * width) + shape_ * std::log(rate_) - log_gamma(shape_);
  }

  /// E[f(c)] minus the divergence of q(c) from its prior, as of the last update; f(c) where it is fixed.
  double bound() const { return bound_; }

 private:
  double mean_, shape_ = 0, rate_ = 0, bound_ = 0;
};

}  // namespace emulsion
