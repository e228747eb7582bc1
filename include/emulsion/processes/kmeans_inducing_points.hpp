#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <vector>

#include "emulsion/inference/kmeans.hpp"

namespace emulsion {

/// Inducing inputs as the centres of k-means++ and ten Lloyd steps on at most 100 m inputs (20,000 at least), each
/// coordinate by its standard deviation. Where inputs repeat, centres may: greedy_inducing_points() leaves those out.
///
/// @return  d x m
/// @throws InvalidArgument  unless 1 <= m <= n and the inputs drawn are finite
[[gnu::cold]] inline Eigen::MatrixXd kmeans_inducing_points(const Points<>& x, Index m, std::uint64_t seed = 0) {
  require(m >= 1 && m <= x.size(), "expected between 1 and ", x.size(), " inducing points (there are ", x.size(),
          " inputs), got ", m);
  Rng rng(seed);
  const std::vector<Index> chosen = draw_indices(x, std::max<Index>(20'000, 100 * m), rng);
  const auto n = static_cast<Index>(chosen.size());
  require(n >= m, "expected at least ", m, " inputs with positive weights, got ", n);
  Sample sample{Eigen::MatrixXd(x.dimension(), n), Eigen::VectorXd(n)};
  for (Index i = 0; i < n; ++i) {
    const Index from = chosen[static_cast<std::size_t>(i)];
    for (Index j = 0; j < x.dimension(); ++j) sample.y(j, i) = x(j, from);
    sample.weights(i) = x.weight(from);
  }
  require(sample.y.allFinite(), "inputs must be finite to choose inducing points among them");
  const Eigen::VectorXd mean = sample.y.rowwise().mean();
  sample.y.colwise() -= mean;
  Eigen::VectorXd spread = (sample.y.rowwise().squaredNorm() / static_cast<double>(n)).cwiseSqrt();
  for (Index j = 0; j < x.dimension(); ++j) {
    if (!(spread(j) > 0)) spread(j) = 1;
  }
  sample.y = spread.cwiseInverse().asDiagonal() * sample.y;
  Eigen::MatrixXd centres = kmeans_centres(sample, m, 3, 10, rng);
  centres = spread.asDiagonal() * centres;
  return centres.colwise() + mean;
}

}  // namespace emulsion
