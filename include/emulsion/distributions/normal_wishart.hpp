#pragma once
#include <Eigen/Core>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/distributions/posterior.hpp"
#include "emulsion/distributions/student_t_predictive.hpp"
#include "emulsion/distributions/wishart.hpp"

namespace emulsion {

/// Normal-Wishart distribution over the mean m and precision L of a Gaussian, its conjugate prior and posterior,
///
///   L ~ Wishart(nu, W),  m | L ~ N(mean, (beta L)^-1),
///
/// with E[L] = nu W (Bishop, 2006, sec. 10.2). W is given by its inverse, which has the units of the data squared, as a
/// scatter has. Of other covariance structures:
///
/// - diagonal: every dimension has a Normal-Wishart of its own, in one dimension, with the same beta and nu;
/// - spherical: one precision for all dimensions, ~ Wishart(nu, w) in one dimension: Gamma(nu / 2, rate 1 / (2 w));
///   w^-1 is the element of an inverse scale that is a multiple of the identity;
/// - tied: one precision for all components of a mixture, a mean for each.
///
/// updated() makes a posterior, which knows its prior. As a component of a mixture it maximizes the evidence bound, and
/// adds minus its divergence from the prior to it. It works in the coordinates of a frame, as the Gaussian does.
template <class Scalar_, int Dim>
class BasicNormalWishart : public ConjugatePosterior<BasicNormalWishart<Scalar_, Dim>, BasicGaussian<Scalar_, Dim>> {
  using Base = ConjugatePosterior<BasicNormalWishart<Scalar_, Dim>, BasicGaussian<Scalar_, Dim>>;

 public:
  using Member = BasicGaussian<Scalar_, Dim>;
  using Data = typename Member::Data;
  using Statistics = GaussianStatistics;
  using Predictive = StudentTPredictive<Scalar_, Dim>;

  /// A prior.
  ///
  /// @param mean           d
  /// @param beta           positive: how many observations the mean is worth
  /// @param nu             degrees of freedom; above d - 1, for diagonal and spherical structures above 0
  /// @param inverse_scale  W^-1, d x d, symmetric positive definite, of the structure's form
  /// @throws InvalidArgument for anything else
  BasicNormalWishart(const Eigen::Ref<const Eigen::VectorXd>& mean, double beta, double nu,
                     const Eigen::Ref<const Eigen::MatrixXd>& inverse_scale, Covariance structure = Covariance::full)
      : BasicNormalWishart(checked(mean, beta, nu, inverse_scale, structure), beta, nu) {}

  /// A prior with E[L]^-1 = c times the covariance of `expected`, in its frame. Unchecked.
  static BasicNormalWishart with_expected(const Member& expected, double beta, double nu, double c = 1) {
    return BasicNormalWishart(expected.scaled(c), beta, nu);
  }

  /// The same prior for data of another type.
  template <class Other>
  BasicNormalWishart<Other, Eigen::Dynamic> cast() const {
    const auto expected = BasicGaussian<Other, Eigen::Dynamic>::in_frame(
        shared_frame(), stand_in_.location(), stand_in_.precision_factor().factor(), structure());
    return BasicNormalWishart<Other, Eigen::Dynamic>::with_expected(expected, beta_, nu_);
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Covariance structure() const { return stand_in_.structure(); }
  /// d
  Eigen::VectorXd mean() const { return stand_in_.mean(); }
  double beta() const { return beta_; }
  double nu() const { return nu_; }
  /// W^-1, d x d
  Eigen::MatrixXd inverse_scale() const { return stand_in_.covariance() * nu_; }
  /// The Gaussian with this mean and precision E[L] = nu W.
  const Member& expected() const { return stand_in_; }
  /// Mean and covariance, as of the Gaussian.
  Index free_parameters() const { return stand_in_.free_parameters(); }
  static Index free_parameters(const std::vector<BasicNormalWishart>& all) {
    const BasicNormalWishart& one = all.front();
    const auto count = static_cast<Index>(all.size());
    const Index shared = one.structure() == Covariance::tied ? 1 : count;
    return count * one.dimension() + shared * covariance_parameters(one.structure(), one.dimension());
  }

  // --- learning -------------------------------------------------------------------------------------------------------

  /// Becomes the posterior of the prior after observations with those statistics, which must be in its frame.
  void learn(const BasicNormalWishart& prior, const Statistics& s) {
    Workspace work = workspace();
    learn(prior, s, work);
  }

  struct Workspace {
    Statistics sum, pooled;
    EstimationSpace space;
  };
  [[gnu::cold]] Workspace workspace() const {
    Workspace result{stand_in_.statistics(), {}, {}};
    if (structure() == Covariance::tied) result.pooled = stand_in_.statistics();
    if (!is_diagonal(structure())) result.space.a.resize(this->dimension(), this->dimension());
    return result;
  }

  /// The M-step of all components. A prior counts as beta observations with mean m and scatter W^-1 for location and
  /// scatter, but as nu for the degrees of freedom.
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<BasicNormalWishart>& now,
                                         std::vector<BasicNormalWishart>& next, Workspace& work) {
    const bool tied = now.front().structure() == Covariance::tied;
    for (std::size_t k = 0; k < s.size(); ++k) {
      next[k].prior_ = now[k].prior_or_this();
      if (!tied) next[k].learn(*next[k].prior_, s[k], work);
    }
    if (!tied) return;
    const BasicNormalWishart& first = now.front().prior();
    double nu = first.nu_;
    work.pooled = first.as_statistics_;
    for (std::size_t k = 0; k < s.size(); ++k) {
      work.sum = next[k].prior_->as_statistics_;
      for (Index i = 0; i < work.sum.scatter.size(); ++i) work.sum.scatter(i) = 0;
      work.sum += s[k];
      next[k].beta_ = work.sum.weight;
      next[k].stand_in_.location_ = work.sum.mean;
      for (Index i = 0; i < work.sum.scatter.size(); ++i) work.pooled.scatter(i) += work.sum.scatter(i);
      nu += s[k].weight;
    }
    work.pooled.weight = nu;
    next.front().stand_in_.estimate_covariance(work.pooled, no_floor, work.space);
    for (BasicNormalWishart& one : next) {
      one.stand_in_.share_covariance(next.front().stand_in_);
      one.nu_ = nu;
      one.refresh();
    }
  }
  /// Starts again as another; where the precision is tied, only the mean is its own.
  void renew(const BasicNormalWishart& from) {
    if (structure() != Covariance::tied) {
      *this = from;
      return;
    }
    beta_ = from.beta_;
    stand_in_.location_ = from.stand_in_.location_;
    stand_in_.refresh();
    refresh();
  }

  // --- evidence ---------------------------------------------------------------------------------------------------------

  /// Kullback-Leibler divergence of this from `other`, of the same structure, in nats.
  double divergence(const BasicNormalWishart& other) const {
    if (!(other.stand_in_.frame() == stand_in_.frame())) return divergence(other.in(shared_frame()));
    return mean_divergence(other) + scale_divergence(other);
  }
  /// Minus the divergence of all components from their priors: a tied precision counts once.
  static double offset(const std::vector<BasicNormalWishart>& all) {
    double sum = 0;
    for (const BasicNormalWishart& one : all) {
      sum -= one.mean_divergence(one.prior());
      if (one.structure() != Covariance::tied || &one == &all.front()) sum -= one.scale_divergence(one.prior());
    }
    return sum;
  }

  /// log p(x) of the observations with those statistics, in nats: the parameters integrated out (Murphy, 2007,
  /// "Conjugate Bayesian analysis of the Gaussian distribution", eq. 266).
  double log_evidence(const Statistics& s) const {
    const BasicNormalWishart after = this->updated(s);
    const auto d = static_cast<double>(this->dimension());
    return after.log_integral() - log_integral() + s.weight * (stand_in_.frame().log_jacobian() - 0.5 * d * log_two_pi);
  }

  // --- parameters and observations that follow --------------------------------------------------------------------------

  /// The mode of the joint density of mean and covariance: covariance W^-1 / (nu + d + 2), or of the structure. Where
  /// it is tied to `components` means, W^-1 / (nu + d + 1 + components). Fraley and Raftery (2007), sec. 4.
  Member mode(Index components = 1) const {
    const auto d = static_cast<double>(this->dimension());
    const double own = structure() == Covariance::diagonal ? 1 : d;
    double shift = own + 2;
    if (structure() == Covariance::tied) shift = d + 1 + static_cast<double>(components);
    return stand_in_.scaled(nu_ / (nu_ + shift));
  }

  /// Whether the density is bounded: a mode exists.
  bool bounded() const { return true; }
  /// Log density of a Gaussian's mean and covariance (the normal-inverse-Wishart), in nats; of a tied covariance,
  /// without `with_scale`, of the mean alone.
  double log_density_of(const Member& g, bool with_scale = true) const {
    if (!(g.frame() == stand_in_.frame())) return log_density_of(g.in(shared_frame()), with_scale);
    const auto d = static_cast<double>(this->dimension());
    const PrecisionFactor& root = g.precision_factor();
    const double jacobian = stand_in_.frame().log_jacobian();
    const double of_mean = 0.5 * d * (std::log(beta_) - log_two_pi) + root.log_determinant() -
                           0.5 * beta_ * whitened_distance(root, g) + jacobian;
    if (!with_scale && structure() == Covariance::tied) return of_mean;
    return of_mean + wishart().log_density_of_covariance(root, trace_of(root), jacobian);
  }

  /// A Gaussian drawn from this distribution over Gaussians.
  Member sample(Rng& rng) const {
    const Index d = this->dimension();
    const Eigen::MatrixXd factor = wishart().sample_factor(rng);
    Eigen::VectorXd location = stand_in_.location();
    for (Index j = 0; j < d; ++j) {
      const double z = rng.normal() / std::sqrt(beta_);
      for (Index i = j; i < d; ++i) location(i) += factor(i, j) * z;
    }
    return stand_in_.with_parameters(location, factor);
  }

  /// Of a new observation: a Student t with nu - d + 1 degrees of freedom and scale W^-1 (1 + 1 / beta) / (nu - d + 1);
  /// of a diagonal structure independent ones with nu, of a spherical one with nu (Murphy, 2007, eq. 258).
  Predictive predictive() const {
    const auto d = static_cast<double>(this->dimension());
    const double freedom = is_diagonal(structure()) ? nu_ : nu_ - d + 1;
    return Predictive(stand_in_.scaled(nu_ / freedom * (1 + 1 / beta_)), freedom);
  }

  // --- what a mixture asks ------------------------------------------------------------------------------------------------

  /// Whether the components of a mixture share a parameter.
  bool shared_between_components() const { return structure() == Covariance::tied; }
  bool alike(const BasicNormalWishart& other) const { return structure() == other.structure(); }
  const std::shared_ptr<const Frame>& shared_frame() const { return stand_in_.shared_frame(); }
  std::shared_ptr<const Frame> frame_for(const Data& x) const { return stand_in_.frame_for(x); }
  [[gnu::cold]] BasicNormalWishart in(const std::shared_ptr<const Frame>& frame) const {
    BasicNormalWishart result = *this;
    result.stand_in_ = stand_in_.in(frame);
    if (prior_) result.prior_ = std::make_shared<const BasicNormalWishart>(prior_->in(frame));
    result.prepare_as_prior();
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<BasicNormalWishart>& all) {
    std::vector<Member> members;
    members.reserve(all.size());
    for (const BasicNormalWishart& one : all) members.push_back(one.stand_in_);
    Member::share_frame(members);
    for (std::size_t k = 0; k < all.size(); ++k) {
      if (!(members[k].frame() == all[k].stand_in_.frame())) all[k] = all[k].in(members[k].shared_frame());
    }
  }

 private:
  friend Base;
  using Base::gain_;
  using Base::prior_;
  using Base::stand_in_;

  BasicNormalWishart(Member expected, double beta, double nu) : Base(std::move(expected)), beta_(beta), nu_(nu) {
    prepare_as_prior();
    refresh();
  }

  [[gnu::cold]] static Member checked(const Eigen::Ref<const Eigen::VectorXd>& mean, double beta, double nu,
                                      const Eigen::Ref<const Eigen::MatrixXd>& inverse_scale, Covariance structure) {
    const Index d = mean.size();
    require(d >= 1 && inverse_scale.rows() == d && inverse_scale.cols() == d, "a Normal-Wishart prior with a mean of ",
            "dimension ", d, " needs an inverse scale of ", d, " x ", d, ", got ", inverse_scale.rows(), " x ",
            inverse_scale.cols());
    require(beta > 0 && std::isfinite(beta), "the beta of a Normal-Wishart prior must be positive and finite, got ",
            beta);
    const double least = is_diagonal(structure) ? 0 : static_cast<double>(d - 1);
    require(nu > least && std::isfinite(nu), "the degrees of freedom of a Normal-Wishart prior in ", d,
            " dimensions must be finite and above ", least, ", got ", nu);
    require(all_finite(mean) && all_finite(inverse_scale), "the mean and inverse scale of a Normal-Wishart prior must ",
            "be finite");
    Eigen::MatrixXd factor = inverse_scale;
    require(cholesky(factor), "the inverse scale of a Normal-Wishart prior must be positive definite; the ", d, " x ",
            d, " matrix given is not");
    return Member(mean, inverse_scale / nu, structure);
  }

  void learn(const BasicNormalWishart& prior, const Statistics& s, Workspace& work) {
    work.sum = prior.as_statistics_;
    work.sum += s;
    beta_ = work.sum.weight;
    nu_ = prior.nu_ + s.weight * prior.counts_per_observation();
    work.sum.weight = nu_ / prior.counts_per_observation();
    stand_in_.location_ = work.sum.mean;
    stand_in_.estimate_covariance(work.sum, no_floor, work.space);
    refresh();
  }

  Wishart wishart() const { return {stand_in_.precision_factor(), nu_}; }
  double counts_per_observation() const { return Wishart::observed(structure(), this->dimension()); }

  /// This as statistics of beta observations, and the factor that divergences from it need.
  [[gnu::cold]] void prepare_as_prior() {
    const Index d = this->dimension();
    as_statistics_ = stand_in_.statistics();
    as_statistics_.weight = beta_;
    as_statistics_.mean = stand_in_.location();
    const double weight = nu_ / counts_per_observation();
    const PrecisionFactor& root = stand_in_.precision_factor();
    if (root.diagonal()) {
      for (Index j = 0; j < d; ++j) as_statistics_.scatter(j) = weight / (root(j, j) * root(j, j));
      return;
    }
    const Eigen::MatrixXd l = root.factor();
    Eigen::MatrixXd square = Eigen::MatrixXd::Zero(d, d);
    add_square(l, weight, square);
    Index at = 0;
    for (Index j = 0; j < d; ++j) {
      for (Index i = j; i < d; ++i) as_statistics_.scatter(at++) = square(i, j);
    }
    factor_ = l;
  }

  /// E[log |L|] - log |nu W|, halved, less what the uncertain mean costs.
  void refresh() {
    gain_ = 0.5 * wishart().log_determinant_gain() - 0.5 * static_cast<double>(this->dimension()) / beta_;
  }

  /// |root (m - m_g)|^2
  double whitened_distance(const PrecisionFactor& root, const Member& g) const {
    double square = 0;
    for (Index i = 0; i < this->dimension(); ++i) {
      double z = 0;
      for (Index j = root.diagonal() ? i : 0; j <= i; ++j) {
        z += root(i, j) * (g.location()(j) - stand_in_.location()(j));
      }
      square += z * z;
    }
    return square;
  }
  /// tr(root' root (nu W)^-1)
  double trace_of(const PrecisionFactor& root) const {
    const PrecisionFactor& own = stand_in_.precision_factor();
    const Eigen::MatrixXd made = prior_ && !root.diagonal() ? own.factor() : Eigen::MatrixXd();
    return expected_trace(root, own, prior_ ? made : factor_);
  }

  double mean_divergence(const BasicNormalWishart& other) const {
    const auto d = static_cast<double>(this->dimension());
    const double ratio = other.beta_ / beta_, square = whitened_distance(stand_in_.precision_factor(), other.stand_in_);
    return 0.5 * (d * (ratio - 1 - std::log(ratio)) + other.beta_ * square);
  }

  double scale_divergence(const BasicNormalWishart& other) const {
    return wishart().divergence(other.wishart(), other.trace_of(stand_in_.precision_factor()));
  }

  /// Of the density without its constant, over mean and precision; less d / 2 log 2 pi.
  double log_integral() const {
    return wishart().log_integral() - 0.5 * static_cast<double>(this->dimension()) * std::log(beta_);
  }

  static constexpr double no_floor =
      1e-300;  // the prior keeps covariances from collapsing: only rounding may be clipped

  double beta_, nu_;
  Statistics as_statistics_;  // of a prior
  Eigen::MatrixXd factor_;    // of a prior that is not diagonal: Cholesky factor of (nu W)^-1
};

using NormalWishart = BasicNormalWishart<double, Eigen::Dynamic>;

static_assert(Component<NormalWishart>);

}  // namespace emulsion
