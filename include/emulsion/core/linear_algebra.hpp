#pragma once
#include <Eigen/Core>
#include <cmath>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

// Small dense factorisations in place, in plain loops. Eigen's own cost a user's file seconds to compile (the eigen-solver eight) and
// allocate for large matrices; these do neither. Each reads and writes the lower triangle only, unless it says more.

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

/// Inverse of a lower triangular matrix, in `inverse` (its upper triangle is set to zero). Cost d^3 / 3.
template <class Matrix>
void invert_lower(const Matrix& l, Matrix& inverse) {
  const Index d = l.rows();
  inverse.setZero();
  for (Index j = 0; j < d; ++j) {
    inverse(j, j) = 1;
    for (Index k = j; k < d; ++k) {
      const double value = (inverse(k, j) /= l(k, k));
      for (Index i = k + 1; i < d; ++i) inverse(i, j) -= l(i, k) * value;
    }
  }
}

/// Lower triangular L with L L' = a a', by Gram-Schmidt on the rows of a, twice. Spoils `a`. Cost 4 d^3.
template <class Matrix>
void factor_of_square(Matrix& a, Matrix& l) {
  const Index d = a.rows();
  const auto dot = [&](Index i, Index j) {
    double sum = 0;
    for (Index m = 0; m < d; ++m) sum += a(i, m) * a(j, m);
    return sum;
  };
  for (Index i = 0; i < d; ++i) {
    for (Index j = 0; j < d; ++j) l(i, j) = 0;
    for (int pass = 0; pass < 2; ++pass) {
      for (Index j = 0; j < i; ++j) {
        const double along = dot(i, j);
        l(i, j) += along;
        for (Index m = 0; m < d; ++m) a(i, m) -= along * a(j, m);
      }
    }
    l(i, i) = std::sqrt(dot(i, i));
    for (Index m = 0; m < d; ++m) a(i, m) /= l(i, i);
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
