#pragma once
#include <Eigen/Core>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/linear_algebra.hpp"
#include "emulsion/data/regression.hpp"
#include "emulsion/kernels/kernel.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// The laws of an exact process with noise, given n >= 3 observations (x: d x n, y: 1 x n):
///
/// - the chain rule: log p(y) = log p(y_1 ... y_{n-1}) + log N(y_n; mean, variance with noise) as predicted from the
/// others;
/// - the order of observations does not matter; weight two is the observation twice;
/// - variances of f and of an observation differ by the noise, and no observation raises the variance of f;
/// - the gradient of log p(y) is that of finite differences.
///
/// Process: condition(Regression), parameters(), pack(), unpack(), noise() > 0.
template <class Process>
std::vector<std::string> process_laws(const Process& process, const Eigen::MatrixXd& x, const Eigen::MatrixXd& y) {
  Findings laws(0);
  const Index n = x.cols();
  const auto all = process.condition(Regression(x, y));
  const double likelihood = all.log_marginal_likelihood(), unit = 1 + std::abs(likelihood);

  const Eigen::MatrixXd early_x = x.leftCols(n - 1), early_y = y.leftCols(n - 1), last = x.rightCols(1);
  const auto early = process.condition(Regression(early_x, early_y));
  const auto told = early.predict(last);
  const double mean = told.mean()(0), variance = told.variance_with_noise()(0), away = y(0, n - 1) - mean;
  laws.expect_near(early.log_marginal_likelihood() - 0.5 * (log_two_pi + std::log(variance) + away * away / variance),
                   likelihood, 1e-9 * unit, "the chain rule");
  laws.expect_near(variance - told.variance()(0), process.noise(), 1e-9 * variance,
                   "a variance with noise is that of f and the noise");
  laws.expect_at_most(all.predict(last).variance()(0), told.variance()(0), 1e-9 * variance,
                      "an observation does not raise the variance of f");

  const Eigen::MatrixXd back_x = x.rowwise().reverse(), back_y = y.rowwise().reverse();
  const auto reversed = process.condition(Regression(back_x, back_y));
  laws.expect_near(reversed.log_marginal_likelihood(), likelihood, 1e-9 * unit, "the order of observations");
  laws.expect_near(reversed.predict(last).mean()(0), all.predict(last).mean()(0), 1e-9 * (1 + largest_magnitude(y)),
                   "the order of observations, in predictions");

  Eigen::VectorXd twice = Eigen::VectorXd::Ones(n);
  twice(1) = 2;
  Eigen::MatrixXd more_x(x.rows(), n + 1), more_y(1, n + 1);
  more_x << x, x.col(1);
  more_y << y, y.col(1);
  const auto weighty = process.condition(weighted(Regression(x, y), twice));
  const auto repeated = process.condition(Regression(more_x, more_y));
  laws.expect_near(weighty.log_marginal_likelihood(), repeated.log_marginal_likelihood(), 1e-9 * unit,
                   "weight two is the observation twice");
  laws.expect_near(weighty.predict(last).mean()(0), repeated.predict(last).mean()(0), 1e-9 * (1 + largest_magnitude(y)),
                   "weight two is the observation twice, in predictions");

  const Eigen::VectorXd v = hyperparameters(process), g = all.gradient();
  laws.expect(g.size() == v.size(), "a derivative for each hyperparameter");
  const auto value = [&](Eigen::VectorXd u, Index p, double step) {
    u(p) += step;
    Process moved = process;
    Index at = 0;
    moved.unpack(u, at);
    return moved.condition(Regression(x, y)).log_marginal_likelihood();
  };
  for (Index p = 0; p < std::min(v.size(), g.size()); ++p) {
    // Differences of an even function to the fourth order: their error is rounding over the step.
    const double h = 1e-3, near = value(v, p, h) - value(v, p, -h), far = value(v, p, 2 * h) - value(v, p, -2 * h);
    laws.expect_near(g(p), (8 * near - far) / (12 * h), 1e-7 * unit, "the gradient is that of finite differences");
  }
  return std::move(laws).broken();
}

}  // namespace emulsion::testing
