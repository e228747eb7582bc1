#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/special_functions.hpp"
#include "emulsion/gates/uncertain_weights.hpp"

namespace emulsion {

/// Mixing weights of a Pitman-Yor process with discount s and concentration c, of a Dirichlet process where s = 0, by
/// breaking sticks:
///
///   w_k = v_k prod_{l < k} (1 - v_l),   v_k ~ Beta(1 - s, c + k s),   k = 1, 2, ...
///
/// The posterior has independent v_k ~ Beta(a_k, b_k) for the first T, which alone hold observations (Blei and Jordan,
/// 2006; Kurihara, Welling and Vlassis, 2006: truncations are nested, the last stick is free too):
///
///   a_k = 1 - s + N_k,   b_k = E[c] + k s + sum_{l > k} N_l,
///   score E[log w_k] = E[log v_k] + sum_{l < k} E[log(1 - v_l)].
///
/// Expected weights sum to less than one: the rest is what a new observation has for components not seen yet.
/// Statistics: closed form (counts).
class StickBreakingGate : public UncertainWeights {
 public:
  /// The prior of a Dirichlet process, for at most so many components.
  ///
  /// @throws InvalidArgument unless the number is positive
  static StickBreakingGate dirichlet_process(Index components, Concentration concentration = 1.0) {
    return {components, 0, concentration};
  }
  /// The prior of a Pitman-Yor process, 0 <= discount < 1.
  ///
  /// @throws InvalidArgument for another discount, and unless the number is positive
  static StickBreakingGate pitman_yor(Index components, double discount, Concentration concentration = 1.0) {
    return {components, discount, concentration};
  }
  /// With that posterior: parameters of the Beta distributions of v (T each, positive and finite).
  StickBreakingGate with_posterior(const Eigen::VectorXd& a, const Eigen::VectorXd& b) const {
    require(a.size() == size() && b.size() == size() && (a.array() > 0).all() && (b.array() > 0).all() &&
                a.allFinite() && b.allFinite(),
            "a posterior of ", size(), " sticks needs as many pairs of positive, finite parameters");
    StickBreakingGate result = *this;
    result.a_ = a, result.b_ = b;
    result.refresh();
    return result;
  }

  /// Parameters of the Beta posteriors of v, T each.
  const Eigen::VectorXd& a() const { return a_; }
  const Eigen::VectorXd& b() const { return b_; }
  double discount() const { return discount_; }
  /// How many observations component k holds, in expectation.
  double count(Index k) const { return a_(k) - (1 - discount_); }
  Index free_parameters() const { return size(); }

  void maximize(const Statistics& s, StickBreakingGate& next) const {
    next.concentration_ = concentration_;
    next.learn(s.counts);
  }
  /// Weights of the first T components drawn from the posterior (T); they sum to less than one.
  Eigen::VectorXd sample_weights(Rng& rng) const {
    Eigen::VectorXd w(size());
    double left = 1;
    for (Index k = 0; k < size(); ++k) {
      const double x = rng.log_gamma_variate(a_(k)), y = rng.log_gamma_variate(b_(k));
      const double v = 1 / (1 + std::exp(y - x));
      w(k) = left * v;
      left *= 1 - v;
    }
    return w;
  }

  // --- what moves ask ---------------------------------------------------------------------------------------------------

  /// Sticks are ordered.
  static constexpr bool exchangeable = false;
  /// log p(z) of labels with those counts, the sticks integrated out; for the concentration's mean.
  double log_evidence(const Eigen::VectorXd& counts) const {
    double after = counts.sum(), sum = 0;
    for (Index k = 0; k < counts.size(); ++k) {
      after -= counts(k);
      const double a = 1 - discount_, b = prior_b(k, concentration_.mean());
      sum += log_beta(a + counts(k), b + after) - log_beta(a, b);
    }
    return sum;
  }
  /// The prior for another number of components.
  StickBreakingGate resized(Index components) const { return {components, discount_, prior_concentration_}; }
  void drop(Index k) {
    StickBreakingGate rest = resized(size() - 1);
    Eigen::VectorXd counts(size() - 1);
    for (Index other = 0; other < rest.size(); ++other) counts(other) = count(other + (other >= k ? 1 : 0));
    rest.concentration_ = concentration_;
    rest.learn(counts);
    *this = rest;
  }
  void renew(Index k, const StickBreakingGate& from) {
    a_(k) = from.a_(k), b_(k) = from.b_(k);
    refresh();
  }

 private:
  StickBreakingGate(Index components, double discount, Concentration concentration)
      : UncertainWeights(components, concentration), discount_(discount), a_(size()), b_(size()), log_rests_(size()) {
    require(discount >= 0 && discount < 1, "the discount of a Pitman-Yor process must lie in [0, 1), got ", discount);
    learn(Eigen::VectorXd::Zero(components));
  }

  double prior_b(Index k, double c) const { return c + static_cast<double>(k + 1) * discount_; }

  void learn(const Eigen::VectorXd& counts) {
    double after = 0;
    for (Index k = counts.size(); k-- > 0; after += counts(k)) {
      a_(k) = 1 - discount_ + counts(k);
      b_(k) = prior_b(k, concentration_.mean()) + after;
    }
    refresh();
  }

  void refresh() {
    entropy_ = 0;
    double left = 1, log_left = 0, sum_of_logs = 0;
    for (Index k = 0; k < size(); ++k) {
      const double of_sum = digamma(a_(k) + b_(k));
      const double log_v = digamma(a_(k)) - of_sum, log_rest = digamma(b_(k)) - of_sum;
      log_rests_(k) = log_rest;
      log_weights_(k) = log_v + log_left;
      log_left += log_rest;
      weights_(k) = left * a_(k) / (a_(k) + b_(k));
      left *= b_(k) / (a_(k) + b_(k));
      sum_of_logs += log_v;
      entropy_ += log_beta(a_(k), b_(k)) - (a_(k) - 1) * log_v - (b_(k) - 1) * log_rest;
    }
    concentration_.update([&](double c) {
      double sum = -discount_ * sum_of_logs;
      for (Index k = 0; k < size(); ++k) {
        sum += (prior_b(k, c) - 1) * log_rests_(k) - log_beta(1 - discount_, prior_b(k, c));
      }
      return sum;
    });
  }

  double discount_;
  Eigen::VectorXd a_, b_, log_rests_;  // log_rests: E[log(1 - v)]
};

}  // namespace emulsion
