#pragma once
#include <Eigen/Core>
#include <utility>
#include <vector>

#include "emulsion/gates/dirichlet.hpp"
#include "emulsion/gates/stick_breaking.hpp"
#include "emulsion/models/mixture.hpp"
#include "emulsion/models/predictives.hpp"

namespace emulsion {

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
  using Predictive = Mixture<ConstantGate, Predictives<typename Posterior::Predictive>>;
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
    Eigen::VectorXd weights = this->weights();
    const double rest = 1 - weights.sum();
    if (rest > 1e-12) {
      all.push_back((*this)[0].prior().predictive());
      weights.conservativeResize(weights.size() + 1);
      weights(weights.size() - 1) = rest;
    }
    return Predictive(ConstantGate(weights), Predictives<typename Posterior::Predictive>(std::move(all)));
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
  MixtureOf<Family> expected() const {
    std::vector<Family> all;
    for (Index k = 0; k < this->size(); ++k) all.push_back((*this)[k].expected());
    return {this->weights() / this->weights().sum(), std::move(all)};
  }
  /// A mixture drawn from the posterior: one that could have produced the data. Of a stick-breaking gate, what the
  /// truncation leaves out is shared out by weight.
  MixtureOf<Family> sample_parameters(Rng& rng) const {
    std::vector<Family> all;
    for (Index k = 0; k < this->size(); ++k) all.push_back((*this)[k].sample(rng));
    Eigen::VectorXd weights = this->gate().sample_weights(rng);
    weights /= weights.sum();
    return {weights, std::move(all)};
  }
  /// How many components hold more than `least` observations in expectation.
  Index in_use(double least = 0.5) const {
    Index count = 0;
    for (Index k = 0; k < this->size(); ++k) count += this->gate().count(k) > least ? 1 : 0;
    return count;
  }
};

}  // namespace emulsion
