#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

// Small dense factorisations in place, in plain loops. Eigen's own cost a user's file seconds to compile (the
// eigen-solver eight) and allocate for large matrices; these do neither. Each reads and writes the lower triangle only,
// unless it says more.

/// Cholesky factor L of a, L L' = a, in place. False, with `a` spoilt, where a is not positive definite. Cost d^3 / 3.
template <class Matrix>
bool cholesky(Matrix& a) {
  const Index d = a.rows();
  for (Index j = 0; j < d; ++j) {
    const double pivot = a(j, j);
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    const double root = std::sqrt(pivot);
    a(j, j) = root;
    for (Index i = j + 1; i < d; ++i) a(i, j) /= root;
    for (Index k = j + 1; k < d; ++k) {
      const double factor = a(k, j);
      for (Index i = k; i < d; ++i) a(i, k) -= factor * a(i, j);
    }
  }
  return true;
}

/// Whether every element is finite.
template <class Dense>
bool all_finite(const Dense& a) {
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      if (!std::isfinite(a(i, j))) return false;
    }
  }
  return true;
}

/// The largest |element|, zero where there is none.
template <class Dense>
double largest_magnitude(const Dense& a) {
  double largest = 0;
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) largest = std::max(largest, std::abs(a(i, j)));
  }
  return largest;
}

/// Sum of squared elements.
template <class Dense>
double sum_of_squares(const Dense& a) {
  double sum = 0;
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) sum += a(i, j) * a(i, j);
  }
  return sum;
}

/// |x - y|^2 of two points in d dimensions.
template <class Real>
Real square_distance(const Real* x, const Real* y, Index d) {
  Real sum = 0;
  for (Index j = 0; j < d; ++j) sum += (x[j] - y[j]) * (x[j] - y[j]);
  return sum;
}

/// y = l x for lower triangular l. Cost d^2 / 2.
template <class Matrix, class Real>
void lower_times(const Matrix& l, const Real* x, Real* y) {
  for (Index i = 0; i < l.rows(); ++i) {
    Real sum = 0;
    for (Index j = 0; j <= i; ++j) sum += l(i, j) * x[j];
    y[i] = sum;
  }
}

/// a += weight l l' (lower triangle) for lower triangular l. Cost d^3 / 6.
template <class Matrix>
void add_square(const Matrix& l, double weight, Matrix& a) {
  const Index d = l.rows();
  for (Index k = 0; k < d; ++k) {
    for (Index j = k; j < d; ++j) {
      const double factor = weight * l(j, k);
      for (Index i = j; i < d; ++i) a(i, j) += factor * l(i, k);
    }
  }
}

/// Inverse of a lower triangular matrix, in place, from its last column on. Cost d^3 / 3.
template <class Matrix>
void invert_lower(Matrix& a) {
  const Index d = a.rows();
  for (Index j = d - 1; j >= 0; --j) {
    a(j, j) = 1 / a(j, j);
    for (Index k = d - 1; k > j; --k) {  // what lies below in column j, times the inverse of what lies right of it
      const double value = a(k, j);
      for (Index i = k + 1; i < d; ++i) a(i, j) += value * a(i, k);
      a(k, j) = value * a(k, k);
    }
    for (Index i = j + 1; i < d; ++i) a(i, j) *= -a(j, j);
  }
}

/// Lower triangular L (m x m) with a positive diagonal and L L' = a a', for `a` of m x n and rank m <= n: the triangle
/// of a = L Q, without forming a a', which would square the condition number. Modified Gram-Schmidt on the rows; its L
/// is as accurate as Householder's, row by row (Bjorck, 1967). A pivot that rounding has wiped out is replaced by
/// rounding. Spoils `a`. Cost m^2 n.
template <class Matrix>
void factor_of_square(Matrix& a, Matrix& l) {
  const Index m = a.rows(), n = a.cols();
  for (Index j = 0; j < m; ++j) {
    for (Index i = 0; i < m; ++i) l(i, j) = 0;
  }
  for (Index i = 0; i < m; ++i) {
    double largest = 0, square = 0;
    for (Index c = 0; c < n; ++c) largest = std::max(largest, std::abs(a(i, c)));  // taken out: no square overflows
    if (!(largest > 0)) {
      for (Index j = 0; j < i; ++j) square += l(i, j) * l(i, j);
      l(i, i) = 2.2e-16 * std::sqrt(square);
      continue;
    }
    for (Index c = 0; c < n; ++c) square += a(i, c) / largest * (a(i, c) / largest);
    l(i, i) = largest * std::sqrt(square);
    for (Index c = 0; c < n; ++c) a(i, c) /= l(i, i);
    for (Index r = i + 1; r < m; ++r) {
      double along = 0;
      for (Index c = 0; c < n; ++c) along += a(r, c) * a(i, c);
      for (Index c = 0; c < n; ++c) a(r, c) -= along * a(i, c);
      l(r, i) = along;
    }
  }
}

/// Eigenvalues of the symmetric matrix `a` on its diagonal, eigenvectors in the columns of `vectors`, by cyclic Jacobi
/// rotations (Golub and Van Loan, 4th ed., 8.5): small eigenvalues of graded matrices keep their digits. Reads both
/// triangles. Cost about 8 sweeps of 6 d^3.
template <class Matrix>
void symmetric_eigen(Matrix& a, Matrix& vectors) {
  const Index d = a.rows();
  vectors.setIdentity();
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (Index p = 0; p < d; ++p) {
      for (Index q = p + 1; q < d; ++q) {
        const double off = a(p, q);
        if (off == 0 || std::abs(off) <= 1e-17 * std::sqrt(std::abs(a(p, p)) * std::abs(a(q, q)))) continue;
        rotated = true;
        const double theta = (a(q, q) - a(p, p)) / (2 * off);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::hypot(theta, 1.0));
        const double c = 1 / std::hypot(t, 1.0);
        const double s = t * c;
        for (Index i = 0; i < d; ++i) {
          const double ip = a(i, p), iq = a(i, q);
          a(i, p) = c * ip - s * iq;
          a(i, q) = s * ip + c * iq;
          const double vp = vectors(i, p), vq = vectors(i, q);
          vectors(i, p) = c * vp - s * vq;
          vectors(i, q) = s * vp + c * vq;
        }
        for (Index i = 0; i < d; ++i) {
          const double pi = a(p, i), qi = a(q, i);
          a(p, i) = c * pi - s * qi;
          a(q, i) = s * pi + c * qi;
        }
        a(p, q) = a(q, p) = 0;
      }
    }
    if (!rotated) return;
  }
}

}  // namespace emulsion
