#pragma once
#include <Eigen/Core>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// What a Gaussian learns: weight, mean and centred scatter sum w (x - mean)(x - mean)' (lower triangle; one column
/// where the covariance is diagonal), in the coordinates of the frame. Merged pairwise (Chan, Golub and LeVeque, 1983).
template <class Real = double>
struct GaussianStatistics {
  Real weight = 0;
  Eigen::Matrix<Real, Eigen::Dynamic, 1> mean;
  Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic> scatter;

  GaussianStatistics& operator+=(const GaussianStatistics& other) {
    merge(other.weight, other.mean, other.scatter);
    return *this;
  }
  GaussianStatistics& operator*=(double c) {
    weight *= c;
    for (Index i = 0; i < scatter.size(); ++i) scatter.data()[i] *= c;
    for (Index j = 0; j < mean.size() && weight == 0; ++j) mean(j) = 0;
    return *this;
  }
  template <class Visitor>
  void visit(Visitor&& visitor) {
    visitor(weight), visitor(mean), visitor(scatter);
  }

  template <class Mean, class Scatter>
  void merge(Real other_weight, const Mean& other_mean, const Scatter& other_scatter) {
    if (!(other_weight > 0)) return;
    const Real total = weight + other_weight;
    const Real share = other_weight / total;
    const Real between = weight * share;
    const Index d = mean.size();
    if (scatter.cols() == 1) {
      for (Index j = 0; j < d; ++j) {
        const double shift = other_mean(j) - mean(j);
        scatter(j, 0) += other_scatter(j, 0) + between * shift * shift;
      }
    } else {
      for (Index c = 0; c < d; ++c) {
        const double shift = between * (other_mean(c) - mean(c));
        for (Index r = c; r < d; ++r) scatter(r, c) += other_scatter(r, c) + shift * (other_mean(r) - mean(r));
      }
    }
    for (Index j = 0; j < d; ++j) mean(j) += share * (other_mean(j) - mean(j));
    weight = total;
  }
};

}  // namespace emulsion
