#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "emulsion/core/newton_step.hpp"
#include "emulsion/experts/design_sums.hpp"
#include "emulsion/experts/linear_location.hpp"

namespace emulsion {

/// What normal errors of a variance that changes teach: slope and curvature of the log-likelihood at the parameters
/// that gather them. u is the error in deviations, v the deviation at the frame's centre in those at x, x~ = (1, x).
struct LocationScaleStatistics {
  double weight = 0;
  Eigen::VectorXd by_mean, by_variance;         // 1 + p: sums of w u v x~ and of w (u^2 - 1) x~ / 2
  Eigen::VectorXd plain, inner, cross, square;  // of w x~ x~' times 1, v^2, u v, u^2; lower triangles, column by column
  Eigen::VectorXd largest;                      // 1 + p: max |x~|, of observations that count
  double depth = 0;                             // how far log variances lie below that at the centre, at most

  explicit LocationScaleStatistics(Index covariates = 0)
      : by_mean(Eigen::VectorXd::Zero(1 + covariates)), by_variance(by_mean),
        plain(Eigen::VectorXd::Zero((1 + covariates) * (2 + covariates) / 2)), inner(plain), cross(plain),
        square(plain), largest(by_mean) {}

  LocationScaleStatistics& operator+=(const LocationScaleStatistics& other) {
    weight += other.weight, by_mean += other.by_mean, by_variance += other.by_variance;
    plain += other.plain, inner += other.inner, cross += other.cross, square += other.square;
    largest = largest.cwiseMax(other.largest), depth = std::max(depth, other.depth);
    return *this;
  }
  LocationScaleStatistics& operator*=(double c) {
    weight *= c, by_mean *= c, by_variance *= c, plain *= c, inner *= c, cross *= c, square *= c;
    if (c == 0) largest.setZero(), depth = 0;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    visitor(weight), visitor(by_mean), visitor(by_variance), visitor(plain), visitor(inner), visitor(cross);
    visitor(square), visitor(largest), visitor(depth);
  }
};

/// Linear regression of one response with normal errors, whose variance changes with the covariates,
///
///   y | x ~ N(b + B x, exp(c + d'x)).
///
/// Statistics: local quadratic. The M-step is one joint Newton step in mean and log variance, so much of it as cannot
/// lower the log-likelihood: for a step t (D, A) with changes b_i = v_i x~'D (in deviations) and a_i = x~'A, |a_i| <=
/// m,
///
///   gain >= t g - t^2 (bb / 2 + ab + e aa / 4) - t^3 m (bb + e sqrt(aa bb)) / 2 - t^4 m^2 e bb / 4,   e = exp(t m),
///
/// with bb = sum w b^2, ab = sum w u a b, aa = sum w u^2 a^2, g the slope; since exp(-s) <= 1 - s + s^2 e / 2 for
/// |s| <= t m. Where that promises more, a step with the mean of observed and expected curvature of the variance. A
/// prototype takes the fit of equal variances at once.
///
/// No variance at an observation may fall below a floor relative to that of the responses. Cost of a pass: 2 n p^2.
class LocationScaleExpert : public LinearLocation<LocationScaleExpert> {
 public:
  static constexpr bool local_m_step = true;

  using Statistics = LocationScaleStatistics;
  struct Packed {
    PackedPoints<double> points;
    Eigen::VectorXd errors, tilts;  // errors in deviations at the centre; log variances over that at the centre
  };

  /// The prototype of a fit.
  [[gnu::cold]] explicit LocationScaleExpert(Index covariates, double floor = LinearExpert::default_floor)
      : LinearLocation(LinearExpert(covariates, 1, Covariance::full, floor), true),
        tilt_(Eigen::VectorXd::Zero(this->covariates() + 1)) {}
  /// Intercept b and slopes B (p) of the mean, intercept c and slopes d (p) of the log variance.
  [[gnu::cold]] LocationScaleExpert(double intercept, const Eigen::Ref<const Eigen::RowVectorXd>& slopes,
                                    double log_variance_intercept,
                                    const Eigen::Ref<const Eigen::RowVectorXd>& log_variance_slopes,
                                    double floor = LinearExpert::default_floor)
      : LinearLocation(
            LinearExpert(Eigen::VectorXd::Constant(1, intercept), slopes,
                         Eigen::MatrixXd::Constant(1, 1, std::exp(log_variance_intercept)), Covariance::full, floor),
            false),
        tilt_(Eigen::VectorXd::Zero(covariates() + 1)) {
    require(log_variance_slopes.size() == slopes.size(), "the log variance needs as many slopes as the mean, got ",
            log_variance_slopes.size(), " and ", slopes.size());
    require(all_finite(log_variance_slopes), "the slopes of the log variance must be finite");
    tilt_.head(covariates()) = log_variance_slopes.transpose();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// c
  double log_variance_intercept() const {
    const Frame& frame = *shared_frame();
    double result = -2 * std::log(precision() * frame.scale(covariates()));
    for (Index j = 0; j < covariates(); ++j) result -= tilt_(j) * frame.centre(j);
    return result;
  }
  /// d (1 x p)
  Eigen::RowVectorXd log_variance_slopes() const {
    return tilt_.head(covariates()).cwiseProduct(shared_frame()->scale.head(covariates())).transpose();
  }
  Index free_parameters() const { return line_.free_parameters() + covariates(); }
  bool alike(const LocationScaleExpert& other) const { return line_.alike(other.line_); }
  /// The log variance in the frame, whose slopes were those in the frame before.
  void moved(const Frame& before) {
    if (prototype_) return tilt_.setZero(), void();
    const Frame& frame = *shared_frame();
    double rise = 0;
    for (Index j = 0; j < covariates(); ++j) {
      const double ratio = frame.scale(j) / before.scale(j);
      rise += tilt_(j) * (frame.centre(j) / ratio - before.centre(j));
      tilt_(j) /= ratio;
    }
    line_.set(line_.coefficients(), precision() * std::exp(-0.5 * rise));
  }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    return {line_.packed(most), Eigen::VectorXd(rows), Eigen::VectorXd(rows)};
  }
  void read(const Data& block, Packed& packed) const { line_.read(block, packed.points); }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    standardise(block);
    for (Index i = 0; i < block.points.size; ++i) {
      const double u = block.errors(i) * std::exp(-0.5 * block.tilts(i));
      out(i) += line_.log_peak() - 0.5 * block.tilts(i) - 0.5 * u * u;
    }
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const { return line_.mean(x); }
  /// exp((c + d'x) / 2), 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const {
    const Frame& frame = *shared_frame();
    Eigen::MatrixXd result(1, x.size());
    for (Index i = 0; i < x.size(); ++i) {
      double tilt = 0;
      for (Index j = 0; j < covariates(); ++j) tilt += tilt_(j) * (x(j, i) * frame.scale(j) - frame.centre(j));
      result(0, i) = std::exp(0.5 * held(tilt)) / (precision() * frame.scale(covariates()));
    }
    return result;
  }
  static double variance(double mean, double scale) { return LinearExpert::variance(mean, scale); }
  /// P(Y <= y) of a response with that mean and scale.
  static double cumulative(double y, double mean, double scale) { return LinearExpert::cumulative(y, mean, scale); }
  static Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean,
                                const Eigen::Ref<const Eigen::VectorXd>& scale, Rng& rng) {
    return mean + scale * rng.normal();
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return Statistics(covariates()); }

  /// Adds the block with weights w (b).
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    standardise(block);
    const Index p = covariates(), strip = PackedPoints<double>::strip;
    for (Index i = 0; i < block.points.size; ++i) {
      if (!(w(i) > 0)) continue;
      const double* const x = block.points.at(i);
      const auto at = [&](Index j) { return j == 0 ? 1.0 : x[(j - 1) * strip]; };
      const double v = std::exp(-0.5 * block.tilts(i)), u = block.errors(i) * v;
      s.weight += w(i);
      s.depth = std::max(s.depth, -block.tilts(i));
      Index place = 0;
      for (Index c = 0; c <= p; ++c) {
        const double own = w(i) * at(c);
        s.by_mean(c) += own * u * v;
        s.by_variance(c) += own * (0.5 * (u * u - 1));
        s.largest(c) = std::max(s.largest(c), std::abs(at(c)));
        for (Index r = c; r <= p; ++r, ++place) {
          const double both = own * at(r);
          s.plain(place) += both;
          s.inner(place) += both * (v * v);
          s.cross(place) += both * (u * v);
          s.square(place) += both * (u * u);
        }
      }
    }
  }

  struct Workspace {
    Eigen::MatrixXd joint, newton;   // 2 (1 + p) square; a column
    Eigen::MatrixXd mean, variance;  // 1 + p square
    Eigen::MatrixXd by_mean, by_variance, line;
    Eigen::VectorXd step;
  };
  [[gnu::cold]] Workspace workspace() const {
    const Index p = covariates() + 1;
    return {Eigen::MatrixXd(2 * p, 2 * p), Eigen::MatrixXd(2 * p, 1), Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, p),
            Eigen::MatrixXd(p, 1),         Eigen::MatrixXd(p, 1),     Eigen::MatrixXd(1, p), Eigen::VectorXd(2 * p)};
  }
  /// One step that cannot lead down; the old parameters where there are no observations.
  [[gnu::cold]] void maximize(const Statistics& s, LocationScaleExpert& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<LocationScaleExpert>& now,
                                         std::vector<LocationScaleExpert>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  /// What the statistics of `from` say of these parameters; see Recentred. Those of a prototype, whose errors are of
  /// another size, say nothing.
  [[gnu::cold]] void recentre(Statistics& s, const LocationScaleExpert& from) const {
    if (from.prototype_) return s *= 0, void();
    const double ratio = precision() / from.precision();
    const Index p = covariates();
    // - D and - A, in deviations of `from`
    const auto mean = [&](Index j) {
      return from.precision() * (from.line_.coefficients()(0, j) - line_.coefficients()(0, j));
    };
    const auto variance = [&](Index j) { return j == 0 ? 2 * std::log(ratio) : from.tilt_(j - 1) - tilt_(j - 1); };
    add_packed_product(s.inner.data(), p + 1, mean, s.by_mean.data());
    add_packed_product(s.cross.data(), p + 1, variance, s.by_mean.data());
    add_packed_product(s.cross.data(), p + 1, mean, s.by_variance.data());
    add_packed_product(
        s.square.data(), p + 1, [&](Index j) { return 0.5 * variance(j); }, s.by_variance.data());
    s.by_mean /= ratio, s.inner /= ratio * ratio, s.cross /= ratio;
    double change = 0, most = 0;  // how far log variances can have fallen, and how far they can lie below the centre's
    for (Index j = 1; j <= p; ++j) {
      change += std::abs(variance(j)) * s.largest(j);
      most += std::abs(tilt_(j - 1)) * s.largest(j);
    }
    s.depth = std::min(s.depth + change, most);
  }

  // --- unconstrained parameters: those of the line, and the slopes of the log variance in the frame -----------------------

  Index parameters() const { return free_parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    line_.pack(v, at);
    for (Index j = 0; j < covariates(); ++j) v(at++) = tilt_(j);
  }
  /// False where the variance at the centre would lie below the floor.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    const bool admissible = line_.unpack(v, at);
    bool finite = true;
    for (Index j = 0; j < covariates(); ++j) {
      tilt_(j) = v(at++);
      finite = finite && std::isfinite(tilt_(j));
    }
    if (!admissible || !finite) return false;
    prototype_ = false;
    return true;
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j <= covariates(); ++j) v(at++) = precision() * s.by_mean(j);
    v(at++) = -2 * s.by_variance(0);
    for (Index j = 1; j <= covariates(); ++j) v(at++) = s.by_variance(j);
  }

 private:
  /// Log variances beyond this are held, so that neither a variance nor its inverse overflows.
  static double held(double tilt) { return std::clamp(tilt, -1200.0, 1200.0); }

  /// 1 / deviation at the centre, in the frame.
  double precision() const { return line_.precision_factor()(0, 0); }

  void standardise(Packed& block) const {
    block.errors.head(block.points.size).setZero();
    block.tilts.head(block.points.size).setZero();
    line_.add_standardised_errors(block.points, block.errors.data());
    add_affine(block.points, 0, tilt_.data(), block.tilts.data());
    for (Index i = 0; i < block.points.size; ++i) block.tilts(i) = held(block.tilts(i));
  }

  /// a'M b of a lower triangle, column by column.
  template <class A, class B>
  static double form(const Eigen::VectorXd& lower, const A& a, const B& b) {
    const Index p = a.size();
    double sum = 0;
    for (Index c = 0, place = 0; c < p; ++c) {
      sum += a(c) * lower(place++) * b(c);
      for (Index r = c + 1; r < p; ++r) sum += lower(place++) * (a(r) * b(c) + a(c) * b(r));
    }
    return sum;
  }

  /// How much of a step is certain of how great a gain.
  struct Share {
    double step = 0, gain = 0;
    bool held = false;
  };
  /// Of the step (D, A); `slack`: how far log variances may fall.
  template <class D, class A>
  static Share certain(const Statistics& s, const D& mean, const A& variance, double slack) {
    const double slope = s.by_mean.dot(mean) + s.by_variance.dot(variance);
    if (!(slope > 0) || !std::isfinite(slope)) return {};
    double change = 0;
    for (Index j = 1; j < variance.size(); ++j) change += std::abs(variance(j)) * s.largest(j);
    const double fall = change - variance(0);
    change += std::abs(variance(0));
    const double bb = std::max(0.0, form(s.inner, mean, mean)), ab = form(s.cross, mean, variance);
    const double aa = std::max(0.0, form(s.square, variance, variance)), product = std::sqrt(aa) * std::sqrt(bb);
    const auto gain = [&](double t) {
      const double e = std::exp(t * change), tm = t * change;
      return t *
             (slope - t * (0.5 * bb + ab + 0.25 * e * aa + 0.5 * tm * (bb + e * product) + 0.25 * tm * tm * e * bb));
    };
    const double most = fall > 0 ? std::min(1.0, std::max(0.0, slack / fall)) : 1.0;
    Share best{most, gain(most), most < 1};
    if (best.gain >= 0.4 * most * slope) return best;
    constexpr int shortest = 92;  // 0.8^92 is about 1e-9
    double t = most;
    for (int step = 0; step < shortest; ++step) {
      const double found = gain(t *= 0.8);
      if (found > best.gain) best = {t, found, false};
      else if (best.gain > 0) break;
    }
    return best.gain > 0 ? best : Share{};
  }

  void maximize(const Statistics& s, LocationScaleExpert& next, Workspace& work) const {
    next = *this;
    next.line_.set(line_.coefficients(), precision());
    if (!(s.weight > LinearExpert::least_weight)) return;
    const Index p = covariates() + 1;
    for (Index c = 0, place = 0; c < p; ++c) {
      for (Index r = c; r < p; ++r, ++place) {
        work.mean(r, c) = work.joint(r, c) = s.inner(place);
        work.joint(p + r, c) = work.joint(p + c, r) = s.cross(place);
        work.joint(p + r, p + c) = 0.5 * s.square(place);
        work.variance(r, c) = 0.25 * (s.square(place) + s.plain(place));
      }
    }
    work.by_mean = s.by_mean, work.by_variance = s.by_variance;
    solve_positive(work.mean, work.by_mean);
    const double spread = shared_frame()->spread(p - 1), least = floor() * spread * spread * precision() * precision();
    if (prototype_) {
      const double variance = (s.square(0) - s.by_mean.dot(work.by_mean.col(0))) / s.weight;
      const bool low = !(variance > least);
      work.line = line_.coefficients() + work.by_mean.transpose() / precision();
      next.line_.set(work.line, precision() / std::sqrt(low ? least : variance), low ? 1 : 0);
      next.prototype_ = false;
      return;
    }
    work.newton.col(0).head(p) = s.by_mean, work.newton.col(0).tail(p) = s.by_variance;
    solve_positive(work.joint, work.newton);
    solve_positive(work.variance, work.by_variance);
    const double slack = -s.depth - std::log(least);
    const Share joint = certain(s, work.newton.col(0).head(p), work.newton.col(0).tail(p), slack);
    const Share apart = certain(s, work.by_mean.col(0), work.by_variance.col(0), slack);
    Share chosen = joint.gain >= apart.gain ? joint : apart;
    if (joint.gain >= apart.gain) work.step = joint.step * work.newton.col(0);
    else work.step << apart.step * work.by_mean.col(0), apart.step * work.by_variance.col(0);
    const double alone = 0.5 * s.by_mean.dot(work.by_mean.col(0));  // of the mean alone: exact
    if (alone > chosen.gain) {
      work.step << work.by_mean.col(0), Eigen::VectorXd::Zero(p);
      chosen.held = false;
    }
    work.line = line_.coefficients() + work.step.head(p).transpose() / precision();
    next.line_.set(work.line, precision() * std::exp(-0.5 * work.step(p)), chosen.held || !(slack > 1e-9) ? 1 : 0);
    next.tilt_.head(p - 1) += work.step.tail(p - 1);
  }

  Eigen::VectorXd tilt_;  // d in the frame, and a zero for the response
};

static_assert(Component<LocationScaleExpert>);

}  // namespace emulsion
