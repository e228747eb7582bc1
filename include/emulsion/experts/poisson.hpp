#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "emulsion/core/newton_step.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/data/inspect_regression.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/experts/design_sums.hpp"
#include "emulsion/experts/twins.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // see simd.hpp

namespace emulsion {

/// Throws InvalidArgument unless covariates are finite and responses are counts.
inline void check_counts(const Regression& data) {
  require_finite(data.x(), "covariate");
  for (Index i = 0; i < data.size(); ++i) {
    const double y = data.y()(0, i);
    require(std::isfinite(y) && y >= 0 && y == std::floor(y), "the response of observation ", i, " is ", y,
            "; counts must be non-negative integers");
  }
}

/// Poisson regression of a count on p covariates, with the canonical link,
///
///   log p(y | x) = y eta - exp(eta) - log y!,   eta = b + B x.
///
/// Statistics: local quadratic. A pass sums gradient and curvature at the present coefficients. An M-step moves the
/// intercept to its optimum, which is closed form and leaves gradient and curvature known, and takes from there so much
/// of a Newton step as cannot lower the objective (Bach, 2010: newton_step.hpp). So counts of any size are reached in
/// one step, and one expert alone converges quadratically to the GLM.
///
/// Means above e^600 count as e^600. Cost of a pass: n p^2 / 2, and two exponentials per observation.
class PoissonExpert {
 public:
  static constexpr bool local_m_step = true;

  using Data = Regression;

  struct Statistics {
    double weight = 0;
    Eigen::VectorXd counts;     // 1 + p: sums of y (1, x)
    Eigen::VectorXd curvature;  // sums of e^eta (1, x)(1, x)', lower triangle column by column
    Eigen::VectorXd largest;    // 1 + p: max |(1, x)|, of observations that count
    Eigen::VectorXd drift;  // 1 + p: by how much sums of e^eta (1, x) differ from the first column of the curvature,
                            // since they were recentred

    Statistics& operator+=(const Statistics& other) {
      weight += other.weight, counts += other.counts, curvature += other.curvature, drift += other.drift;
      largest = largest.cwiseMax(other.largest);
      return *this;
    }
    Statistics& operator*=(double c) {
      weight *= c, counts *= c, curvature *= c, drift *= c;
      if (c == 0) largest.setZero();
      return *this;
    }
    template <class Visitor>
    void visit(Visitor&& visitor) {
      visitor(weight), visitor(counts), visitor(curvature), visitor(largest), visitor(drift);
    }
  };
  /// A block as all experts of a model read it, and room for what one of them makes of it.
  struct Packed {
    PackedPoints<double> x;
    Eigen::VectorXd y, common;           // b: counts, and what log p has in common for all experts
    Eigen::VectorXd predictor, mean, v;  // b
  };

  /// Zero coefficients (means of one): the prototype of a fit. `covariates`: p.
  [[gnu::cold]] explicit PoissonExpert(Index covariates)
      : frame_(std::make_shared<const Frame>(Frame::identity(std::max<Index>(0, covariates)))),
        coefficients_(Eigen::VectorXd::Zero(1 + std::max<Index>(0, covariates))) {
    require(covariates >= 0, "the number of covariates must not be negative, got ", covariates);
    make_space();
  }
  /// Intercept b and slopes B (p) of the log mean.
  [[gnu::cold]] PoissonExpert(double intercept, const Eigen::Ref<const Eigen::VectorXd>& slopes)
      : PoissonExpert(slopes.size()) {
    coefficients_ << intercept, slopes;
    require(coefficients_.allFinite(), "the coefficients of an expert must be finite");
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// One response.
  static Index dimension() { return 1; }
  /// p
  Index covariates() const { return coefficients_.size() - 1; }
  /// b, as a vector of one
  Eigen::VectorXd intercept() const { return plain().head(1); }
  /// B (1 x p)
  Eigen::MatrixXd slopes() const { return plain().tail(covariates()).transpose(); }
  Index free_parameters() const { return coefficients_.size(); }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
    const Eigen::VectorXd zero = Eigen::VectorXd::Zero(rows);
    return {PackedPoints<double>(most, covariates()), zero, zero, zero, zero, zero};
  }
  void read(const Data& block, Packed& packed) const {
    packed.x.pack(block.x(), *frame_);
    for (Index i = 0; i < block.size(); ++i) {
      const double y = packed.y(i) = block.y()(0, i);
      packed.common(i) = large(y) ? -stirling_excess(y) : -log_factorial(y);
    }
  }
  /// Linear predictors, at most 600, and means of the block.
  void predict(Packed& block) const {
    block.predictor.head(block.x.rows).setZero();
    add_affine(block.x, coefficients_(0), coefficients_.data() + 1, block.predictor.data());
    double *const eta = block.predictor.data(), *const mean = block.mean.data();
    with_simd<double>([&](auto simd) __attribute__((always_inline)) {
      using S = decltype(simd);
      typename S::Lanes most;
      S::fill(most, largest_predictor);
      for (Index i = 0; i < block.x.rows; i += S::lanes) {
        typename S::Lanes value = S::load(eta + i).value;
        value = value > most ? most : value;
        S::store(eta + i, value);
        simd_exp<S>(value);
        S::store(mean + i, value);
      }
    });
  }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    predict(block);
    const Index size = block.x.size;
    const double *const y = block.y.data(), *const eta = block.predictor.data(), *const mean = block.mean.data();
    for (Index i = 0; i < size; ++i) {
      if (!large(y[i])) {
        out(i) += block.common(i) + ((y[i] > 0 ? y[i] * eta[i] : 0) - mean[i]);
      } else if (std::abs(eta[i]) < largest_predictor) {
        out(i) += block.common(i) - poisson_deviance(y[i], mean[i]);
      } else {
        out(i) += block.common(i) - (y[i] * (std::log(y[i]) - eta[i] - 1) + mean[i]);
      }
    }
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// exp(b + B x), 1 x m.
  Eigen::MatrixXd mean(const Points<>& x) const {
    Eigen::MatrixXd result(1, x.size());
    for (Index i = 0; i < x.size(); ++i) {
      result(0, i) = std::exp(std::min(largest_predictor, linear_predictor(coefficients_, *frame_, x, i)));
    }
    return result;
  }
  /// Standard deviations of the counts, 1 x m.
  Eigen::MatrixXd scale(const Points<>& x) const { return mean(x).cwiseSqrt(); }
  static double variance(double mean, double /*scale*/) { return mean; }
  /// P(Y <= y) of a count with that mean.
  static double cumulative(double y, double mean, double /*scale*/) { return poisson_cumulative(y, mean); }
  /// A count (1) with that mean.
  static Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>&,
                                Rng& rng) {
    return Eigen::VectorXd::Constant(1, draw_poisson(mean(0), rng));
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const {
    const Index p = coefficients_.size();
    const Eigen::VectorXd zero = Eigen::VectorXd::Zero(p);
    return {0, zero, Eigen::VectorXd::Zero(p * (p + 1) / 2), zero, zero};
  }

  /// Adds the block with weights w (b): gradient and curvature at these coefficients.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    predict(block);
    const Index b = block.x.size, rows = block.x.rows;
    double* const v = block.v.data();
    std::fill(v + b, v + rows, 0.0);
    s.weight += simd_sum(w.data(), b);
    for (Index i = 0; i < b; ++i) v[i] = w(i) * block.y(i);
    add_design_sums(block.x, v, s.counts.data());
    for (Index i = 0; i < b; ++i) v[i] = w(i) * block.mean(i);
    add_design_squares(block.x, v, s.curvature.data());
    for (Index i = 0; i < b; ++i) v[i] = w(i);
    widen_design_ranges(block.x, v, s.largest.data());
  }

  /// One step up the weighted log-likelihood that cannot lead down; the old coefficients where there are no
  /// observations.
  [[gnu::cold]] void maximize(const Statistics& s, PoissonExpert& next) const {
    next.coefficients_ = coefficients_;
    const double collected = s.curvature(0), expected = collected + s.drift(0), ratio = s.counts(0) / expected;
    if (!(s.weight > 0) || !(collected > 0) || !std::isfinite(collected)) return;
    // Means times the ratio have the right sum; without counts there is no such intercept. Where recentring has taken
    // half of the sum away, what is left of it is no base for a logarithm.
    const bool moved = ratio > 0 && std::isfinite(ratio) && expected > 0.5 * collected;
    const double factor = moved ? ratio : 1;
    if (moved) next.coefficients_(0) += std::log(ratio);
    auto& [system, step] = next.space_;
    const Index p = coefficients_.size();
    for (Index j = 0, at = 0; j < p; ++j) {
      step(j, 0) = s.counts(j) - factor * (s.curvature(j) + s.drift(j));
      for (Index i = j; i < p; ++i) system(i, j) = factor * s.curvature(at++);
    }
    solve_positive(system, step);
    const double share = safe_share(largest_change(step.col(0), s.largest));
    if (std::isfinite(share) && step.allFinite()) next.coefficients_ += share * step.col(0);
  }

  /// What the statistics of `from` say of these coefficients; see Recentred. The change of the intercept multiplies
  /// every mean, which is exact; that of the slopes is linear.
  [[gnu::cold]] void recentre(Statistics& s, const PoissonExpert& from) const {
    const auto change = [&](Index j) { return j == 0 ? 0.0 : coefficients_(j) - from.coefficients_(j); };
    add_packed_product(s.curvature.data(), coefficients_.size(), change, s.drift.data());
    const double rise = std::exp(std::clamp(coefficients_(0) - from.coefficients_(0), -300.0, 300.0));
    s.curvature *= rise, s.drift *= rise;
  }

  // --- unconstrained parameters: the coefficients in the frame --------------------------------------------------------------

  Index parameters() const { return coefficients_.size(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j < coefficients_.size(); ++j) v(at++) = coefficients_(j);
  }
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index j = 0; j < coefficients_.size(); ++j) coefficients_(j) = v(at++);
    return coefficients_.allFinite();
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j < coefficients_.size(); ++j) v(at++) = s.counts(j) - s.curvature(j) - s.drift(j);
  }

  // --- data -----------------------------------------------------------------------------------------------------------

  void check_shape(const Data& data) const { data.require_shape(covariates(), 1); }
  /// Covariates must be finite, responses counts.
  void check(const Data& data) const { check_counts(data); }
  void inspect(const Data& data, Index components, EventLog& log) const {
    inspect_regression(data, components, log, ": no covariate explains anything");
  }
  bool alike(const PoissonExpert& other) const { return covariates() == other.covariates(); }

  // --- frames, over x -----------------------------------------------------------------------------------------------------

  static std::shared_ptr<const Frame> frame_for(const Data& data) { return frame_of(data.x(), false); }
  /// The same expert, kept in the coordinates of another frame.
  [[gnu::cold]] PoissonExpert in(const std::shared_ptr<const Frame>& frame) const {
    PoissonExpert result = *this;
    result.coefficients_ = moved_predictors(coefficients_, *frame_, *frame);
    result.frame_ = frame;
    return result;
  }
  const std::shared_ptr<const Frame>& shared_frame() const { return frame_; }
  [[gnu::cold]] static void share_frame(std::vector<PoissonExpert>& all) {
    for (PoissonExpert& e : all) {
      if (!(*e.frame_ == *all.front().frame_)) e = e.in(all.front().frame_);
    }
  }
  bool coincides(const PoissonExpert& other) const {
    return same_predictors(coefficients_, other.coefficients_, *frame_);
  }
  static Regularity regularity(const std::vector<PoissonExpert>& all, const Eigen::VectorXd& weights, double) {
    return twins_among(all, weights, [](const auto& a, const auto& b) { return a.coincides(b); });
  }

 private:
  static constexpr double largest_predictor = 600;
  /// Whether y eta - e^eta - log y! would lose digits.
  static bool large(double y) { return y > 127; }

  Eigen::VectorXd plain() const {
    return moved_predictors(coefficients_, *frame_, Frame::identity(frame_->dimension()));
  }
  void make_space() {
    const Index p = coefficients_.size();
    space_ = {Eigen::MatrixXd(p, p), Eigen::MatrixXd(p, 1)};
  }

  /// What an M-step works in.
  struct Space {
    Eigen::MatrixXd system, step;
  };

  std::shared_ptr<const Frame> frame_;  // over x
  Eigen::VectorXd coefficients_;        // 1 + p, in the frame
  Space space_;
};

static_assert(Component<PoissonExpert>);

}  // namespace emulsion

#pragma GCC diagnostic pop
