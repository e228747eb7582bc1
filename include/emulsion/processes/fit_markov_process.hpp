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
  LbfgsOptions search = {};  ///< of each search
  StateSpaceOptions state_space = {};
};

/// A Markov process with the hyperparameters that maximise its log marginal likelihood, by L-BFGS on their logarithms
/// from several starts, in time linear in n.
///
/// A search keeps the number of harmonics, so that it climbs one smooth function, and stays where they are as many as
/// the error asked for needs; where it ends at that border, it goes on with twice as many. The model keeps the number.
/// A search that ends where max_harmonics are needed is reported as an event, at bound.
///
/// @param kernel  where the first search starts
/// @param noise   likewise; positive unless fixed_noise
/// @return        the process given the observations; report.objective is its log marginal likelihood, e_steps the
///                number of times that it was evaluated
/// @throws        InvalidArgument  as MarkovProcess, or where there is nothing to search with
///
/// Cost: each evaluation about six passes of the filter.
template <MarkovKernel K>
Fit<MarkovProcess<K>> fit_markov_process(const K& kernel, double noise, const Inputs& t,
                                         const Eigen::Ref<const Eigen::VectorXd>& y,
                                         const MarkovFitOptions& options = {}, const Eigen::VectorXd& extra = {}) {
  require(options.restarts >= 1, "a fit needs at least one start, got ", options.restarts);
  require(options.spread >= 0 && std::isfinite(options.spread), "the spread of starts must not be negative, got ",
          options.spread);
  require(options.fixed_noise || noise > 0, "a search for the noise must start at a positive one, got ", noise);
  const StateSpaceOptions& given = options.state_space;
  const MarkovProcess<K> start(kernel, noise, t, y, given, extra);
  const TimeSeries& series = start.series();

  struct Point {
    K kernel;
    double noise;
  };
  const Index p = kernel.parameters(), free = options.fixed_noise ? p : p + 1;
  const auto read = [&](const Eigen::VectorXd& u, Point& point) {
    Index at = 0;
    if (!point.kernel.unpack(u, at) || !MarkovForm<K>::admissible(point.kernel)) return false;
    return options.fixed_noise || read_logarithm(u, at, point.noise);
  };
  const bool chosen = given.harmonics >= 0;  // then the error is what it is
  const auto needed = [&](const K& k) { return chosen ? 0 : MarkovForm<K>::harmonics(k, given.harmonic_error); };
  const auto search = [&](const Eigen::VectorXd& from, Index harmonics) {
    StateSpaceOptions fixed = given;
    fixed.harmonics = harmonics;
    const auto likelihood = [&](const Eigen::VectorXd& u, Eigen::VectorXd& slope) {
      Point point{kernel, noise};
      if (!read(u, point) || needed(point.kernel) > harmonics) return std::numeric_limits<double>::quiet_NaN();
      KalmanFilter filter(StateSpace(point.kernel, fixed), series, point.noise);
      if (!std::isfinite(filter.log_likelihood())) return filter.log_likelihood();
      slope = MarkovProcess<K>::gradient(filter, point.noise).head(free);
      return filter.log_likelihood();
    };
    return maximize_by_lbfgs(likelihood, from, options.search);
  };
  Eigen::VectorXd first(p + 1);
  Index at = 0;
  start.pack(first, at);
  first.conservativeResize(free);
  Report report;
  Maximum best;
  Index best_harmonics = 0;
  bool best_at_border = false;
  for (Index restart = 0; restart < options.restarts; ++restart) {
    Eigen::VectorXd from = first;
    Rng rng = Rng(options.seed).fork(static_cast<std::uint64_t>(restart));
    if (restart > 0) {
      for (double& u : from) u += options.spread * rng.normal();
    }
    Point point{kernel, noise};
    if (!read(from, point) || needed(point.kernel) > given.max_harmonics) continue;
    Index harmonics = given.harmonics;
    if (!chosen) {
      const Index least = needed(point.kernel);
      harmonics = least == 0 ? 0 : std::min(least + 4, given.max_harmonics);
    }
    Maximum found = search(from, harmonics);
    report.e_steps += found.evaluations;
    bool at_border = false;
    while (found.status != Status::failed) {
      read(found.at, point);
      at_border = !chosen && harmonics > 0 && needed(point.kernel) == harmonics;
      if (!at_border || harmonics == given.max_harmonics) break;
      harmonics = std::min(2 * harmonics, given.max_harmonics);
      const Index before = found.iterations;
      found = search(found.at, harmonics);
      report.e_steps += found.evaluations;
      found.iterations += before;
    }
    report.restarts.push_back(found.value);
    const bool usable = found.status != Status::failed;
    if (best.at.size() == 0 || (usable && (best.status == Status::failed || found.value > best.value))) {
      best = found;
      best_harmonics = harmonics, best_at_border = at_border;
    }
  }
  std::sort(report.restarts.begin(), report.restarts.end(), std::greater<>());
  const double near = 1e-7 * (1 + std::abs(best.value));
  report.best_reached = std::count_if(report.restarts.begin(), report.restarts.end(),
                                      [&](double value) { return value >= best.value - near; });
  report.status = best.status;
  report.iterations = best.iterations;
  report.objective = best.value;
  report.distance = std::numeric_limits<double>::quiet_NaN();
  report.trace = {start.log_marginal_likelihood(), best.value};
  if (best.status == Status::failed) {
    report.events.push_back(
        {.kind = EventKind::not_finite, .text = "the log marginal likelihood is not finite at any start"});
  }
  if (best_at_border) {
    report.events.push_back(
        {.kind = EventKind::at_bound,
         .value = static_cast<double>(best_harmonics),
         .text = "the search ended where a periodic kernel needs max_harmonics for the error asked for"});
  }
  Point point{kernel, noise};
  read(best.at, point);
  StateSpaceOptions kept = given;
  kept.harmonics = best_harmonics;
  return {MarkovProcess<K>(point.kernel, point.noise, series.time.transpose(), series.value, kept, series.extra),
          std::move(report)};
}

}  // namespace emulsion
