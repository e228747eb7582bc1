#pragma once
#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

/// How a fit ended. Only `converged` claims the optimum.
enum class Status {
  converged,        ///< the estimated distance to the limit is below the tolerance
  iteration_limit,  ///< max_iterations were done first
  sublinear,        ///< the rate of convergence tends to one: no distance to the limit can be estimated
  stopped,          ///< the progress callback or the stop token asked for it
  objective_fell,   ///< the objective fell by more than its rounding: the model before the fall is kept
  failed            ///< the objective was not finite, or Degenerate::fail met a degenerate component: the last good
                    ///< model, or the start, is kept; an event says which
};

/// What happened on the way, each with the component or dimension concerned.
enum class EventKind {
  floor_active,       ///< a variance of a component is held up by the floor
  emptied,            ///< a component lost all its weight
  reseeded,           ///< a degenerate component was placed anew
  dropped,            ///< a degenerate component was removed
  degenerate,         ///< too few observations or distinct rows for the components asked for
  spurious,           ///< an optimum with a component far narrower than the others: left aside, or all there is
  at_bound,           ///< a parameter lies on the border of its range
  outlier,            ///< one observation carries nearly all the variance of a dimension
  constant,           ///< a dimension has one value
  collinear,          ///< a dimension is a linear function of others
  duplicates,         ///< at least half of the observations repeat others
  few_observations,   ///< fewer observations than a full covariance, or an expert, needs
  separated_gate,     ///< covariates tell a component from the others without an error: the gate has no finite maximum
  separated_classes,  ///< covariates tell classes apart without an error: a logistic expert has no finite maximum
  unseen_class,       ///< a class that no observation has: its probability tends to zero
  damped,             ///< an M-step that only promises to climb was shortened, so that the objective did not fall
  fell,               ///< the objective fell
  not_finite,         ///< the objective was NaN or infinite
  jitter              ///< a covariance matrix was singular to a double: a little was added to its diagonal
};

inline std::string_view to_string(Status status) {
  constexpr std::string_view names[] = {"converged", "iteration limit", "sublinear",
                                        "stopped",   "objective fell",  "failed"};
  return names[static_cast<std::size_t>(status)];
}

inline std::string_view to_string(EventKind kind) {
  constexpr std::string_view names[] = {"floor active",   "emptied",           "reseeded",     "dropped",
                                        "degenerate",     "spurious",          "at bound",     "outlier",
                                        "constant",       "collinear",         "duplicates",   "few observations",
                                        "separated gate", "separated classes", "unseen class", "damped",
                                        "fell",           "not finite",        "jitter"};
  return names[static_cast<std::size_t>(kind)];
}

/// One thing that happened. -1 stands for no component, no dimension. A component has the number that it has in the
/// start: those of the model returned differ where components were dropped.
struct Event {
  EventKind kind = EventKind::degenerate;
  Index iteration = 0;
  Index component = -1;
  Index dimension = -1;
  double value = 0;
  std::string text = {};  ///< one sentence
};

/// Events, each kind at most once per component and dimension, however many iterations repeat it.
class EventLog {
 public:
  bool contains(EventKind kind, Index component = -1, Index dimension = -1) const {
    return std::any_of(events_.begin(), events_.end(), [&](const Event& e) {
      return e.kind == kind && e.component == component && e.dimension == dimension;
    });
  }
  void add(Event event) {
    if (contains(event.kind, event.component, event.dimension)) return;
    events_.push_back(std::move(event));
  }
  std::vector<Event>& events() { return events_; }

 private:
  std::vector<Event> events_;
};

/// What a driver says about a fit. Log-likelihoods are totals in nats.
struct Report {
  Status status = Status::iteration_limit;
  Index iterations = 0;               ///< M-steps of the returned run
  Index e_steps = 0;                  ///< passes over the data: all restarts and seeding
  double objective = 0;               ///< log-likelihood, log posterior or evidence bound of the returned model
  double distance = 0;                ///< estimated nats per observation to the limit; NaN when it cannot be estimated
  double rate = 0;                    ///< factor by which an iteration shrinks that distance
  std::vector<double> trace = {};     ///< objective of the start and after every iteration
  std::vector<double> restarts = {};  ///< objective of every restart as far as it was taken: the returned one first,
                                      ///< finished before short, regular before spurious, then by objective
  Index best_reached = 0;             ///< how many restarts reached the best regular optimum
  std::vector<Event> events = {};
};

inline std::ostream& operator<<(std::ostream& out, const Report& report) {
  out << sentence({"status ", to_string(report.status), " after ", report.iterations, " iterations, objective ",
                   report.objective, " nats, estimated distance to the limit ", report.distance,
                   " nats per observation"});
  if (report.restarts.size() > 1) {
    out << sentence({"\nbest optimum reached by ", report.best_reached, " of ", report.restarts.size(), " restarts"});
  }
  for (const Event& event : report.events) {
    out << sentence({"\n", to_string(event.kind), " (iteration ", event.iteration, "): ", event.text});
  }
  return out;
}

/// A fitted model and how it was found.
template <class M>
struct Fit {
  M model;
  Report report;
};

}  // namespace emulsion
