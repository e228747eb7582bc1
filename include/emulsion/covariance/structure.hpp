#pragma once
#include <Eigen/Core>
#include <algorithm>
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

/// How many numbers describe a covariance of that structure.
inline Index covariance_parameters(Covariance structure, Index d) {
  if (structure == Covariance::diagonal) return d;
  return structure == Covariance::spherical ? 1 : d * (d + 1) / 2;
}

/// The place of element (i, j), j <= i, of a symmetric matrix that is stored as its lower triangle, column by column.
inline Index lower_place(Index i, Index j, Index d) { return j * d - j * (j - 1) / 2 + i - j; }

/// Work space of an M-step, so that it allocates nothing.
struct EstimationSpace {
  Eigen::MatrixXd a;        // d x d
  Eigen::MatrixXd vectors;  // d x d once an eigenvalue was near the floor
};

/// The M-step of a covariance under a floor: of all matrices S >= floor * diag(spread^2) (in the order of positive
/// definite matrices), the one that maximizes
///
///   -weight / 2 (log |S| + tr(S^-1 scatter / weight)).
///
/// It is scatter / weight with its eigenvalues, in coordinates divided by `spread`, raised to the floor: the exact
/// constrained maximizer, so that EM with a floor never lowers the likelihood. Adding to the diagonal would. Where a
/// variance is so large beside `spread` that the floor lies below the rounding of the scatter, the floor is 1e-15 of
/// it.
///
/// @param scatter  d (d + 1) / 2, its lower triangle column by column
/// @param space    a: out, the inverse of the Cholesky factor of S (lower triangle); its upper is spoilt
/// @return         how many eigenvalues the floor holds up
///
/// Cost d^3 / 3; where an eigenvalue may be below the floor, an eigendecomposition (about 50 d^3).
template <class Scatter>
Index estimate_precision(const Scatter& scatter, double weight, const Eigen::VectorXd& spread, double floor,
                         EstimationSpace& space) {
  constexpr double rounding = 1e-15;  // of a sum, relative to it
  Eigen::MatrixXd& a = space.a;
  const Index d = spread.size();
  // What the floor is relative to: the spread or, where the variance is far larger, what its rounding allows.
  const auto unit = [&](Index j) {
    return std::max(spread(j), std::sqrt(scatter(lower_place(j, j, d)) / weight * (rounding / floor)));
  };
  const auto standardise = [&] {
    for (Index j = 0, at = 0; j < d; ++j) {
      const double unit_j = unit(j);
      for (Index i = j; i < d; ++i) a(i, j) = scatter(at++) / weight / (i == j ? unit_j : unit(i)) / unit_j;
    }
  };
  standardise();
  bool clear = cholesky(a);
  if (clear) {  // the smallest eigenvalue is at least 1 / |L^-1|^2
    invert_lower(a);
    double total = 0;
    for (Index j = 0; j < d; ++j) {
      for (Index i = j; i < d; ++i) total += a(i, j) * a(i, j);
    }
    clear = floor * total < 1;
  }
  Index held = 0;
  if (!clear) {
    Eigen::MatrixXd& vectors = space.vectors;
    vectors.resize(d, d);
    standardise();
    for (Index j = 0; j < d; ++j) {
      for (Index i = 0; i < j; ++i) a(i, j) = a(j, i);
    }
    symmetric_eigen(a, vectors);
    for (Index j = 0; j < d; ++j) {
      const double root = std::sqrt(std::max(a(j, j), floor));
      held += a(j, j) < floor ? 1 : 0;
      for (Index i = 0; i < d; ++i) vectors(i, j) *= root;
    }
    factor_of_square(vectors, a);  // never the square itself: it would round the small eigenvalues away
    invert_lower(a);
  }
  for (Index j = 0; j < d; ++j) {
    const double unit_j = unit(j);
    for (Index i = j; i < d; ++i) a(i, j) /= unit_j;
  }
  return held;
}

}  // namespace emulsion
