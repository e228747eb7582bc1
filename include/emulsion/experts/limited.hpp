#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/core/normal_tail.hpp"
#include "emulsion/experts/linear_location.hpp"

namespace emulsion {

/// Between which values responses can be seen.
struct Limits {
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  bool operator==(const Limits&) const = default;
};

/// What limited responses teach: moments of (x, a, t), and the sums of w c and w e; see LimitedExpert.
struct LimitedStatistics {
  GaussianStatistics moments;
  double count = 0, pull = 0;

  LimitedStatistics& operator+=(const LimitedStatistics& other) {
    moments += other.moments, count += other.count, pull += other.pull;
    return *this;
  }
  LimitedStatistics& operator*=(double c) {
    moments *= c, count *= c, pull *= c;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    moments.visit(visitor), visitor(count), visitor(pull);
  }
};

/// Linear regression of one response with normal errors and limits: what censored and truncated responses share.
///
/// In the parameters theta = 1 / s and g = (b, B) / s the log-likelihoods of both are concave (Olsen, 1978; Orme and
/// Ruud, 2002). At the present parameters, that of observation i has the lower bound
///
///   c_i log theta - (theta a_i - g'(1, x_i) - t_i)^2 / 2 + theta e_i + constant,
///
/// which touches it there; `Own` says which a, c, t and e. It comes from a bound of one on the curvature of log Phi,
/// and from tangents of convex functions: so it is tighter than the expectation of latent responses, and an M-step,
/// which maximizes its sum, climbs faster than EM and never falls. The maximum is closed form: with the coefficients
/// beta_a, beta_t and residuals r of weighted least squares of a and t on (1, x),
///
///   g = theta beta_a - beta_t,   sum w c / theta - theta sum w r_a^2 + sum w r_a r_t + sum w e = 0.
///
/// The deviation s is held between the root of a floor and 100, both times the spread of the responses; where no
/// response of an expert is seen, it stays.
template <class Own>
class LimitedExpert : public LinearLocation<Own> {
 public:
  using Data = Regression;
  using Statistics = LimitedStatistics;
  struct Packed {
    PackedPoints<double> points;  // (x, a), and room for t
    Eigen::VectorXd errors, weights;
    Eigen::VectorXi side;  // of the response: -1 at or below the lower limit, 1 at or above the upper, 0 between
  };
  /// Of an observation; see above.
  struct Bound {
    double count, target, pull;
  };

  /// Beyond, the errors of truncated responses are as good as exponential.
  static constexpr double widest = 100;

  const Limits& limits() const { return limits_; }
  /// Standard deviation s of the errors before the limits.
  double deviation() const { return std::sqrt(line_.covariance()(0, 0)); }
  Index free_parameters() const { return line_.free_parameters(); }
  Index at_bound() const { return precision() <= least_precision() ? 1 : 0; }
  bool alike(const Own& other) const { return line_.alike(other.line_) && limits_ == other.limits_; }
  /// Where the limits are in the frame.
  void moved(const Frame&) {
    const Frame& frame = *line_.shared_frame();
    const Index p = line_.covariates();
    lower_ = limits_.lower * frame.scale(p) - frame.centre(p);
    upper_ = limits_.upper * frame.scale(p) - frame.centre(p);
  }

  // --- one block ------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    return {PackedPoints<double>(most, line_.covariates() + 2), Eigen::VectorXd(rows), Eigen::VectorXd(rows),
            Eigen::VectorXi(rows)};
  }
  void read(const Data& block, Packed& packed) const {
    packed.points.dimension = line_.covariates() + 1;
    line_.read(block, packed.points);
    for (Index i = 0; i < block.size(); ++i) {
      const double y = block.y()(0, i);
      packed.side(i) = y <= limits_.lower ? -1 : (y >= limits_.upper ? 1 : 0);
    }
    static_cast<const Own&>(*this).place(packed);
  }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    standardise(block);
    for (Index i = 0; i < block.points.size; ++i) {
      out(i) += static_cast<const Own&>(*this).log_density_of(response(block, i), block.errors(i), block.side(i));
    }
  }

  Statistics statistics() const { return {GaussianStatistics(line_.covariates() + 2, false), 0, 0}; }

  /// Adds the block with weights w (b).
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    standardise(block);
    PackedPoints<double>& points = block.points;
    const Index p = line_.covariates();
    for (Index i = 0; i < points.size; ++i) {
      double& t = points.x(points.place(i) + (p + 1) * PackedPoints<double>::strip);
      t = 0;
      if (!(w(i) > 0)) continue;
      const Bound bound = static_cast<const Own&>(*this).bound(response(block, i), block.errors(i), block.side(i));
      t = bound.target;
      s.count += w(i) * bound.count;
      s.pull += w(i) * bound.pull;
    }
    points.dimension = p + 2;
    points.reference.setZero();
    add_moments(points, w.data(), false, s.moments);
    points.dimension = p + 1;
  }

  // --- M-step ---------------------------------------------------------------------------------------------------------

  struct Workspace {
    RegressionSpace regression;
    Eigen::MatrixXd coefficients;  // 2 x (1 + p)
    Eigen::MatrixXd line;          // 1 x (1 + p)
    Eigen::VectorXd residual;      // r_a r_a, r_a r_t, r_t r_t
  };
  [[gnu::cold]] Workspace workspace() const {
    const Index p = line_.covariates();
    return {{Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, 2), Eigen::VectorXd(p)},
            Eigen::MatrixXd(2, 1 + p),
            Eigen::MatrixXd(1, 1 + p),
            Eigen::VectorXd(3)};
  }
  /// The old parameters where there are no observations.
  [[gnu::cold]] void maximize(const Statistics& s, Own& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<Own>& now,
                                         std::vector<Own>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  // --- unconstrained parameters: those of the line ---------------------------------------------------------------------

  Index parameters() const { return free_parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const { line_.pack(v, at); }
  /// False where the deviation would lie below the floor; one above its bound becomes the bound.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    if (!line_.unpack(v, at) || std::isnan(precision())) return false;
    if (precision() < least_precision()) line_.set(line_.coefficients(), least_precision());
    prototype_ = false;
    return true;
  }
  /// That of the bound, which touches the log-likelihood at these parameters.
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    const Index p = line_.covariates(), start = at;
    at += parameters();
    for (Index i = start; i < at; ++i) v(i) = 0;
    if (!(s.moments.weight > 0)) return;
    // u = theta a - g'(1, x) - t and theta a - g'(1, x) as linear forms in (x, a, t).
    const double theta = precision();
    Eigen::VectorXd form(p + 2);
    form.head(p) = -theta * line_.coefficients().row(0).tail(p).transpose();
    form(p) = theta, form(p + 1) = -1;
    const double mean = s.moments.mean.dot(form) - theta * line_.coefficients()(0, 0);
    const auto with = [&](Index j) {  // sum w u (coordinate j)
      double sum = s.moments.weight * mean * s.moments.mean(j);
      for (Index i = 0; i < p + 2; ++i) {
        sum += form(i) * s.moments.scatter(lower_place(std::max(i, j), std::min(i, j), p + 2));
      }
      return sum;
    };
    v(start) = theta * s.moments.weight * mean;
    for (Index j = 0; j < p; ++j) v(start + 1 + j) = theta * with(j);
    double product = -theta * line_.coefficients()(0, 0) * s.moments.weight * mean;
    for (Index j = 0; j < p + 1; ++j) product += form(j) * with(j);
    const double by_log = s.count + theta * s.pull - product;
    v(start + 1 + p) = at_bound() > 0 && by_log < 0 ? 0 : by_log;
  }

 protected:
  using LinearLocation<Own>::line_;
  using LinearLocation<Own>::prototype_;

  LimitedExpert(LinearExpert line, const Limits& limits, bool prototype)
      : LinearLocation<Own>(std::move(line), prototype), limits_(limits) {
    require(limits.lower < limits.upper, "the lower limit of responses must lie below the upper, got ", limits.lower,
            " and ", limits.upper);
    moved(*line_.shared_frame());
  }

  /// 1 / s, in the frame.
  double precision() const { return line_.precision_factor()(0, 0); }
  double response(const Packed& block, Index i) const {
    return block.points.at(i)[line_.covariates() * PackedPoints<double>::strip];
  }

  Limits limits_;
  double lower_ = 0, upper_ = 0;  // in the frame

 private:
  double spread() const { return line_.shared_frame()->spread(line_.covariates()); }
  double least_precision() const { return 1 / (widest * spread()); }

  void standardise(Packed& block) const {
    block.errors.head(block.points.size).setZero();
    line_.add_standardised_errors(block.points, block.errors.data());
  }

  void maximize(const Statistics& s, Own& next, Workspace& work) const {
    next = static_cast<const Own&>(*this);
    const double weight = s.moments.weight;
    if (!(weight > LinearExpert::least_weight)) return;
    const Index p = line_.covariates();
    least_squares(s.moments, p, 2, work.regression, work.coefficients, work.residual, false);
    double theta = precision();
    Index held = 0;
    if (s.count > 0) {
      const double square = work.residual(0) / weight, count = s.count / weight;
      const double linear = (work.residual(1) + s.pull) / weight,
                   root = std::sqrt(linear * linear + 4 * count * square);
      theta = linear > 0 ? (linear + root) / (2 * square) : 2 * count / (root - linear);
      const double variance = s.moments.scatter(lower_place(p, p, p + 2)) / weight;
      const double unit = std::max(spread(), std::sqrt(variance * (1e-15 / this->floor())));
      const double most = 1 / (std::sqrt(this->floor()) * unit);
      if (!(theta <= most)) theta = most, held = 1;
      theta = std::max(theta, least_precision());
    }
    work.line = work.coefficients.row(0) - work.coefficients.row(1) / theta;
    next.line_.set(work.line, theta, held);
    next.prototype_ = false;
  }
};

}  // namespace emulsion
