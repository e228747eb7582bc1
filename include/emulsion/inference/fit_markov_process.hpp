#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/inference/lbfgs.hpp"
#include "emulsion/processes/markov_process.hpp"

namespace emulsion {

struct MarkovFitOptions {
  Index restarts = 1;        ///< searches: the first starts at the hyperparameters given
  double spread = 1;         ///< standard deviation of the others' starts about them, in logarithms
  std::uint64_t seed = 0;    ///< of those starts
  bool fixed_noise = false;  ///< the noise stays as it is given
  Index pilot = 0;           ///< so many observations, the first in time, are searched with before all are; 0: none
  LbfgsOptions search = {};  ///< of each search
};

/// The search for the hyperparameters of a Markov process: from one start, on one series.
///
/// Each is measured in the unit in which the log marginal likelihood is about as curved in all: that of a period may
/// otherwise be a million times more curved than that of a variance.
template <MarkovKernel K>
class MarkovSearch {
 public:
  struct Climb {
    Maximum found;
    Index harmonics = 0;
    bool at_border = false;  ///< of the harmonics allowed
    Eigen::VectorXd unit;    ///< of each hyperparameter
  };

  MarkovSearch(const MarkovProcess<K>& prior, const MarkovFitOptions& options)
      : kernel_(prior.kernel()), noise_(prior.noise()), state_space_(prior.options()), options_(options) {}

  /// False where the hyperparameters are not admissible.
  bool read(const Eigen::VectorXd& u, K& kernel, double& noise) const {
    Index at = 0;
    if (!kernel.unpack(u, at) || !MarkovForm<K>::admissible(kernel)) return false;
    return options_.fixed_noise || read_logarithm(u, at, noise);
  }
  bool admissible(const Eigen::VectorXd& u) const {
    K kernel = kernel_;
    double noise = noise_;
    return read(u, kernel, noise) && (chosen() || needed(kernel) <= state_space_.max_harmonics);
  }
  /// @param unit  of each hyperparameter, or empty: then found at `from`, by one gradient for each
  Climb climb(const TimeSeries& series, const Eigen::VectorXd& from, Eigen::VectorXd unit = {}) const {
    const Index most = state_space_.max_harmonics;
    Climb result;
    result.harmonics = state_space_.harmonics;
    if (!chosen()) {
      const Index least = needed_at(from);
      result.harmonics = least == 0 ? 0 : std::min(least + 1, most);
    }
    Index evaluations = 0, iterations = 0;
    Eigen::VectorXd at = from;
    for (;;) {
      if (unit.size() == 0) {
        unit = unit_at(series, at, result.harmonics);
        evaluations += at.size() + 1;
      }
      const auto scaled = [&](const Eigen::VectorXd& v, Eigen::VectorXd& slope) {
        const double value = likelihood(series, at + unit.cwiseProduct(v), result.harmonics, slope);
        slope.array() *= unit.array();
        return value;
      };
      result.found = maximize_by_lbfgs(scaled, Eigen::VectorXd::Zero(at.size()), options_.search);
      at += unit.cwiseProduct(result.found.at);
      evaluations += result.found.evaluations, iterations += result.found.iterations;
      result.at_border = !chosen() && result.harmonics > 0 && needed_at(at) == result.harmonics;
      if (result.found.status == Status::failed || !result.at_border || result.harmonics == most) break;
      result.harmonics = std::min(2 * result.harmonics, most);
      unit.resize(0);
    }
    result.found.at = at;
    result.found.evaluations = evaluations, result.found.iterations = iterations;
    result.unit = std::move(unit);
    return result;
  }

 private:
  bool chosen() const { return state_space_.harmonics >= 0; }  // then the error is what it is
  Index needed(const K& kernel) const { return MarkovForm<K>::harmonics(kernel, state_space_.harmonic_error); }
  Index needed_at(const Eigen::VectorXd& u) const {
    K kernel = kernel_;
    double noise = noise_;
    read(u, kernel, noise);
    return needed(kernel);
  }
  double likelihood(const TimeSeries& series, const Eigen::VectorXd& u, Index harmonics, Eigen::VectorXd& slope) const {
    K kernel = kernel_;
    double noise = noise_;
    slope.setZero(u.size());
    if (!read(u, kernel, noise) || (!chosen() && needed(kernel) > harmonics)) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    StateSpaceOptions fixed = state_space_;
    fixed.harmonics = harmonics;
    KalmanFilter filter(StateSpace(kernel, fixed), series, noise);
    if (std::isfinite(filter.log_likelihood()))
      slope = ConditionedMarkovProcess<K>::gradient(filter, noise).head(u.size());
    return filter.log_likelihood();
  }
  /// One over the root of each hyperparameter's own curvature.
  Eigen::VectorXd unit_at(const TimeSeries& series, const Eigen::VectorXd& u, Index harmonics) const {
    constexpr double step = 1e-5;
    Eigen::VectorXd slope, moved_slope, unit = Eigen::VectorXd::Ones(u.size()), moved = u;
    likelihood(series, u, harmonics, slope);
    for (Index j = 0; j < u.size(); ++j) {
      moved(j) = u(j) + step;
      const double value = likelihood(series, moved, harmonics, moved_slope);
      moved(j) = u(j);
      const double curvature = std::abs(moved_slope(j) - slope(j)) / step;
      // No unit is longer than one, or leads further than one by the slope.
      if (std::isfinite(value)) unit(j) = 1 / std::sqrt(std::max({1.0, curvature, std::abs(slope(j))}));
    }
    return unit;
  }

  K kernel_;
  double noise_;
  StateSpaceOptions state_space_;
  MarkovFitOptions options_;
};

/// A Markov process with the hyperparameters that maximise its log marginal likelihood, by L-BFGS on their logarithms
/// from several starts, in time linear in n.
///
/// A search keeps the number of harmonics, so that it climbs one smooth function, and stays where they are as many as
/// the error asked for needs; where it ends at that border, it goes on with twice as many. The model keeps the number.
/// A search that ends where max_harmonics are needed is reported as an event, at bound. With a pilot, all starts are
/// searched from on that, and report.restarts are of it; the best then goes on with all observations.
///
/// @param prior            where the first search starts; its noise must be positive unless fixed_noise
/// @param data             see MarkovProcess::condition()
/// @param noise_variances  of single observations (n), in addition
/// @return        the process given the observations; report.objective is its log marginal likelihood, e_steps the
///                number of times that it or the pilot's was evaluated
/// @throws        InvalidArgument  as MarkovProcess::condition(), or where there is nothing to search with
///
/// Cost: each evaluation about five passes of the filter.
template <MarkovKernel K>
Fit<ConditionedMarkovProcess<K>> fit_markov_process(const MarkovProcess<K>& prior, const Regression& data,
                                                    const MarkovFitOptions& options = {},
                                                    const Eigen::VectorXd& noise_variances = {}) {
  const double noise = prior.noise();
  require(options.restarts >= 1, "a fit needs at least one start, got ", options.restarts);
  require(options.spread >= 0 && std::isfinite(options.spread), "the spread of starts must not be negative, got ",
          options.spread);
  require(options.pilot >= 0, "the number of observations of a pilot must not be negative, got ", options.pilot);
  require(options.fixed_noise || noise > 0, "a search for the noise must start at a positive one, got ", noise);
  const ConditionedMarkovProcess<K> start = prior.condition(data, noise_variances);
  const TimeSeries& series = start.series();
  const bool piloted = options.pilot > 0 && options.pilot < start.size();
  TimeSeries pilot;
  if (piloted) {
    pilot = {series.time.head(options.pilot), series.value.head(options.pilot), series.extra.head(options.pilot)};
  }
  const MarkovSearch<K> search(prior, options);
  Eigen::VectorXd first = hyperparameters(prior);
  if (options.fixed_noise) first.conservativeResize(prior.kernel().parameters());

  using Climb = typename MarkovSearch<K>::Climb;
  Report report;
  Climb best;
  for (Index restart = 0; restart < options.restarts; ++restart) {
    Eigen::VectorXd from = first;
    Rng rng = Rng(options.seed).fork(static_cast<std::uint64_t>(restart));
    if (restart > 0) {
      for (double& u : from) u += options.spread * rng.normal();
      if (!search.admissible(from)) continue;
    }
    const Climb climb = search.climb(piloted ? pilot : series, from);
    report.e_steps += climb.found.evaluations;
    const bool failed = climb.found.status == Status::failed;
    if (!failed) report.restarts.push_back(climb.found.value);
    if (restart == 0 || (!failed && (best.found.status == Status::failed || climb.found.value > best.found.value))) {
      best = climb;
    }
  }
  std::sort(report.restarts.begin(), report.restarts.end(), std::greater<>());
  const double near = 1e-7 * (1 + std::abs(best.found.value));
  report.best_reached = std::count_if(report.restarts.begin(), report.restarts.end(),
                                      [&](double value) { return value >= best.found.value - near; });
  if (piloted && best.found.status != Status::failed) {
    const double shorter = std::sqrt(static_cast<double>(options.pilot) / static_cast<double>(start.size()));
    best = search.climb(series, best.found.at, shorter * best.unit);
    report.e_steps += best.found.evaluations;
  }
  report.status = best.found.status;
  report.iterations = best.found.iterations;
  report.objective = best.found.value;
  report.distance = best.found.remaining / static_cast<double>(start.size());
  report.trace = {start.log_marginal_likelihood(), best.found.value};
  if (best.found.status == Status::failed) {
    report.events.push_back(
        {.kind = EventKind::not_finite, .text = "the log marginal likelihood is not finite at any start"});
  }
  if (best.at_border) {
    report.events.push_back(
        {.kind = EventKind::at_bound,
         .value = static_cast<double>(best.harmonics),
         .text = "the search ended where a periodic kernel needs max_harmonics for the error asked for"});
  }
  K found = prior.kernel();
  double found_noise = noise;
  search.read(best.found.at, found, found_noise);
  StateSpaceOptions kept = prior.options();
  kept.harmonics = best.harmonics;
  return {ConditionedMarkovProcess<K>(MarkovProcess<K>(found, found_noise, kept), series.time.transpose(), series.value,
                                      series.extra),
          std::move(report)};
}

}  // namespace emulsion
