#pragma once
#include <Eigen/Core>
#include <cmath>
#include <vector>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/posterior.hpp"

namespace emulsion {

/// Independent Dirichlet distributions over the probabilities of d categorical items, their conjugate prior and
/// posterior,
///
///   p_j ~ Dirichlet(a_j1, ..., a_jC),   a_jc = a_jc0 + sum of the weights of those who chose c.
///
/// updated() makes a posterior, which knows its prior. As a component of a mixture it maximizes the evidence bound.
template <class Scalar_, int Dim>
class BasicCategoricalDirichlet
    : public ConjugatePosterior<BasicCategoricalDirichlet<Scalar_, Dim>, BasicCategorical<Scalar_, Dim>> {
  using Base = ConjugatePosterior<BasicCategoricalDirichlet<Scalar_, Dim>, BasicCategorical<Scalar_, Dim>>;

 public:
  using Member = BasicCategorical<Scalar_, Dim>;
  using Statistics = CategoricalStatistics;
  using Predictive = Member;

  /// A prior: concentrations of every item's categories (d vectors), each positive and finite.
  ///
  /// @throws InvalidArgument for anything else
  explicit BasicCategoricalDirichlet(const std::vector<Eigen::VectorXd>& concentrations)
      : Base(checked(concentrations)) {
    Index total = 0;
    for (const auto& a : concentrations) total += a.size();
    concentrations_.resize(total);
    Index at = 0;
    for (const auto& a : concentrations) concentrations_.segment(at, a.size()) = a, at += a.size();
    refresh();
  }

  /// Of item j (C_j).
  Eigen::VectorXd concentrations(Index j) const { return concentrations_.segment(start(j), stand_in_.categories(j)); }
  Index free_parameters() const { return stand_in_.free_parameters(); }
  /// With the expected probabilities.
  Member expected() const { return member(concentrations_); }

  /// Becomes the posterior of the prior after observations with those statistics.
  void learn(const BasicCategoricalDirichlet& prior, const Statistics& s) {
    concentrations_ = prior.concentrations_ + s.counts;
    refresh();
  }

  /// Kullback-Leibler divergence of this from `other`, in nats.
  double divergence(const BasicCategoricalDirichlet& other) const {
    double sum = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const auto a = concentrations_.segment(start(j), stand_in_.categories(j));
      const auto theirs = other.concentrations_.segment(start(j), stand_in_.categories(j));
      const double of_total = digamma(a.sum());
      sum += log_dirichlet_integral(theirs) - log_dirichlet_integral(a);
      for (Index c = 0; c < a.size(); ++c) sum += (a(c) - theirs(c)) * (digamma(a(c)) - of_total);
    }
    return sum;
  }

  /// log p(x) of observations with those statistics, in nats: the probabilities integrated out.
  double log_evidence(const Statistics& s) const {
    double sum = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const Eigen::VectorXd a = concentrations(j);
      const Eigen::VectorXd after = a + s.counts.segment(start(j), a.size());
      sum += log_dirichlet_integral(after) - log_dirichlet_integral(a);
    }
    return sum;
  }

  /// The probabilities at which the density is highest: proportional to a - 1, zero for a below one; where no a of an
  /// item is above one, the mean.
  Member mode() const {
    Eigen::VectorXd a = (concentrations_.array() - 1).max(0);
    for (Index j = 0; j < this->dimension(); ++j) {
      auto item = a.segment(start(j), stand_in_.categories(j));
      if (!(item.sum() > 0)) item = concentrations(j);
    }
    return member(a);
  }
  bool bounded() const { return concentrations_.minCoeff() >= 1; }
  /// Log density of probabilities, in nats.
  double log_density_of(const Member& member) const {
    double sum = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const Eigen::VectorXd a = concentrations(j), p = member.probabilities(j);
      sum -= log_dirichlet_integral(a);
      for (Index c = 0; c < a.size(); ++c) sum += a(c) == 1 ? 0 : (a(c) - 1) * std::log(p(c));
    }
    return sum;
  }
  /// Probabilities drawn from this distribution.
  Member sample(Rng& rng) const {
    std::vector<Eigen::VectorXd> all;
    for (Index j = 0; j < this->dimension(); ++j) all.push_back(rng.dirichlet(concentrations(j)));
    return Member(all);
  }
  /// Of a new observation: categories with the mean probabilities.
  Predictive predictive() const { return expected(); }

  /// Whether both have the same numbers of categories.
  bool alike(const BasicCategoricalDirichlet& other) const { return stand_in_.alike(other.stand_in_); }

 private:
  using Base::stand_in_;

  static Member checked(const std::vector<Eigen::VectorXd>& concentrations) {
    std::vector<Index> categories;
    for (std::size_t j = 0; j < concentrations.size(); ++j) {
      categories.push_back(concentrations[j].size());
      for (Index c = 0; c < concentrations[j].size(); ++c) {
        const double a = concentrations[j](c);
        require(a > 0 && std::isfinite(a), "the concentrations of a Dirichlet prior must be positive and finite; that ",
                "of category ", c, " of item ", j, " is ", a);
      }
    }
    return Member(categories);
  }
  Index start(Index j) const {
    Index at = 0;
    for (Index i = 0; i < j; ++i) at += stand_in_.categories(i);
    return at;
  }
  /// With probabilities proportional to `a`.
  Member member(const Eigen::VectorXd& a) const {
    std::vector<Eigen::VectorXd> all;
    for (Index j = 0; j < this->dimension(); ++j) {
      const Eigen::VectorXd item = a.segment(start(j), stand_in_.categories(j));
      all.emplace_back(item / item.sum());
    }
    return Member(all);
  }
  /// E[log p_c] for every category
  void refresh() {
    logs_.resize(concentrations_.size());
    Index at = 0;
    for (Index j = 0; j < this->dimension(); ++j) {
      const Index count = stand_in_.categories(j);
      const double of_total = digamma(concentrations_.segment(at, count).sum());
      for (const Index end = at + count; at < end; ++at) logs_(at) = digamma(concentrations_(at)) - of_total;
    }
    stand_in_.log_probabilities_ = logs_;
    stand_in_.probabilities_ = logs_.array().exp();  // which do not sum to one: their sum is what uncertainty costs
  }

  Eigen::VectorXd concentrations_, logs_;  // logs: E[log p]
};

using CategoricalDirichlet = BasicCategoricalDirichlet<double, Eigen::Dynamic>;

static_assert(Component<CategoricalDirichlet>);

}  // namespace emulsion
