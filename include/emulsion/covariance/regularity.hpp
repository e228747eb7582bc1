#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <vector>

#include "emulsion/covariance/precision_factor.hpp"

namespace emulsion {

/// The smallest eigenvalue of any component's covariance relative to the pooled within-covariance W = sum w_k S_k: near
/// zero for a spurious optimum, in which a component sits on a few near-equal points, and zero where one has no weight.
/// A trace (1e-8) of the covariance between the components is added to W, so that a fit in which all collapse is
/// spurious too.
///
/// @param all    components in one frame, with location() and precision_factor()
/// @param least  the answer need be exact only below this
///
/// Cost O(K d^3); where an eigenvalue may be below `least`, an eigendecomposition.
template <class G>
double smallest_relative_eigenvalue(const std::vector<G>& all, const Eigen::VectorXd& weights, double least) {
  const Index d = all.front().dimension();
  const bool diagonal = all.front().precision_factor().diagonal();
  Eigen::MatrixXd pooled = Eigen::MatrixXd::Zero(d, diagonal ? 1 : d);
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(d);
  for (std::size_t k = 0; k < all.size(); ++k) {
    const double w = weights(static_cast<Index>(k));
    for (Index j = 0; j < d; ++j) mean(j) += w * all[k].location()(j);
    if (!diagonal) add_square(all[k].precision_factor().factor(), w, pooled);
    for (Index j = 0; j < d && diagonal; ++j) {
      const double deviation = 1 / all[k].precision_factor()(j, j);
      pooled(j, 0) += w * deviation * deviation;
    }
  }
  for (std::size_t k = 0; k < all.size(); ++k) {
    const double w = 1e-8 * weights(static_cast<Index>(k));
    for (Index j = 0; j < d; ++j) {
      const double shift = w * (all[k].location()(j) - mean(j));
      if (diagonal) pooled(j, 0) += shift * (all[k].location()(j) - mean(j));
      for (Index i = j; i < d && !diagonal; ++i) pooled(i, j) += shift * (all[k].location()(i) - mean(i));
    }
  }
  if (!diagonal && !cholesky(pooled)) return 0;
  Eigen::MatrixXd ratio(d, d), gram, vectors;
  double smallest = 1;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!(weights(static_cast<Index>(k)) > 0)) return 0;
    const PrecisionFactor& w = all[k].precision_factor();
    for (Index j = 0; j < d && diagonal; ++j) smallest = std::min(smallest, 1 / (w(j, j) * w(j, j) * pooled(j, 0)));
    if (diagonal) continue;
    for (Index j = 0; j < d; ++j) {  // W_k L_W: its squared singular values are the reciprocal eigenvalues
      for (Index i = 0; i < d; ++i) ratio(i, j) = 0;
      for (Index m = j; m < d; ++m) {
        for (Index i = m; i < d; ++i) ratio(i, j) += pooled(m, j) * w(i, m);
      }
    }
    if (sum_of_squares(ratio) * least < 1) continue;
    gram = vectors = Eigen::MatrixXd::Zero(d, d);
    for (Index i = 0; i < d; ++i) {
      for (Index j = 0; j < d; ++j) {
        for (Index m = 0; m < d; ++m) gram(i, j) += ratio(i, m) * ratio(j, m);
      }
    }
    symmetric_eigen(gram, vectors);
    for (Index j = 0; j < d; ++j) smallest = std::min(smallest, 1 / gram(j, j));
  }
  return smallest;
}

}  // namespace emulsion
