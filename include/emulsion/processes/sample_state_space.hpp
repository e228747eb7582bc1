#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "emulsion/core/random.hpp"
#include "emulsion/processes/markov_transition.hpp"

namespace emulsion {

/// A draw of the process of a state space at n times, without noise: from the stationary distribution, then step by
/// step,  x = T x + L z,  L L' = Q.
///
/// @param t  times, 1 x n, ascending; the same time gives the same value
/// @throws   InvalidArgument unless t is one row, finite and ascending
///
/// Cost: n d, and one small factor per term and step.
[[gnu::cold]] inline Eigen::VectorXd sample(const StateSpace& space, const Inputs& t, Rng& rng) {
  require(t.rows() == 1 && t.allFinite(), "a draw needs finite times in one dimension, 1 x n, got ", t.rows(), " x ",
          t.cols());
  MarkovTransition transition(space);
  Eigen::VectorXd state = Eigen::VectorXd::Zero(space.dimension()), result(t.cols());
  const auto add_draw = [&](const MarkovTransition::Block& block, const Eigen::Matrix3d& covariance) {
    const Index m = block.order;
    Eigen::Matrix3d l = Eigen::Matrix3d::Zero();
    for (Index j = 0; j < m; ++j) {
      const double left = covariance(j, j) - l.row(j).squaredNorm();
      if (!(left > 0)) continue;  // known up to rounding
      l(j, j) = std::sqrt(left);
      for (Index i = j + 1; i < m; ++i) l(i, j) = (covariance(i, j) - l.row(i).dot(l.row(j))) / l(j, j);
    }
    l *= std::sqrt(block.variance);
    for (Index first = block.first; first < block.first + block.width; first += m) {
      for (Index j = 0; j < m; ++j) {
        const double z = rng.normal();
        for (Index i = j; i < m; ++i) state(first + i) += l(i, j) * z;
      }
    }
  };
  for (Index i = 0; i < t.cols(); ++i) {
    require(i == 0 || t(0, i) >= t(0, i - 1), "a draw needs ascending times, got ", t(0, i), " after ",
            i > 0 ? t(0, i - 1) : 0);
    if (i > 0) {
      transition.over(t(0, i) - t(0, i - 1));
      transition.forward(state);
    }
    result(i) = 0;
    for (const auto& block : transition.blocks()) {
      add_draw(block, i == 0 ? block.step.stationary : block.step.noise);
      result(i) += state(block.first);
    }
  }
  return result;
}

}  // namespace emulsion
