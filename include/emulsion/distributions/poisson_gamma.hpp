#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <utility>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/distributions/negative_binomial_predictive.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/distributions/posterior.hpp"

namespace emulsion {

/// Independent Gamma distributions over the rates of d Poisson counts, their conjugate prior and posterior,
///
///   l_j ~ Gamma(a_j, rate b),   a_j = a_j0 + sum w x_j,   b = b_0 + sum w.
///
/// updated() makes a posterior, which knows its prior. As a component of a mixture it maximizes the evidence bound.
template <class Scalar_, int Dim>
class BasicPoissonGamma : public ConjugatePosterior<BasicPoissonGamma<Scalar_, Dim>, BasicPoisson<Scalar_, Dim>> {
  using Base = ConjugatePosterior<BasicPoissonGamma<Scalar_, Dim>, BasicPoisson<Scalar_, Dim>>;

 public:
  using Member = BasicPoisson<Scalar_, Dim>;
  using Statistics = PoissonStatistics;
  using Predictive = NegativeBinomialPredictive<Scalar_, Dim>;

  /// A prior: shapes (d), each positive and finite, and one rate for all.
  ///
  /// @throws InvalidArgument for anything else
  BasicPoissonGamma(const Eigen::Ref<const Eigen::VectorXd>& shapes, double rate)
      : Base(checked(shapes, rate)), shapes_(shapes), rate_(rate) {
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
  Index free_parameters() const { return this->dimension(); }

  /// Becomes the posterior of the prior after observations with those statistics.
  void learn(const BasicPoissonGamma& prior, const Statistics& s) {
    shapes_ = prior.shapes_ + s.sums;
    rate_ = prior.rate_ + s.weight;
    refresh();
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
  bool bounded() const { return shapes_.minCoeff() >= 1; }
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
  using Base::gain_;
  using Base::stand_in_;

  static Member checked(const Eigen::Ref<const Eigen::VectorXd>& shapes, double rate) {
    require(shapes.size() >= 1, "a Gamma prior of Poisson rates needs at least one shape, got none");
    for (Index j = 0; j < shapes.size(); ++j) {
      require(shapes(j) > 0 && std::isfinite(shapes(j)), "the shapes of a Gamma prior must be positive and finite; ",
              "shape ", j, " is ", shapes(j));
    }
    require(rate > 0 && std::isfinite(rate), "the rate of a Gamma prior must be positive and finite, got ", rate);
    return Member(Index(shapes.size()));
  }
  /// E[log p(x | l)] = log p(x | exp E[log l]) + sum_j exp E[log l_j] - E[l_j]
  void refresh() {
    gain_ = 0;
    for (Index j = 0; j < shapes_.size(); ++j) {
      const double log_rate = digamma(shapes_(j)) - std::log(rate_);
      stand_in_.log_rates_(j) = log_rate;
      stand_in_.rates_(j) = std::max(1e-300, std::exp(log_rate));  // at zero, counts would be impossible
      gain_ += stand_in_.rates_(j) - shapes_(j) / rate_;
    }
  }

  Eigen::VectorXd shapes_;
  double rate_;
};

using PoissonGamma = BasicPoissonGamma<double, Eigen::Dynamic>;

static_assert(Component<PoissonGamma>);

}  // namespace emulsion
