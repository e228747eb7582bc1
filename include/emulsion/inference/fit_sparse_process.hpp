#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/inference/lbfgs.hpp"
#include "emulsion/processes/sparse_evidence.hpp"

namespace emulsion {

struct SparseFitOptions {
  Index restarts = 3;   ///< the first from the process given, the others from hyperparameters moved at random
  double spread = 1;    ///< standard deviation of those moves
  Index subsample = 0;  ///< observations that hyperparameters are sought on, drawn at random; 0: all
  int threads = 1;
  std::uint64_t seed = 0;
  LbfgsOptions search = {};
};

/// The process whose hyperparameters maximise its bound, Titsias' or FITC's, by L-BFGS, conditioned on all the data.
/// Inducing inputs stay where they are.
///
/// The report's objective is the bound on all the data; `restarts` are those of the search, on the subsample where one
/// was asked for. Observations of a subsample keep their weights and are not scaled up: fewer say less.
///
/// Cost: two passes of n M^2 for each evaluation, which `e_steps` counts.
///
/// @throws InvalidArgument  for options out of range, or data as SparseProcess::check()
template <Kernel K>
[[gnu::cold]] Fit<SparseProcess<K>> fit_sparse_process(const SparseProcess<K>& start, const Regression& data,
                                                       const SparseFitOptions& options = {}) {
  require(options.restarts >= 1, "restarts must be at least 1, got ", options.restarts);
  require(options.spread >= 0 && std::isfinite(options.spread), "the spread of restarts must be finite and not ",
          "negative, got ", options.spread);
  require(options.subsample >= 0 && options.subsample <= data.size(), "the subsample must lie between 0 and ",
          data.size(), ", got ", options.subsample);
  start.check(data);
  require(data.total_weight() > 0, "expected at least one observation with a positive weight");
  Rng rng(options.seed);
  const auto drawn = [&] {
    std::vector<Index> all(static_cast<std::size_t>(data.size()));
    std::iota(all.begin(), all.end(), Index{0});
    if (options.subsample == 0) return all;
    const auto count = static_cast<std::size_t>(options.subsample);
    for (std::size_t i = 0; i < count; ++i) std::swap(all[i], all[i + rng.below(all.size() - i)]);
    all.resize(count);
    std::sort(all.begin(), all.end());
    return all;
  };
  const Regression seen = options.subsample == 0 ? data : data.gather(drawn());

  SparseProcess<K> tried = start;
  const auto bound = [&](const Eigen::VectorXd& u, Eigen::VectorXd& gradient) {
    Index at = 0;
    if (!tried.unpack(u, at)) return -std::numeric_limits<double>::infinity();
    SparseEvidence found = sparse_evidence(tried, seen, options.threads);
    gradient = std::move(found.gradient);
    return found.value;
  };
  const Eigen::VectorXd first = hyperparameters(start);
  Maximum best;
  Report report;
  for (Index r = 0; r < options.restarts; ++r) {
    Eigen::VectorXd from = first;
    if (r > 0) {
      for (Index j = 0; j < from.size(); ++j) from(j) += options.spread * rng.normal();
    }
    const Maximum found = maximize_by_lbfgs(bound, from, options.search);
    report.e_steps += 2 * found.evaluations;
    report.restarts.push_back(std::isfinite(found.value) ? found.value : -std::numeric_limits<double>::infinity());
    if (r == 0 || best.status == Status::failed || (found.status != Status::failed && found.value > best.value))
      best = found;
  }
  std::sort(report.restarts.begin(), report.restarts.end(), [](double a, double b) { return a > b; });
  const double close = report.restarts.front() - 1e-6 * (1 + std::abs(report.restarts.front()));
  report.best_reached =
      std::count_if(report.restarts.begin(), report.restarts.end(), [&](double value) { return value >= close; });
  report.status = best.status;
  report.iterations = best.iterations;
  report.distance = best.remaining / seen.total_weight();

  SparseProcess<K> model = start;
  Index at = 0;
  if (!model.unpack(best.at, at)) model = start;
  const InducingStatistics s = model.learn(data, options.threads);
  SparseProcess<K> conditioned = model;
  model.maximize(s, conditioned);
  ++report.e_steps;
  report.objective = conditioned.objective(s);
  if (best.status == Status::failed) {
    report.events.push_back({.kind = EventKind::not_finite,
                             .text = "the bound is not finite at any of the starts: the process is as it was given"});
  }
  const double jitter = conditioned.basis().jitter();
  if (jitter > 0) {
    report.events.push_back({.kind = EventKind::jitter,
                             .value = jitter,
                             .text = sentence({jitter, " was added to the diagonal of the covariance of the inducing ",
                                               "inputs, which is singular to a double"})});
  }
  return {conditioned, report};
}

}  // namespace emulsion
