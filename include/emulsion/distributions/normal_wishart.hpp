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
class BasicNormalWishart : public PosteriorOf<BasicGaussian<Scalar_, Dim>> {
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

  /// A prior with E[L]^-1 the covariance of `expected`, in its frame. Unchecked.
  static BasicNormalWishart with_expected(Member expected, double beta, double nu) {
    return BasicNormalWishart(std::move(expected), beta, nu);
  }

  // --- parameters -----------------------------------------------------------------------------------------------------

  Covariance structure() const { return expected_.structure(); }
  /// d
  Eigen::VectorXd mean() const { return expected_.mean(); }
  double beta() const { return beta_; }
  double nu() const { return nu_; }
  /// W^-1, d x d
  Eigen::MatrixXd inverse_scale() const { return expected_.covariance() * nu_; }
  /// The Gaussian with this mean and precision E[L] = nu W.
  const Member& expected() const { return expected_; }
  /// What this was updated from; a prior's is itself.
  const BasicNormalWishart& prior() const { return prior_ ? *prior_ : *this; }
  /// This as a posterior of that prior, whatever the observations were; both in one frame.
  BasicNormalWishart with_prior(const BasicNormalWishart& prior) const {
    BasicNormalWishart result = *this;
    result.prior_ = std::make_shared<const BasicNormalWishart>(prior);
    return result;
  }
  /// Mean and covariance, as of the Gaussian.
  Index free_parameters() const { return expected_.free_parameters(); }

  // --- learning -------------------------------------------------------------------------------------------------------

  /// The posterior after observations with those statistics, which must be in the same frame (statistics(x), after
  /// following x where that matters).
  BasicNormalWishart updated(const Statistics& s) const {
    BasicNormalWishart prior = *this;
    prior.prior_ = nullptr;
    prior.set_statistics();
    BasicNormalWishart result = prior;
    prior.maximize(s, result);
    return result;
  }

  struct Workspace {
    Statistics sum, pooled;
    EstimationSpace space;
  };
  [[gnu::cold]] Workspace workspace() const {
    Workspace result{expected_.statistics(), {}, {}};
    if (structure() == Covariance::tied) result.pooled = expected_.statistics();
    if (!is_diagonal(structure())) result.space.a.resize(this->dimension(), this->dimension());
    return result;
  }

  /// The prior, updated by s.
  void maximize(const Statistics& s, BasicNormalWishart& next) const {
    Workspace work = workspace();
    std::vector<Statistics> all{s};
    std::vector<BasicNormalWishart> now{*this}, then{next};
    maximize_all(all, now, then, work);
    next = std::move(then.front());
  }

  /// Posteriors of all components: a prior counts as beta observations with mean m and scatter W^-1 for location and
  /// scatter, but as nu for the degrees of freedom.
  [[gnu::cold]] static void maximize_all(const std::vector<Statistics>& s, const std::vector<BasicNormalWishart>& now,
                                         std::vector<BasicNormalWishart>& next, Workspace& work) {
    const bool tied = now.front().structure() == Covariance::tied;
    const BasicNormalWishart& first = now.front().prior();
    double nu = first.nu_;
    if (tied) work.pooled = first.as_statistics_;
    for (std::size_t k = 0; k < s.size(); ++k) {
      const BasicNormalWishart& prior = now[k].prior();
      next[k].prior_ = now[k].prior_ ? now[k].prior_ : std::make_shared<const BasicNormalWishart>(prior);
      work.sum = prior.as_statistics_;
      for (Index i = 0; i < work.sum.scatter.size() && tied; ++i) work.sum.scatter(i) = 0;
      work.sum += s[k];
      next[k].beta_ = work.sum.weight;
      next[k].nu_ = prior.nu_ + s[k].weight * prior.counts_per_observation();
      if (tied) {
        next[k].expected_.set_location(work.sum.mean);
        for (Index i = 0; i < work.sum.scatter.size(); ++i) work.pooled.scatter(i) += work.sum.scatter(i);
        nu += s[k].weight;
        continue;
      }
      work.sum.weight = next[k].nu_ / prior.counts_per_observation();
      next[k].expected_.estimate_from(work.sum, work.space);
      next[k].refresh();
    }
    if (!tied) return;
    work.pooled.weight = nu;
    work.pooled.mean = next.front().expected_.location();
    next.front().expected_.estimate_from(work.pooled, work.space);
    for (BasicNormalWishart& one : next) {
      if (&one != &next.front()) one.expected_.share_covariance(next.front().expected_);
      one.nu_ = nu;
      one.refresh();
    }
  }

  // --- evidence ---------------------------------------------------------------------------------------------------------

  /// Kullback-Leibler divergence of this from `other`, in nats; both in one frame and of one structure.
  double divergence(const BasicNormalWishart& other) const { return mean_divergence(other) + scale_divergence(other); }
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
    const BasicNormalWishart after = updated(s);
    const auto d = static_cast<double>(this->dimension());
    return after.log_integral() - log_integral() + s.weight * (expected_.frame().log_jacobian() - 0.5 * d * log_two_pi);
  }

  // --- parameters and observations that follow --------------------------------------------------------------------------

  /// The mode of the joint density of mean and covariance: covariance W^-1 / (nu + d + 2), or of the structure. Where
  /// it is tied to `components` means, W^-1 / (nu + d + 1 + components). Fraley and Raftery (2007), sec. 4.
  Member mode(Index components = 1) const {
    const auto d = static_cast<double>(this->dimension());
    const double own = structure() == Covariance::diagonal ? 1 : d;
    double shift = own + 2;
    if (structure() == Covariance::tied) shift = d + 1 + static_cast<double>(components);
    return expected_.scaled(nu_ / (nu_ + shift));
  }

  bool has_mode() const { return true; }
  /// Log density of a Gaussian's mean and covariance (the normal-inverse-Wishart), in nats; of a tied covariance,
  /// without `with_scale`, of the mean alone.
  double log_density_of(const Member& g, bool with_scale = true) const {
    const auto d = static_cast<double>(this->dimension()), own = static_cast<double>(wishart_dimension()),
               count = static_cast<double>(wisharts());
    const PrecisionFactor &root = g.precision_factor(), &theirs = expected_.precision_factor();
    const double jacobian = expected_.frame().log_jacobian();
    double square = 0, trace = 0;
    for (Index i = 0; i < this->dimension(); ++i) {
      double z = 0;
      for (Index j = root.diagonal() ? i : 0; j <= i; ++j)
        z += root(i, j) * (g.location()(j) - expected_.location()(j));
      square += z * z;
    }
    double sum = 0.5 * d * (std::log(beta_) - log_two_pi) + root.log_determinant() - 0.5 * beta_ * square + jacobian;
    if (!with_scale && structure() == Covariance::tied) return sum;
    // tr(W^-1 S^-1), |W^-1| and |S^-1|: of a spherical structure of the one element
    const Eigen::MatrixXd factor = root.diagonal() ? Eigen::MatrixXd() : theirs.factor();
    for (Index i = 0; i < this->dimension(); ++i) {
      for (Index j = root.diagonal() ? i : 0; j <= i; ++j) {
        double z = 0;
        if (root.diagonal()) z = root(i, i) / theirs(i, i);
        for (Index l = j; l <= i && !root.diagonal(); ++l) z += root(i, l) * factor(l, j);
        trace += z * z;
      }
    }
    const double of_one = structure() == Covariance::spherical ? 1 / d : 1;
    const double log_scale = of_one * -2 * theirs.log_determinant() + count * own * std::log(nu_);  // log |W^-1|
    const double log_precision = of_one * 2 * root.log_determinant();
    sum += 0.5 * nu_ * (log_scale - count * own * std::log(2.0)) -
           count * log_multivariate_gamma(wishart_dimension(), nu_ / 2) + 0.5 * (nu_ + own + 1) * log_precision -
           0.5 * nu_ * of_one * trace + (own + 1) * of_one * jacobian;
    return sum;
  }

  /// A Gaussian drawn from this distribution over Gaussians.
  Member sample(Rng& rng) const {
    const Index d = this->dimension();
    // T lower triangular with T' T ~ Wishart(nu, I), by Bartlett's decomposition from the last dimension on; the
    // precision factor of the draw is T (nu W)^(1/2) / sqrt(nu).
    Eigen::MatrixXd t = Eigen::MatrixXd::Zero(d, d);
    const auto chi = [&](double freedom) { return std::sqrt(2 * rng.gamma(freedom / 2)); };
    const double one = structure() == Covariance::spherical ? chi(nu_) : 0;
    for (Index i = 0; i < d; ++i) {
      if (structure() == Covariance::spherical) t(i, i) = one;
      else if (is_diagonal(structure())) t(i, i) = chi(nu_);
      else t(i, i) = chi(nu_ - static_cast<double>(d - 1 - i));
      for (Index j = 0; j < i && !is_diagonal(structure()); ++j) t(i, j) = rng.normal();
    }
    const Eigen::MatrixXd root = expected_.precision_factor().matrix();
    Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(d, d);
    for (Index j = 0; j < d; ++j) {
      for (Index i = j; i < d; ++i) {
        for (Index l = j; l <= i; ++l) factor(i, j) += t(i, l) * root(l, j);
        factor(i, j) /= std::sqrt(nu_);
      }
    }
    invert_lower(factor);
    Eigen::VectorXd location = expected_.location();
    for (Index j = 0; j < d; ++j) {
      const double z = rng.normal() / std::sqrt(beta_);
      for (Index i = j; i < d; ++i) location(i) += factor(i, j) * z;
    }
    return expected_.with(location, factor);
  }

  /// Of a new observation: a Student t with nu - d + 1 degrees of freedom and scale W^-1 (1 + 1 / beta) / (nu - d + 1);
  /// of a diagonal structure independent ones with nu, of a spherical one with nu (Murphy, 2007, eq. 258).
  Predictive predictive() const {
    const auto d = static_cast<double>(this->dimension());
    const double freedom = is_diagonal(structure()) ? nu_ : nu_ - d + 1;
    return Predictive(expected_.scaled(nu_ / freedom * (1 + 1 / beta_)), freedom);
  }

  // --- what a mixture asks ------------------------------------------------------------------------------------------------

  bool alike(const BasicNormalWishart& other) const { return structure() == other.structure(); }
  const std::shared_ptr<const Frame>& shared_frame() const { return expected_.shared_frame(); }
  std::shared_ptr<const Frame> frame_for(const Data& x) const { return expected_.frame_for(x); }
  [[gnu::cold]] BasicNormalWishart in(const std::shared_ptr<const Frame>& frame) const {
    BasicNormalWishart result = *this;
    result.expected_ = expected_.in(frame);
    if (prior_) result.prior_ = std::make_shared<const BasicNormalWishart>(prior_->in(frame));
    result.set_statistics();
    return result;
  }
  [[gnu::cold]] static void share_frame(std::vector<BasicNormalWishart>& all) {
    std::vector<Member> members;
    for (const BasicNormalWishart& one : all) members.push_back(one.expected_);
    Member::share_frame(members);
    for (std::size_t k = 0; k < all.size(); ++k) {
      if (!(members[k].frame() == all[k].expected_.frame())) all[k] = all[k].in(members[k].shared_frame());
    }
  }

 private:
  using PosteriorOf<Member>::expected_;
  using PosteriorOf<Member>::gain_;

  BasicNormalWishart(Member expected, double beta, double nu)
      : PosteriorOf<Member>(std::move(expected)), beta_(beta), nu_(nu) {
    set_statistics();
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

  /// What one observation adds to nu.
  double counts_per_observation() const {
    return structure() == Covariance::spherical ? static_cast<double>(this->dimension()) : 1.0;
  }
  /// How many Wishart variates there are, and in how many dimensions.
  Index wisharts() const { return structure() == Covariance::diagonal ? this->dimension() : 1; }
  Index wishart_dimension() const { return is_diagonal(structure()) ? 1 : this->dimension(); }

  /// This as statistics of beta observations.
  [[gnu::cold]] void set_statistics() {
    const Index d = this->dimension();
    as_statistics_ = expected_.statistics();
    as_statistics_.weight = beta_;
    as_statistics_.mean = expected_.location();
    const double weight = nu_ / counts_per_observation();
    const PrecisionFactor& root = expected_.precision_factor();
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
    const auto d = static_cast<double>(this->dimension()), own = static_cast<double>(wishart_dimension());
    const double log_precision = multivariate_digamma(wishart_dimension(), nu_ / 2) + own * std::log(2 / nu_);
    gain_ = 0.5 * log_precision * d / own - 0.5 * d / beta_;
  }

  double mean_divergence(const BasicNormalWishart& other) const {
    const auto d = static_cast<double>(this->dimension());
    const double ratio = other.beta_ / beta_;
    const PrecisionFactor& root = expected_.precision_factor();
    double square = 0;
    for (Index i = 0; i < this->dimension(); ++i) {
      double z = 0;
      for (Index j = root.diagonal() ? i : 0; j <= i; ++j) {
        z += root(i, j) * (expected_.location()(j) - other.expected_.location()(j));
      }
      square += z * z;
    }
    return 0.5 * (d * (ratio - 1 - std::log(ratio)) + other.beta_ * square);
  }

  double scale_divergence(const BasicNormalWishart& other) const {
    const auto count = static_cast<double>(wisharts()), own = static_cast<double>(wishart_dimension());
    const PrecisionFactor &root = expected_.precision_factor(), &theirs = other.expected_.precision_factor();
    // A = W_other^-1 W, of all Wishart variates together: log |A| and tr A, by the factors of nu W.
    double log_ratio = 2 * (root.log_determinant() - theirs.log_determinant()), trace = 0;
    const Eigen::MatrixXd made = other.prior_ && !root.diagonal() ? theirs.factor() : Eigen::MatrixXd();
    const Eigen::MatrixXd& factor = other.prior_ ? made : other.factor_;
    for (Index i = 0; i < this->dimension(); ++i) {
      if (root.diagonal()) {
        const double z = root(i, i) / theirs(i, i);
        trace += z * z;
        continue;
      }
      for (Index j = 0; j <= i; ++j) {
        double z = 0;
        for (Index l = j; l <= i; ++l) z += root(i, l) * factor(l, j);
        trace += z * z;
      }
    }
    if (structure() == Covariance::spherical) {
      const auto d = static_cast<double>(this->dimension());
      log_ratio /= d, trace /= d;
    }
    log_ratio += count * own * std::log(other.nu_ / nu_);
    trace *= other.nu_ / nu_;
    return -0.5 * other.nu_ * log_ratio + 0.5 * nu_ * (trace - count * own) +
           count * (log_multivariate_gamma(wishart_dimension(), other.nu_ / 2) -
                    log_multivariate_gamma(wishart_dimension(), nu_ / 2) +
                    0.5 * (nu_ - other.nu_) * multivariate_digamma(wishart_dimension(), nu_ / 2));
  }

  /// Of the density without its constant, over mean and precision; less d / 2 log 2 pi.
  double log_integral() const {
    const auto d = static_cast<double>(this->dimension()), count = static_cast<double>(wisharts()),
               own = static_cast<double>(wishart_dimension());
    double log_scale = 2 * expected_.precision_factor().log_determinant();
    if (structure() == Covariance::spherical) log_scale /= d;
    log_scale -= count * own * std::log(nu_);
    return 0.5 * nu_ * (log_scale + count * own * std::log(2.0)) - 0.5 * d * std::log(beta_) +
           count * log_multivariate_gamma(wishart_dimension(), nu_ / 2);
  }

  double beta_, nu_;
  std::shared_ptr<const BasicNormalWishart> prior_;
  Statistics as_statistics_;  // of a prior
  Eigen::MatrixXd factor_;    // of a prior that is not diagonal: Cholesky factor of (nu W)^-1
};

using NormalWishart = BasicNormalWishart<double, Eigen::Dynamic>;

static_assert(Component<NormalWishart>);

}  // namespace emulsion
