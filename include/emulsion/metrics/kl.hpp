#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "emulsion/core/error.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/distributions/gaussian.hpp"

namespace emulsion {

/// A mean over random draws and its standard error, by which it is wrong, typically.
struct MonteCarloEstimate {
  double value = 0;
  double standard_error = 0;
};

/// Kullback-Leibler divergence of two models that can be sampled and evaluated, in nats, by Monte Carlo:
///
///   KL(p || q) = E_p[log p(x) - log q(x)]  ~  mean over draws x_i of p.
///
/// The estimate may be slightly negative where the divergence is near zero; it is exactly zero for q = p. Infinite,
/// with an infinite standard error, where a draw has no density under q.
///
/// @param p, q    models with sample(n, rng) and log_density(x), of one dimension and one scalar
/// @param draws   at least 2
/// @throws        InvalidArgument if the dimensions differ
///
/// Cost: draws x the densities of both. Memory for 1024 draws.
template <class P, class Q>
MonteCarloEstimate kl_divergence(const P& p, const Q& q, Index draws, Rng& rng) {
  require(p.dimension() == q.dimension(), "a divergence needs models of one dimension, got ", p.dimension(), " and ",
          q.dimension());
  require(draws >= 2, "a Monte-Carlo estimate needs at least 2 draws, got ", draws);
  double mean = 0, squares = 0, count = 0;
  for (Index first = 0; first < draws; first += 1024) {
    const auto x = p.sample(std::min<Index>(1024, draws - first), rng);
    const Eigen::VectorXd ratio = p.log_density(x) - q.log_density(x);
    for (Index i = 0; i < ratio.size(); ++i) {  // Welford (1962)
      const double off = ratio(i) - mean;
      mean += off / ++count;
      squares += off * (ratio(i) - mean);
    }
    if (!std::isfinite(mean)) {
      const double infinity = std::numeric_limits<double>::infinity();
      return {infinity, infinity};
    }
  }
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

/// Kullback-Leibler divergence of two Gaussians in closed form, in nats:
///
///   KL(p || q) = 1/2 (tr(Sq^-1 Sp) - d - log |Sq^-1 Sp| + (mq - mp)' Sq^-1 (mq - mp)),
///
/// from the factors: with M = Lq^-1 Lp, sum_i (M_ii^2 - 1 - 2 log M_ii) / 2 + sum_{i > j} M_ij^2 / 2 + ... Never
/// negative.
///
/// @throws InvalidArgument if the dimensions differ
///
/// Cost d^3 / 3.
template <class S1, int D1, class S2, int D2>
double kl_divergence(const BasicGaussian<S1, D1>& p, const BasicGaussian<S2, D2>& q) {
  const Index d = p.dimension();
  require(q.dimension() == d, "a divergence needs Gaussians of one dimension, got ", d, " and ", q.dimension());
  const BasicGaussian<S1, D1> moved = p.in(std::make_shared<const Frame>(q.frame()));
  const Eigen::MatrixXd lp = moved.precision_factor().factor(), lq = q.precision_factor().factor();
  // Column j of M; column d is the whitened difference of the means.
  double total = 0;
  Eigen::VectorXd column(d);
  for (Index j = 0; j <= d; ++j) {
    for (Index i = j < d ? j : 0; i < d; ++i) {
      double value = j < d ? lp(i, j) : moved.location()(i) - q.location()(i);
      for (Index k = j < d ? j : 0; k < i; ++k) value -= lq(i, k) * column(k);
      column(i) = value / lq(i, i);
      if (i == j) {
        const double excess = column(i) - 1;
        total += std::max(0.0, excess * (2 + excess) - 2 * std::log1p(excess));
      } else {
        total += column(i) * column(i);
      }
    }
  }
  return total / 2;
}

}  // namespace emulsion
