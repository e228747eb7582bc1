#pragma once
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <vector>

#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/data/frame.hpp"
#include "emulsion/distributions/gaussian_kernel.hpp"

namespace emulsion {

/// Observations in standardised coordinates (d x m), and their weights (m).
struct Sample {
  Eigen::MatrixXd y;
  Eigen::VectorXd weights;
};

/// At most `most` observations with positive weight, without replacement: where there are more, and they all count
/// once, one at random from each of as many stretches of the data.
template <class D>
[[gnu::cold]] std::vector<Index> draw_indices(const D& x, Index most, Rng& rng) {
  std::vector<Index> chosen;
  if (!x.weighted() && x.size() > most) {
    for (Index i = 0; i < most; ++i) {
      const Index from = i * x.size() / most, to = (i + 1) * x.size() / most;
      chosen.push_back(from + static_cast<Index>(rng.below(static_cast<std::uint64_t>(to - from))));
    }
    return chosen;
  }
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

/// The observations of `x` in standardised coordinates; of more than `most`, so many drawn at random.
template <class D>
[[gnu::cold]] Sample standardised(const D& x, const Frame& frame, Index most, Rng& rng) {
  std::vector<Index> chosen;
  if (x.size() > most) chosen = draw_indices(x, most, rng);
  const Index size = x.size() > most ? static_cast<Index>(chosen.size()) : x.size();
  Sample sample{Eigen::MatrixXd(x.dimension(), size), Eigen::VectorXd(size)};
  for (Index i = 0; i < size; ++i) {
    const Index from = chosen.empty() ? i : chosen[static_cast<std::size_t>(i)];
    for (Index j = 0; j < x.dimension(); ++j) sample.y(j, i) = frame.standardised(static_cast<double>(x(j, from)), j);
    sample.weights(i) = x.weight(from);
  }
  return sample;
}

/// Lower triangular matrix that gives the sample unit covariance; the identity where the sample has none (too few
/// observations, or a linear relation between dimensions).
[[gnu::cold]] inline Eigen::MatrixXd sphering(const Sample& sample) {
  const Index d = sample.y.rows();
  const double total = sample.weights.sum();
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(d);
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(d, d), inverse = Eigen::MatrixXd::Zero(d, d);
  for (Index j = 0; j < d; ++j) inverse(j, j) = 1;
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
[[gnu::cold]] inline Eigen::MatrixXd random_centres(const Sample& sample, Index components, Rng& rng) {
  Eigen::MatrixXd centres(sample.y.rows(), components);
  for (Index k = 0; k < components; ++k) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      const Index chosen = rng.categorical(sample.weights);
      for (Index j = 0; j < centres.rows(); ++j) centres(j, k) = sample.y(j, chosen);
      bool known = false;
      for (Index other = 0; other < k && !known; ++other) {
        known = square_distance(&centres(0, other), &centres(0, k), centres.rows()) == 0;
      }
      if (!known) break;
    }
  }
  return centres;
}

/// Squared distances of all observations of a sample from a point, by the kernel of a Gaussian's density.
class SquareDistances {
 public:
  explicit SquareDistances(const Sample& sample)
      : packed_(sample.y.cols(), sample.y.rows(), true), ones_(Eigen::VectorXd::Ones(sample.y.rows())) {
    packed_.pack(columns(sample.y), Frame::identity(sample.y.rows()));
  }
  void operator()(const double* centre, Eigen::VectorXd& out) const {
    for (Index i = 0; i < out.size(); ++i) out(i) = 0;
    add_log_density(packed_, true, centre, ones_.data(), 0.0, out.data());
    for (Index i = 0; i < out.size(); ++i) out(i) *= -2;
  }

 private:
  PackedPoints<double> packed_;
  Eigen::VectorXd ones_;
};

/// K centres (d x K) by k-means++ (Arthur and Vassilvitskii, 2007): each drawn with probability proportional to weight
/// times the squared distance to the nearest centre before it, the best of `candidates` draws; then `lloyd` steps of
/// k-means. Cost O(n K d (candidates + lloyd)).
[[gnu::cold]] inline Eigen::MatrixXd kmeans_centres(const Sample& sample, Index components, int candidates, int lloyd,
                                                    Rng& rng) {
  const Index n = sample.y.cols(), d = sample.y.rows();
  const SquareDistances distances(sample);
  Eigen::MatrixXd centres(d, components);
  Eigen::VectorXd nearest(n), chance = sample.weights, trial(n), best(n);
  for (Index i = 0; i < n; ++i) nearest(i) = std::numeric_limits<double>::infinity();
  for (Index k = 0; k < components; ++k) {
    double least = std::numeric_limits<double>::infinity(), total = 0;
    for (Index i = 0; i < n && k > 0; ++i) total += (chance(i) = sample.weights(i) * nearest(i));
    Index chosen = 0;
    for (int c = 0; c < (k == 0 ? 1 : candidates); ++c) {
      const bool spread = k > 0 && total > 0 && std::isfinite(total);
      const Index at = rng.categorical(spread ? chance : sample.weights);
      distances(&sample.y(0, at), trial);
      double sum = 0;
      for (Index i = 0; i < n; ++i) sum += sample.weights(i) * (trial(i) = std::min(nearest(i), trial(i)));
      if (c > 0 && !(sum < least)) continue;
      least = sum;
      chosen = at;
      best.swap(trial);
    }
    for (Index j = 0; j < d; ++j) centres(j, k) = sample.y(j, chosen);
    nearest.swap(best);
  }
  Eigen::VectorXd weight(components);
  Eigen::MatrixXd sums(d, components);
  std::vector<Index> label(static_cast<std::size_t>(n));
  for (int step = 0; step < lloyd; ++step) {
    for (Index i = 0; i < n; ++i) nearest(i) = std::numeric_limits<double>::infinity();
    for (Index k = 0; k < components; ++k) {
      distances(&centres(0, k), trial);
      for (Index i = 0; i < n; ++i) {
        if (trial(i) < nearest(i)) nearest(i) = trial(i), label[static_cast<std::size_t>(i)] = k;
      }
    }
    weight.setZero();
    sums.setZero();
    for (Index i = 0; i < n; ++i) {
      const Index k = label[static_cast<std::size_t>(i)];
      weight(k) += sample.weights(i);
      for (Index j = 0; j < d; ++j) sums(j, k) += sample.weights(i) * sample.y(j, i);
    }
    for (Index k = 0; k < components; ++k) {
      for (Index j = 0; j < d && weight(k) > 0; ++j) centres(j, k) = sums(j, k) / weight(k);
    }
  }
  return centres;
}

}  // namespace emulsion
