#pragma once
#include <Eigen/Core>
#include <concepts>
#include <utility>
#include <vector>

#include "emulsion/gates/dirichlet.hpp"
#include "emulsion/gates/stick_breaking.hpp"
#include "emulsion/models/mixture.hpp"
#include "emulsion/models/predictives.hpp"

namespace emulsion {

/// A gate with a posterior over the coefficients of weights that depend on covariates, not over weights: it stands for
/// gates of a kind (Member), and predicts as a gate does.
template <class G>
concept GatePosterior = requires(const G& gate, Rng& rng) {
  { gate.expected() } -> std::convertible_to<typename G::Member>;
  { gate.sample_gate(rng) } -> std::same_as<typename G::Member>;
  { gate.predictive() } -> std::same_as<typename G::Predictive>;
};

/// Which gates a posterior over weights stands for, and predicts as.
template <class G>
struct PlainGates {
  using Member = ConstantGate;
  using Predictive = ConstantGate;
};
template <GatePosterior G>
struct PlainGates<G> {
  using Member = typename G::Member;
  using Predictive = typename G::Predictive;
};

/// The variational posterior of a mixture of members of `Family`,
///
///   q(z) q(w) prod_k q(theta_k),
///
/// w with the gate's prior, theta_k with the family's conjugate one. It is a Mixture like any other, of a gate and
/// components that score expected log densities, learn statistics and become posteriors; em() fits it, and its
/// objective is the complete evidence lower bound (ELBO): with one component the log evidence itself. (Attias, 2000;
/// Bishop, 2006, sec. 10.2.)
///
/// What it says of new observations is what its posterior predicts, no plug-in: log_density(), sample(). What it says
/// of the observations of the fit is q(z): responsibilities(), classify().
template <class Family, class Gate = DirichletGate>
class VariationalMixture : public Mixture<Gate, Components<typename Family::Conjugate>> {
 public:
  using Posterior = typename Family::Conjugate;
  using Parameters = Mixture<Gate, Components<Posterior>>;
  using Predictive = Mixture<typename PlainGates<Gate>::Predictive, Predictives<typename Posterior::Predictive>>;
  /// What it is a posterior over.
  using Expected = Mixture<typename PlainGates<Gate>::Member, Components<Family>>;
  using Data = typename Parameters::Data;

  using Parameters::Parameters;

  /// K components at their prior.
  VariationalMixture(Gate gate, const Posterior& prior)
      : Parameters(gate, Components<Posterior>(
                             std::vector<Posterior>(static_cast<std::size_t>(gate.size()), prior.as_prior()))) {}

  /// p(x | data) = sum_k E[w_k] p(x | posterior_k); a stick-breaking gate's rest goes to the prior.
  Predictive predictive() const {
    std::vector<typename Posterior::Predictive> all;
    for (Index k = 0; k < this->size(); ++k) all.push_back((*this)[k].predictive());
    if constexpr (GatePosterior<Gate>) {
      return Predictive(this->gate().predictive(), Predictives<typename Posterior::Predictive>(std::move(all)));
    } else {
      Eigen::VectorXd weights = this->weights();
      const double rest = 1 - weights.sum();
      if (rest > 1e-12) {
        all.push_back((*this)[0].prior().predictive());
        weights.conservativeResize(weights.size() + 1);
        weights(weights.size() - 1) = rest;
      }
      return Predictive(ConstantGate(weights), Predictives<typename Posterior::Predictive>(std::move(all)));
    }
  }
  /// log p(x_i | data) of every new observation, in nats (n).
  ///
  /// @throws InvalidArgument if the dimensions differ or the family cannot have produced a value
  Eigen::VectorXd log_density(const Data& x) const { return predictive().log_density(x); }
  /// Sum of weight x log p(x_i | data); each observation is predicted by the data of the fit alone.
  double log_likelihood(const Data& x) const { return predictive().log_likelihood(x); }
  /// d x n independent draws from p(x | data); label K, of a stick-breaking gate, is a component not seen yet.
  typename Data::Matrix sample(Index n, Rng& rng, Labels* labels = nullptr) const {
    return predictive().sample(n, rng, labels);
  }
  /// The mixture with the expected weights and components (Gaussians of covariance E[L]^-1), for tables and pictures:
  /// it does not know how uncertain they are, as predictive() does.
  Expected expected() const {
    std::vector<Family> all;
    for (Index k = 0; k < this->size(); ++k) all.push_back((*this)[k].expected());
    if constexpr (GatePosterior<Gate>) return Expected(this->gate().expected(), Components<Family>(std::move(all)));
    else return {this->weights() / this->weights().sum(), std::move(all)};
  }
  /// A mixture drawn from the posterior: one that could have produced the data. Of a stick-breaking gate, what the
  /// truncation leaves out is shared out by weight.
  Expected sample_parameters(Rng& rng) const {
    std::vector<Family> all;
    for (Index k = 0; k < this->size(); ++k) all.push_back((*this)[k].sample(rng));
    if constexpr (GatePosterior<Gate>) {
      return Expected(this->gate().sample_gate(rng), Components<Family>(std::move(all)));
    } else {
      Eigen::VectorXd weights = this->gate().sample_weights(rng);
      weights /= weights.sum();
      return {weights, std::move(all)};
    }
  }
  /// The evidence lower bound of this posterior on observations x, in nats: what the report of its fit calls objective.
  ///
  /// @throws InvalidArgument if the dimensions differ or the family cannot have produced a value
  double elbo(const Data& x) const {
    this->check(x);
    Workers alone(1);
    Fold<Parameters, Data> fold(*this, x, alone);
    return this->objective(fold(*this, Soft()));
  }
  /// How many components hold more than `least` observations in expectation.
  Index in_use(double least = 0.5) const {
    Index count = 0;
    for (Index k = 0; k < this->size(); ++k) count += this->gate().count(k) > least ? 1 : 0;
    return count;
  }
};

}  // namespace emulsion
