#pragma once
#include <cmath>
#include <vector>

#include "emulsion/covariance/regularity.hpp"
#include "emulsion/data/frame.hpp"

namespace emulsion {

/// Whether two columns of linear predictors (1 + p, in a frame over x) are one but for rounding: nowhere in the bulk of
/// the data do they differ by more than about 1e-5.
template <class A, class B>
[[gnu::cold]] bool same_predictors(const A& a, const B& b, const Frame& frame) {
  double difference = 0;
  for (Index k = 0; k < a.cols(); ++k) {
    difference += std::abs(a(0, k) - b(0, k));
    for (Index j = 0; j < frame.dimension(); ++j) difference += std::abs(a(1 + j, k) - b(1 + j, k)) * frame.spread(j);
  }
  return difference <= 1e-5;
}

/// The regularity of experts without a variance: none is too narrow; spurious is a fit in which one coincides with
/// another, or has no observations.
///
/// @param same  same(a, b): whether two experts are one but for rounding
template <class Expert, class Same>
[[gnu::cold]] Regularity twins_among(const std::vector<Expert>& all, const Eigen::VectorXd& weights, const Same& same) {
  Regularity result;
  for (std::size_t k = 0; k < all.size(); ++k) {
    const double w = weights(static_cast<Index>(k));
    if (!(w > 0)) {
      result.eigenvalue = result.support = 0;
      result.narrowest = static_cast<Index>(k);
      continue;
    }
    for (std::size_t before = 0; before < k && result.twin < 0; ++before) {
      if (same(all[before], all[k])) result.twin = static_cast<Index>(k);
    }
  }
  return result;
}

}  // namespace emulsion
