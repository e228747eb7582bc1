#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/distributions/factor_block.hpp"
#include "emulsion/distributions/gaussian.hpp"

namespace emulsion {

/// Normal distribution on R^d with r common factors (factor analysis; mixtures: Ghahramani and Hinton, 1996),
///
///   x = m + L u + e,   u ~ N(0, I_r),   e ~ N(0, P),   so that   x ~ N(m, L L' + P),
///
/// P diagonal, or spherical (probabilistic principal components: Tipping and Bishop, 1999). For dimensions so many that
/// a full covariance has more parameters than the data can tell. L (d x r) is known up to a rotation.
///
/// Cost of a density O(d r), without a d x d matrix; of learning O(d^2) per observation and d^2 r per M-step, of
/// spherical noise about 50 d^3. Statistics: those of a Gaussian. M-step: see FactorCovariance::estimate(): the maximum
/// for spherical noise; for diagonal noise a point that is not worse, which statistics of any age allow.
template <class Scalar_ = double>
class BasicFactorGaussian {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Eigen::Dynamic>;
  using Statistics = GaussianStatistics;
  using Workspace = FactorCovariance::Space;
  using Packed = FactorBlock;

  /// Mean zero, no loadings, unit noise: the prototype of a fit. `rank`: 1 <= r < d; `noise`: diagonal or spherical;
  /// `floor`: the least variance of the noise, relative to the (robust) variances of the data.
  [[gnu::cold]] BasicFactorGaussian(Index dimension, Index rank, Covariance noise = Covariance::diagonal,
                                    double floor = Gaussian::default_floor)
      : floor_(floor), frame_(std::make_shared<const Frame>(Frame::identity(std::max<Index>(1, dimension)))),
        location_(Eigen::VectorXd::Zero(std::max<Index>(1, dimension))),
        covariance_(checked(dimension, rank, noise), rank, noise) {
    require(floor >= 1e-15 && floor < 1, "the floor of a covariance, relative to the data's variances, must lie in ",
            "[1e-15, 1), got ", floor, "; below, it would drown in rounding");
    refresh();
  }

  /// With the given mean (d), loadings (d x r) and variances of the noise (d, positive; all equal where it is
  /// spherical).
  [[gnu::cold]] BasicFactorGaussian(const Eigen::Ref<const Eigen::VectorXd>& mean,
                                    const Eigen::Ref<const Eigen::MatrixXd>& loadings,
                                    const Eigen::Ref<const Eigen::VectorXd>& noise,
                                    Covariance structure = Covariance::diagonal)
      : BasicFactorGaussian(mean.size(), loadings.cols(), structure) {
    const Index d = mean.size();
    require(loadings.rows() == d && noise.size() == d, "a Gaussian with a mean of dimension ", d, " needs loadings of ",
            d, " x r and ", d, " variances of the noise, got ", loadings.rows(), " x ", loadings.cols(), " and ",
            noise.size());
    require(all_finite(mean) && all_finite(loadings) && all_finite(noise),
            "mean, loadings and noise of a Gaussian must be finite");
    Frame frame = Frame::identity(d);
    double largest = 0;
    for (Index j = 0; j < d; ++j) {
      require(noise(j) > 0, "the variances of the noise must be positive; that of dimension ", j, " is ", noise(j));
      require(structure != Covariance::spherical || noise(j) == noise(0),
              "the variances of spherical noise must be equal; that of dimension ", j, " is ", noise(j),
              " and the first ", noise(0));
      const double deviation = std::hypot(loadings.row(j).stableNorm(), std::sqrt(noise(j)));
      largest = std::max(largest, deviation);
      frame.scale(j) = Frame::scale_for(deviation);
    }
    if (structure == Covariance::spherical) frame.scale.setConstant(Frame::scale_for(largest));
    frame.centre = mean.cwiseProduct(frame.scale);
    covariance_.set(frame.scale.asDiagonal() * loadings, noise.cwiseSqrt().cwiseProduct(frame.scale));
    frame_ = std::make_shared<const Frame>(std::move(frame));
    refresh();
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Index dimension() const { return location_.size(); }
  /// r
  Index rank() const { return covariance_.rank(); }
  /// Structure of the noise: diagonal or spherical.
  Covariance noise() const { return covariance_.noise(); }
  double floor() const { return floor_; }
  /// d
  Eigen::VectorXd mean() const { return frame_->restored(location_); }
  /// L (d x r)
  Eigen::MatrixXd loadings() const { return frame_->scale.cwiseInverse().asDiagonal() * covariance_.loadings(); }
  /// The diagonal of P (d)
  Eigen::VectorXd noise_variances() const { return covariance_.deviations().cwiseQuotient(frame_->scale).cwiseAbs2(); }
  /// L L' + P (d x d)
  Eigen::MatrixXd covariance() const { return dense().covariance(); }
  /// Lower triangular, with the square L L' + P (d x d).
  Eigen::MatrixXd factor() const { return dense().factor(); }
  /// The same distribution with a full covariance. Cost d^2 (d + r).
  [[gnu::cold]] Gaussian dense() const {
    return Gaussian::in_frame(frame_, location_, covariance_.factor(), Covariance::full, floor_);
  }
  /// How many variances of the noise the floor holds up (a Heywood case; d - r of spherical noise).
  Index at_floor() const { return at_floor_; }
  Index free_parameters() const { return dimension() + covariance_.free_parameters(); }

  const std::shared_ptr<const Frame>& shared_frame() const { return frame_; }
  /// Mean and covariance in the coordinates of the frame.
  const Eigen::VectorXd& location() const { return location_; }
  const FactorCovariance& factor_covariance() const { return covariance_; }

  // --- density --------------------------------------------------------------------------------------------------------

  Packed packed(Index most) const { return {most, dimension(), covariance_}; }
  void read(const Data& block, Packed& packed) const { packed.points.pack(block, *frame_); }

  /// out(i) += log p(x_i)
  void log_density(Packed& block, Eigen::Ref<Eigen::VectorXd> out) const {
    const auto residuals = [&](const double* x, double* e) {
      for (Index j = 0; j < dimension(); ++j) {
        const double centre = location_(j);
        for (Index l = 0; l < Packed::lanes; ++l) e[j * Packed::lanes + l] = x[j * Packed::lanes + l] - centre;
      }
    };
    block.add_log_density(covariance_, constant_, residuals, out.data());
  }

  /// log |W D^-1 (x - m)|, finite for every finite x, however far. Ranks components where no density is above zero.
  [[gnu::cold]] double log_distance(const Data& x, Index i) const {
    const Index d = dimension();
    Eigen::MatrixXd y(d, 1);
    int power = 0;
    for (const int lowered : {0, 1100}) {  // by 2^-1100 where it overflows
      power = lowered;
      for (Index j = 0; j < d; ++j) {
        y(j, 0) = std::ldexp(static_cast<double>(x(j, i)), std::ilogb(frame_->scale(j)) - power) -
                  std::ldexp(frame_->centre(j) + location_(j), -power);
      }
      if (all_finite(y)) break;
    }
    const double largest = largest_magnitude(y);
    if (!(largest > 0)) return -std::numeric_limits<double>::infinity();
    y /= largest;
    covariance_.whiten(y);
    return std::log(largest) + std::log(y.stableNorm()) + power * std::log(2.0);
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  Statistics statistics() const { return {dimension(), false}; }

  /// Adds the block with weights w (b): sums about the current mean, then one merge.
  void accumulate(Packed& block, const Eigen::Ref<const Eigen::VectorXd>& w, Statistics& s) const {
    block.accumulate(location_, w, s);
  }

  Workspace workspace() const { return {}; }
  /// The old parameters where there are no observations.
  void maximize(const Statistics& s, BasicFactorGaussian& next) const {
    Workspace work = workspace();
    maximize(s, next, work);
  }
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<BasicFactorGaussian>& now,
                                         std::vector<BasicFactorGaussian>& next, Workspace& work) {
    for (std::size_t k = 0; k < s.size(); ++k) now[k].maximize(s[k], next[k], work);
  }

  // --- unconstrained parameters: locations, and the chart of the covariance -----------------------------------------------

  Index parameters() const { return dimension() + covariance_.parameters(); }
  [[gnu::cold]] void pack(Eigen::VectorXd& v, Index& at) const {
    for (Index j = 0; j < dimension(); ++j) v(at++) = location_(j);
    covariance_.pack(v, at);
  }
  /// False where a variance of the noise would lie below the floor.
  [[gnu::cold]] bool unpack(const Eigen::VectorXd& v, Index& at) {
    for (Index j = 0; j < dimension(); ++j) location_(j) = v(at++);
    at_floor_ = 0;
    if (!covariance_.unpack(v, at, floor_, frame_->spread) || !all_finite(location_)) return false;
    refresh();
    return true;
  }
  [[gnu::cold]] void gradient(const Statistics& s, Eigen::VectorXd& v, Index& at) const {
    const Index start = at;
    at += parameters();
    for (Index i = start; i < at; ++i) v(i) = 0;
    if (!(s.weight > 0)) return;
    covariance_.add_gradient(s.scatter, s.weight, s.mean, location_, &v(start), &v(start + dimension()));
  }

  // --- sampling -------------------------------------------------------------------------------------------------------

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    Eigen::VectorXd y = location_;
    for (Index c = 0; c < rank(); ++c) y += rng.normal() * covariance_.loadings().col(c);
    for (Index j = 0; j < dimension(); ++j) y(j) += covariance_.deviations()(j) * rng.normal();
    return frame_->restored(y);
  }

  // --- data and frames --------------------------------------------------------------------------------------------------

  bool alike(const BasicFactorGaussian& other) const { return rank() == other.rank() && noise() == other.noise(); }
  /// Every value must be finite.
  void check(const Data& x) const { require_finite(x); }
  /// Constant dimensions, outliers, duplicates; no more observations than factors.
  [[gnu::cold]] void inspect(const Data& x, Index components, EventLog& log) const {
    inspect_points(x, components, false, log);
    const Index used = positive_observations(x);
    if (used > rank()) return;
    log.add({EventKind::few_observations, 0, -1, -1, static_cast<double>(used),
             sentence({used, " observations cannot determine ", rank(),
                       " factors: they leave no noise, and the floor holds it up"})});
  }
  std::shared_ptr<const Frame> frame_for(const Data& x) const { return frame_of(x, noise() == Covariance::spherical); }
  /// The same distribution, kept in the coordinates of another frame (of one scale where the noise is spherical).
  [[gnu::cold]] BasicFactorGaussian in(const std::shared_ptr<const Frame>& frame) const {
    BasicFactorGaussian result = *this;
    result.frame_ = frame;
    Eigen::VectorXd ratio(dimension());
    for (Index j = 0; j < dimension(); ++j) {
      ratio(j) = frame->scale(j) / frame_->scale(j);
      const double scaled = location_(j) + frame_->centre(j);
      result.location_(j) = ratio(j) * scaled - frame->centre(j);
    }
    result.covariance_.rescale(ratio);
    result.refresh();
    return result;
  }
  /// Moves components into one common frame: the scales of the widest, centred at zero, so that means are exact.
  [[gnu::cold]] static void share_frame(std::vector<BasicFactorGaussian>& all) {
    Frame frame = *all.front().frame_;
    bool shared = true;
    for (const BasicFactorGaussian& g : all) {
      shared = shared && *g.frame_ == *all.front().frame_;
      frame.scale = frame.scale.cwiseMin(g.frame_->scale);
    }
    if (shared) return;
    frame.centre.setZero();
    const auto common = std::make_shared<const Frame>(std::move(frame));
    for (BasicFactorGaussian& g : all) g = g.in(common);
  }
  /// Of the covariances: see regularity_of. Cost O(K d^3).
  [[gnu::cold]] static Regularity regularity(const std::vector<BasicFactorGaussian>& all,
                                             const Eigen::VectorXd& weights, double least) {
    std::vector<Gaussian> dense;
    for (const BasicFactorGaussian& g : all) dense.push_back(g.dense());
    return regularity_of(dense, weights, least);
  }

 private:
  static constexpr double least_weight = 1e-305;  // below it, sums of weighted observations lose their digits

  static Index checked(Index dimension, Index rank, Covariance noise) {
    require(dimension >= 2, "a Gaussian with factors needs at least two dimensions, got ", dimension);
    require(rank >= 1 && rank < dimension, "the rank of a Gaussian in ", dimension, " dimensions must lie in [1, ",
            dimension - 1, "], got ", rank);
    require(is_diagonal(noise), "the noise about factors must be diagonal or spherical, got ", to_string(noise));
    return dimension;
  }

  void maximize(const Statistics& s, BasicFactorGaussian& next, Workspace& work) const {
    next.location_ = location_;
    next.covariance_ = covariance_;
    next.at_floor_ = at_floor_;
    if (s.weight > least_weight) {
      next.location_ = s.mean;
      next.at_floor_ = next.covariance_.estimate(s.scatter, s.weight, frame_->spread, floor_, work);
    }
    next.refresh();
  }

  void refresh() {
    constant_ =
        -0.5 * (static_cast<double>(dimension()) * log_two_pi + covariance_.log_determinant()) + frame_->log_jacobian();
  }

  double floor_;
  std::shared_ptr<const Frame> frame_;
  Eigen::VectorXd location_;     // in the frame
  FactorCovariance covariance_;  // in the frame
  double constant_ = 0;
  Index at_floor_ = 0;
};

using FactorGaussian = BasicFactorGaussian<>;

static_assert(Component<FactorGaussian>);

}  // namespace emulsion
