#pragma once
#include "emulsion/experts/limited.hpp"

namespace emulsion {

/// Linear regression of one response of which only those between limits ever come to notice,
///
///   log p(y | x) = log N(y; m, s^2) - log(Phi((upper - m) / s) - Phi((lower - m) / s)),   m = b + B x,
///
/// lower <= y <= upper. M-step: see LimitedExpert; the logarithm of the probability between the limits is concave in
/// (theta, g), and its tangent takes its place. Where responses fall off from a limit like an exponential or slower,
/// the likelihood has no maximum: the deviation lies at its bound, and the report says so.
class TruncatedExpert : public LimitedExpert<TruncatedExpert> {
 public:
  /// The prototype of a fit.
  [[gnu::cold]] explicit TruncatedExpert(Index covariates, const Limits& limits,
                                         double floor = LinearExpert::default_floor)
      : LimitedExpert(LinearExpert(covariates, 1, Covariance::full, floor), limits, true) {}
  /// Intercept b, slopes B (p) and standard deviation s, of responses before they are truncated.
  [[gnu::cold]] TruncatedExpert(double intercept, const Eigen::Ref<const Eigen::RowVectorXd>& slopes, double deviation,
                                const Limits& limits)
      : LimitedExpert(LinearExpert(Eigen::VectorXd::Constant(1, intercept), slopes,
                                   Eigen::MatrixXd::Constant(1, 1, deviation * deviation)),
                      limits, false) {}

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, 1 x m: the mean before the truncation.
  Eigen::MatrixXd location(const Points<>& x) const { return line_.mean(x); }
  /// E[y | x], 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const {
    Eigen::MatrixXd result = line_.mean(x);
    const double s = deviation();
    for (Index i = 0; i < x.size(); ++i) {
      const NormalInterval found = interval(result(0, i), s);
      result(0, i) += s * (found.at_lower - found.at_upper);
    }
    return result;
  }
  /// s, 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return line_.scale(x); }
  double variance(double location, double scale) const {
    const NormalInterval found = interval(location, scale);
    const double shift = found.at_lower - found.at_upper;
    double moved = 0;
    if (found.at_lower > 0) moved += (limits_.lower - location) / scale * found.at_lower;
    if (found.at_upper > 0) moved -= (limits_.upper - location) / scale * found.at_upper;
    return std::max(0.0, 1 + moved - shift * shift) * scale * scale;
  }
  /// P(Y <= y) of a response with that location and scale.
  double cumulative(double y, double location, double scale) const {
    if (!(y > limits_.lower)) return 0;
    if (y >= limits_.upper) return 1;
    const double z = (y - location) / scale, below = (y - limits_.lower) / scale, above = (limits_.upper - y) / scale;
    return std::min(
        1.0, std::exp(normal_interval(z, below, 0).log_probability - normal_interval(z, below, above).log_probability));
  }
  /// By rejection (Robert, 1995).
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& location,
                         const Eigen::Ref<const Eigen::VectorXd>& scale, Rng& rng) const {
    const double a = (limits_.lower - location(0)) / scale(0), b = (limits_.upper - location(0)) / scale(0);
    const double z = a + b < 0 ? -draw(-b, -a, rng) : draw(a, b, rng);
    return Eigen::VectorXd::Constant(1, std::clamp(location(0) + scale(0) * z, limits_.lower, limits_.upper));
  }

  // --- data -----------------------------------------------------------------------------------------------------------

  /// Every value must be finite, every response within the limits.
  void check(const Data& data) const {
    line_.check(data);
    for (Index i = 0; i < data.size(); ++i) {
      const double y = data.y()(0, i);
      require(y >= limits_.lower && y <= limits_.upper, "response 0 of observation ", i, " is ", y,
              "; truncated responses must lie between the limits ", limits_.lower, " and ", limits_.upper);
    }
  }

 private:
  friend LimitedExpert<TruncatedExpert>;
  friend LinearLocation<TruncatedExpert>;

  static void place(Packed&) {}
  NormalInterval around(double response, double z) const {
    return normal_interval(z, precision() * std::max(0.0, response - lower_),
                           precision() * std::max(0.0, upper_ - response));
  }
  double log_density_of(double response, double z, int /*side*/) const {
    return line_.log_peak() - around(response, z).log_probability;
  }
  Bound bound(double response, double z, int /*side*/) const {
    const NormalInterval found = around(response, z);
    double pull = 0;
    if (found.at_lower > 0) pull += found.at_lower * (lower_ - response);
    if (found.at_upper > 0) pull -= found.at_upper * (upper_ - response);
    return {1, found.at_lower - found.at_upper, pull};
  }

  /// The limits as seen from a location: about the nearest point between them.
  NormalInterval interval(double location, double scale) const {
    const double y = std::clamp(location, limits_.lower, limits_.upper);
    return normal_interval((y - location) / scale, (y - limits_.lower) / scale, (limits_.upper - y) / scale);
  }
  /// A standard normal between a and b, a + b >= 0.
  static double draw(double a, double b, Rng& rng) {
    const double nearest = std::max(a, 0.0);
    if ((b - a) * std::max(1.0, nearest) < 2) {
      for (;;) {
        const double z = a + (b - a) * rng.uniform();
        if (std::log(rng.uniform()) <= 0.5 * (nearest - z) * (nearest + z)) return z;
      }
    }
    for (const double rate = 0.5 * (a + std::sqrt(a * a + 4));;) {
      const double z = a < 0.5 ? rng.normal() : a + rng.exponential() / rate;
      if (!(z >= a && z <= b)) continue;
      if (a < 0.5 || std::log(rng.uniform()) <= -0.5 * (z - rate) * (z - rate)) return z;
    }
  }
};

static_assert(Component<TruncatedExpert>);

}  // namespace emulsion
