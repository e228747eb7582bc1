#pragma once
#include <Eigen/Core>
#include <cmath>
#include <memory>
#include <utility>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/distributions/posterior.hpp"

namespace emulsion {

/// d independent negative binomial counts, r_j > 0 and q_j in (0, 1):
///
///   log p(x) = sum_j log Gamma(x_j + r_j) - log Gamma(r_j) - log x_j! + r_j log(1 - q_j) + x_j log q_j.
///
/// What Poisson counts with uncertain rates are predicted to be. It has no statistics: it is not fitted.
template <class Scalar_, int Dim>
class NegativeBinomialPredictive {
 public:
  using Scalar = Scalar_;
  using Data = Points<Scalar, Dim>;

  NegativeBinomialPredictive(Eigen::VectorXd r, Eigen::VectorXd q) : r_(std::move(r)), q_(std::move(q)) {}

  Index dimension() const { return r_.size(); }
  const Eigen::VectorXd& r() const { return r_; }
  const Eigen::VectorXd& q() const { return q_; }
  /// d
  Eigen::VectorXd mean() const { return r_.array() * q_.array() / (1 - q_.array()); }

  /// out(i) += log p(x_i)
  void log_density(const Data& block, Eigen::Ref<Eigen::VectorXd> out) const {
    for (Index j = 0; j < dimension(); ++j) {
      const double none = r_(j) * std::log1p(-q_(j)) - log_gamma(r_(j)), log_q = std::log(q_(j));
      for (Index i = 0; i < block.size(); ++i) {
        const auto x = static_cast<double>(block(j, i));
        out(i) += none + x * log_q + log_gamma(x + r_(j)) - log_factorial(x);
      }
    }
  }
  void check(const Data& x) const { BasicPoisson<Scalar, Dim>(dimension()).check(x); }

  /// d
  Eigen::VectorXd sample(Rng& rng) const {
    Eigen::VectorXd rates(dimension());
    for (Index j = 0; j < dimension(); ++j) rates(j) = rng.gamma(r_(j)) * q_(j) / (1 - q_(j));
    return BasicPoisson<Scalar, Dim>(rates).sample(rng);
  }

 private:
  Eigen::VectorXd r_, q_;
};

/// Independent Gamma distributions over the rates of d Poisson counts, their conjugate prior and posterior,
///
///   l_j ~ Gamma(a_j, rate b),   a_j = a_j0 + sum w x_j,   b = b_0 + sum w.
///
/// updated() makes a posterior, which knows its prior. As a component of a mixture it maximizes the evidence bound.
template <class Scalar_, int Dim>
class BasicPoissonGamma : public PosteriorOf<BasicPoisson<Scalar_, Dim>> {
 public:
  using Member = BasicPoisson<Scalar_, Dim>;
  using Statistics = PoissonStatistics;
  using Predictive = NegativeBinomialPredictive<Scalar_, Dim>;

  /// A prior: shapes (d), each positive and finite, and one rate for all.
  ///
  /// @throws InvalidArgument for anything else
  BasicPoissonGamma(const Eigen::Ref<const Eigen::VectorXd>& shapes, double rate)
      : PosteriorOf<Member>(checked(shapes, rate)), shapes_(shapes), rate_(rate) {
    refresh();
  }

  /// a, d
  const Eigen::VectorXd& shapes() const { return shapes_; }
  /// b
  double rate() const { return rate_; }
  /// E[l], d
  Eigen::VectorXd mean() const { return shapes_ / rate_; }
  /// With the expected rates.
  Member expected() const { return Member(mean()); }
  const BasicPoissonGamma& prior() const { return prior_ ? *prior_ : *this; }
  Index free_parameters() const { return this->dimension(); }

  /// The posterior after observations with those statistics.
  BasicPoissonGamma updated(const Statistics& s) const {
    BasicPoissonGamma result = *this;
    result.prior_ = std::make_shared<const BasicPoissonGamma>(shapes_, rate_);
    result.set(*result.prior_, s);
    return result;
  }
  /// The prior, updated by s.
  void maximize(const Statistics& s, BasicPoissonGamma& next) const {
    next.prior_ = prior_ ? prior_ : std::make_shared<const BasicPoissonGamma>(shapes_, rate_);
    next.set(*next.prior_, s);
  }

  /// Kullback-Leibler divergence of this from `other`, in nats.
  double divergence(const BasicPoissonGamma& other) const {
    double sum = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const double a = shapes_(j), theirs = other.shapes_(j);
      sum += (a - theirs) * digamma(a) - log_gamma(a) + log_gamma(theirs) + theirs * std::log(rate_ / other.rate_) +
             a * (other.rate_ - rate_) / rate_;
    }
    return sum;
  }
  double offset() const { return -divergence(prior()); }

  /// Of observations with those statistics, less sum w log x!, which they do not know: log p(x) up to a constant of the
  /// data.
  double log_evidence(const Statistics& s) const {
    double sum = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const double a = shapes_(j) + s.sums(j);
      sum += log_gamma(a) - log_gamma(shapes_(j)) + shapes_(j) * std::log(rate_) - a * std::log(rate_ + s.weight);
    }
    return sum;
  }

  /// The rates at which the density is highest: (a - 1) / b, zero for shapes below one.
  Member mode() const { return Member(Eigen::VectorXd((shapes_.array() - 1).max(0) / rate_)); }
  bool has_mode() const { return shapes_.minCoeff() >= 1; }
  /// Log density of rates, in nats.
  double log_density_of(const Member& member) const {
    double sum = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const double a = shapes_(j), rate = member.rates()(j);
      sum += a * std::log(rate_) - log_gamma(a) - rate_ * rate + (a == 1 ? 0 : (a - 1) * std::log(rate));
    }
    return sum;
  }
  /// Rates drawn from this distribution.
  Member sample(Rng& rng) const {
    Eigen::VectorXd rates(this->dimension());
    for (Index j = 0; j < rates.size(); ++j) rates(j) = rng.gamma(shapes_(j)) / rate_;
    return Member(rates);
  }
  Predictive predictive() const { return {shapes_, Eigen::VectorXd::Constant(this->dimension(), 1 / (1 + rate_))}; }

 private:
  using PosteriorOf<Member>::expected_;
  using PosteriorOf<Member>::gain_;

  static Member checked(const Eigen::Ref<const Eigen::VectorXd>& shapes, double rate) {
    require(shapes.size() >= 1, "a Gamma prior of Poisson rates needs at least one shape, got none");
    for (Index j = 0; j < shapes.size(); ++j) {
      require(shapes(j) > 0 && std::isfinite(shapes(j)), "the shapes of a Gamma prior must be positive and finite; ",
              "shape ", j, " is ", shapes(j));
    }
    require(rate > 0 && std::isfinite(rate), "the rate of a Gamma prior must be positive and finite, got ", rate);
    return Member(Index(shapes.size()));
  }
  void set(const BasicPoissonGamma& prior, const Statistics& s) {
    shapes_ = prior.shapes_ + s.sums;
    rate_ = prior.rate_ + s.weight;
    refresh();
  }
  /// E[log p(x | l)] = log p(x | exp E[log l]) + sum_j exp E[log l_j] - E[l_j]
  void refresh() {
    gain_ = 0;
    geometric_.resize(this->dimension());
    for (Index j = 0; j < geometric_.size(); ++j) {
      geometric_(j) = std::exp(digamma(shapes_(j))) / rate_;
      gain_ += geometric_(j) - shapes_(j) / rate_;
    }
    expected_.set_rates(geometric_);
  }

  Eigen::VectorXd shapes_, geometric_;  // geometric: exp E[log l]
  double rate_;
  std::shared_ptr<const BasicPoissonGamma> prior_;
};

using PoissonGamma = BasicPoissonGamma<double, Eigen::Dynamic>;

static_assert(Component<PoissonGamma>);

}  // namespace emulsion
