#pragma once
#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/inference/search_hyperparameters.hpp"
#include "emulsion/processes/sparse_evidence.hpp"

namespace emulsion {

struct SparseFitOptions {
  HyperparameterOptions search = {};
  Index subsample = 0;  ///< observations that hyperparameters are sought on, drawn at random; 0: all
  int threads = 1;
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
  check(options.search, start.parameters());
  require(options.subsample >= 0 && options.subsample <= data.size(), "the subsample must lie between 0 and ",
          data.size(), ", got ", options.subsample);
  start.check(data);
  require(data.total_weight() > 0, "expected at least one observation with a positive weight");
  Rng rng(options.search.seed);
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
  const HyperparameterSearch search =
      search_hyperparameters(bound, first, options.search, Eigen::VectorXd::Ones(first.size()));
  Report report = search.report;
  report.e_steps *= 2;  // passes over the data
  report.distance /= seen.total_weight();

  SparseProcess<K> model = start;
  Index at = 0;
  if (search.at.size() > 0) model.unpack(search.at, at);
  const InducingStatistics s = model.learn(data, options.threads);
  SparseProcess<K> conditioned = model;
  model.maximize(s, conditioned);
  ++report.e_steps;
  report.objective = conditioned.objective(s);
  if (search.at.size() == 0) {
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
