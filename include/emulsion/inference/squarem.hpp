#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// Extrapolation of three successive EM iterates in unconstrained parameters (SQUAREM, scheme S3; Varadhan and Roland,
/// 2008): with r = t1 - t0 and v = (t2 - t1) - r,
///
///   t = t0 + 2 a r + a^2 v,   a = |r| / |v|.
///
/// The driver keeps the result only if the objective does not fall. `a` grows only after successes, so that a bad
/// extrapolation costs little.
class Squarem {
 public:
  /// Makes the storage.
  template <class M>
  [[gnu::cold]] void prepare(const M& model) {
    for (Eigen::VectorXd& point : points_) model.pack(point);
  }
  /// Squared length of the step from one model to the other.
  template <class M>
  [[gnu::cold]] double square_step(const M& from, const M& to) {
    from.pack(points_[0]);
    to.pack(points_[1]);
    return square_distance(points_[0].data(), points_[1].data(), points_[0].size());
  }
  /// The next plain step is the first of two to extrapolate.
  void start() { started_ = true; }
  bool started() const { return started_; }
  void forget() { started_ = false; }

  /// Writes the extrapolation of three successive plain iterates into `next`; false where there is none.
  template <class M>
  [[gnu::cold]] bool extrapolate(const M& first_iterate, const M& second_iterate, const M& latest, M& next) {
    first_iterate.pack(points_[0]);
    second_iterate.pack(points_[1]);
    latest.pack(points_[2]);
    started_ = false;
    if (!all_finite(points_[0]) || !all_finite(points_[1]) || !all_finite(points_[2])) return false;
    if (points_[0].size() != points_[2].size()) return false;
    double r = 0, v = 0;
    for (Index i = 0; i < points_[0].size(); ++i) {
      const double first = points_[1](i) - points_[0](i), second = points_[2](i) - points_[1](i);
      r += first * first;
      v += (second - first) * (second - first);
    }
    step_ = std::sqrt(r / v);
    if (!(step_ > 1) || !std::isfinite(step_)) return false;
    const double a = std::min(step_, longest_);
    capped_ = a < step_;
    for (Index i = 0; i < points_[0].size(); ++i) {
      const double first = points_[1](i) - points_[0](i), second = points_[2](i) - points_[1](i);
      points_[2](i) = points_[0](i) + 2 * a * first + a * a * (second - first);
    }
    return all_finite(points_[2]) && next.unpack(points_[2]);
  }

  /// 1 - 1 / a estimates the rate at which the error of the parameters shrinks.
  double rate() const { return 1 - 1 / step_; }
  void accepted() {
    if (capped_) longest_ *= 4;
  }
  void rejected() { longest_ = std::max(2.0, longest_ / 4); }

 private:
  Eigen::VectorXd points_[3];
  double step_ = 1, longest_ = 4;
  bool started_ = false, capped_ = false;
};

}  // namespace emulsion
