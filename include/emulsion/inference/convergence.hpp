#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// How far the objective still is from its limit, estimated from the gains of plain EM steps.
///
/// Near the limit an EM step multiplies the distance by a rate in (0, 1), so that a gain g leaves g rate / (1 - rate)
/// (Aitken; McLachlan and Krishnan, 2008, sec. 4.9). Three things keep the estimate honest:
/// - The error is a sum of modes of different rates, of which the slowest shows only after the others have died: the
///   largest rate seen lately is used.
/// - Gains are differences of large sums, with the rounding of those: a ratio is taken over as many steps as it needs
///   to stand out from it.
/// - Below that rounding a gain is taken from the step of the parameters: a multiple of its square, or of the gradient
///   along it (the largest multiple seen lately while gains could be measured).
class Convergence {
 public:
  explicit Convergence(double total_weight = 1) : total_weight_(total_weight) {}

  /// A plain step took the objective from `before` to `after`; `chained`: the step before it was plain as well;
  /// `square`: squared length of the step of the parameters, in any metric, or the gradient along it; NaN where
  /// unknown.
  [[gnu::cold]] void step(double before, double after, bool chained, double square) {
    // EM lowers the objective by its rounding alone.
    if (after < before) noise_ = std::clamp((before - after) / rounding_of(after), noise_, 1e6);
    rounding_ = noise_ * rounding_of(after);
    ++steps_;
    still_ = square == 0;
    const double last = gain_;
    const bool last_below = below_;
    gain_ = after - before;
    below_ = false;
    if (gain_ > 1e3 * rounding_ && square > 0) {
      ratios_[ratio_count_++ % window] = gain_ / square;
    } else if (gain_ <= 1e3 * rounding_ && ratio_count_ > 0 && square >= 0) {
      below_ = true;
      gain_ = square * *std::max_element(ratios_.begin(),
                                         ratios_.begin() + std::min<std::ptrdiff_t>(
                                                               static_cast<std::ptrdiff_t>(ratio_count_), window));
      length_ = 0;
      if (chained && last_below && gain_ < last) remember(gain_ / last, true);
      return;
    }
    if (!chained || length_ == 0) {
      length_ = 0;
      objectives_[length_++ % history] = before;
    }
    objectives_[length_++ % history] = after;
    for (std::size_t span = 1; 2 * span < std::min(length_, history); span *= 2) {
      const double late = back(0) - back(span), early = back(span) - back(2 * span);
      if (!(late > 0) || !(early > 0)) continue;
      const double rate = std::pow(late / early, 1 / static_cast<double>(span));
      const double noise = rounding_ / late / static_cast<double>(span);
      if (rate - 1 > 4 * noise) {  // not near the limit: what was seen before says nothing
        filled_ = 0;
        return;
      }
      if (rate < 1 && noise < 0.2 * (1 - rate)) return remember(rate, noise < 0.01 * rate);
    }
  }
  /// An estimate of the rate of the parameters' error from an extrapolation; the objective's is its square. Remembered
  /// longer: between extrapolations plain steps are too few for the slowest mode to show.
  void parameter_rate(double rate) {
    if (rate > 0 && rate < 1) parameter_rates_[parameter_count_++ % long_window] = rate * rate;
  }
  /// An extrapolation led to where a plain step would have the `square`, a gain to first order.
  void extrapolated(double square) {
    gain_ = square;
    below_ = true;
    if (ratio_count_ == 0) ratios_[ratio_count_++] = 1;
    still_ = square == 0;
    length_ = 0;
  }
  /// Steps will be measured in another metric.
  void forget_steps() { ratio_count_ = 0; }
  void restart() { *this = Convergence(total_weight_); }
  /// What a sum of `total_weight` log densities may be off by.
  double rounding_of(double objective) const { return 1e-15 * (std::abs(objective) + 0.01 * total_weight_); }
  /// By how much more than that EM may seem to lower the objective before it is a fault: log densities whose terms
  /// cancel are off by more than sums are, and have shown by how much.
  double slack(double objective) const { return std::clamp(10 * noise_, 1e5, 1e7) * rounding_of(objective); }

  /// The factor by which a plain iteration shrinks the distance, as last seen; NaN before any.
  double rate() const { return last_rate_; }
  /// The largest of the recent rates; NaN before any.
  [[gnu::cold]] double slowest_rate() const {
    double largest = std::numeric_limits<double>::quiet_NaN();
    for (std::size_t i = 0; i < std::min<std::size_t>(filled_, window); ++i) {
      if (!(rates_[i] <= largest)) largest = rates_[i];
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(parameter_count_, long_window); ++i) {
      if (!(parameter_rates_[i] <= largest)) largest = parameter_rates_[i];
    }
    return largest;
  }
  /// Estimated distance after the last step, in nats; NaN where it cannot be estimated.
  [[gnu::cold]] double distance() const {
    if (still_) return 0;
    if (fixed_point()) return 2 * rounding_;
    const double slowest = slowest_rate();
    if (at_rest() && std::isnan(slowest)) return gain_;
    return (below_ ? gain_ : std::max(gain_, rounding_)) * slowest / (1 - slowest);
  }
  /// Whether the rate rests on more than a few steps, or there is nothing left to measure it by.
  bool settled() const { return filled_ >= 3 || exhausted() || at_rest(); }
  /// Whether the last gain is nothing but rounding, and no step of the parameters tells more.
  bool exhausted() const { return !below_ && gain_ <= rounding_; }
  /// Whether nothing has moved from the start, as with one component.
  bool fixed_point() const { return steps_ > 1 && exhausted() && filled_ == 0; }
  /// Whether the steps of the parameters matter yet.
  bool wants_steps() const { return gain_ < 1e7 * rounding_; }
  double rounding() const { return rounding_; }
  /// Whether parameters that promise so small a gain move by their rounding alone.
  bool negligible(double gain) const { return gain <= 1e-9 * rounding_; }

 private:
  static constexpr std::ptrdiff_t window = 24, long_window = 64;
  static constexpr std::size_t history = 129;

  bool at_rest() const { return below_ && negligible(gain_); }
  double back(std::size_t steps) const { return objectives_[(length_ - 1 - steps) % history]; }
  void remember(double rate, bool precise) {
    rates_[filled_++ % window] = rate;
    if (precise || std::isnan(last_rate_)) last_rate_ = rate;
  }

  std::array<double, window> rates_{}, ratios_{};
  std::array<double, long_window> parameter_rates_{};
  std::array<double, history> objectives_{};
  std::size_t filled_ = 0, parameter_count_ = 0, ratio_count_ = 0, length_ = 0;
  Index steps_ = 0;
  double total_weight_;
  double gain_ = 0, rounding_ = 0, last_rate_ = std::numeric_limits<double>::quiet_NaN();
  double noise_ = 1;                    // the rounding of log densities, in that of their sum
  bool below_ = false, still_ = false;  // the gain is that of a step of the parameters; they did not move at all
};

}  // namespace emulsion
