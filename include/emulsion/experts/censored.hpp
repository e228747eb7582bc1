#pragma once
#include "emulsion/experts/limited.hpp"

namespace emulsion {

/// Linear regression of one response that is seen between limits only (Tobin, 1958),
///
///   y | x ~ N(b + B x, s^2),   of which min(max(y, lower), upper) is seen,
///
/// so that a response at or beyond a limit counts with P(y <= lower | x) or P(y >= upper | x), any other with its
/// density. Predictions are of y itself, as if there were no limits. M-step: see LimitedExpert; log Phi(h), the
/// contribution of a censored response, has a second derivative in (-1, 0).
class CensoredExpert : public LimitedExpert<CensoredExpert> {
 public:
  /// The prototype of a fit.
  [[gnu::cold]] explicit CensoredExpert(Index covariates, const Limits& limits,
                                        double floor = LinearExpert::default_floor)
      : LimitedExpert(LinearExpert(covariates, 1, Covariance::full, floor), limits, true) {}
  /// Intercept b, slopes B (p) and standard deviation s.
  [[gnu::cold]] CensoredExpert(double intercept, const Eigen::Ref<const Eigen::RowVectorXd>& slopes, double deviation,
                               const Limits& limits)
      : LimitedExpert(LinearExpert(Eigen::VectorXd::Constant(1, intercept), slopes,
                                   Eigen::MatrixXd::Constant(1, 1, deviation * deviation)),
                      limits, false) {}

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const { return line_.mean(x); }
  /// s, 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return line_.scale(x); }
  static double variance(double mean, double scale) { return LinearExpert::variance(mean, scale); }
  /// P(Y <= y) of a response with that mean and scale.
  static double cumulative(double y, double mean, double scale) { return LinearExpert::cumulative(y, mean, scale); }
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>& scale,
                         Rng& rng) const {
    return line_.sample(mean, scale, rng);
  }

 private:
  friend LimitedExpert<CensoredExpert>;
  friend LinearLocation<CensoredExpert>;

  /// Censored responses to their limit.
  void place(Packed& block) const {
    for (Index i = 0; i < block.points.size; ++i) {
      if (block.side(i) == 0) continue;
      const Index at = block.points.place(i) + covariates() * PackedPoints<double>::strip;
      block.points.x(at) = block.side(i) < 0 ? lower_ : upper_;
    }
  }
  /// z: (response or limit - b - B x) / s
  double log_density_of(double /*response*/, double z, int side) const {
    return side == 0 ? line_.log_peak() - 0.5 * z * z : log_normal_cdf(side < 0 ? z : -z);
  }
  static Bound bound(double /*response*/, double z, int side) {
    if (side == 0) return {1, 0, 0};
    return {0, side < 0 ? z + inverse_mills_ratio(z) : z - inverse_mills_ratio(-z), 0};
  }
};

static_assert(Component<CensoredExpert>);

}  // namespace emulsion
