#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/error.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/inference/lbfgs.hpp"

namespace emulsion {

/// Independent normal priors on hyperparameters as a process packs them (logarithms of what is positive). A deviation
/// of infinity is no prior; zero holds a hyperparameter at its mean.
struct HyperparameterPrior {
  Eigen::VectorXd mean = {};       ///< one per hyperparameter
  Eigen::VectorXd deviation = {};  ///< one per hyperparameter
};

struct HyperparameterOptions {
  int restarts = 5;                ///< searches: from the process as it is given, then from places drawn around it
  double spread = 1.5;             ///< deviation of those places in each logarithm
  Index max_iterations = 200;      ///< of one search
  double tolerance = 1e-8;         ///< estimated gain still to be had, as a share of 1 + |log evidence|
  std::uint64_t seed = 0;          ///< of the restarts
  HyperparameterPrior prior = {};  ///< none: maximum likelihood
};

inline void check(const HyperparameterOptions& options, Index parameters) {
  require(options.restarts >= 1, "expected at least one restart, got ", options.restarts);
  require(options.max_iterations >= 0, "max_iterations must not be negative, got ", options.max_iterations);
  require(options.tolerance > 0 && std::isfinite(options.tolerance), "the tolerance must be positive and finite, got ",
          options.tolerance);
  require(options.spread >= 0 && std::isfinite(options.spread), "the spread of restarts must be finite, got ",
          options.spread);
  const HyperparameterPrior& prior = options.prior;
  if (prior.mean.size() == 0 && prior.deviation.size() == 0) return;
  require(prior.mean.size() == parameters && prior.deviation.size() == parameters,
          "expected a prior mean and deviation for each of ", parameters, " hyperparameters, got ", prior.mean.size(),
          " and ", prior.deviation.size());
  for (Index p = 0; p < parameters; ++p) {
    require(std::isfinite(prior.mean(p)) && prior.deviation(p) >= 0, "the prior of hyperparameter ", p, " has mean ",
            prior.mean(p), " and deviation ", prior.deviation(p));
  }
}

/// Where hyperparameters are best, and how they were found.
struct HyperparameterSearch {
  Eigen::VectorXd at;  ///< empty where no start was admissible
  Report report = {};  ///< its distance is the total in nats
};

/// Maximizes log evidence (v) + log prior (v) by L-BFGS from several starts.
///
/// @param evidence  evidence(v, g) in nats, its gradient to g; anything not finite: v is not admissible
/// @param spread_of restarts move a hyperparameter by so many times the spread: 1 for logarithms, 0 to let it be
template <class Evidence>
[[gnu::cold]] HyperparameterSearch search_hyperparameters(Evidence&& evidence, const Eigen::VectorXd& start,
                                                          const HyperparameterOptions& options,
                                                          const Eigen::VectorXd& spread_of) {
  const Index p = start.size();
  check(options, p);
  const HyperparameterPrior& prior = options.prior;
  const auto held = [&](Index j) { return prior.deviation.size() > 0 && prior.deviation(j) == 0; };
  const auto bounded = [&](Index j) { return prior.deviation.size() > 0 && std::isfinite(prior.deviation(j)); };
  const auto objective = [&](const Eigen::VectorXd& v, Eigen::VectorXd& g) {
    double value = evidence(v, g);
    for (Index j = 0; j < p; ++j) {
      if (held(j)) {
        g(j) = 0;
      } else if (bounded(j)) {
        const double away = (v(j) - prior.mean(j)) / prior.deviation(j);
        value -= 0.5 * (log_two_pi + away * away) + std::log(prior.deviation(j));
        g(j) -= away / prior.deviation(j);
      }
    }
    return value;
  };
  Eigen::VectorXd first = start;
  for (Index j = 0; j < p; ++j) first(j) = held(j) ? prior.mean(j) : start(j);

  HyperparameterSearch best;
  best.report.status = Status::failed;
  best.report.objective = -std::numeric_limits<double>::infinity();
  Rng rng(options.seed);
  for (int restart = 0; restart < options.restarts; ++restart) {
    Eigen::VectorXd from = first;
    for (Index j = 0; j < p && restart > 0; ++j) {
      const double step = options.spread * spread_of(j) * rng.normal();
      if (!held(j)) from(j) += step;
    }
    const Maximum found =
        maximize_by_lbfgs(objective, from, {.max_iterations = options.max_iterations, .tolerance = options.tolerance});
    best.report.e_steps += found.evaluations;
    if (found.status == Status::failed) continue;
    best.report.restarts.push_back(found.value);
    if (!(found.value > best.report.objective)) continue;
    best.at = found.at;
    best.report.objective = found.value;
    best.report.iterations = found.iterations;
    best.report.status = found.status;
    best.report.distance = found.remaining;
  }
  auto& values = best.report.restarts;
  std::sort(values.rbegin(), values.rend());
  const double slack = 1e-6 * (1 + std::abs(best.report.objective));
  for (const double value : values) best.report.best_reached += value >= best.report.objective - slack ? 1 : 0;
  return best;
}

}  // namespace emulsion
