#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "emulsion/core/normal_tail.hpp"
#include "emulsion/core/owen_t.hpp"
#include "emulsion/experts/linear_location.hpp"

namespace emulsion {

struct SkewNormalOptions {
  double most = 100;  ///< |shape| is at most so large: of small samples the most likely one may be infinite
  double floor = LinearExpert::default_floor;
};

/// What skew errors teach: the moments of (x, t, y), t = E[latent half-normal | y] with the variances of t in the
/// scatter of t; of an expert without a shape, what each of some shapes would gain.
struct SkewNormalStatistics {
  GaussianStatistics moments;
  Eigen::VectorXd gains;

  SkewNormalStatistics& operator+=(const SkewNormalStatistics& other) {
    moments += other.moments, gains += other.gains;
    return *this;
  }
  SkewNormalStatistics& operator*=(double c) {
    moments *= c, gains *= c;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    moments.visit(visitor), visitor(gains);
  }
};

/// Linear regression of one response with skew-normal errors (Azzalini, 1985),
///
///   p(y | x) = 2 / s phi(z) Phi(l z),   z = (y - b - B x) / s,
///
/// l the shape: right-skewed where it is positive. b + B x is the location, not the mean, which lies s d sqrt(2 / pi)
/// above, d = l / sqrt(1 + l^2).
///
/// Statistics: the complete data of y = b + B x + D t + sqrt(G) e, t half-normal, e normal, D = s d, G = s^2 (1 - d^2).
/// M-step: that of parameter expansion, in which t has a scale of its own: least squares of y on (x, t). Where D would
/// be too large for the bound on the shape, or G lies at the floor, that of plain EM under the constraint; of all that
/// are allowed, the one of the greatest expected log-likelihood.
///
/// At shape zero the likelihood is stationary whatever the data. So a prototype first fits a line, and then takes the
/// shape of a few, at equal mean and variance, that gains most by the density itself; none where none gains.
class SkewNormalExpert : public LinearLocation<SkewNormalExpert> {
 public:
  using Statistics = SkewNormalStatistics;
  struct Packed {
    PackedPoints<double> points;  // (x, t, y): room for t
    Eigen::VectorXd errors, variances;
  };

  /// The prototype of a fit.
  [[gnu::cold]] explicit SkewNormalExpert(Index covariates, const SkewNormalOptions& options = {})
      : LinearLocation(LinearExpert(covariates, 1, Covariance::full, options.floor), true), most_(options.most) {
    check_most();
    refresh();
  }
  /// Intercept b and slopes B (p) of the location, scale s and shape l.
  [[gnu::cold]] SkewNormalExpert(double intercept, const Eigen::Ref<const Eigen::RowVectorXd>& slopes, double scale,
                                 double shape, const SkewNormalOptions& options = {})
      : LinearLocation(LinearExpert(Eigen::VectorXd::Constant(1, intercept), slopes,
                                    Eigen::MatrixXd::Constant(1, 1, scale * scale), Covariance::full, options.floor),
                       false),
        shape_(shape), most_(options.most) {
    check_most();
    require(std::abs(shape) <= most_, "the shape of a skew normal must lie within its bound of ", most_, ", got ",
            shape);
    refresh();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// l
  double shape() const { return shape_; }
  /// s
  double deviation() const { return std::sqrt(line_.covariance()(0, 0)); }
  Index free_parameters() const { return line_.free_parameters() + 1; }
  Index at_bound() const { return std::abs(shape_) >= most_ ? 1 : 0; }
  bool alike(const SkewNormalExpert& other) const { return line_.alike(other.line_); }
  void moved(const Frame&) { refresh(); }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    return {PackedPoints<double>(most, covariates() + 2), Eigen::VectorXd(rows), Eigen::VectorXd(rows)};
  }
  void read(const Data& block, Packed& packed) const {
    const Frame& frame = *shared_frame();
    packed.points.pack(block.x(), frame);
    const Index p = covariates(), size = block.size();
    for (Index i = 0; i < packed.points.rows; ++i) {
      double* const to = packed.points.x.data() + packed.points.place(i);
      to[p * PackedPoints<double>::strip] = 0;
      to[(p + 1) * PackedPoints<double>::strip] = i < size ? block.y()(0, i) * frame.scale(p) - frame.centre(p) : 0.0;
    }
  }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    standardise(block);
    const double constant = line_.log_peak() + std::log(2.0);
    for (Index i = 0; i < block.points.size; ++i) {
      const double z = block.errors(i);
      out(i) += constant - 0.5 * z * z + log_normal_cdf(shape_ * z);
    }
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, 1 x m.
  Eigen::MatrixXd location(const Points<>& x) const { return line_.mean(x); }
  /// E[y | x] = b + B x + s d sqrt(2 / pi), 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const {
    return line_.mean(x).array() + deviation() * skewness() * half_normal_mean;
  }
  /// s, 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return line_.scale(x); }
  double variance(double /*location*/, double scale) const { return scale * scale * relative_variance(skewness()); }
  /// P(Y <= y) of a response with that location and scale.
  double cumulative(double y, double location, double scale) const {
    const double z = (y - location) / scale;
    return std::clamp(normal_cdf(z) - 2 * owen_t(z, shape_), 0.0, 1.0);
  }
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& location,
                         const Eigen::Ref<const Eigen::VectorXd>& scale, Rng& rng) const {
    const double t = std::abs(rng.normal());
    return location + scale * (skewness() * t + rest() * rng.normal());
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const {
    return {GaussianStatistics(covariates() + 2, false), Eigen::VectorXd::Zero(2 * shapes.size())};
  }

  /// Adds the block with weights w (b).
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    standardise(block);
    PackedPoints<double>& points = block.points;
    const Index p = covariates();
    const double d = skewness(), c = rest();
    double variance = 0;
    for (Index i = 0; i < points.size; ++i) {
      double& t = points.x(points.place(i) + p * PackedPoints<double>::strip);
      t = 0;
      if (!(w(i) > 0)) continue;
      const double z = block.errors(i), along = shape_ * z, ratio = inverse_mills_ratio(along);
      t = d * z + c * ratio;
      variance += w(i) * c * c * std::clamp(1 - ratio * (ratio + along), 0.0, 1.0);
      if (undecided()) add_gains(z, w(i), s.gains);
    }
    points.reference.setZero();
    add_moments(points, w.data(), false, s.moments);
    s.moments.scatter(lower_place(p, p, p + 2)) += variance;
  }

  struct Workspace {
    RegressionSpace regression;
    Eigen::MatrixXd coefficients, line;  // 2 x (1 + p) of t and y on x; 1 x (1 + p)
    Eigen::VectorXd residual;            // of t t, t y, y y
  };
  [[gnu::cold]] Workspace workspace() const {
    const Index p = covariates();
    return {{Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, 2), Eigen::VectorXd(p)},
            Eigen::MatrixXd(2, 1 + p),
            Eigen::MatrixXd(1, 1 + p),
            Eigen::VectorXd(3)};
  }
  /// The old parameters where there are no observations.
  [[gnu::cold]] void maximize(const Statistics& s, SkewNormalExpert& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<SkewNormalExpert>& now,
                                         std::vector<SkewNormalExpert>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  // --- unconstrained parameters: those of the line, and arsinh l ---------------------------------------------------------

  Index parameters() const { return free_parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    line_.pack(v, at);
    v(at++) = std::asinh(shape_);
  }
  /// False where a scale would lie below the floor. A shape beyond its bound becomes the bound.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    const bool admissible = line_.unpack(v, at);
    const double shape = std::sinh(v(at++));
    if (!admissible || std::isnan(shape)) return false;
    shape_ = std::clamp(shape, -most_, most_);
    prototype_ = false;
    refresh();
    return rest() * rest() > floor() * spread() * spread() * precision() * precision();
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    const Index p = covariates(), start = at;
    at += parameters();
    for (Index i = start; i < at; ++i) v(i) = 0;
    const GaussianStatistics& m = s.moments;
    if (!(m.weight > 0)) return;
    const double d = skewness(), width = 1 / precision(), normal = width * width * rest() * rest();  // G
    // y - b - B x - D t, a linear form in (x, t, y)
    Eigen::VectorXd form(p + 2);
    form.head(p) = -line_.coefficients().row(0).tail(p).transpose();
    form(p) = -width * d, form(p + 1) = 1;
    const double mean = m.mean.dot(form) - line_.coefficients()(0, 0);
    const auto with = [&](Index j) {
      double sum = 0;
      for (Index i = 0; i < p + 2; ++i) sum += form(i) * m.scatter(lower_place(std::max(i, j), std::min(i, j), p + 2));
      return sum;
    };
    double square = m.weight * mean * mean;
    for (Index j = 0; j < p + 2; ++j) square += form(j) * with(j);
    v(start) = m.weight * mean / normal;
    for (Index j = 0; j < p; ++j) v(start + 1 + j) = (with(j) + m.weight * m.mean(j) * mean) / normal;
    const double by_skew = (with(p) + m.weight * m.mean(p) * mean) / normal;  // by D
    const double by_normal = 0.5 * (square / normal - m.weight);              // by log G
    v(start + 1 + p) = -width * d * by_skew - 2 * by_normal;
    const double by_shape = width * rest() * rest() * by_skew - 2 * d * by_normal;
    // On the border, outward, nothing is to be gained; nor from shape zero, where the sign is not known.
    const bool border = at_bound() > 0 && by_shape * shape_ > 0;
    v(start + 2 + p) = border || shape_ == 0 ? 0 : by_shape;
  }

 private:
  static constexpr double half_normal_mean = 0.79788456080286535588;      // sqrt(2 / pi)
  static constexpr std::array<double, 4> shapes = {0.3, 0.6, 0.9, 0.99};  // d of the trials, with either sign

  void check_most() const {
    require(most_ > 0 && std::isfinite(most_), "the bound of a shape must be positive and finite, got ", most_);
  }
  /// d
  double skewness() const { return shape_ / std::hypot(1.0, shape_); }
  /// sqrt(1 - d^2)
  double rest() const { return 1 / std::hypot(1.0, shape_); }
  /// Of a unit scale.
  static double relative_variance(double d) { return 1 - d * d * half_normal_mean * half_normal_mean; }
  /// 1 / s, in the frame.
  double precision() const { return line_.precision_factor()(0, 0); }
  double spread() const { return shared_frame()->spread(covariates()); }
  bool undecided() const { return shape_ == 0 && !prototype_; }

  void standardise(Packed& block) const {
    block.errors.head(block.points.size).setZero();
    add_affine(block.points, -line_.coefficients()(0, 0) * precision(), row_.data(), block.errors.data());
  }

  /// log p of each trial over that of the normal, for a standardised error.
  static void add_gains(double z, double w, Eigen::VectorXd& gains) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      for (int side = 0; side < 2; ++side) {
        const double d = side == 0 ? shapes[i] : -shapes[i], narrowing = std::sqrt(relative_variance(d));
        const double own = z * narrowing + d * half_normal_mean;
        gains(2 * static_cast<Index>(i) + side) += w * (std::log(2 * narrowing) + 0.5 * (z - own) * (z + own) +
                                                        log_normal_cdf(d / std::sqrt(1 - d * d) * own));
      }
    }
  }

  void maximize(const Statistics& s, SkewNormalExpert& next, Workspace& work) const {
    next = *this;
    const double weight = s.moments.weight;
    if (!(weight > LinearExpert::least_weight)) return;
    if (undecided() && decide(s, next, work)) return;
    const Index p = covariates();
    least_squares(s.moments, p, 2, work.regression, work.coefficients, work.residual, false);
    const double tt = work.residual(0) / weight, ty = work.residual(1) / weight, yy = work.residual(2) / weight;
    const double variance = s.moments.scatter(lower_place(p + 1, p + 1, p + 2)) / weight;
    const double unit = std::max(spread(), std::sqrt(variance * (1e-15 / floor())));
    const double least = floor() * unit * unit;
    // (D, G) of least squares; expected log-likelihood per unit of weight, of plain EM
    const auto worth = [&](double skew, double normal) {
      return -0.5 * std::log(normal) - 0.5 * (yy + skew * (skew * tt - 2 * ty)) / normal;
    };
    double skew = shape_ == 0 || !(tt > 0) ? 0 : ty / tt, normal = yy - skew * ty, slope = skew;
    const double mean = s.moments.mean(p);
    const double scale =
        shape_ == 0 ? 1 : std::sqrt(s.moments.scatter(lower_place(p, p, p + 2)) / weight + mean * mean);
    const auto allowed = [&](double a, double b) { return b > least && std::abs(a) <= most_ * std::sqrt(b); };
    Index held = 0;
    if (allowed(skew * scale, normal)) {
      skew *= scale;  // the end of the expansion
    } else if (!allowed(skew, normal)) {
      const double before = 1 / precision();
      std::array<std::array<double, 2>, 3> all{};
      all[0] = {before * skewness(), std::max(least, before * before * rest() * rest())};
      all[1][1] = std::max(normal, least);
      all[1][0] = std::clamp(skew, -most_ * std::sqrt(all[1][1]), most_ * std::sqrt(all[1][1]));
      // On the bound of the shape, G = D^2 / most^2, the optimum of 1 / D.
      const double up = std::abs(ty), share = 1 / (most_ * most_);
      const double most = 2 * yy / (up + std::sqrt(up * up + 4 * yy * share));
      all[2][0] = std::copysign(std::max(most, most_ * std::sqrt(least)), ty);
      all[2][1] = all[2][0] * all[2][0] * share;
      std::size_t best = 0;
      for (std::size_t i = 1; i < all.size(); ++i) {
        if (worth(all[i][0], all[i][1]) > worth(all[best][0], all[best][1])) best = i;
      }
      slope = skew = all[best][0], normal = all[best][1];
      held = normal <= least * (1 + 1e-12) ? 1 : 0;
    }
    work.line = work.coefficients.row(1) - slope * work.coefficients.row(0);
    next.line_.set(work.line, 1 / std::sqrt(normal + skew * skew), held);
    next.shape_ = std::clamp(skew / std::sqrt(normal), -most_, most_);
    next.prototype_ = false;
    next.refresh();
  }

  /// From a normal expert to the trial that gains most; false where none gains.
  bool decide(const Statistics& s, SkewNormalExpert& next, Workspace& work) const {
    double most = 1e-9 * s.moments.weight, d = 0;
    for (Index i = 0; i < s.gains.size(); ++i) {
      const double size = shapes[static_cast<std::size_t>(i / 2)], own = i % 2 == 0 ? size : -size;
      const double normal = (1 - size * size) / (precision() * precision() * relative_variance(size));
      const bool allowed = size <= most_ * std::sqrt(1 - size * size) && normal > floor() * spread() * spread();
      if (allowed && s.gains(i) > most) most = s.gains(i), d = own;
    }
    if (d == 0) return false;
    const double width = 1 / (precision() * std::sqrt(relative_variance(d)));
    work.line = line_.coefficients();
    work.line(0, 0) -= width * d * half_normal_mean;
    next.line_.set(work.line, 1 / width);
    next.shape_ = d / std::sqrt(1 - d * d);
    next.refresh();
    return true;
  }

  /// z = row'(x, t, y) - b / s
  void refresh() {
    const Index p = covariates();
    if (row_.size() != p + 2) row_.resize(p + 2);
    for (Index j = 0; j < p; ++j) row_(j) = -precision() * line_.coefficients()(0, 1 + j);
    row_(p) = 0;
    row_(p + 1) = precision();
  }

  double shape_ = 0, most_;
  Eigen::VectorXd row_;
};

static_assert(Component<SkewNormalExpert>);

}  // namespace emulsion
