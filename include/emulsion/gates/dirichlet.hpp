#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "emulsion/core/random.hpp"
#include "emulsion/core/special_functions.hpp"
#include "emulsion/gates/concentration.hpp"
#include "emulsion/gates/constant.hpp"

namespace emulsion {

/// Mixing weights with a Dirichlet(c, ..., c) prior and a Dirichlet(a_1, ..., a_K) posterior:
///
///   a_k = E[c] + N_k,   score E[log w_k] = psi(a_k) - psi(sum_j a_j)
///
/// (Bishop, 2006, eq. 10.57 and 10.66). Statistics: closed form (counts).
class DirichletGate {
 public:
  using Statistics = ConstantGate::Statistics;
  using Scratch = ConstantGate::Scratch;

  /// The prior: K components, c per component; by default 1 / K.
  explicit DirichletGate(Index components)
      : DirichletGate(components, 1 / static_cast<double>(std::max<Index>(1, components))) {}
  DirichletGate(Index components, Concentration concentration)
      : concentration_(concentration),
        posterior_(Eigen::VectorXd::Constant(checked(components), concentration.mean())) {
    refresh();
  }

  /// With that posterior (K, positive).
  DirichletGate with_posterior(const Eigen::VectorXd& a) const {
    require(a.size() == size() && (a.array() > 0).all() && a.allFinite(), "a Dirichlet posterior of ", size(),
            " weights needs as many positive, finite concentrations");
    DirichletGate result = *this;
    result.posterior_ = a;
    result.refresh();
    return result;
  }

  Index size() const { return posterior_.size(); }
  /// E[w], K
  const Eigen::VectorXd& weights() const { return weights_; }
  /// a, K
  const Eigen::VectorXd& posterior() const { return posterior_; }
  const Concentration& concentration() const { return concentration_; }
  /// How many observations component k holds, in expectation.
  double counts(Index k) const { return posterior_(k) - prior_mean_; }
  Index free_parameters() const { return size() - 1; }

  Statistics statistics() const { return {Eigen::VectorXd::Zero(size())}; }
  Scratch scratch(Index) const { return {}; }
  /// E[log w_k]
  double log_weight(Index k) const { return log_weights_(k); }
  template <class Data>
  void score(const Data&, Scratch&, Scores scores) const {
    for (Index k = 0; k < size(); ++k) scores.col(k).array() += log_weights_(k);
  }
  template <class Data>
  void accumulate(const Data&, const Responsibilities& r, Scratch&, Statistics& s) const {
    add_counts(r, s.counts);
  }
  void maximize(const Statistics& s, DirichletGate& next) const {
    next.concentration_ = concentration_;
    next.prior_mean_ = concentration_.mean();
    for (Index k = 0; k < size(); ++k) next.posterior_(k) = next.prior_mean_ + s.counts(k);
    next.refresh();
  }
  /// E[log p(w, c)] - E[log q(w, c)], in nats
  double offset() const { return concentration_.bound() + entropy_; }

  Eigen::VectorXd sample_weights(Rng& rng) const { return rng.dirichlet(posterior_); }
  Index sample(Rng& rng) const { return rng.categorical(weights_); }

  // --- what moves and fits ask ---------------------------------------------------------------------------------------

  /// log p(z) of labels with those counts, the weights integrated out; for the concentration's mean.
  double log_evidence(const Eigen::VectorXd& counts) const {
    const double c = concentration_.mean();
    Eigen::VectorXd after = counts.array() + c;
    return log_dirichlet_integral(after) - log_dirichlet_integral(Eigen::VectorXd::Constant(counts.size(), c));
  }
  /// The prior for another number of components, with the same total concentration.
  DirichletGate resized(Index components) const {
    const double ratio = static_cast<double>(size()) / static_cast<double>(components);
    return DirichletGate(components, prior_.times(ratio));
  }
  /// log K!: how many labellings say the same.
  double log_symmetries() const { return log_gamma(static_cast<double>(size()) + 1); }
  static constexpr bool exchangeable = true;

  void drop(Index k) {
    DirichletGate rest = resized(size() - 1);
    for (Index other = 0; other < rest.size(); ++other) {
      rest.posterior_(other) = rest.prior_mean_ + counts(other + (other >= k ? 1 : 0));
    }
    rest.refresh();
    *this = rest;
  }
  void renew(Index k, const DirichletGate& from) {
    posterior_(k) = from.posterior_(k);
    refresh();
  }

 private:
  static Index checked(Index components) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    return components;
  }

  void refresh() {
    const double total = posterior_.sum(), of_total = digamma(total);
    log_weights_.resize(size());
    weights_.resize(size());
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

  Concentration concentration_;
  Concentration prior_ = concentration_;
  double prior_mean_ = concentration_.mean();  // E[c] that the posterior was made with
  Eigen::VectorXd posterior_, weights_, log_weights_;
  double entropy_ = 0;  // of q(w)
};

}  // namespace emulsion
