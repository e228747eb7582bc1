#pragma once
#include <algorithm>
#include <cmath>

#include "emulsion/core/error.hpp"
#include "emulsion/core/gauss_rule.hpp"
#include "emulsion/core/special_functions.hpp"

namespace emulsion {

/// The concentration of a gate's prior: a number, or unknown with a Gamma(shape, rate) prior.
///
/// Unknown, it has a factor q(c) of its own in the variational posterior. The gate says how its expected log prior
/// depends on it, f(c); then the best q(c) is proportional to Gamma(c) exp f(c), and contributes log int Gamma(c) exp
/// f(c) dc to the evidence bound. Both are found by quadrature in log c: Gauss-Legendre panels where the density
/// counts; below, where f has become linear in log c, the tail of an exponential.
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
    const double bend = (log_density(mode - 1e-3) - 2 * top + log_density(mode + 1e-3)) * -1e6;
    const double width = std::min(0.7, bend > 1 ? 1 / std::sqrt(bend) : 0.7);  // f varies over units of log c
    static const GaussRule rule = GaussRule::legendre(12);
    double sum = 0, moment = 0;
    const auto panel = [&](double from, double to) {
      for (int i = 0; i < 12; ++i) {
        const double log_c = 0.5 * (from + to + (to - from) * rule.nodes(i));
        const double p = 0.5 * (to - from) * rule.weights(i) * std::exp(log_density(log_c) - top);
        sum += p;
        moment += p * std::exp(log_c);
      }
    };
    double at = mode;
    for (; log_density(at) > top - 45; at += width) panel(at, at + width);
    for (at = mode; log_density(at) > top - 45; at -= width) {
      const double slope = log_density(at) - log_density(at - 1), next = log_density(at - 1) - log_density(at - 2);
      if (at < mode - 20 && std::abs(slope - next) < 1e-11 * (1 + std::abs(slope))) {
        const double rest = std::exp(log_density(at) - top);
        sum += rest / slope;
        moment += rest * std::exp(at) / (slope + 1);
        break;
      }
      panel(at - width, at);
    }
    mean_ = moment / sum;
    bound_ = top + std::log(sum) + shape_ * std::log(rate_) - log_gamma(shape_);
  }

  /// E[f(c)] minus the divergence of q(c) from its prior, as of the last update; f(c) where it is fixed.
  double bound() const { return bound_; }

 private:
  double mean_, shape_ = 0, rate_ = 0, bound_ = 0;
};

}  // namespace emulsion
