#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/newton_step.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/data/inspect.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/experts/design_sums.hpp"
#include "emulsion/gates/constant.hpp"
#include "emulsion/inference/e_step.hpp"

namespace emulsion {

struct SoftmaxOptions {
  double ridge = 0;        ///< adds -ridge / 2 |slopes|^2 to the objective: keeps them finite where z separates the
                           ///< experts; 0: maximum likelihood
  double temperature = 1;  ///< T > 0; towards zero the gate becomes a choice
  double lasso = 0;        ///< adds -lasso |slopes|_1: slopes that matter little are exactly zero
};

/// What becomes of a block of linear predictors (b x K, divided by the temperature) before they are normalised:
/// nothing.
struct AsIs {
  void operator()(Index /*first*/, double /*temperature*/, Scores&) const {}
};

/// Multinomial logistic weights that depend on gate covariates z (p),
///
///   w_k(z) = exp((a_k + b_k'z) / T) / sum_l exp((a_l + b_l'z) / T),   a_K = 0, b_K = 0,
///
/// the last component for reference: only differences matter. Scores log w_k(z), so that the model's objective is the
/// conditional log-likelihood of y given x and z.
///
/// Statistics: local quadratic. A pass sums gradient and curvature at the present coefficients, and an M-step is one
/// Newton step, so much of it as cannot lower the objective, or the step under Boehning's bound on the curvature where
/// that is certain of a greater gain (Boehning, 1992; Bach, 2010). Where z separates components the slopes have no
/// finite maximum: the likelihood approaches its supremum from below, and the report says `separated gate`.
///
/// With a lasso, the step is that of proximal Newton: the maximum of the quadratic less the penalty, by coordinate
/// ascent, under the same two guards (Lee, Sun and Saunders, 2014). Penalties are on slopes by z as given, as
/// differences from the last component: covariates of different units should be standardised first.
///
/// Cost of a pass: n K p for scores and gradient, n p^2 / 2 for each pair of components that share observations.
template <class Adjust = AsIs>
class BasicSoftmaxGate {
 public:
  static constexpr bool local_m_step = true;

  struct Statistics {
    double weight = 0;
    Eigen::VectorXd counts;    // K: sums of responsibilities
    Eigen::MatrixXd gradient;  // (1 + p) x K: sums of (r_k - w_k) (1, z)
    Eigen::MatrixXd pairs;     // sums of w_k w_l (1, z)(1, z)', lower triangle column by column; pair (k, l < k)
    Eigen::VectorXd second;    // the same of (1, z)(1, z)'
    Eigen::VectorXd largest;   // 1 + p: max |(1, z)|, of observations that count

    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, counts += other.counts, gradient += other.gradient, pairs += other.pairs;
      second += other.second, largest = largest.cwiseMax(other.largest);
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, counts *= c, gradient *= c, pairs *= c, second *= c;
      if (c == 0) largest.setZero();
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(weight), visitor(counts), visitor(gradient), visitor(pairs), visitor(second), visitor(largest);
    }
  };
  struct Scratch {
    PackedPoints<double> z;
    Eigen::MatrixXd weights;                // b x K
    Eigen::VectorXd normalisers, total, v;  // b
    Index first = 0;                        // the place of the block in the data
  };

  /// Equal weights everywhere: the prototype of a fit. `covariates`: p.
  explicit BasicSoftmaxGate(Index components, Index covariates, const SoftmaxOptions& options = {},
                            const Adjust& adjust = {})
      : options_(options), adjust_(adjust),
        frame_(std::make_shared<const Frame>(Frame::identity(std::max<Index>(0, covariates)))),
        coefficients_(Eigen::MatrixXd::Zero(1 + std::max<Index>(0, covariates), std::max<Index>(1, components))),
        shares_(Eigen::VectorXd::Constant(std::max<Index>(1, components), 1 / static_cast<double>(components))) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    require(covariates >= 0, "the number of gate covariates must not be negative, got ", covariates);
    require(options.ridge >= 0 && std::isfinite(options.ridge), "the ridge of a gate must not be negative, got ",
            options.ridge);
    require(options.temperature > 0 && std::isfinite(options.temperature),
            "the temperature of a gate must be positive, got ", options.temperature);
    require(options.lasso >= 0 && std::isfinite(options.lasso), "the lasso of a gate must not be negative, got ",
            options.lasso);
    make_space();
  }

  /// Coefficients (1 + p) x K: a column (a_k, b_k) per component; the last is subtracted from all.
  explicit BasicSoftmaxGate(const Eigen::Ref<const Eigen::MatrixXd>& coefficients, const SoftmaxOptions& options = {},
                            const Adjust& adjust = {})
      : BasicSoftmaxGate(coefficients.cols(), coefficients.rows() - 1, options, adjust) {
    require(all_finite(coefficients), "the coefficients of a gate must be finite");
    coefficients_ = coefficients / options.temperature;
    const Eigen::VectorXd last = coefficients_.col(size() - 1);
    coefficients_.colwise() -= last;
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// K
  Index size() const { return coefficients_.cols(); }
  /// p
  Index covariates() const { return coefficients_.rows() - 1; }
  /// (1 + p) x K, the last column zero.
  Eigen::MatrixXd coefficients() const {
    return moved_predictors(coefficients_ * options_.temperature, *frame_, Frame::identity(covariates()));
  }
  /// The same divided by the temperature, in the coordinates of the frame.
  const Eigen::MatrixXd& coefficients_in_frame() const { return coefficients_; }
  double temperature() const { return options_.temperature; }
  double ridge() const { return options_.ridge; }
  double lasso() const { return options_.lasso; }
  /// The same gate under another lasso.
  BasicSoftmaxGate penalised(double lasso) const {
    BasicSoftmaxGate result = *this;
    result.options_.lasso = lasso;
    return result;
  }
  /// Where the adjustment is random, the gates that predictions average.
  std::vector<BasicSoftmaxGate> draws() const requires requires(const Adjust& adjust) { adjust.draw(0); }
  {
    std::vector<BasicSoftmaxGate> all(static_cast<std::size_t>(adjust_.draws()), *this);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].adjust_ = adjust_.draw(static_cast<int>(i));
    return all;
  }
  /// K: the share of the observations that each component had in the last M-step; equal before the first.
  const Eigen::VectorXd& weights() const { return shares_; }
  /// With a lasso, slopes that are zero do not count (Zou, Hastie and Tibshirani, 2007).
  Index free_parameters() const {
    if (options_.lasso == 0) return parameters();
    Index count = size() - 1;
    for (Index k = 0; k + 1 < size(); ++k) {
      for (Index j = 1; j < coefficients_.rows(); ++j) count += coefficients_(j, k) != 0 ? 1 : 0;
    }
    return count;
  }

  // --- one block ------------------------------------------------------------------------------------------------------

  Statistics statistics() const {
    const Index p = coefficients_.rows(), k = size();
    return {0,
            Eigen::VectorXd::Zero(k),
            Eigen::MatrixXd::Zero(p, k),
            Eigen::MatrixXd::Zero(p * (p + 1) / 2, k * (k - 1) / 2),
            Eigen::VectorXd::Zero(p * (p + 1) / 2),
            Eigen::VectorXd::Zero(p)};
  }
  Scratch scratch(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    return {PackedPoints<double>(most, covariates()),
            Eigen::MatrixXd(rows + 8, size()),
            Eigen::VectorXd(rows),
            Eigen::VectorXd(rows),
            Eigen::VectorXd(rows),
            0};
  }

  template <class Data>
  void score(const Data& block, Scratch& scratch, Scores scores) const {
    read(block.z(), scratch);
    score(scratch, scores);
  }
  template <class Data>
  void accumulate(const Data&, const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    accumulate(r, scratch, s);
  }

  /// The same in two steps, for those who read once what gates in one frame share.
  void read(const Points<>& z, Scratch& scratch) const {
    scratch.z.pack(z, *frame_);
    scratch.first = z.first();
  }
  void score(Scratch& scratch, Scores scores) const {
    const Index b = scores.rows();
    Scores w(scratch.weights.topRows(b));
    for (Index k = 0; k < size(); ++k) {
      double* const column = w.data() + k * w.outerStride();
      std::fill_n(column, b, 0.0);
      if (k + 1 < size()) add_affine(scratch.z, coefficients_(0, k), &coefficients_(0, k) + 1, column);
    }
    adjust_(scratch.first, options_.temperature, w);
    for (Index k = 0; k < size(); ++k) scores.col(k) += w.col(k);
    Soft::normalise(w, nullptr, scratch.normalisers.data());
    for (Index k = 0; k < size(); ++k) scores.col(k) -= scratch.normalisers.head(b);
  }

  /// Adds the sums of (r_k - w_k) (1, z), after score(); leaves those of r over the components in scratch.total.
  void add_gradient(const Responsibilities& r, Scratch& scratch, Eigen::MatrixXd& gradient) const {
    const Index b = r.rows(), rows = scratch.z.rows;
    auto& [z, w, normalisers, total, v, first] = scratch;
    total.head(b) = r.col(0);
    for (Index k = 1; k < size(); ++k) total.head(b) += r.col(k);
    total.segment(b, rows - b).setZero();
    v.segment(b, rows - b).setZero();
    for (Index k = 0; k < size(); ++k) {
      v.head(b) = r.col(k) - total.head(b).cwiseProduct(w.col(k).head(b));
      add_design_sums(z, v.data(), &gradient(0, k));
    }
  }
  /// Adds value, gradient and curvature of sum r_k log w_k(z).
  void accumulate(const Responsibilities& r, Scratch& scratch, Statistics& s) const {
    const Index b = r.rows();
    auto& [z, w, normalisers, total, v, first] = scratch;
    add_counts(r, s.counts);
    add_gradient(r, scratch, s.gradient);
    s.weight += total.head(b).sum();
    for (Index k = 0; k < size(); ++k) w.col(k).head(b).array() *= total.head(b).array().sqrt();
    for (Index k = 1, pair = 0; k < size(); ++k) {
      for (Index l = 0; l < k; ++l, ++pair) {
        v.head(b) = w.col(k).head(b).cwiseProduct(w.col(l).head(b));
        add_design_squares(z, v.data(), &s.pairs(0, pair));
      }
    }
    add_design_squares(z, total.data(), s.second.data());
    widen_design_ranges(z, total.data(), s.largest.data());
  }

  /// One step up the sum of r_k log w_k(z) (and its ridge) that cannot lead down.
  [[gnu::cold]] void maximize(const Statistics& s, BasicSoftmaxGate& next) const {
    next.coefficients_ = coefficients_;
    next.shares_ = shares_;
    if (!(s.weight > 0)) return;
    next.shares_ = s.counts / s.counts.sum();
    if (size() == 1) return;
    auto& [system, step, bound, other, slope, rest] = next.space_;
    const Index p = coefficients_.rows(), free = size() - 1;
    system.setZero();
    for (Index k = 1, pair = 0; k < size(); ++k) {
      for (Index l = 0; l < k; ++l, ++pair) {
        for (Index j = 0, at = 0; j < p; ++j) {
          for (Index i = j; i < p; ++i, ++at) {
            const double value = s.pairs(at, pair);
            system(l * p + i, l * p + j) += value;
            if (k == free) continue;
            system(k * p + i, k * p + j) += value;
            system(k * p + i, l * p + j) -= value;
            if (i != j) system(k * p + j, l * p + i) -= value;
          }
        }
      }
    }
    for (Index k = 0; k < free; ++k) {
      for (Index j = 0; j < p; ++j) {
        step(k * p + j, 0) = s.gradient(j, k);
        if (j == 0) continue;
        step(k * p + j, 0) -= penalty(j) * coefficients_(j, k);
        system(k * p + j, k * p + j) += penalty(j);
      }
    }
    for (Index j = 0, at = 0; j < p; ++j) {
      for (Index i = j; i < p; ++i) bound(i, j) = 0.5 * s.second(at++);
      bound(j, j) += penalty(j);
    }
    for (Index k = 0; k < free; ++k) other.col(k) = step.col(0).segment(k * p, p);
    slope = step.col(0);
    if (options_.lasso > 0) return take_proximal_step(s, next);
    solve_positive(system, step);
    solve_positive(bound, other);  // of 1/2 I x sum (1, z)(1, z)', above the curvature everywhere
    const double change = largest_change(s.largest, step);
    const double share = safe_share(change);
    const double newton = safe_gain(share, change) * slope.dot(step.col(0));
    double bounded = 0;
    for (Index k = 0; k < free; ++k) bounded += 0.5 * slope.segment(k * p, p).dot(other.col(k));
    const bool take_newton = newton >= bounded;
    for (Index k = 0; k < free; ++k) {
      if (take_newton) next.coefficients_.col(k) += share * step.col(0).segment(k * p, p);
      else next.coefficients_.col(k) += other.col(k);
    }
  }

  /// What the statistics of `from` say of these coefficients; see Recentred.
  [[gnu::cold]] void recentre(Statistics& s, const BasicSoftmaxGate& from) const {
    const Index p = coefficients_.rows();
    for (Index k = 1, pair = 0; k < size(); ++k) {
      for (Index l = 0; l < k; ++l, ++pair) {
        // the curvature is - pair in (k, l) and (l, k), and + pair in (k, k) and (l, l)
        const auto toward = [&](Index up, Index down) {
          return [&, up, down](Index j) {
            return coefficients_(j, down) - from.coefficients_(j, down) -
                   (coefficients_(j, up) - from.coefficients_(j, up));
          };
        };
        add_packed_product(&s.pairs(0, pair), p, toward(k, l), &s.gradient(0, k));
        add_packed_product(&s.pairs(0, pair), p, toward(l, k), &s.gradient(0, l));
      }
    }
  }

  /// Log prior of ridge and lasso, without its constant.
  double offset() const {
    double sum = 0;
    for (Index j = 1; j < coefficients_.rows(); ++j) {
      if (options_.ridge > 0) sum -= 0.5 * penalty(j) * coefficients_.row(j).squaredNorm();
      if (options_.lasso > 0) sum -= threshold(j) * coefficients_.row(j).cwiseAbs().sum();
    }
    return sum;
  }
  /// How far the coefficients are from satisfying the conditions of a maximum (Karush, Kuhn and Tucker), by the
  /// statistics of an E-step with this gate: the largest derivative of the objective by an intercept, or by a slope (of
  /// z as given) beyond what the penalty allows.
  [[gnu::cold]] double kkt_residual(const Statistics& s) const {
    double largest = 0;
    for (Index k = 0; k + 1 < size(); ++k) {
      largest = std::max(largest, std::abs(s.gradient(0, k)) / options_.temperature);
      for (Index j = 1; j < coefficients_.rows(); ++j) {
        const double value = coefficients_(j, k), unit = frame_->scale(j - 1) * options_.temperature;
        const double slope = s.gradient(j, k) - penalty(j) * value;
        const double excess = value != 0 ? std::abs(slope - std::copysign(threshold(j), value))
                                         : std::max(0.0, std::abs(slope) - threshold(j));
        largest = std::max(largest, excess / unit);
      }
    }
    return largest;
  }

  // --- unconstrained parameters -----------------------------------------------------------------------------------------

  Index parameters() const { return (size() - 1) * coefficients_.rows(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index i = 0; i < parameters(); ++i) v(at++) = coefficients_.data()[i];
  }
  /// False with a lasso: its objective has corners, and steps along a gradient would miss the zeros.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index i = 0; i < parameters(); ++i) coefficients_.data()[i] = v(at++);
    return options_.lasso == 0;
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index k = 0; k + 1 < size(); ++k) {
      for (Index j = 0; j < coefficients_.rows(); ++j) {
        v(at++) = s.gradient(j, k) - (j > 0 ? penalty(j) * coefficients_(j, k) : 0.0);
      }
    }
  }

  // --- what a fit asks --------------------------------------------------------------------------------------------------

  template <class Data>
  void check(const Data& data) const {
    require(data.z().dimension() == covariates(), "expected ", covariates(), " gate covariates, got ",
            data.z().dimension(), " (z is ", data.z().dimension(), " x ", data.size(),
            "; an observation is a column, rows(z) adapts rows)");
    require_finite(data.z(), "gate covariate");
  }
  template <class Data>
  void follow(const Data& data) {
    follow(frame_of(data.z(), false));
  }
  const std::shared_ptr<const Frame>& frame() const { return frame_; }
  /// Into the coordinates of a frame over z.
  [[gnu::cold]] void follow(const std::shared_ptr<const Frame>& frame) {
    coefficients_ = moved_predictors(coefficients_, *frame_, *frame);
    frame_ = frame;
  }
  /// Whether z tells component k from all others without an error, in the data of the statistics: the slopes have no
  /// finite maximum then, unless a penalty gives them one.
  bool separates(const Statistics& s, Index k) const {
    double mixed = 0;
    for (Index l = 0; l < size(); ++l) {
      if (l != k) mixed += s.pairs(0, std::max(k, l) * (std::max(k, l) - 1) / 2 + std::min(k, l));
    }
    const double alone = std::min(s.counts(k), s.weight - s.counts(k));
    return options_.ridge == 0 && options_.lasso == 0 && alone > 1e-6 * s.weight && mixed < 1e-5 * alone;
  }
  void describe(const Statistics& s, EventLog& log) const {
    for (Index k = 0; k < size() && size() > 1; ++k) {
      if (!separates(s, k)) continue;
      log.add({EventKind::separated_gate, 0, k, -1, s.counts(k),
               sentence({"the gate covariates separate component ", k,
                         " from the others: the gate's slopes have no finite maximum; a ridge gives them one"})});
    }
  }

  [[gnu::cold]] void drop(Index k) {
    Eigen::MatrixXd rest(coefficients_.rows(), size() - 1);
    Eigen::VectorXd shares(size() - 1);
    for (Index other = 0; other < size() - 1; ++other) {
      rest.col(other) = coefficients_.col(other < k ? other : other + 1);
      shares(other) = shares_(other < k ? other : other + 1);
    }
    const Eigen::VectorXd last = rest.col(rest.cols() - 1);
    coefficients_ = rest.colwise() - last;
    shares_ = shares.sum() > 0 ? Eigen::VectorXd(shares / shares.sum())
                               : Eigen::VectorXd::Constant(shares.size(), 1 / static_cast<double>(shares.size()));
    make_space();
  }
  [[gnu::cold]] void renew(Index k, const BasicSoftmaxGate& from) {
    if (k + 1 < size()) coefficients_.col(k) = from.coefficients_.col(k);
    shares_(k) = from.shares_(k);
  }

 private:
  /// What an M-step works in.
  struct Space {
    Eigen::MatrixXd system, step, bound, other;
    Eigen::VectorXd slope, rest;
  };

  [[gnu::cold]] void make_space() {
    const Index p = coefficients_.rows(), free = size() - 1;
    space_ = {Eigen::MatrixXd(free * p, free * p),
              Eigen::MatrixXd(free * p, 1),
              Eigen::MatrixXd(p, p),
              Eigen::MatrixXd(p, free),
              Eigen::VectorXd(free * p),
              Eigen::VectorXd(free * p)};
  }

  /// The ridge is on slopes by z as given.
  double penalty(Index j) const {
    if (j == 0 || options_.ridge == 0) return 0;
    const double scale = frame_->scale(j - 1) * options_.temperature;
    return options_.ridge * scale * scale;
  }

  /// The lasso's, on a coefficient in the frame.
  double threshold(Index j) const { return j == 0 ? 0 : options_.lasso * frame_->scale(j - 1) * options_.temperature; }

  /// Of coefficients `from` on, as many as `step` has: the step that maximises slope'step - step'curvature step / 2
  /// less the lasso, by coordinate ascent (curvature: lower triangle). `rest` becomes slope - curvature step.
  template <class Curvature, class Step, class Rest>
  void ascend(const Curvature& curvature, const double* from, Step&& step, Rest&& rest) const {
    const Index size_of_step = step.size(), p = coefficients_.rows();
    for (Index i = 0; i < size_of_step; ++i) step(i) = 0;
    for (int sweep = 0; sweep < 1000; ++sweep) {
      double gain = 0, total = 0;
      for (Index i = 0; i < size_of_step; ++i) {
        const double own = curvature(i, i);
        if (!(own > 0)) continue;
        const double before = from[i] + step(i), drawn = own * before + rest(i), least = threshold(i % p);
        const double after = std::abs(drawn) > least ? (drawn - std::copysign(least, drawn)) / own : 0.0;
        const double move = after - before;
        if (move == 0) continue;
        step(i) = after - from[i];
        for (Index l = 0; l < size_of_step; ++l) rest(l) -= move * (l >= i ? curvature(l, i) : curvature(i, l));
        gain += own * move * move;
        total += own * step(i) * step(i);
      }
      if (!(gain > 1e-26 * total)) return;
    }
  }

  /// The step of the lasso: what was found without it is in the space of `next`.
  [[gnu::cold]] void take_proximal_step(const Statistics& s, BasicSoftmaxGate& next) const {
    Space& space = next.space_;
    Eigen::MatrixXd &step = space.step, &other = space.other;
    Eigen::VectorXd &slope = space.slope, &rest = space.rest;
    const Index p = coefficients_.rows(), free = size() - 1;
    const double* const now = coefficients_.data();
    // What a step gains: `linear` by the slope, less what the penalty grows by.
    const auto gain_of = [&](const auto& taken, double& linear) {
      linear = 0;
      double growth = 0;
      for (Index i = 0; i < free * p; ++i) {
        linear += slope(i) * taken(i);
        growth += threshold(i % p) * (std::abs(now[i] + taken(i)) - std::abs(now[i]));
      }
      return linear - growth;
    };
    double along = 0;
    rest = slope;
    ascend(space.system, now, step.col(0), rest);
    const double gain = gain_of(step.col(0), along), square = std::max(0.0, along - rest.dot(step.col(0)));
    const double change = largest_change(s.largest, step);
    double share = 1;  // the penalty is convex: a part of the step costs no more than that part of its growth
    if (change > 1 || gain < 0.8 * square) {
      share =
          square > 0 && change > 0 ? std::min(1.0, std::log1p(change * std::max(0.0, gain) / square) / change) : 1.0;
    }
    const double newton = share * gain - square * (share - safe_gain(share, change));
    rest = slope;
    for (Index k = 0; k < free; ++k) ascend(space.bound, now + k * p, other.col(k), rest.segment(k * p, p));
    const auto together = other.reshaped();
    const double by_bound = gain_of(together, along);
    const double bounded = by_bound - 0.5 * (along - rest.dot(together));
    const bool take_newton = newton >= bounded;
    if (!(std::max(newton, bounded) > 0)) return;
    for (Index i = 0; i < free * p; ++i) {
      double& coefficient = next.coefficients_.data()[i];
      coefficient = take_newton && share < 1 ? coefficient + share * step(i, 0)
                                             : now[i] + (take_newton ? step(i, 0) : together(i));
    }
  }

  /// The largest change of a difference of two linear predictors that the step may make.
  double largest_change(const Eigen::VectorXd& largest, const Eigen::MatrixXd& step) const {
    const Index p = coefficients_.rows();
    double first = 0, second = 0;  // of all components, the reference (0) included
    for (Index k = 0; k + 1 < size(); ++k) {
      const double change = emulsion::largest_change(step.col(0).segment(k * p, p), largest);
      if (change > first) second = first, first = change;
      else second = std::max(second, change);
    }
    return first + second;
  }

  SoftmaxOptions options_;
  [[no_unique_address]] Adjust adjust_;
  std::shared_ptr<const Frame> frame_;  // over z
  Eigen::MatrixXd coefficients_;        // (1 + p) x K, divided by the temperature, in the frame
  Eigen::VectorXd shares_;
  Space space_;
};

using SoftmaxGate = BasicSoftmaxGate<>;

}  // namespace emulsion
