#pragma once
#include <Eigen/Core>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// What a Gaussian learns: weight, mean (d) and centred scatter sum w (x - mean)(x - mean)', in the coordinates of the
/// frame. Merged pairwise (Chan, Golub and LeVeque, 1983).
struct GaussianStatistics {
  double weight = 0;
  Eigen::VectorXd mean;
  Eigen::VectorXd scatter;  ///< its lower triangle, column by column; of a diagonal covariance the diagonal

  GaussianStatistics() = default;
  GaussianStatistics(Index dimension, bool diagonal)
      : mean(Eigen::VectorXd::Zero(dimension)),
        scatter(Eigen::VectorXd::Zero(diagonal ? dimension : dimension * (dimension + 1) / 2)) {}

  GaussianStatistics& operator+=(const GaussianStatistics& other) {
    const Index d = mean.size();
    if (!(other.weight > 0)) return *this;
    const double total = weight + other.weight;
    const double share = other.weight / total, between = weight * share;
    Index at = 0;
    for (Index c = 0; c < d; ++c) {
      const double shift = between * (other.mean(c) - mean(c));
      for (Index r = c; r < end_of(c); ++r, ++at) {
        scatter(at) += other.scatter(at) + shift * (other.mean(r) - mean(r));
      }
    }
    for (Index j = 0; j < d; ++j) mean(j) += share * (other.mean(j) - mean(j));
    weight = total;
    return *this;
  }
  /// Without what `other` added. It loses the digits that a difference loses: for samplers, which sum again now and
  /// then.
  void remove(const GaussianStatistics& other) {
    const Index d = mean.size();
    const double left = weight - other.weight;
    if (!(left > 1e-9 * other.weight)) {
      *this *= 0.0;
      return;
    }
    const double share = other.weight / left, between = weight * share;
    Index at = 0;
    for (Index c = 0; c < d; ++c) {
      const double pull = between * (other.mean(c) - mean(c));
      for (Index r = c; r < end_of(c); ++r, ++at) {
        scatter(at) -= other.scatter(at) + pull * (other.mean(r) - mean(r));
      }
    }
    for (Index j = 0; j < d; ++j) mean(j) -= share * (other.mean(j) - mean(j));
    weight = left;
  }
  GaussianStatistics& operator*=(double c) {
    weight *= c;
    for (Index i = 0; i < scatter.size(); ++i) scatter(i) *= c;
    for (Index j = 0; j < mean.size() && weight == 0; ++j) mean(j) = 0;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    visitor(weight), visitor(mean), visitor(scatter);
  }

  /// Adds observations of that weight by their moments about a point: shift = sum w (x - point) / weight and
  /// second = sum w (x - point)(x - point)' (lower triangle, or its diagonal in one column).
  void add(double added, const Eigen::VectorXd& point, const Eigen::VectorXd& shift, const Eigen::MatrixXd& second) {
    const Index d = mean.size();
    const double total = weight + added, share = added / total, between = weight * share;
    const bool diagonal = scatter.size() == d && d > 1;
    double* to = scatter.data();
    for (Index c = 0; c < d; ++c) {
      const double own = -added * shift(c);
      const double across = between * (point(c) + shift(c) - mean(c));
      const double* from = diagonal ? &second(c, 0) : &second(c, c);
      const double square = from[0] + own * shift(c);
      *to++ += (square > 0 ? square : 0.0) + across * (point(c) + shift(c) - mean(c));
      for (Index r = c + 1; r < end_of(c); ++r) {
        *to++ += from[r - c] + own * shift(r) + across * (point(r) + shift(r) - mean(r));
      }
    }
    for (Index j = 0; j < d; ++j) mean(j) += share * (point(j) + shift(j) - mean(j));
    weight = total;
  }

 private:
  Index end_of(Index column) const { return scatter.size() == mean.size() ? column + 1 : mean.size(); }
};

}  // namespace emulsion
