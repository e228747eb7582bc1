#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "emulsion/core/error.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/covariance/structure.hpp"

namespace emulsion {

/// A covariance matrix S, kept as the inverse W of its Cholesky factor: S^-1 = W' W, W lower triangular with a positive
/// diagonal. It whitens: W (x - m) has the identity as covariance.
///
/// Stored once, in the order in which densities read it: in panels of four rows, each column after column; of a
/// diagonal or spherical covariance, the reciprocal standard deviations.
class PrecisionFactor {
 public:
  static constexpr Index tile = 4;

  /// The identity.
  PrecisionFactor(Covariance structure, Index dimension)
      : structure_(structure), dimension_(dimension),
        values_(Eigen::VectorXd::Zero(is_diagonal(structure) ? dimension : offset(dimension))) {
    for (Index j = 0; j < dimension; ++j) at(j, j) = 1;
  }

  Index dimension() const { return dimension_; }
  Covariance structure() const { return structure_; }
  bool diagonal() const { return is_diagonal(structure_); }
  /// Element (i, j), j <= i; j = i where diagonal.
  double operator()(Index i, Index j) const { return values_(place(i, j)); }
  double& at(Index i, Index j) { return values_(place(i, j)); }
  /// As stored.
  const Eigen::VectorXd& values() const { return values_; }

  /// log |W| = -1/2 log |S|
  double log_determinant() const {
    double sum = 0;
    for (Index j = 0; j < dimension_; ++j) sum += std::log((*this)(j, j));
    return sum;
  }
  /// z = W y. Cost d^2 / 2.
  void times(const double* y, double* z) const {
    for (Index i = 0; i < dimension_; ++i) {
      z[i] = 0;
      for (Index j = diagonal() ? i : 0; j <= i; ++j) z[i] += (*this)(i, j) * y[j];
    }
  }
  /// y = W^-1 z = L z. Cost d^2 / 2.
  void divide(const double* z, double* y) const {
    for (Index i = 0; i < dimension_; ++i) {
      y[i] = z[i];
      for (Index j = diagonal() ? i : 0; j < i; ++j) y[i] -= (*this)(i, j) * y[j];
      y[i] /= (*this)(i, i);
    }
  }
  /// The Cholesky factor L of S, d x d. Cost d^3 / 6.
  Eigen::MatrixXd factor() const {
    Eigen::MatrixXd l = Eigen::MatrixXd::Zero(dimension_, dimension_);
    assign_lower(l);
    invert_lower(l);
    return l;
  }
  /// W, d x d.
  Eigen::MatrixXd matrix() const {
    Eigen::MatrixXd w = Eigen::MatrixXd::Zero(dimension_, dimension_);
    assign_lower(w);
    return w;
  }

  /// From the Cholesky factor of S (lower triangle; its diagonal alone is read where diagonal).
  void set_from_factor(Eigen::MatrixXd l) {
    if (!diagonal()) invert_lower(l);
    for (Index j = 0; j < dimension_; ++j) {
      if (diagonal()) at(j, j) = 1 / l(j, j);
      for (Index i = j; i < dimension_ && !diagonal(); ++i) at(i, j) = l(i, j);
    }
  }
  /// The M-step under a floor, of the scatter of so much weight: see estimate_precision. Returns how many eigenvalues
  /// the floor holds up.
  template <class Scatter>
  Index estimate(const Scatter& scatter, double weight, const Eigen::VectorXd& spread, double floor,
                 EstimationSpace& space) {
    if (diagonal()) return estimate_deviations(scatter, weight, spread, floor);
    const Index held = estimate_precision(scatter, weight, spread, floor, space);
    for (Index j = 0; j < dimension_; ++j) {
      for (Index i = j; i < dimension_; ++i) at(i, j) = space.a(i, j);
    }
    return held;
  }
  /// Whether every eigenvalue of S is certain to lie above floor * diag(spread^2).
  bool clear_of(double floor, const Eigen::VectorXd& spread) const {
    double total = 0;
    for (Index j = 0; j < dimension_; ++j) {
      if (!((*this)(j, j) > 0)) return false;  // underflow, of a variance that is not finite
      for (Index i = j; i < (diagonal() ? j + 1 : dimension_); ++i) {
        total += (*this)(i, j) * spread(j) * ((*this)(i, j) * spread(j));
      }
    }
    return floor * total < 1;
  }
  /// Of the same distribution in coordinates multiplied by `ratio` (d).
  void rescale(const Eigen::VectorXd& ratio) {
    for (Index j = 0; j < dimension_; ++j) {
      for (Index i = j; i < (diagonal() ? j + 1 : dimension_); ++i) at(i, j) /= ratio(j);
    }
  }

  // Unconstrained: logarithms of the diagonal, and each row divided by its diagonal element: minus the coefficients of
  // a dimension's regression on those before it.
  Index parameters() const { return covariance_parameters(structure_, dimension_); }
  void pack(Eigen::VectorXd& v, Index& place) const {
    for (Index j = 0; j < (structure_ == Covariance::spherical ? 1 : dimension_); ++j) {
      v(place++) = std::log((*this)(j, j));
      for (Index i = j + 1; i < dimension_ && !diagonal(); ++i) v(place++) = (*this)(i, j) / (*this)(i, i);
    }
  }
  void unpack(const Eigen::VectorXd& v, Index& place) {
    for (Index j = 0, start = place; j < dimension_; ++j) {  // the diagonal first: the columns before it need it
      at(j, j) = std::exp(v(start));
      start += diagonal() ? (structure_ == Covariance::spherical ? 0 : 1) : dimension_ - j;
    }
    if (structure_ == Covariance::spherical) place += 1;
    else if (diagonal()) place += dimension_;
    for (Index j = 0; j < dimension_ && !diagonal(); ++j) {
      ++place;
      for (Index i = j + 1; i < dimension_; ++i) at(i, j) = v(place++) * (*this)(i, i);
    }
  }
  /// Adds the derivatives of weight log |W| - 1/2 tr(W' W T), T = scatter + weight (mean - location)(mean - location)',
  /// by the location (d) and by the parameters of the chart; `scatter`: lower triangle, column by column, or diagonal.
  void add_gradient(const Eigen::VectorXd& scatter, double weight, const Eigen::VectorXd& mean,
                    const Eigen::VectorXd& location, double* by_location, double* by_chart) const {
    const Index d = dimension_;
    for (Index i = 0; i < d; ++i) {
      double along = 0;  // row i of W times the difference of the means
      for (Index j = diagonal() ? i : 0; j <= i; ++j) along += (*this)(i, j) * (mean(j) - location(j));
      const double pull = weight * along;
      for (Index j = diagonal() ? i : 0; j <= i; ++j) by_location[j] += (*this)(i, j) * pull;
      if (diagonal()) {
        const double square = (*this)(i, i) * (*this)(i, i) * scatter(i) + pull * along;
        by_chart[structure_ == Covariance::spherical ? 0 : i] += weight - square;
        continue;
      }
      // Row i of W T, in parts that fit on the stack.
      constexpr Index most = 128;
      double row[most], square = 0;
      for (Index first = 0; first <= i; first += most) {
        const Index end = std::min(i + 1, first + most);
        for (Index j = first; j < end; ++j) {
          const double* column = &scatter(column_of(j));
          double even = 0, odd = 0;
          Index l = j;
          for (; l < i; l += 2) even += column[l] * (*this)(i, l), odd += column[l + 1] * (*this)(i, l + 1);
          if (l == i) even += column[l] * (*this)(i, l);
          row[j - first] = even + odd + pull * (mean(j) - location(j));
        }
        for (Index l = 0; l + 1 < end; ++l) {
          const double* column = &scatter(column_of(l));
          const double factor = (*this)(i, l);
          for (Index j = std::max(first, l + 1); j < end; ++j) row[j - first] += factor * column[j];
        }
        for (Index j = first; j < end; ++j) {
          square += (*this)(i, j) * row[j - first];
          if (j < i) by_chart[column_of(j) + i] -= (*this)(i, i) * row[j - first];
        }
      }
      by_chart[column_of(i) + i] += weight - square;
    }
  }
  /// Adds the derivatives of weight log |W| by the parameters of the chart.
  void add_log_determinant_gradient(double weight, double* by_chart) const {
    for (Index i = 0; i < dimension_; ++i) {
      const Index own = diagonal() ? i : column_of(i) + i;
      by_chart[structure_ == Covariance::spherical ? 0 : own] += weight;
    }
  }

 private:
  /// Where row 0 of a column would be in a lower triangle, column by column.
  Index column_of(Index j) const { return j * dimension_ - j * (j + 1) / 2; }
  /// Where the panel of rows 4 q, ... begins: the panels before it have 4, 8, ... columns.
  static Index offset(Index row) {
    const Index q = row / tile;
    return 2 * tile * q * (q + 1) + (row % tile > 0 ? tile * row : 0);
  }
  Index place(Index i, Index j) const {
    if (diagonal()) return i;
    const Index q = i / tile;
    return 2 * tile * q * (q + 1) + tile * j + i % tile;
  }
  void assign_lower(Eigen::MatrixXd& to) const {
    for (Index j = 0; j < dimension_; ++j) {
      for (Index i = j; i < (diagonal() ? j + 1 : dimension_); ++i) to(i, j) = (*this)(i, j);
    }
  }
  template <class Scatter>
  Index estimate_deviations(const Scatter& scatter, double weight, const Eigen::VectorXd& spread, double floor) {
    const bool spherical = structure_ == Covariance::spherical;
    double mean = 0, widest = 0;
    for (Index j = 0; j < dimension_; ++j) {
      mean += scatter(j) / weight / static_cast<double>(dimension_);
      widest = std::max(widest, spread(j) * spread(j));
    }
    Index held = 0;
    for (Index j = 0; j < dimension_; ++j) {
      const double variance = spherical ? mean : scatter(j) / weight;
      const double least = floor * (spherical ? widest : spread(j) * spread(j));
      held += variance < least ? 1 : 0;
      at(j, j) = 1 / std::sqrt(std::max(variance, least));
    }
    return held;
  }

  Covariance structure_;
  Index dimension_;
  Eigen::VectorXd values_;
};

}  // namespace emulsion
