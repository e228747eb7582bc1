#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/covariance/whitening.hpp"
#include "emulsion/distributions/factor_block.hpp"
#include "emulsion/experts/linear_location.hpp"

namespace emulsion {

/// Linear regression of q responses on p covariates whose errors have r common factors (hybrid GLLiM: Deleforge, Forbes
/// and Horaud, 2015, of which u are the latent covariates),
///
///   y = b + B x + L u + e,   u ~ N(0, I_r),   e ~ N(0, P),   so that   y | x ~ N(b + B x, L L' + P),
///
/// P diagonal or spherical. Cost of a density O(q (p + r)), without a q x q matrix. Statistics: closed form
/// (those of a linear expert). M-step: least squares, which is the maximum whatever the covariance (all responses have
/// the same covariates), and the step of FactorCovariance::estimate() on the scatter of the residuals.
class FactorLinearExpert : public LinearLocation<FactorLinearExpert> {
 public:
  using Statistics = RegressionStatistics;
  using Packed = FactorBlock;
  /// The first M-step allocates it.
  struct Workspace {
    RegressionSpace regression;
    FactorCovariance::Space covariance;
    Eigen::MatrixXd coefficients;
    Eigen::VectorXd residual, spread;
  };

  /// Zero coefficients, no loadings, unit noise: the prototype of a fit. `rank`: 1 <= r < q.
  [[gnu::cold]] FactorLinearExpert(Index covariates, Index responses, Index rank,
                                   Covariance noise = Covariance::diagonal, double floor = LinearExpert::default_floor)
      : LinearLocation(LinearExpert(covariates, checked(responses, rank, noise), noise, floor), false),
        covariance_(responses, rank, noise) {
    refresh();
  }
  /// Intercept b (q), slopes B (q x p), loadings L (q x r) and variances of the noise (q, positive; all equal where it
  /// is spherical).
  [[gnu::cold]] FactorLinearExpert(const Eigen::Ref<const Eigen::VectorXd>& intercept,
                                   const Eigen::Ref<const Eigen::MatrixXd>& slopes,
                                   const Eigen::Ref<const Eigen::MatrixXd>& loadings,
                                   const Eigen::Ref<const Eigen::VectorXd>& noise,
                                   Covariance structure = Covariance::diagonal)
      : LinearLocation(LinearExpert(intercept, slopes, Eigen::MatrixXd(noise.asDiagonal()),
                                    (checked(intercept.size(), loadings.cols(), structure), structure)),
                       false),
        covariance_(intercept.size(), loadings.cols(), structure) {
    require(loadings.rows() == dimension() && all_finite(loadings), "an expert of ", dimension(),
            " responses needs finite loadings of ", dimension(), " x r, got ", loadings.rows(), " x ", loadings.cols());
    covariance_.set(loadings, noise.cwiseSqrt());
    refresh();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  /// r
  Index rank() const { return covariance_.rank(); }
  /// L (q x r)
  Eigen::MatrixXd loadings() const { return unit().asDiagonal() * covariance_.loadings(); }
  /// The diagonal of P (q)
  Eigen::VectorXd noise_variances() const { return covariance_.deviations().cwiseProduct(unit()).cwiseAbs2(); }
  /// L L' + P (q x q)
  Eigen::MatrixXd covariance() const {
    const Eigen::MatrixXd l = loadings();
    Eigen::MatrixXd result = l * l.transpose();
    result.diagonal() += noise_variances();
    return result;
  }
  /// W with W (L L' + P) W' = I.
  FactorWhitening whitening() const {
    FactorCovariance plain = covariance_;
    plain.rescale(unit());
    return FactorWhitening(std::move(plain));
  }
  /// How many variances of the noise the floor holds up (a Heywood case; q - r of spherical noise).
  Index at_floor() const { return at_floor_; }
  Index free_parameters() const { return line_.coefficients().size() + covariance_.free_parameters(); }
  bool alike(const FactorLinearExpert& other) const { return line_.alike(other.line_) && rank() == other.rank(); }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const {
    Packed result(most, covariates() + dimension(), covariance_);
    reserve_residuals(most, dimension(), result.points);
    return result;
  }
  void read(const Data& block, Packed& packed) const { line_.read(block, packed.points); }

  /// out(i) += log p(y_i | x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    constexpr Index lanes = Packed::lanes;
    const Eigen::MatrixXd& c = line_.coefficients();
    const auto residuals = [&](const double* x, double* e) {
      for (Index r = 0; r < dimension(); ++r) {
        double sum[lanes];
        for (Index l = 0; l < lanes; ++l) sum[l] = x[(covariates() + r) * lanes + l] - c(r, 0);
        for (Index j = 0; j < covariates(); ++j) {
          for (Index l = 0; l < lanes; ++l) sum[l] -= c(r, 1 + j) * x[j * lanes + l];
        }
        std::copy_n(sum, lanes, e + r * lanes);
      }
    };
    block.add_log_density(covariance_, constant_, residuals, out.data());
  }
  /// log |W D^-1 (y - b - B x)|: ranks experts where no density is above zero.
  [[gnu::cold]] double log_distance(const Data& data, Index i) const {
    const Points<> x = data.x().slice(i, 1);
    Eigen::MatrixXd y = line_.mean(x);
    for (Index r = 0; r < dimension(); ++r) y(r, 0) = (data.y()(r, i) - y(r, 0)) / unit()(r);
    const double largest = largest_magnitude(y);
    if (!(largest > 0)) return largest == 0 ? -std::numeric_limits<double>::infinity() : 1e4;
    y /= largest;
    covariance_.whiten(y);
    return std::log(largest) + std::log(y.stableNorm());
  }

  // --- prediction: of queries x, one per column ---------------------------------------------------------------------------

  /// b + B x, q x m.
  Eigen::MatrixXd mean(const Points<>& x) const { return line_.mean(x); }
  /// Standard deviations of the errors, q x m.
  Eigen::MatrixXd scale(const Points<>& x) const {
    const Eigen::VectorXd variances = loadings().cwiseAbs2().rowwise().sum() + noise_variances();
    return variances.cwiseSqrt().replicate(1, x.size());
  }
  static double variance(double mean, double scale) { return LinearExpert::variance(mean, scale); }
  /// P(Y <= y) of a response with that mean and scale.
  static double cumulative(double y, double mean, double scale) { return LinearExpert::cumulative(y, mean, scale); }
  /// A response (q) about that mean.
  Eigen::VectorXd sample(const Eigen::Ref<const Eigen::VectorXd>& mean, const Eigen::Ref<const Eigen::VectorXd>&,
                         Rng& rng) const {
    Eigen::VectorXd y = Eigen::VectorXd::Zero(dimension());
    for (Index c = 0; c < rank(); ++c) y += rng.normal() * covariance_.loadings().col(c);
    for (Index r = 0; r < dimension(); ++r) y(r) += covariance_.deviations()(r) * rng.normal();
    return mean + unit().cwiseProduct(y);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return line_.statistics(); }

  /// Adds the block with weights w (b): moments of x and of the residuals.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    s.move_to(line_.coefficients());
    with_residuals(line_.coefficients(), block.points,
                   [&] { block.accumulate(Eigen::VectorXd::Zero(covariates() + dimension()), w, s.moments); });
  }

  Workspace workspace() const { return {}; }
  /// The old parameters where there are no observations.
  void maximize(const Statistics& s, FactorLinearExpert& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<FactorLinearExpert>& now,
                                         std::vector<FactorLinearExpert>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  // --- unconstrained parameters: coefficients in the frame, and the chart of the covariance -------------------------------

  Index parameters() const { return line_.coefficients().size() + covariance_.parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    const Eigen::MatrixXd& c = line_.coefficients();
    for (Index i = 0; i < c.size(); ++i) v(at++) = c.data()[i];
    covariance_.pack(v, at);
  }
  /// False where a variance of the noise would lie below the floor.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    Eigen::MatrixXd c = line_.coefficients();
    for (Index i = 0; i < c.size(); ++i) c.data()[i] = v(at++);
    at_floor_ = 0;
    if (!covariance_.unpack(v, at, floor(), shared_frame()->spread.tail(dimension())) || !all_finite(c)) return false;
    learnt(c);
    return true;
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    const Index p = covariates(), q = dimension(), start = at;
    at += parameters();
    for (Index i = start; i < at; ++i) v(i) = 0;
    if (!(s.weight() > 0)) return;
    const ResidualMoments residual = residual_moments(s, line_.coefficients(), false);
    const Eigen::VectorXd none = Eigen::VectorXd::Zero(q);
    covariance_.add_gradient(residual.scatter, s.weight(), residual.mean, none, &v(start), &v(start + q * (1 + p)));
    Eigen::MatrixXd cross = residual.crossed + s.weight() * residual.mean * s.moments.mean.head(p).transpose();
    covariance_.divide(cross);  // S^-1 sum w (residual) x'
    for (Index i = 0; i < cross.size(); ++i) v(start + q + i) = cross.data()[i];
  }

  // --- frames ---------------------------------------------------------------------------------------------------------

  /// The covariance follows the line into another frame.
  void moved(const Frame& before) {
    const Index q = dimension();
    covariance_.rescale(shared_frame()->scale.tail(q).cwiseQuotient(before.scale.tail(q)));
    refresh();
  }
  /// Of the errors: see regularity_of. Cost O(K q^3).
  [[gnu::cold]] static Regularity regularity(const std::vector<FactorLinearExpert>& all, const Eigen::VectorXd& weights,
                                             double least) {
    std::vector<LinearExpert> dense;
    for (const FactorLinearExpert& e : all) {
      PrecisionFactor precision(Covariance::full, e.dimension());
      precision.set_from_factor(e.covariance_.factor());
      dense.push_back(e.line_.with(e.line_.coefficients(), precision));
    }
    return LinearExpert::regularity(dense, weights, least);
  }

 private:
  static Index checked(Index responses, Index rank, Covariance noise) {
    require(responses >= 2, "an expert with factors needs at least two responses, got ", responses);
    require(rank >= 1 && rank < responses, "the rank of the errors of ", responses, " responses must lie in [1, ",
            responses - 1, "], got ", rank);
    require(is_diagonal(noise), "the noise about factors must be diagonal or spherical, got ", to_string(noise));
    return responses;
  }

  /// What one in the frame is in the responses' own units (q).
  Eigen::VectorXd unit() const { return shared_frame()->scale.tail(dimension()).cwiseInverse(); }

  /// Coefficients (in the frame), and the line's own errors: the noise.
  void learnt(const Eigen::MatrixXd& coefficients) {
    PrecisionFactor precision(line_.structure(), dimension());
    precision.rescale(covariance_.deviations());
    line_ = line_.with(coefficients, precision);
    refresh();
  }

  void maximize(const Statistics& s, FactorLinearExpert& next, Workspace& work) const {
    if (&next != this) next = *this;
    if (!(s.weight() > LinearExpert::least_weight)) return;
    const Index p = covariates(), q = dimension();
    work.coefficients.resize(q, 1 + p), work.residual.resize(q * (q + 1) / 2), work.spread.resize(q);
    least_squares(s, work.regression, work.coefficients, work.residual, false);
    for (Index r = 0; r < q; ++r) {  // what a floor is relative to: see LinearExpert
      work.spread(r) = std::max(shared_frame()->spread(p + r), least_deviation(s, r) / std::sqrt(floor()));
    }
    next.at_floor_ = next.covariance_.estimate(work.residual, s.weight(), work.spread, floor(), work.covariance);
    next.learnt(work.coefficients);
  }

  void refresh() {
    const Index q = dimension();
    constant_ = -0.5 * (static_cast<double>(q) * log_two_pi + covariance_.log_determinant());
    for (Index r = 0; r < q; ++r) constant_ += std::log(shared_frame()->scale(covariates() + r));
  }

  FactorCovariance covariance_;  // in the frame
  double constant_ = 0;
  Index at_floor_ = 0;
};

static_assert(Component<FactorLinearExpert>);

}  // namespace emulsion
