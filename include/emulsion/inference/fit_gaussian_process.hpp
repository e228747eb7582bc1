#pragma once
#include <Eigen/Core>
#include <cmath>
#include <utility>
#include <vector>

#include "emulsion/inference/search_hyperparameters.hpp"
#include "emulsion/processes/gaussian_process.hpp"

namespace emulsion {

/// Fits the hyperparameters of a Gaussian process: the maximum of log p(y | x), or of the posterior where
/// options.prior says more, by L-BFGS from several starts.
///
///   const auto fit = fit_gaussian_process(GaussianProcess(SquaredExponential(1, 2), 0.1), Regression(x, y));
///   fit.model.predict(z).mean();  fit.model.prior().kernel().length_scales();  std::cout << fit.report;
///
/// Noise of less than 1e-10 of the mean variance of f is not tried, since the likelihood is then rounding: noise that
/// ends there is reported `at bound`. Hyperparameters at which the covariance is singular to a double are left aside.
///
/// @param prior            where the first search starts
/// @param data             see GaussianProcess::condition
/// @param noise_variances  of single observations (n), in addition to the process's noise
/// @return  the process given the data, and a report: `objective` in nats, `e_steps` evaluations, `restarts` the optima
///          found, best first. `failed` where no start was admissible: the process as it was given
/// @throws  InvalidArgument as condition(), and for options that make no sense
///
/// Cost of an evaluation: n^3 multiply-adds.
template <Kernel K, MeanFunction Mean>
Fit<ConditionedProcess<K, Mean>> fit_gaussian_process(const GaussianProcess<K, Mean>& prior, const Regression& data,
                                                      const HyperparameterOptions& options = {},
                                                      const Eigen::VectorXd& noise_variances = {}) {
  constexpr double least_noise = 1e-10;
  check(options, prior.parameters());
  const ConditionedProcess<K, Mean> given = prior.condition(data, noise_variances);  // throws before any work
  const auto at = [&](const Eigen::VectorXd& v, GaussianProcess<K, Mean>& process) {
    Index read = 0;
    return process.unpack(v, read);
  };
  const Eigen::MatrixXd x = data.x().matrix();
  const auto relative_noise = [&](const GaussianProcess<K, Mean>& process) {
    Eigen::VectorXd variances(x.cols());
    process.kernel().diagonal(x, variances);
    return process.noise() / variances.mean();
  };
  const auto evidence = [&](const Eigen::VectorXd& v, Eigen::VectorXd& g) {
    constexpr double nothing = -std::numeric_limits<double>::infinity();
    GaussianProcess<K, Mean> process = prior;
    if (!at(v, process)) return nothing;
    if (prior.noise() > 0 && !(relative_noise(process) > least_noise)) return nothing;
    const auto conditioned = process.conditioned_if_definite(data, noise_variances);
    if (!conditioned || (prior.noise() > 0 && conditioned->jitter() > 0)) return nothing;
    g = conditioned->gradient();
    return conditioned->log_marginal_likelihood();
  };
  // Mean functions have no natural spread.
  Eigen::VectorXd spread_of = Eigen::VectorXd::Ones(prior.parameters());
  spread_of.tail(prior.mean().parameters()).setZero();
  const HyperparameterSearch search = search_hyperparameters(evidence, hyperparameters(prior), options, spread_of);

  Report report = search.report;
  report.distance /= data.total_weight();
  if (search.at.size() == 0 && prior.parameters() > 0) {
    report.events.push_back({.kind = EventKind::not_finite,
                             .text = "the log marginal likelihood is not finite at any of the starts: the process is "
                                     "as it was given"});
    report.objective = given.log_marginal_likelihood();
    return {given, std::move(report)};
  }
  GaussianProcess<K, Mean> process = prior;
  at(search.at, process);
  const auto fitted = process.condition(data, noise_variances);
  if (fitted.jitter() > 0) {
    report.events.push_back({.kind = EventKind::jitter,
                             .value = fitted.jitter(),
                             .text = sentence({fitted.jitter(),
                                               " was added to the diagonal of the covariance, which is "
                                               "singular to a double"})});
  }
  if (process.noise() > 0 && relative_noise(process) < 10 * least_noise) {
    report.events.push_back({.kind = EventKind::at_bound,
                             .value = process.noise(),
                             .text = sentence({"the noise variance fell to ", process.noise(), ", ", least_noise,
                                               " of the variance of f at least: the observations look exact"})});
  }
  return {fitted, std::move(report)};
}

}  // namespace emulsion
