#pragma once
#include <cmath>
#include <string_view>

#include "emulsion/core/error.hpp"
#include "emulsion/core/linear_algebra.hpp"

namespace emulsion {

/// What the covariance matrices of a Gaussian mixture may be.
enum class Covariance {
  full,       ///< any positive definite matrix per component: K d (d + 1) / 2 parameters (mclust VVV)
  diagonal,   ///< any diagonal one per component: K d (VVI)
  spherical,  ///< a multiple of the identity per component: K (VII)
  tied        ///< one full matrix for all components: d (d + 1) / 2 (EEE)
};

inline std::string_view to_string(Covariance structure) {
  constexpr std::string_view names[] = {"full", "diagonal", "spherical", "tied"};
  return names[static_cast<std::size_t>(structure)];
}

/// Diagonal and spherical covariances are kept as one column, their square roots too.
inline bool is_diagonal(Covariance structure) {
  return structure == Covariance::diagonal || structure == Covariance::spherical;
}

/// The M-step of a covariance under a floor: of all matrices S >= floor * diag(spread^2) (in the order of positive
/// definite matrices; diagonal or spherical where asked), the one that maximizes
///
///   -weight / 2 (log |S| + tr(S^-1 scatter / weight)).
///
/// It is scatter / weight with its eigenvalues, in coordinates divided by `spread`, raised to the floor: the exact
/// constrained maximizer, so that EM with a floor never lowers the likelihood. Adding to the diagonal would.
///
/// factor   out: L with S = L L' (lower triangle; its upper is zero), or the standard deviations (one column)
/// inverse  out: L^-1, or the reciprocals; also the work space
/// returns  how many eigenvalues the floor holds up
///
/// Cost d^3, or d; where an eigenvalue may be below the floor, an eigendecomposition (about 50 d^3).
template <class Matrix, class Vector>
Index estimate_factor(Covariance structure, const Matrix& scatter, double weight, const Vector& spread, double floor,
                      Matrix& factor, Matrix& inverse) {
  const Index d = scatter.rows();
  if (is_diagonal(structure)) {
    Index held = 0;
    double mean = 0, widest = 0;
    for (Index j = 0; j < d; ++j) {
      mean += scatter(j, 0) / weight / static_cast<double>(d);
      widest = std::max(widest, spread(j) * spread(j));
    }
    for (Index j = 0; j < d; ++j) {
      const bool spherical = structure == Covariance::spherical;
      const double variance = spherical ? mean : scatter(j, 0) / weight;
      const double least = floor * (spherical ? widest : spread(j) * spread(j));
      held += variance < least ? 1 : 0;
      factor(j, 0) = std::sqrt(std::max(variance, least));
      inverse(j, 0) = 1 / factor(j, 0);
    }
    return held;
  }
  const auto standardised = [&](Matrix& a) {
    for (Index j = 0; j < d; ++j) {
      for (Index i = 0; i < d; ++i) {
        a(i, j) = (i >= j ? scatter(i, j) : scatter(j, i)) / weight / spread(i) / spread(j);
      }
    }
  };
  standardised(factor);
  bool clear = cholesky(factor);
  if (clear) {  // the smallest eigenvalue is at least 1 / |L^-1|^2
    invert_lower(factor, inverse);
    clear = floor * sum_of_squares(inverse) < 1;
  }
  Index held = 0;
  if (!clear) {
    Matrix& values = factor;
    Matrix& vectors = inverse;
    standardised(values);
    symmetric_eigen(values, vectors);
    double largest = 0;
    for (Index j = 0; j < d; ++j) largest = std::max(largest, values(j, j));
    // Below 1e-28 of the largest, the square root of an eigenvalue is rounding.
    const double least = std::max(floor, 1e-28 * largest);
    for (Index j = 0; j < d; ++j) {
      const double root = std::sqrt(std::max(values(j, j), least));
      held += values(j, j) < least ? 1 : 0;
      for (Index i = 0; i < d; ++i) vectors(i, j) *= root;
    }
    factor_of_square(vectors, factor);  // never the square itself: it would round the small eigenvalues away
    invert_lower(factor, inverse);
  }
  for (Index j = 0; j < d; ++j) {
    for (Index i = 0; i < d; ++i) {
      factor(i, j) = i >= j ? factor(i, j) * spread(i) : 0.0;
      inverse(i, j) /= spread(j);
    }
  }
  return held;
}

}  // namespace emulsion
