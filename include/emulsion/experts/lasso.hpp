#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "emulsion/core/newton_step.hpp"
#include "emulsion/experts/linear_location.hpp"

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
class LassoExpert : public LinearLocation<LassoExpert> {
 public:
  using Statistics = LinearExpert::Statistics;
  using Packed = LinearExpert::Packed;
  struct Workspace {
    RegressionSpace regression;
    Eigen::MatrixXd gram;            // p x p: scatter of the covariates
    Eigen::VectorXd right, across;   // p: their scatter with the response, and with the residuals about the old line
    Eigen::VectorXd before, slopes;  // p: the old line's; those sought
    Eigen::MatrixXd line;            // 1 x (1 + p): intercept and slopes
    Eigen::VectorXd residual;        // 1: their sum of squares
    Eigen::MatrixXd system, target;  // p x p, p x 1: of the slopes that are not zero
    std::vector<Index> active;       // p: which they are
  };

  /// Zero slopes: the prototype of a fit.
  explicit LassoExpert(Index covariates, const ElasticNet& penalty = {}, double floor = LinearExpert::default_floor)
      : LinearLocation(LinearExpert(covariates, 1, Covariance::full, floor), true), penalty_(checked(penalty)) {}
  /// With the parameters of a line.
  LassoExpert(LinearExpert line, const ElasticNet& penalty)
      : LinearLocation(std::move(line), false), penalty_(checked(penalty)) {
    require(dimension() == 1, "a lasso expert has one response, got ", dimension());
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// v (1 x 1)
  Eigen::MatrixXd covariance() const { return line_.covariance(); }
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
    for (Index j = 0; j < covariates(); ++j) count += coefficient(1 + j) != 0 ? 1 : 0;
    return count;
  }
  /// Minus the penalty.
  double offset() const {
    double sum = 0;
    for (Index j = 0; j < covariates(); ++j) sum -= cost(j, coefficient(1 + j));
    return sum;
  }

  bool alike(const LassoExpert& other) const {
    return line_.alike(other.line_) && penalty_.lambda == other.penalty_.lambda &&
           penalty_.alpha == other.penalty_.alpha;
  }

  // --- density and prediction: those of the line ----------------------------------------------------------------------

  Packed packed(Index most) const { return line_.packed(most); }
  void read(const Data& block, Packed& packed) const { line_.read(block, packed); }
  /// out(i) += log p(y_i | x_i)
  void log_density(const Packed& block, Eigen::Ref<Eigen::VectorXd> out) const { line_.log_density(block, out.data()); }
  /// a + b'x, 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const { return line_.mean(x); }
  /// The root of v, 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return line_.scale(x); }
  static double variance(double mean, double scale) { return LinearExpert::variance(mean, scale); }
  static double cumulative(double y, double mean, double scale) { return LinearExpert::cumulative(y, mean, scale); }
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>& scale,
                         Rng& rng) const {
    return line_.sample(mean, scale, rng);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return line_.statistics(); }
  /// Adds the block with weights w (b), as a line does.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    line_.accumulate(block, w, s);
  }

  [[gnu::cold]] Workspace workspace() const {
    const Index p = covariates();
    return {{Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, 1), Eigen::VectorXd(p)},
            Eigen::MatrixXd(p, p),
            Eigen::VectorXd(p),
            Eigen::VectorXd(p),
            Eigen::VectorXd(p),
            Eigen::VectorXd(p),
            Eigen::MatrixXd(1, 1 + p),
            Eigen::VectorXd(1),
            Eigen::MatrixXd(p, p),
            Eigen::MatrixXd(p, 1),
            std::vector<Index>(static_cast<std::size_t>(p))};
  }
  /// The old parameters where there are no observations.
  [[gnu::cold]] void maximize(const Statistics& s, LassoExpert& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<LassoExpert>& now,
                                         std::vector<LassoExpert>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  /// How far intercept and slopes are from satisfying the conditions of a maximum (Karush, Kuhn and Tucker), by the
  /// statistics of an E-step with these parameters: the largest derivative of the objective by the intercept, or by a
  /// slope (of y by x as given, about the frame's centre) beyond what the penalty allows.
  [[gnu::cold]] double kkt_residual(const Statistics& s) const {
    if (!(s.weight() > 0)) return 0;
    const ResidualMoments residual = residual_moments(s, line_.coefficients(), true);
    const double by_intercept =
        s.weight() * residual.mean(0) * precision() * precision() * shared_frame()->scale(covariates());
    return std::max(std::abs(by_intercept), slopes_residual(s, residual));
  }
  /// The same of the slopes alone.
  [[gnu::cold]] double slopes_residual(const Statistics& s) const {
    return s.weight() > 0 ? slopes_residual(s, residual_moments(s, line_.coefficients(), true)) : 0;
  }

 private:
  double slopes_residual(const Statistics& s, const ResidualMoments& residual) const {
    double largest = 0;
    for (Index j = 0; j < covariates(); ++j) {
      double slope = residual.crossed(0, j) + s.weight() * residual.mean(0) * s.moments.mean(j);
      slope *= precision() * precision();
      const double b = coefficient(1 + j), unit = unit_of(j), kink = penalty_.lambda * penalty_.alpha * unit;
      slope -= ridge(j) * b;
      const double excess = b != 0 ? std::abs(slope - std::copysign(kink, b)) : std::max(0.0, std::abs(slope) - kink);
      largest = std::max(largest, excess / unit);
    }
    return largest;
  }

  static const ElasticNet& checked(const ElasticNet& penalty) {
    require(penalty.lambda >= 0 && std::isfinite(penalty.lambda), "the penalty of an expert must not be negative, got ",
            penalty.lambda);
    require(penalty.alpha >= 0 && penalty.alpha <= 1, "the lasso's share of a penalty must lie in [0, 1], got ",
            penalty.alpha);
    return penalty;
  }
  /// Of covariates, and of the residuals (p) about the line of the statistics.
  static double scatter(const Statistics& s, Index i, Index j) {
    const Index d = s.moments.mean.size();
    return s.moments.scatter(i >= j ? lower_place(i, j, d) : lower_place(j, i, d));
  }

  /// Intercept (0) and slopes in the frame.
  double coefficient(Index j) const { return line_.coefficients()(0, j); }
  /// The reciprocal deviation in the frame.
  double precision() const { return line_.precision_factor()(0, 0); }
  /// Slope of y by x per slope in the frame.
  double unit_of(Index j) const { return shared_frame()->scale(j) / shared_frame()->scale(covariates()); }
  double ridge(Index j) const { return penalty_.lambda * (1 - penalty_.alpha) * unit_of(j) * unit_of(j); }
  /// The penalty of a slope in the frame.
  double cost(Index j, double b) const {
    return b == 0 ? 0 : penalty_.lambda * penalty_.alpha * unit_of(j) * std::abs(b) + 0.5 * ridge(j) * b * b;
  }

  /// sum w r^2 of centred data with these slopes, from that with those before.
  static double residual(const Workspace& work, double square, const Eigen::VectorXd& b) {
    double sum = square;
    for (Index j = 0; j < b.size(); ++j) {
      double own = -work.across(j);
      for (Index i = 0; i < b.size(); ++i) own += (b(i) - work.before(i)) * work.gram(i, j);
      sum += (b(j) - work.before(j)) * (own - work.across(j));
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

  void maximize(const Statistics& s, LassoExpert& next, Workspace& work) const {
    next = *this;
    if (!(s.weight() > LinearExpert::least_weight)) return;
    const Index p = covariates();
    const double square = scatter(s, p, p), spread = shared_frame()->spread(p);
    const double certain = least_deviation(s, 0), least = std::max(floor() * spread * spread, certain * certain);
    double v = 0;
    if (penalty_.lambda == 0) {  // in closed form
      least_squares(s, work.regression, work.line, work.residual, true);
      v = std::max(work.residual(0) / s.weight(), least);
    } else {
      v = climb(s, square, least, work);
      work.line(0, 0) = s.line(0, 0) + s.moments.mean(p);
      for (Index j = 0; j < p; ++j) {
        work.line(0, 1 + j) = work.slopes(j);
        work.line(0, 0) += (s.line(0, 1 + j) - work.slopes(j)) * s.moments.mean(j);
      }
    }
    next.prototype_ = false;
    next.line_.set(work.line, 1 / std::sqrt(v), v > least ? 0 : 1);
  }

  /// Slopes (into work.slopes) and variance (returned) by turns.
  double climb(const Statistics& s, double square, double least, Workspace& work) const {
    const Index p = covariates();
    for (Index j = 0; j < p; ++j) {
      work.across(j) = work.right(j) = scatter(s, p, j);
      for (Index i = 0; i < p; ++i) {
        work.gram(i, j) = scatter(s, i, j);
        work.right(j) += work.gram(i, j) * s.line(0, 1 + i);
      }
      work.before(j) = s.line(0, 1 + j);
      work.slopes(j) = coefficient(1 + j);
    }
    double total = square;  // without slopes
    for (Index j = 0; j < p; ++j) total += work.before(j) * (work.right(j) + work.across(j));
    double v = 1 / (precision() * precision());
    if (prototype_) {
      const double before = objective(s.weight(), residual(work, square, work.slopes), v, work.slopes);
      least_squares(s, work.regression, work.line, work.residual, true);
      const Eigen::VectorXd other = work.line.row(0).tail(p);
      const double by_least_squares = std::max(work.residual(0) / s.weight(), least);
      if (objective(s.weight(), work.residual(0), by_least_squares, other) > before) {
        work.slopes = other, v = by_least_squares;
      }
    }
    for (int turn = 0; turn < 100; ++turn) {
      const double moved = ascend(work, v), before = v;
      v = std::max(residual(work, square, work.slopes) / s.weight(), least);
      if (!(moved > 1e-28 * total) && std::abs(v - before) <= 1e-14 * v) break;
    }
    return v;
  }
  double objective(double weight, double residual, double v, const Eigen::VectorXd& b) const {
    double sum = -0.5 * weight * std::log(v) - 0.5 * residual / v;
    for (Index j = 0; j < b.size(); ++j) sum -= cost(j, b(j));
    return sum;
  }

  ElasticNet penalty_;
};

static_assert(Component<LassoExpert>);

}  // namespace emulsion
