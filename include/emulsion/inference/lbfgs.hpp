#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/report.hpp"

namespace emulsion {

struct LbfgsOptions {
  Index max_iterations = 200;
  double tolerance = 1e-8;  ///< estimated gain still to be had, as a share of 1 + |value|
  Index memory = 10;        ///< pairs of steps and changes of the gradient that are kept
  double rounding = 0;      ///< differences of values below this say nothing
};

/// Where a search by L-BFGS ended.
struct Maximum {
  Eigen::VectorXd at;
  Eigen::VectorXd gradient;
  double value = 0;
  double remaining = 0;  ///< what a quadratic of the curvature found has still to give; NaN before there is one
  Index iterations = 0;
  Index evaluations = 0;
  Status status = Status::iteration_limit;
};

/// Climbs a function of unconstrained parameters by limited-memory BFGS (Nocedal and Wright, 2006, alg. 7.5) with a
/// line search for the weak Wolfe conditions by bisection (Lewis and Overton, 2013). The value never falls.
///
/// @param f      f(v, g) returns the value at v and writes its gradient to g; anything not finite: v is not admissible
/// @param start  admissible
template <class F>
[[gnu::cold]] Maximum maximize_by_lbfgs(F&& f, const Eigen::VectorXd& start, const LbfgsOptions& options = {}) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Index p = start.size();
  Maximum best{.at = start, .gradient = Eigen::VectorXd::Zero(p)};
  best.value = f(best.at, best.gradient);
  best.evaluations = 1;
  if (!std::isfinite(best.value) || !best.gradient.allFinite()) {
    best.status = Status::failed;
    return best;
  }
  std::vector<Eigen::VectorXd> steps, changes;
  Eigen::VectorXd direction(p), at(p), gradient(p);
  std::vector<double> alpha;
  const auto quiet = [&](double gain) {
    return gain <= std::max(options.tolerance * (1 + std::abs(best.value)), options.rounding);
  };
  Index still = 0;
  while (best.iterations < options.max_iterations) {
    // Two loops: the inverse Hessian times the gradient.
    direction = best.gradient;
    alpha.assign(steps.size(), 0);
    for (std::size_t i = steps.size(); i-- > 0;) {
      alpha[i] = steps[i].dot(direction) / steps[i].dot(changes[i]);
      direction -= alpha[i] * changes[i];
    }
    if (!steps.empty()) direction *= steps.back().dot(changes.back()) / changes.back().squaredNorm();
    else direction /= std::max(1.0, direction.norm());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      direction += (alpha[i] - changes[i].dot(direction) / steps[i].dot(changes[i])) * steps[i];
    }
    const double slope = direction.dot(best.gradient);
    best.remaining = steps.empty() ? std::numeric_limits<double>::quiet_NaN() : 0.5 * slope;
    // Half of it is what a quadratic with this Hessian still has to give.
    if (!steps.empty() && quiet(0.5 * slope)) {
      best.status = Status::converged;
      return best;
    }
    if (!(slope > 0)) {
      if (steps.empty()) {
        best.status = Status::converged;  // the gradient is zero
        return best;
      }
      steps.clear(), changes.clear();
      continue;
    }

    double low = 0, high = infinity, length = 1, value = 0;
    bool climbed = false, good = false;
    for (int attempt = 0; attempt < 40; ++attempt) {
      at = best.at + length * direction;
      value = f(at, gradient);
      ++best.evaluations;
      good = std::isfinite(value) && gradient.allFinite() &&
             value >= best.value + 1e-4 * length * slope - options.rounding;
      if (!good) high = length;
      else if (gradient.dot(direction) > 0.9 * slope) low = length, climbed = true;
      else {
        climbed = true;
        break;
      }
      if (climbed && good && attempt > 20) break;
      length = high < infinity ? 0.5 * (low + high) : 2 * low;
      if (high - low < 1e-14 * (1 + low)) break;
    }
    if (climbed && !good) {  // the last attempt was too long: the longest that was not
      at = best.at + low * direction;
      value = f(at, gradient);
      ++best.evaluations;
    }
    if (!climbed || !std::isfinite(value) || value < best.value) {
      if (steps.empty() || quiet(0.5 * slope)) {
        best.status = quiet(0.5 * slope) ? Status::converged : Status::sublinear;
        return best;
      }
      steps.clear(), changes.clear();  // once more, from the gradient alone
      continue;
    }
    ++best.iterations;
    const Eigen::VectorXd step = at - best.at, change = best.gradient - gradient;
    if (step.dot(change) > 1e-12 * step.norm() * change.norm()) {
      if (static_cast<Index>(steps.size()) == options.memory)
        steps.erase(steps.begin()), changes.erase(changes.begin());
      steps.push_back(step), changes.push_back(change);
    }
    still = quiet(value - best.value) ? still + 1 : 0;
    best.at = at, best.gradient = gradient, best.value = value;
    if (still >= 5) {
      best.status = Status::converged;
      return best;
    }
  }
  return best;
}

}  // namespace emulsion
