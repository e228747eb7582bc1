#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "emulsion/covariance/precision_factor.hpp"

namespace emulsion {

/// How well the data determine every component.
struct Regularity {
  double eigenvalue = 1;  ///< the smallest of any component's covariance, relative to the pooled one
  Index narrowest = -1;   ///< its component
  double support = 1;     ///< the least weight of a component whose relative eigenvalue is below the one asked for
  Index twin = -1;        ///< a component that coincides with one before it: a saddle, in truth of K - 1 components
  bool alike = true;      ///< no component is narrow beside the others: where one is narrow, all are

  /// The worse of two parts of the same components, which coincide only where both parts do.
  void join(const Regularity& other) {
    if (other.eigenvalue < eigenvalue) eigenvalue = other.eigenvalue, narrowest = other.narrowest;
    support = std::min(support, other.support);
    alike = alike && other.alike;
    twin = std::min(twin, other.twin);
  }
};

/// How far a fit can be trusted: the better kinds are preferred, whatever their objectives.
enum class FitKind {
  regular,     ///< every component is wide enough, or all are narrow alike, each on at least 5 (d + 1) observations
  supported,   ///< a narrow one, but on at least 5 (d + 1) observations
  coincident,  ///< two that coincide: as good as a mixture of fewer, whose objective is worth something
  spurious     ///< a narrow one on a few near-equal observations: an objective without a bound, worth nothing
};

inline FitKind kind_of(const Regularity& found, double least, Index dimension, Index observations) {
  const bool wide = found.eigenvalue >= least;
  const double supporting = found.support * static_cast<double>(observations);
  if (!wide && !(supporting >= 5.0 * static_cast<double>(dimension + 1))) return FitKind::spurious;
  if (found.twin >= 0) return FitKind::coincident;
  return wide || found.alike ? FitKind::regular : FitKind::supported;
}

/// Whether two components are one but for rounding: means within 1e-5 deviations, and as good as one determinant.
template <class G>
[[gnu::cold]] bool coincide(const G& a, const G& b) {
  const Index d = a.dimension();
  const Eigen::VectorXd shift = a.location() - b.location();
  Eigen::VectorXd z(d);
  a.precision_factor().times(shift.data(), z.data());
  const double ratio = a.precision_factor().log_determinant() - b.precision_factor().log_determinant();
  return sum_of_squares(z) <= 1e-10 * static_cast<double>(d) && std::abs(ratio) <= 1e-5 * static_cast<double>(d);
}

/// The smallest eigenvalue of every component's covariance relative to the pooled within-covariance W = sum w_k S_k:
/// near zero for a spurious optimum, in which a component sits on a few near-equal points, and zero where one has no
/// weight. A trace (1e-8) of the covariance between the components is added to W, so that a fit in which all collapse
/// is noticed too.
///
/// @param all    components in one frame, with location() and precision_factor()
/// @param least  eigenvalues need be exact only below this
///
/// Cost O(K d^3); where an eigenvalue may be below `least`, an eigendecomposition.
template <class G>
[[gnu::cold]] Regularity regularity_of(const std::vector<G>& all, const Eigen::VectorXd& weights, double least,
                                       double trace = 1e-8) {
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
    const double w = trace * weights(static_cast<Index>(k));
    for (Index j = 0; j < d; ++j) {
      const double shift = w * (all[k].location()(j) - mean(j));
      if (diagonal) pooled(j, 0) += shift * (all[k].location()(j) - mean(j));
      for (Index i = j; i < d && !diagonal; ++i) pooled(i, j) += shift * (all[k].location()(i) - mean(i));
    }
  }
  Regularity result;
  const auto note = [&](std::size_t k, double eigenvalue) {
    const double w = weights(static_cast<Index>(k));
    if (eigenvalue < result.eigenvalue) {
      result.eigenvalue = eigenvalue;
      result.narrowest = static_cast<Index>(k);
    }
    if (eigenvalue < least) result.support = std::min(result.support, w);
  };
  const bool definite = diagonal || cholesky(pooled);
  Eigen::MatrixXd ratio(d, d), gram, vectors;
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!(weights(static_cast<Index>(k)) > 0) || !definite) {
      note(k, 0);
      continue;
    }
    const PrecisionFactor& w = all[k].precision_factor();
    for (std::size_t before = 0; before < k && result.twin < 0; ++before) {
      if (coincide(all[before], all[k])) result.twin = static_cast<Index>(k);
    }
    for (Index j = 0; j < d && diagonal; ++j) note(k, 1 / (w(j, j) * w(j, j) * pooled(j, 0)));
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
    for (Index j = 0; j < d; ++j) note(k, 1 / gram(j, j));
  }
  if (trace > 0 && result.eigenvalue < least) {
    result.alike = regularity_of(all, weights, least, 0).eigenvalue >= least;
  }
  return result;
}

}  // namespace emulsion
