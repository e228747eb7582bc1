#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "emulsion/core/fold.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/report.hpp"
#include "emulsion/inference/convergence.hpp"
#include "emulsion/inference/e_step.hpp"
#include "emulsion/inference/em_options.hpp"
#include "emulsion/inference/quasi_newton.hpp"

namespace emulsion {

/// The number that component k had before some were dropped; `dropped` are their numbers of that time.
inline Index number_before(std::vector<Index> dropped, Index k) {
  std::sort(dropped.begin(), dropped.end());
  for (const Index gone : dropped) k += gone <= k ? 1 : 0;
  return k;
}

/// One fit in progress: the loop of em() with its storage, so that nothing is allocated in an iteration. (Functions off
/// the loop are marked cold: optimised for size, they compile in less time.)
template <class M, class D>
class EmRun {
 public:
  using AnyReduce = std::function<void(typename M::Statistics&)>;

  [[gnu::cold]] EmRun(M start, const D& data, const EmOptions& options, AnyEStep<D> e_step, AnyReduce reduce,
                      Workers& workers, bool all_data)
      : data_(data), options_(options), e_step_(std::move(e_step)), reduce_(std::move(reduce)), workers_(workers),
        now_(std::move(start)), hastened_(all_data && hasten(now_, data_)), next_(now_), before_(now_),
        fallback_(now_) {
    fold_.emplace(now_, data_, workers_, options_.block);
    prepare();
    report_.trace.reserve(static_cast<std::size_t>(std::min<Index>(options_.max_iterations, 4095)) + 1);
  }

  [[gnu::cold]] Fit<M> operator()() {
    while (step()) {}
    finish();
    return {std::move(now_), std::move(report_)};
  }

 private:
  static bool hasten(M& model, const D& data) {
    if constexpr (Hastened<M, D>) return model.hasten(data);
    else return false;
  }

  /// E-step of now_, everything that may end the fit, M-step. False at the end.
  [[gnu::cold]] bool step() {
    auto& statistics = *(latest_ = &(*fold_)(now_, e_step_));
    reduce_(statistics);
    ++report_.e_steps;
    if constexpr (requires { now_.total_weight(statistics); }) {
      if (report_.e_steps == 1) convergence_ = Convergence(total_weight_ = now_.total_weight(statistics));
    }
    const double objective = now_.objective(statistics);
    if (!extrapolated_ && !std::isfinite(objective)) return hastened_ ? refine_before() : damp() || fail(objective);
    const double slack = convergence_.slack(report_.objective);
    if (extrapolated_ && !(objective >= report_.objective - convergence_.rounding())) return retreat(objective);
    const bool first = report_.trace.empty();
    if (!first && !extrapolated_ && !renewed_) {
      if (objective < report_.objective - slack) {
        if (hastened_) return refine(false);
        return damp() || fell(objective);
      }
      convergence_.step(report_.objective, objective, plain_ > 0, promise_);
    }
    halvings_ = 0;
    idle_ = objective > highest_ + convergence_.rounding() ? 0 : idle_ + 1;
    highest_ = std::max(highest_, objective);
    stuck_ = objective > mark_ + convergence_.rounding() ? 0 : stuck_ + 1;
    if (stuck_ == 0) mark_ = objective;
    plain_ = extrapolated_ || first || renewed_ ? 0 : plain_ + 1;
    landed_ = extrapolated_;
    extrapolated_ = renewed_ = false;
    report_.objective = objective;
    note(objective);
    report_.distance = convergence_.distance() / total_weight_;
    report_.rate = convergence_.rate();
    if (hastened_ && !first && report_.objective - last_ < coarse()) return refine(true);
    last_ = report_.objective;
    if (options_.progress && !options_.progress(report_)) return end(Status::stopped);
    if (options_.stop.stop_requested()) return end(Status::stopped);
    if (!hastened_ && converged()) return end(Status::converged);
    if (report_.iterations >= options_.max_iterations) return end(limit_status());
    if ((idle_ > 50 && convergence_.exhausted()) || stuck_ > 500) return end(Status::sublinear);

    now_.maximize(statistics, next_);
    ++report_.iterations;
    if constexpr (Componentwise<M>) {
      if (!diagnose(statistics)) return end(Status::failed);
    }
    if constexpr (Charted<M>) {
      if (!renewed_) accelerate(statistics);  // else they are no longer those of now_
    }
    std::swap(before_, now_);
    std::swap(now_, next_);
    return true;
  }

  /// Exact arithmetic from here on, from the same parameters; `noted`: their objective is in the trace already.
  [[gnu::cold]] bool refine(bool noted) {
    if constexpr (Hastened<M, D>) {
      for (M* model : {&now_, &next_, &before_, &fallback_}) model->refine();
    }
    hastened_ = false;
    refined_ = true;
    noted_ = noted;
    restart();
    return true;
  }
  /// The same where cheap arithmetic overflowed: from the parameters before.
  [[gnu::cold]] bool refine_before() {
    const bool noted = !report_.trace.empty();
    if (noted) std::swap(now_, before_), --report_.iterations;
    fold_.emplace(now_, data_, workers_, options_.block);  // what is not finite stays in its sums
    return refine(noted);
  }
  /// Into the trace. The first exact objective takes the place of its own that was not, and none before may be above
  /// it.
  void note(double objective) {
    if (refined_) {
      for (double& before : report_.trace) before = std::min(before, objective);
      if (noted_) report_.trace.pop_back();
    }
    report_.trace.push_back(objective);
    refined_ = false;
  }
  /// A gain that the rounding of cheap arithmetic may have made.
  double coarse() const {
    return 4e-7 * (std::abs(report_.objective) + 0.01 * total_weight_) / std::sqrt(static_cast<double>(data_.size()));
  }

  /// The distance must be far below the tolerance, because it is an estimate, after several plain steps.
  [[gnu::cold]] bool converged() {
    const double tolerance = options_.tolerance * total_weight_;
    const double distance = convergence_.distance();
    confirming_ = near(distance);
    if (idle_ > 50 && convergence_.exhausted()) {  // a smaller tolerance than the rounding of the objective allows
      return distance <= std::max(tolerance, std::min(100 * convergence_.rounding(), 1e-9 * total_weight_));
    }
    return confirming_ && (plain_ >= 8 || convergence_.fixed_point()) && convergence_.settled();
  }

  [[gnu::cold]] Status limit_status() const {
    // c / t^p has the rate 1 - (p + 1) / t after t steps
    const bool tends_to_one = (1 - convergence_.slowest_rate()) * static_cast<double>(report_.iterations) < 10;
    return report_.iterations >= 1000 && tends_to_one ? Status::sublinear : Status::iteration_limit;
  }

  /// So near the limit that what is left is to be confirmed by plain steps.
  bool near(double distance) const { return distance <= 0.003 * options_.tolerance * total_weight_; }
  bool accelerates() const { return Differentiable<M> && options_.acceleration != Acceleration::none; }
  [[gnu::cold]] void prepare() {
    if constexpr (Charted<M>) quasi_newton_.prepare(now_, accelerates());
  }

  /// Replaces next_ by an extrapolation, while the limit is not near; the plain iterate is kept in fallback_.
  [[gnu::cold]] void accelerate(const typename M::Statistics& statistics) {
    const bool wanted = convergence_.wants_steps();
    if (!accelerates() || held_) {
      promise_ = wanted ? quasi_newton_.square_step(now_, next_) : nan;
      return;
    }
    if constexpr (Differentiable<M>) {
      const double promise = total_weight_ * std::abs(quasi_newton_.learn(before_, now_, next_, statistics));
      promise_ = wanted ? promise : nan;
      if (landed_) convergence_.extrapolated(promise);
      if (confirming_ || convergence_.negligible(promise)) return;
      if (near(convergence_.distance()) || !quasi_newton_.extrapolate(now_, fallback_)) return;
      convergence_.parameter_rate(quasi_newton_.rate());
      std::swap(next_, fallback_);  // next_ is extrapolated, the plain iterate waits
      extrapolated_ = true;
    }
  }
  /// An extrapolation went too far: to a nearer one, or back to the plain iterate.
  [[gnu::cold]] bool retreat(double objective) {
    if (!std::isfinite(objective)) fold_.emplace(before_, data_, workers_, options_.block);  // NaN stays in its sums
    if constexpr (Differentiable<M>) {
      if (quasi_newton_.shorten(before_, now_, (objective - report_.objective) / total_weight_)) return true;
    }
    std::swap(now_, fallback_);
    extrapolated_ = false;
    return true;
  }

  /// Notes what happened to components in next_ and acts. False to fail.
  [[gnu::cold]] bool diagnose(const typename M::Statistics& statistics) {
    bool any_held = false;
    for (Index k = 0; k < next_.size(); ++k) any_held = any_held || next_.at_floor(k) > 0;
    if (any_held != held_) quasi_newton_.forget(), convergence_.forget_steps();
    held_ = any_held;
    for (Index k = 0; k < next_.size(); ++k) {
      const bool empty = next_.emptied(k);
      const Index held = next_.at_floor(k);
      if (!empty && held == 0) continue;
      const EventKind kind = empty ? EventKind::emptied : EventKind::floor_active;
      if (!log_.contains(kind, number(k))) {
        log_.add({kind, report_.iterations, number(k), -1, static_cast<double>(held),
                  sentence({"component ", number(k),
                            empty ? " lost all its weight" : " collapsed: the floor holds its parameters up"})});
      }
      if (options_.degenerate == Degenerate::floor || (!empty && held <= held_by_all(statistics))) continue;
      if (options_.degenerate == Degenerate::fail) return false;
      if (options_.degenerate == Degenerate::reseed) {
        reseed(k);
      } else if (next_.size() > 1) {
        drop(k);
        return true;
      }
    }
    return true;
  }

  /// What the floor holds up in one component of all the data (a constant dimension): no fault of any component.
  [[gnu::cold]] Index held_by_all(const typename M::Statistics& statistics) {
    if constexpr (requires { now_.at_floor_of_all(statistics); }) {
      if (held_by_all_ < 0) held_by_all_ = now_.at_floor_of_all(statistics);
    }
    return held_by_all_;
  }

  /// The number that component k of next_ had in the start.
  Index number(Index k) const { return number_before(dropped_, k); }

  [[gnu::cold]] void reseed(Index k) {
    if (static_cast<Index>(reseeds_.size()) < next_.size()) reseeds_.resize(static_cast<std::size_t>(next_.size()), 0);
    Index& count = reseeds_[static_cast<std::size_t>(k)];
    if (++count > 2) return;
    M random = next_;
    const Rng rng = Rng(options_.seed).fork(static_cast<std::uint64_t>(report_.iterations));
    auto& statistics = (*fold_)(now_, RandomResponsibilities{rng});
    reduce_(statistics);
    ++report_.e_steps;
    now_.maximize(statistics, random);
    next_.renew(k, random);
    restart();
    log_.add({EventKind::reseeded, report_.iterations, number(k), -1, static_cast<double>(count),
              sentence({"component ", number(k), " was placed anew"})});
  }

  [[gnu::cold]] void drop(Index k) {
    next_.drop(k);
    log_.add({EventKind::dropped, report_.iterations, number(k), -1, static_cast<double>(next_.size()),
              sentence({"component ", number(k), " was removed; ", next_.size(), " are left"})});
    dropped_.push_back(number(k));
    now_ = before_ = fallback_ = next_;
    fold_.emplace(now_, data_, workers_, options_.block);
    prepare();
    restart();
  }

  [[gnu::cold]] void restart() {
    renewed_ = true;
    landed_ = false;
    highest_ = mark_ = -std::numeric_limits<double>::infinity();
    quasi_newton_.forget();
    convergence_.restart();
  }

  /// An M-step that only promises to climb went too far: to halfway between the models, in unconstrained parameters.
  [[gnu::cold]] bool damp() {
    if constexpr (Charted<M> && LocalMStep<M>) {
      if (report_.trace.empty() || ++halvings_ > 30 || !quasi_newton_.halve(before_, now_)) return false;
      fold_.emplace(now_, data_, workers_, options_.block);  // what is not finite stays in its sums
      if (!log_.contains(EventKind::damped)) {
        log_.add({EventKind::damped, report_.iterations, -1, -1, 0,
                  "an M-step was damped: its whole length would have lowered the objective"});
      }
      return true;
    } else {
      return false;
    }
  }
  bool end(Status status) {
    report_.status = status;
    return false;
  }
  [[gnu::cold]] bool fell(double objective) {
    log_.add(
        {EventKind::fell, report_.iterations, -1, -1, objective,
         sentence({"the objective fell from ", report_.objective, " to ", objective, "; the model before is kept"})});
    std::swap(now_, before_);
    return end(Status::objective_fell);
  }
  [[gnu::cold]] bool fail(double objective) {
    log_.add({EventKind::not_finite, report_.iterations, -1, -1, objective,
              sentence({"the objective was ", objective, " at iteration ", report_.iterations,
                        "; the model before it is kept"})});
    if (!report_.trace.empty()) std::swap(now_, before_);
    else report_.objective = -std::numeric_limits<double>::infinity();
    return end(Status::failed);
  }
  [[gnu::cold]] void note_bounds() {
    for (Index k = 0; k < now_.size(); ++k) {
      const Index count = now_.at_bound(k);
      if (count == 0) continue;
      log_.add({EventKind::at_bound, report_.iterations, number(k), -1, static_cast<double>(count),
                sentence({count, " parameter(s) of component ", number(k), " lie on the border of their range"})});
    }
  }
  [[gnu::cold]] void finish() {
    if (hastened_) {  // the objective of the model returned is exact
      refine(!report_.trace.empty());
      latest_ = &(*fold_)(now_, e_step_);
      ++report_.e_steps;
      note(report_.objective = now_.objective(*latest_));
    }
    if constexpr (Componentwise<M>) note_bounds();
    if constexpr (requires { now_.describe(*latest_, log_); }) {
      if (report_.status != Status::objective_fell && report_.status != Status::failed) now_.describe(*latest_, log_);
    }
    report_.events = std::move(log_.events());
  }

  D data_;
  EmOptions options_;
  AnyEStep<D> e_step_;
  AnyReduce reduce_;
  Workers& workers_;
  M now_;
  bool hastened_;
  M next_, before_, fallback_;
  std::optional<Fold<M, D>> fold_;
  typename M::Statistics* latest_ = nullptr;  // of the last E-step of now_
  double total_weight_ = data_.total_weight();
  Report report_;
  EventLog log_;
  Convergence convergence_{total_weight_};
  QuasiNewton quasi_newton_;
  std::vector<Index> reseeds_;
  std::vector<Index> dropped_;  // by their numbers in the start
  Index held_by_all_ = -1;
  static constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  double promise_ = nan;  // of the plain step from before_: see Convergence::step
  double last_ = nan;
  double highest_ = -std::numeric_limits<double>::infinity();  // objective so far
  double mark_ = highest_;                                     // when it last rose by more than its rounding
  Index plain_ = 0, idle_ = 0, halvings_ = 0;   // plain steps in a row; E-steps without a gain; of an M-step
  Index stuck_ = 0;                             // E-steps since the mark
  bool extrapolated_ = false, landed_ = false;  // now_ is an extrapolation to be tried; one that was taken
  bool renewed_ = false, confirming_ = false, refined_ = false, noted_ = false;
  bool held_ = false;  // a floor holds up a component: the objective need not be level where EM stands still
};

/// Expectation maximization (Dempster, Laird and Rubin, 1977) from `start`: folds the data, maximizes, repeats until
/// the estimated distance to the limit is below the tolerance.
///
/// Any LatentModel, any Observations; the result does not depend on the number of threads. What happens on the way is
/// in the report: how it ended, and events with their component.
///
/// With a `reduce`, `data` are one process's share. The model keeps the coordinates of the start then
/// (start.follow(sample) puts it into those of a sample that all processes have).
///
/// @throws InvalidArgument  for options out of range and data that the model cannot have produced, before any work
///
/// Cost per iteration: one pass over the data.
template <class M, Observations D, class EStep = Soft, class Reduce = NoReduce>
requires LatentModel<M, D, AnyEStep<D>> Fit<M> em(M start, const D& data, const EmOptions& options = {},
                                                  EStep e_step = {}, Reduce reduce = {}) {
  check(options);
  require(data.size() > 0, "a fit needs at least one observation, got none");
  if constexpr (requires { start.check(data); }) start.check(data);
  constexpr bool all_data = std::same_as<Reduce, NoReduce>;
  if constexpr (requires { start.follow(data); } && all_data) start.follow(data);
  Workers workers(useful_threads(options.threads, data.size(), options.block));
  return EmRun<M, D>(std::move(start), data, options, std::move(e_step), std::move(reduce), workers, all_data)();
}

/// Of a matrix, one observation per column.
template <class M, class Derived, class EStep = Soft, class Reduce = NoReduce>
Fit<M> em(M start, const Eigen::MatrixBase<Derived>& x, const EmOptions& options = {}, EStep e_step = {},
          Reduce reduce = {}) {
  return em(std::move(start), typename M::Data(x.derived()), options, std::move(e_step), std::move(reduce));
}

}  // namespace emulsion
