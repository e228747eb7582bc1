#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/core/statistics_tree.hpp"
#include "emulsion/inference/e_step.hpp"
#include "emulsion/inference/em_options.hpp"

namespace emulsion {

struct MemoizedOptions {
  Index batches = 10;
  Index max_laps = 1000;
  int threads = 1;
  double tolerance = 1e-9;  ///< change of the objective over a lap, in nats per observation, below which the fit ends
};

/// Incremental EM (Neal and Hinton, 1998), which on a variational model is memoized variational inference (Hughes and
/// Sudderth, 2013): after every batch the M-step, from the batch's new statistics and what the others said last. The
/// same fixed points as em(), reached in fewer passes over the data, because the model learns within a pass.
///
/// @throws InvalidArgument  for options out of range and data that the model cannot have produced, before any work
///
/// Local statistics are recentred after every M-step.
///
/// Memory: two statistics per batch. Cost of a lap: one pass, and log2(batches) merges and an M-step per batch; where
/// statistics are local, 2 batches^2 times recentre() besides.
template <class M, Observations D>
requires LatentModel<M, D, AnyEStep<D>> Fit<M> memoized_em(M model, const D& data,
                                                           const MemoizedOptions& options = {}) {
  static_assert(Recentred<M> || !LocalMStep<M>,
                "this model's M-step is local: its statistics belong to one value of the parameters, and memoized EM "
                "would add those of many; it needs recentre()");
  require(options.batches >= 1, "memoized EM needs at least one batch, got ", options.batches);
  require(options.max_laps >= 0, "max_laps must not be negative, got ", options.max_laps);
  require(options.tolerance > 0 && std::isfinite(options.tolerance), "the tolerance must be positive and finite, got ",
          options.tolerance);
  check_threads(options.threads);
  require(data.size() > 0, "a fit needs at least one observation, got none");
  if constexpr (requires { model.check(data); }) model.check(data);
  if constexpr (requires { model.follow(data); }) model.follow(data);
  const Index batches = std::min(options.batches, data.size());
  StatisticsTree<typename M::Statistics> tree(batches, model.statistics());
  Workers workers(useful_threads(options.threads, data.size() / batches));
  M next = model;
  const AnyEStep<D> soft = Soft();
  const auto visit = [&](Index b) {
    const Index first = b * data.size() / batches, end = (b + 1) * data.size() / batches;
    Fold<M, D> fold(model, data.slice(first, end - first), workers);
    tree.leaf(b) = fold(model, soft);
    tree.update(b);
  };
  const auto step = [&] {
    model.maximize(tree.total(), next);
    std::swap(model, next);
    if constexpr (Recentred<M>) tree.each([&](auto& s) { model.recentre(s, next); });
  };
  Report report;
  const double gain = options.tolerance * data.total_weight();
  // The laps that begin and end leave the model as it is: what all batches say of one model is its objective.
  const auto objective = [&] {
    for (Index b = 0; b < batches; ++b) visit(b);
    ++report.e_steps;
    return model.objective(tree.total());
  };
  M best = model;
  report.objective = objective();
  report.trace.push_back(report.objective);
  const auto end = [&](Status status, EventKind kind, double value) {
    report.status = status;
    report.events.push_back(
        {kind, report.iterations, -1, -1, value,
         sentence({"the objective was ", value, " after ", report.objective, "; the model before is kept"})});
    return Fit<M>{std::move(best), std::move(report)};
  };
  if (!std::isfinite(report.objective)) return end(Status::failed, EventKind::not_finite, report.objective);
  while (report.iterations < options.max_laps) {
    step();
    double before = -std::numeric_limits<double>::infinity();
    for (bool still = false; !still && report.iterations < options.max_laps;) {
      for (Index b = 0; b < batches; ++b) {
        visit(b);
        step();
      }
      ++report.iterations, ++report.e_steps;
      const double now = model.objective(tree.total());  // nearly: of the models that saw the batches
      still = !(std::abs(now - before) >= gain);
      before = now;
    }
    const double reached = objective(), slack = 1e-10 * (std::abs(reached) + 0.01 * data.total_weight());
    if (!std::isfinite(reached)) return end(Status::failed, EventKind::not_finite, reached);
    if (reached < report.objective - slack) return end(Status::objective_fell, EventKind::fell, reached);
    const bool converged = std::abs(reached - report.objective) < gain || std::abs(reached - before) < gain;
    report.objective = reached;
    report.trace.push_back(reached);
    best = model;
    if (converged) {
      report.status = Status::converged;
      break;
    }
  }
  return {std::move(best), std::move(report)};
}

/// Of a matrix, one observation per column.
template <class M, class Derived>
Fit<M> memoized_em(M start, const Eigen::MatrixBase<Derived>& x, const MemoizedOptions& options = {}) {
  return memoized_em(std::move(start), typename M::Data(x.derived()), options);
}

}  // namespace emulsion
