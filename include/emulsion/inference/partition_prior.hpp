#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/special_functions.hpp"

namespace emulsion {

/// A distribution over partitions of n observations into groups of N_1, ..., N_U,
///
///   p = prod_{k < U} (c + k s) prod_k Gamma(N_k - s) / Gamma(1 - s)  /  prod_{i < n} (c + i),
///
/// of a Pitman-Yor process with concentration c and discount s; a Dirichlet process has s = 0, and a mixture of K
/// components with Dirichlet(a, ..., a) weights is the case c = K a, s = -a (Pitman, 2006, sec. 3.2).
class PartitionPrior {
 public:
  static PartitionPrior finite(Index components, double concentration) {
    require(components >= 1, "a mixture needs at least one component, got ", components);
    require(concentration > 0 && std::isfinite(concentration), "a concentration must be positive and finite, got ",
            concentration);
    return {static_cast<double>(components) * concentration, -concentration};
  }
  static PartitionPrior dirichlet_process(double concentration) { return pitman_yor(0, concentration); }
  static PartitionPrior pitman_yor(double discount, double concentration) {
    require(discount >= 0 && discount < 1, "the discount of a Pitman-Yor process must lie in [0, 1), got ", discount);
    require(concentration > 0 && std::isfinite(concentration), "a concentration must be positive and finite, got ",
            concentration);
    return {concentration, discount};
  }

  /// How much an observation is drawn to a group of `count` others.
  double of_group(double count) const { return count - discount_; }
  /// How much it is drawn to a group of its own, where there are `groups`.
  double of_new(Index groups) const { return std::max(0.0, concentration_ + static_cast<double>(groups) * discount_); }
  /// What a group contributes to log p.
  double log_group(double count) const { return log_gamma(count - discount_) - log_gamma(1 - discount_); }
  /// log p
  double log_probability(const std::vector<double>& counts) const {
    double sum = 0, n = 0;
    for (std::size_t k = 0; k < counts.size(); ++k) {
      sum += std::log(of_new(static_cast<Index>(k))) + log_group(counts[k]);
      n += counts[k];
    }
    return sum + log_gamma(concentration_) - log_gamma(concentration_ + n);
  }

 private:
  PartitionPrior(double concentration, double discount) : concentration_(concentration), discount_(discount) {}
  double concentration_, discount_;
};

}  // namespace emulsion
