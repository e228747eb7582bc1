#pragma once
#include <Eigen/Core>
#include <algorithm>

#include "emulsion/core/random.hpp"
#include "emulsion/gates/concentration.hpp"
#include "emulsion/gates/constant.hpp"

namespace emulsion {

/// What gates with a posterior over the mixing weights have in common: they score E[log w_k], learn counts, and know an
/// expectation of the weights. A gate sets `weights_`, `log_weights_`, `entropy_` and updates `concentration_`.
class UncertainWeights {
 public:
  using Statistics = ConstantGate::Statistics;
  using Scratch = ConstantGate::Scratch;

  /// K
  Index size() const { return weights_.size(); }
  /// E[w], K
  const Eigen::VectorXd& weights() const { return weights_; }
  /// The prior's concentration and, where it is unknown, its posterior.
  const Concentration& concentration() const { return concentration_; }

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
  /// E[log p(weights, concentration)] - E[log q(weights, concentration)], in nats
  double offset() const { return concentration_.bound() + entropy_; }

  /// The component of a draw, with probabilities E[w].
  Index sample(Rng& rng) const { return rng.categorical(weights_); }

 protected:
  UncertainWeights(Index components, Concentration concentration)
      : prior_concentration_(concentration), concentration_(concentration),
        weights_(Eigen::VectorXd::Zero(std::max<Index>(0, components))), log_weights_(weights_) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
  }

  Concentration prior_concentration_, concentration_;
  Eigen::VectorXd weights_, log_weights_;
  double entropy_ = 0;  // of the posterior of the weights
};

}  // namespace emulsion
