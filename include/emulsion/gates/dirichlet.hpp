#pragma once
#include <Eigen/Core>
#include <algorithm>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/gates/uncertain_weights.hpp"

namespace emulsion {

/// Mixing weights with a Dirichlet(c, ..., c) prior and a Dirichlet(a_1, ..., a_K) posterior:
///
///   a_k = E[c] + N_k,   score E[log w_k] = psi(a_k) - psi(sum_j a_j)
///
/// (Bishop, 2006, eq. 10.58 and 10.66). Statistics: closed form (counts).
class DirichletGate : public UncertainWeights {
 public:
  /// The prior: K components, c per component; by default 1 / K.
  ///
  /// @throws InvalidArgument unless K is positive
  explicit DirichletGate(Index components)
      : DirichletGate(components, 1 / static_cast<double>(std::max<Index>(1, components))) {}
  DirichletGate(Index components, Concentration concentration)
      : UncertainWeights(components, concentration), prior_mean_(concentration.mean()),
        posterior_(Eigen::VectorXd::Constant(size(), prior_mean_)) {
    refresh();
  }
  /// With that posterior (K, positive and finite).
  DirichletGate with_posterior(const Eigen::VectorXd& a) const {
    require(a.size() == size() && (a.array() > 0).all() && a.allFinite(), "a Dirichlet posterior of ", size(),
            " weights needs as many positive, finite concentrations");
    DirichletGate result = *this;
    result.posterior_ = a;
    result.refresh();
    return result;
  }

  /// a, K
  const Eigen::VectorXd& posterior() const { return posterior_; }
  /// How many observations component k holds, in expectation.
  double count(Index k) const { return posterior_(k) - prior_mean_; }
  Index free_parameters() const { return size() - 1; }

  void maximize(const Statistics& s, DirichletGate& next) const {
    next.concentration_ = concentration_;
    next.prior_mean_ = concentration_.mean();
    for (Index k = 0; k < size(); ++k) next.posterior_(k) = next.prior_mean_ + s.counts(k);
    next.refresh();
  }
  /// Weights drawn from the posterior (K).
  Eigen::VectorXd sample_weights(Rng& rng) const { return rng.dirichlet(posterior_); }

  // --- what moves ask ---------------------------------------------------------------------------------------------------

  /// Relabelled components have the same prior.
  static constexpr bool exchangeable = true;
  /// The prior for another number of components, with the same total concentration.
  DirichletGate resized(Index components) const {
    const double ratio = static_cast<double>(size()) / static_cast<double>(components);
    return {components, prior_concentration_.times(ratio)};
  }
  void drop(Index k) {
    DirichletGate rest = resized(size() - 1);
    for (Index other = 0; other < rest.size(); ++other) {
      rest.posterior_(other) = rest.prior_mean_ + count(other + (other >= k ? 1 : 0));
    }
    rest.refresh();
    *this = rest;
  }
  void renew(Index k, const DirichletGate& from) {
    posterior_(k) = from.posterior_(k);
    refresh();
  }

 private:
  void refresh() {
    const double total = posterior_.sum(), of_total = digamma(total);
    entropy_ = log_dirichlet_integral(posterior_);
    double sum = 0;
    for (Index k = 0; k < size(); ++k) {
      weights_(k) = posterior_(k) / total;
      sum += log_weights_(k) = digamma(posterior_(k)) - of_total;
      entropy_ -= (posterior_(k) - 1) * log_weights_(k);
    }
    const auto count = static_cast<double>(size());
    concentration_.update([&](double c) { return log_gamma(count * c) - count * log_gamma(c) + (c - 1) * sum; });
  }

  double prior_mean_;  // E[c] that the posterior was made with
  Eigen::VectorXd posterior_;
};

}  // namespace emulsion
