#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/data/frame.hpp"

namespace emulsion {

/// At most `most` observations with positive weight, drawn without replacement, in standardised coordinates (d x m),
/// and their weights (m).
struct Sample {
  Eigen::MatrixXd y;
  Eigen::VectorXd weights;
};

template <class D>
std::vector<Index> draw_indices(const D& x, Index most, Rng& rng) {
  std::vector<Index> chosen;
  for (Index i = 0; i < x.size(); ++i) {
    if (x.weight(i) > 0) chosen.push_back(i);
  }
  const auto size = static_cast<Index>(chosen.size());
  for (Index i = 0; i < std::min(most, size); ++i) {
    const auto other = i + static_cast<Index>(rng.below(static_cast<std::uint64_t>(size - i)));
    std::swap(chosen[static_cast<std::size_t>(i)], chosen[static_cast<std::size_t>(other)]);
  }
  if (size > most) chosen.resize(static_cast<std::size_t>(most));
  return chosen;
}

template <class D>
Sample standardised_sample(const D& x, const Frame& frame, Index most, Rng& rng) {
  const std::vector<Index> chosen = draw_indices(x, most, rng);
  const auto size = static_cast<Index>(chosen.size());
  Sample sample{Eigen::MatrixXd(x.dimension(), size), Eigen::VectorXd(size)};
  for (Index i = 0; i < size; ++i) {
    const Index from = chosen[static_cast<std::size_t>(i)];
    for (Index j = 0; j < x.dimension(); ++j) {
      sample.y(j, i) = frame.standardised(static_cast<double>(x(j, from)), j);
    }
    sample.weights(i) = x.weight(from);
  }
  return sample;
}

/// Lower triangular matrix that gives the sample unit covariance; the identity where the sample has none (too few
/// observations, or a linear relation between dimensions).
inline Eigen::MatrixXd sphering(const Sample& sample) {
  const Index d = sample.y.rows();
  const double total = sample.weights.sum();
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(d);
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(d, d), inverse = Eigen::MatrixXd::Identity(d, d);
  for (Index i = 0; i < sample.y.cols(); ++i) {
    for (Index j = 0; j < d; ++j) mean(j) += sample.weights(i) / total * sample.y(j, i);
  }
  for (Index i = 0; i < sample.y.cols(); ++i) {
    for (Index j = 0; j < d; ++j) {
      const double weight = sample.weights(i) / total * (sample.y(j, i) - mean(j));
      for (Index m = j; m < d; ++m) covariance(m, j) += weight * (sample.y(m, i) - mean(m));
    }
  }
  Eigen::VectorXd variances(d);
  for (Index j = 0; j < d; ++j) variances(j) = covariance(j, j);
  if (!cholesky(covariance)) return inverse;
  for (Index j = 0; j < d; ++j) {  // a pivot is what the other dimensions leave unexplained
    if (covariance(j, j) * covariance(j, j) < 1e-10 * variances(j)) return inverse;
  }
  invert_lower(covariance);
  return covariance;
}

/// K observations drawn with probability proportional to their weights (d x K), all different where there are as many:
/// equal centres would start EM at a saddle.
inline Eigen::MatrixXd random_centres(const Sample& sample, Index components, Rng& rng) {
  Eigen::MatrixXd centres(sample.y.rows(), components);
  for (Index k = 0; k < components; ++k) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      centres.col(k) = sample.y.col(rng.categorical(sample.weights));
      bool known = false;
      for (Index other = 0; other < k && !known; ++other) known = centres.col(other) == centres.col(k);
      if (!known) break;
    }
  }
  return centres;
}

/// K centres (d x K) by k-means++ (Arthur and Vassilvitskii, 2007): each drawn with probability proportional to weight
/// times the squared distance to the nearest centre before it, the best of `candidates` draws; then `lloyd` steps of
/// k-means. Cost O(n K d (candidates + lloyd)).
inline Eigen::MatrixXd kmeans_centres(const Sample& sample, Index components, int candidates, int lloyd, Rng& rng) {
  const Index n = sample.y.cols(), d = sample.y.rows();
  Eigen::MatrixXd centres(d, components);
  const auto square = [&](Index i, Index k) { return square_distance(&sample.y(0, i), &centres(0, k), d); };
  const auto place = [&](Index k, Index i) {
    for (Index j = 0; j < d; ++j) centres(j, k) = sample.y(j, i);
  };
  Eigen::VectorXd distance(n), chance = sample.weights, trial(n), best(n);
  for (Index i = 0; i < n; ++i) distance(i) = std::numeric_limits<double>::infinity();
  for (Index k = 0; k < components; ++k) {
    double least = std::numeric_limits<double>::infinity(), total = 0;
    for (Index i = 0; i < n && k > 0; ++i) total += (chance(i) = sample.weights(i) * distance(i));
    Index chosen = 0;
    for (int c = 0; c < (k == 0 ? 1 : candidates); ++c) {
      const bool spread = k > 0 && total > 0 && std::isfinite(total);
      const Index at = rng.categorical(spread ? chance : sample.weights);
      place(k, at);
      double sum = 0;
      for (Index i = 0; i < n; ++i) sum += sample.weights(i) * (trial(i) = std::min(distance(i), square(i, k)));
      if (c > 0 && !(sum < least)) continue;
      least = sum;
      chosen = at;
      best.swap(trial);
    }
    place(k, chosen);
    distance.swap(best);
  }
  Eigen::VectorXd weight(components);
  Eigen::MatrixXd sums(d, components);
  for (int step = 0; step < lloyd; ++step) {
    weight.setZero();
    sums.setZero();
    for (Index i = 0; i < n; ++i) {
      Index nearest = 0;
      double least = std::numeric_limits<double>::infinity();
      for (Index k = 0; k < components; ++k) {
        const double far = square(i, k);
        if (far < least) least = far, nearest = k;
      }
      weight(nearest) += sample.weights(i);
      for (Index j = 0; j < d; ++j) sums(j, nearest) += sample.weights(i) * sample.y(j, i);
    }
    for (Index k = 0; k < components; ++k) {
      for (Index j = 0; j < d && weight(k) > 0; ++j) centres(j, k) = sums(j, k) / weight(k);
    }
  }
  return centres;
}

}  // namespace emulsion
