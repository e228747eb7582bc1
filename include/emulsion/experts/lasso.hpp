#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/newton_step.hpp"
#include "emulsion/experts/linear.hpp"

namespace emulsion {

/// lambda (alpha |b|_1 + (1 - alpha) / 2 |b|^2): the elastic net (Zou and Hastie, 2005); alpha = 1, the lasso.
struct ElasticNet {
  double lambda = 0;  ///< nats per unit of slope
  double alpha = 1;   ///< in [0, 1]
};

/// Linear regression of one response with normal errors, y | x ~ N(a + b'x, v), whose slopes are penalised: the
/// objective is the log-likelihood less lambda (alpha |b|_1 + (1 - alpha) / 2 |b|^2), and slopes that matter little are
/// exactly zero. The intercept is free. The penalty is on slopes by x as given: covariates of different units should be
/// standardised first.
///
/// M-step: ascent in b (by coordinates, and Newton's step for the slopes that are not zero) and the closed form of v by
/// turns, from the parameters before (or, where there are none, from least squares if that is better), so that it
/// cannot lower the objective. For given v,
///
///   b_j = S(sum w x_j r_j, lambda alpha v) / (sum w x_j^2 + lambda (1 - alpha) v),
///   S(g, t) = sign(g) max(|g| - t, 0),
///
/// x centred and r_j the residual without covariate j. In (b, v) together there may be several maxima. Cost p^2 per
/// sweep, p^3 / 3 per step. Khalili and Chen (2007); Friedman, Hastie and Tibshirani (2010).
class LassoExpert : public LinearExpert {
 public:
  struct Workspace {
    LinearExpert::Workspace line;
    Eigen::MatrixXd gram;                  // p x p: scatter of the covariates
    Eigen::VectorXd right, slopes, other;  // p: scatter with the response; slopes; those of least squares
    Eigen::MatrixXd system, target;        // p x p, p x 1: of the slopes that are not zero
    std::vector<Index> active;             // p: which they are
  };

  /// Zero slopes and unit variance: the prototype of a fit.
  explicit LassoExpert(Index covariates, const ElasticNet& penalty = {}, double floor = default_floor)
      : LinearExpert(covariates, 1, Covariance::full, floor), penalty_(checked(penalty)), learnt_(false) {}
  /// With the parameters of a line.
  LassoExpert(LinearExpert line, const ElasticNet& penalty)
      : LinearExpert(std::move(line)), penalty_(checked(penalty)) {
    require(dimension() == 1, "a lasso expert has one response, got ", dimension());
  }

  const ElasticNet& penalty() const { return penalty_; }
  /// The same parameters under another penalty.
  LassoExpert penalised(const ElasticNet& penalty) const {
    LassoExpert result = *this;
    result.penalty_ = checked(penalty);
    return result;
  }
  /// Intercept, variance, and the slopes that are not zero (Zou, Hastie and Tibshirani, 2007).
  Index free_parameters() const {
    Index count = 2;
    for (Index j = 0; j < covariates(); ++j) count += coefficients_(0, 1 + j) != 0 ? 1 : 0;
    return count;
  }
  /// Minus the penalty.
  double offset() const {
    double sum = 0;
    for (Index j = 0; j < covariates(); ++j) sum -= cost(j, coefficients_(0, 1 + j));
    return sum;
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  [[gnu::cold]] Workspace workspace() const {
    const Index p = covariates();
    return {LinearExpert::workspace(), Eigen::MatrixXd(p, p),
            Eigen::VectorXd(p),        Eigen::VectorXd(p),
            Eigen::VectorXd(p),        Eigen::MatrixXd(p, p),
            Eigen::MatrixXd(p, 1),     std::vector<Index>(static_cast<std::size_t>(p))};
  }
  void maximize(const Statistics& s, LassoExpert& next) const {
    Workspace work = workspace();
    next.climb_from(*this, s, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<LassoExpert>& now,
                                         std::vector<LassoExpert>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) next[k].climb_from(now[k], s[k], work);
  }

  /// How far intercept and slopes are from satisfying the conditions of a maximum (Karush, Kuhn and Tucker), by the
  /// statistics of an E-step with these parameters: the largest derivative of the objective by the intercept, or by a
  /// slope (of y by x as given, about the frame's centre) beyond what the penalty allows.
  [[gnu::cold]] double kkt_residual(const Statistics& s) const {
    if (!(s.weight > 0)) return 0;
    const Index p = covariates();
    const double precision = precision_(0, 0) * precision_(0, 0);
    double mean = s.mean(p) - coefficients_(0, 0);
    for (Index j = 0; j < p; ++j) mean -= coefficients_(0, 1 + j) * s.mean(j);
    double largest = std::abs(s.weight * mean) * precision * frame_->scale(p);
    for (Index j = 0; j < p; ++j) {
      double slope = scatter(s, p, j) + s.weight * mean * s.mean(j);
      for (Index i = 0; i < p; ++i) slope -= coefficients_(0, 1 + i) * scatter(s, i, j);
      slope *= precision;
      const double b = coefficients_(0, 1 + j), unit = unit_of(j), kink = penalty_.lambda * penalty_.alpha * unit;
      slope -= ridge(j) * b;
      const double excess = b != 0 ? std::abs(slope - std::copysign(kink, b)) : std::max(0.0, std::abs(slope) - kink);
      largest = std::max(largest, excess / unit);
    }
    return largest;
  }

  // --- data -----------------------------------------------------------------------------------------------------------

  bool alike(const LassoExpert& other) const {
    return covariates() == other.covariates() && penalty_.lambda == other.penalty_.lambda &&
           penalty_.alpha == other.penalty_.alpha;
  }
  [[gnu::cold]] LassoExpert in(const std::shared_ptr<const Frame>& frame) const {
    LassoExpert result = *this;
    static_cast<LinearExpert&>(result) = LinearExpert::in(frame);
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<LassoExpert>& all) {
    for (LassoExpert& e : all) {
      if (!(*e.frame_ == *all.front().frame_)) e = e.in(all.front().frame_);
    }
  }
  static Regularity regularity(const std::vector<LassoExpert>& all, const Eigen::VectorXd& weights, double least) {
    return regularity_of(all, weights, least);
  }

 private:
  static const ElasticNet& checked(const ElasticNet& penalty) {
    require(penalty.lambda >= 0 && std::isfinite(penalty.lambda), "the penalty of an expert must not be negative, got ",
            penalty.lambda);
    require(penalty.alpha >= 0 && penalty.alpha <= 1, "the lasso's share of a penalty must lie in [0, 1], got ",
            penalty.alpha);
    return penalty;
  }
  static double scatter(const Statistics& s, Index i, Index j) {
    const Index d = s.mean.size();
    return s.scatter(i >= j ? lower_place(i, j, d) : lower_place(j, i, d));
  }

  /// Slope of y by x per slope in the frame.
  double unit_of(Index j) const { return frame_->scale(j) / frame_->scale(covariates()); }
  double ridge(Index j) const { return penalty_.lambda * (1 - penalty_.alpha) * unit_of(j) * unit_of(j); }
  /// The penalty of a slope in the frame.
  double cost(Index j, double b) const {
    return b == 0 ? 0 : penalty_.lambda * penalty_.alpha * unit_of(j) * std::abs(b) + 0.5 * ridge(j) * b * b;
  }

  /// sum w r^2 of centred data, with these slopes.
  static double residual(const Workspace& work, double square, const Eigen::VectorXd& b) {
    double sum = square;
    for (Index j = 0; j < b.size(); ++j) {
      double own = -work.right(j);
      for (Index i = 0; i < b.size(); ++i) own += b(i) * work.gram(i, j);
      sum += b(j) * (own - work.right(j));
    }
    return std::max(sum, 0.0);
  }

  double kink(Index j, double v) const { return v * penalty_.lambda * penalty_.alpha * unit_of(j); }

  /// Ascent for variance v until the slopes stand still: a sweep over the coordinates finds which are zero, and the
  /// signs of the others; a Newton step finds their values. Returns how far they moved, in squared deviations.
  double ascend(Workspace& work, double v) const {
    Eigen::VectorXd& b = work.slopes;
    double moved = 0;
    for (int round = 0; round < 100; ++round) {
      double gain = 0, size = 0;
      for (Index j = 0; j < b.size(); ++j) {
        const double own = work.gram(j, j) + v * ridge(j), least = kink(j, v);
        double drawn = work.right(j);
        for (Index i = 0; i < b.size(); ++i) drawn -= i == j ? 0.0 : work.gram(i, j) * b(i);
        const double after = own > 0 && std::abs(drawn) > least ? (drawn - std::copysign(least, drawn)) / own : 0.0;
        gain += own * (after - b(j)) * (after - b(j));
        size += own * after * after;
        b(j) = after;
      }
      moved += gain;
      if (!(gain > 1e-28 * size)) break;
      settle(work, v);
    }
    return moved;
  }
  /// The maximum over the slopes that are not zero while none changes its sign: the objective is quadratic there. Where
  /// one would, the way to that maximum ends at its zero; the objective rises all along it.
  void settle(Workspace& work, double v) const {
    Eigen::VectorXd& b = work.slopes;
    Index count = 0;
    for (Index j = 0; j < b.size(); ++j) {
      if (b(j) != 0) work.active[static_cast<std::size_t>(count++)] = j;
    }
    const auto at = [&](Index place) { return work.active[static_cast<std::size_t>(place)]; };
    Eigen::Block<Eigen::MatrixXd> system = work.system.topLeftCorner(count, count), target = work.target.topRows(count);
    for (Index m = 0; m < count; ++m) {
      const Index j = at(m);
      for (Index l = m; l < count; ++l) system(l, m) = work.gram(at(l), j);
      system(m, m) += v * ridge(j);
      target(m, 0) = work.right(j) - std::copysign(kink(j, v), b(j));
    }
    if (solve_positive(system, target) > 0) return;  // collinear covariates: the sweeps must do
    double share = 1;
    Index first = -1;
    for (Index m = 0; m < count; ++m) {
      const double from = b(at(m)), to = target(m, 0);
      if (from * to <= 0 && from / (from - to) < share) share = from / (from - to), first = m;
    }
    for (Index m = 0; m < count; ++m) {
      b(at(m)) = m == first ? 0.0 : share < 1 ? b(at(m)) + share * (target(m, 0) - b(at(m))) : target(m, 0);
    }
  }

  void climb_from(const LassoExpert& now, const Statistics& s, Workspace& work) {
    copy_parameters(now);
    penalty_ = now.penalty_, learnt_ = now.learnt_;
    if (!(s.weight > least_weight)) return;
    const Index p = covariates();
    work.line.spread.setZero();
    if (penalty_.lambda == 0) {  // least squares, in closed form
      regress(s, work.line);
    } else {
      climb(s, work);
      coefficients_(0, 0) = s.mean(p);
      for (Index j = 0; j < p; ++j) {
        coefficients_(0, 1 + j) = work.slopes(j);
        coefficients_(0, 0) -= work.slopes(j) * s.mean(j);
      }
    }
    learnt_ = true;
    estimate_covariance(work.line.residual, s.weight, work.line);
  }

  /// Slopes and variance by turns; into work.slopes and work.line.residual.
  void climb(const Statistics& s, Workspace& work) {
    const Index p = covariates();
    for (Index j = 0; j < p; ++j) {
      for (Index i = 0; i < p; ++i) work.gram(i, j) = scatter(s, i, j);
      work.right(j) = scatter(s, p, j);
      work.slopes(j) = coefficients_(0, 1 + j);
    }
    const double square = scatter(s, p, p);
    widen_spread(s, work.line);
    const double least = floor_ * work.line.spread(0) * work.line.spread(0);
    double v = 1 / (precision_(0, 0) * precision_(0, 0));
    if (!learnt_) {
      const double before = objective(s.weight, residual(work, square, work.slopes), v, work.slopes);
      regress(s, work.line);
      for (Index j = 0; j < p; ++j) work.other(j) = coefficients_(0, 1 + j);
      const double by_least_squares = std::max(work.line.residual(0) / s.weight, least);
      if (objective(s.weight, work.line.residual(0), by_least_squares, work.other) > before) {
        work.slopes = work.other, v = by_least_squares;
      }
    }
    for (int turn = 0; turn < 100; ++turn) {
      const double moved = ascend(work, v), before = v;
      work.line.residual(0) = residual(work, square, work.slopes);
      v = std::max(work.line.residual(0) / s.weight, least);
      if (!(moved > 1e-28 * square) && std::abs(v - before) <= 1e-14 * v) break;
    }
  }
  double objective(double weight, double residual, double v, const Eigen::VectorXd& b) const {
    double sum = -0.5 * weight * std::log(v) - 0.5 * residual / v;
    for (Index j = 0; j < b.size(); ++j) sum -= cost(j, b(j));
    return sum;
  }

  ElasticNet penalty_;
  bool learnt_ = true;
};

/// Whether two experts are one but for rounding.
[[gnu::cold]] inline bool coincide(const LassoExpert& a, const LassoExpert& b) {
  return coincide(static_cast<const LinearExpert&>(a), static_cast<const LinearExpert&>(b));
}

static_assert(Component<LassoExpert>);

}  // namespace emulsion
