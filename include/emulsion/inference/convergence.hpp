#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// How far the objective still is from its limit, estimated from the gains of plain EM steps.
///
/// Near the limit an EM step multiplies the distance by a rate in (0, 1), so a gain g followed by others at that rate
/// leaves g rate / (1 - rate) (Aitken; McLachlan and Krishnan, 2008, sec. 4.9). The error is a sum of modes of different
/// rates, of which the slowest shows only after the others have died. The largest rate seen lately is therefore used:
/// the estimate errs towards too far.
class Convergence {
 public:
  /// A plain step took the objective from `before` to `after`; `chained`: the step before it was plain as well.
  void step(double before, double after, bool chained) {
    const double gain = after - before;
    rounding_ = 4e-16 * (std::abs(after) + 1);
    if (chained && last_gain_ > 100 * rounding_ && gain > 0) {
      if (gain >= last_gain_) filled_ = 0;  // not near the limit: what was seen before says nothing
      else remember(gain / last_gain_);
    }
    last_gain_ = gain;
    ++steps_;
  }
  /// An estimate of the rate of the parameters' error from an extrapolation; the objective's is its square.
  void parameter_rate(double rate) {
    if (rate > 0 && rate < 1) remember(rate * rate);
  }
  void restart() {
    filled_ = 0;
    steps_ = 0;
    last_gain_ = 0;
  }

  /// The factor by which an iteration shrinks the distance: the largest of the recent ones; NaN before any.
  double rate() const {
    double largest = std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = 0; i < std::min(filled_, window); ++i) {
      if (!(rates_[i] <= largest)) largest = rates_[i];
    }
    return largest;
  }
  /// Estimated distance after the last step, in nats; NaN where it cannot be estimated.
  double distance() const {
    if (steps_ > 1 && last_gain_ <= rounding_ && filled_ == 0) return 2 * rounding_;  // at a fixed point at once
    const double r = rate();
    if (!(r < 1)) return std::numeric_limits<double>::quiet_NaN();
    return std::max(last_gain_, rounding_) * r / (1 - r);
  }
  /// Whether the last gain is nothing but rounding.
  bool exhausted() const { return last_gain_ <= rounding_; }
  double rounding() const { return rounding_; }

 private:
  static constexpr std::size_t window = 24;

  void remember(double rate) { rates_[filled_++ % window] = rate; }

  std::array<double, window> rates_{};
  std::size_t filled_ = 0;
  Index steps_ = 0;
  double last_gain_ = 0, rounding_ = 0;
};

}  // namespace emulsion
