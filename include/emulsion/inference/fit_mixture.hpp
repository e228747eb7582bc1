#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"

namespace emulsion {

struct FitOptions {
  Index components = 1;
  Index restarts = 0;  ///< short runs from different starts, the best of which are finished; 0: 8 to 600, by need and
                       ///< size, and of regressions a search about the best that they find
  std::uint64_t seed = 0;
  int threads = 1;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation
  Index max_iterations = 100'000;
  Start start = Start::automatic;
  Eigen::MatrixXd means = {};             ///< d x K, for Start::means
  Eigen::MatrixXd responsibilities = {};  ///< n x K, for Start::responsibilities
  double least_regularity =
      1e-3;  ///< fits with a component narrower than this, relative to the pooled covariance, are spurious
  Degenerate degenerate = Degenerate::floor;
  Acceleration acceleration = Acceleration::automatic;
  std::function<bool(const Report&)> progress = {};  ///< after every iteration of the last runs; false stops
  std::stop_token stop = {};
};

/// The restarts of one fit: short runs on at most `sample` observations, ranked, the best finished on all. Where the
/// default number of restarts is small beside what the data allow in a moment, and the best optimum was reached less
/// than three times, more of them. Regressions have optima that few random starts lead to: the search goes on from the
/// best.
template <class Model, class D>
class MultiStart {
 public:
  MultiStart(const Model& prototype, const D& data, const FitOptions& options)
      : prototype_(prototype), data_(data), options_(options), rng_(options.seed), used_(positive_observations(data)) {
    const auto d = static_cast<double>(data.dimension()), k = static_cast<double>(options.components);
    sample_ = start_sample(prototype[0], options.components);
    const double work = static_cast<double>(std::min(sample_, data.size())) * k * d * (d + 10) * short_run;
    batch_ = most_ = options.restarts;
    if (options.restarts == 0) {
      batch_ = static_cast<Index>(std::clamp(1e9 / work, 8.0, 200.0));
      most_ = static_cast<Index>(std::clamp(1e9 / work, 8.0, 600.0)) / batch_ * batch_;
    }
    const bool fixed = options.start == Start::means || options.start == Start::responsibilities;
    if (fixed || options.components == 1) batch_ = most_ = 1;
    if (fixed) sample_ = data.size();  // given responsibilities belong to all observations
  }

  [[gnu::cold]] Fit<Model> operator()() {
    do {
      const auto first = static_cast<Index>(runs_.size());
      for (Index r = first; r < first + batch_ && (r == 0 || !stopped()); ++r) short_fit(r);
      finish_best_since(first);
    } while (static_cast<Index>(runs_.size()) < most_ && !stopped() && reached() < 3);
    rank();
    if constexpr (RegressionData<D>) search_near_best();  // needs seed_regression.hpp, as seed() says
    if (!stopped()) finish(at(0), options_.tolerance);
    return result();
  }

 private:
  static constexpr Index short_run = 50;
  static constexpr double nothing = -std::numeric_limits<double>::infinity();

  struct Run {
    Fit<Model> fit;
    Regularity regularity = {};
    FitKind kind = FitKind::spurious;
    bool finished = false;
    bool comparable = false;  // its objective is that of all observations
    double objective() const { return fit.report.objective; }
  };
  /// The run at that place of the order.
  Run& at(std::size_t place) { return runs_[static_cast<std::size_t>(order_[place])]; }
  bool stopped() const { return stopped_ || options_.stop.stop_requested(); }

  void judge(Run& run) const {
    run.regularity = run.fit.model.regularity(options_.least_regularity);
    run.kind = std::isfinite(run.objective())
                   ? kind_of(run.regularity, options_.least_regularity, data_.dimension(), used_)
                   : FitKind::spurious;
  }

  [[gnu::cold]] void short_fit(Index r) {
    Rng rng = rng_.fork(static_cast<std::uint64_t>(r));
    const D part = data_.size() > sample_ ? data_.gather(draw_indices(data_, sample_, rng)) : data_;
    SeedOptions seeding{.start = options_.start,
                        .threads = options_.threads,
                        .means = options_.means,
                        .responsibilities = options_.responsibilities};
    if (options_.start == Start::automatic) mix(seeding, r);
    add(em(emulsion::seed(prototype_, part, rng, seeding), part, short_options()), part);
  }
  EmOptions short_options() const {
    EmOptions options = em_options();
    options.progress = {};
    options.acceleration = Acceleration::none;  // plain steps tell how far they still lead
    options.max_iterations = std::min(short_run, options_.max_iterations);
    options.tolerance = std::max(options_.tolerance, 1e-6);
    return options;
  }
  void add(Fit<Model> fit, const D& part) {
    Run run{std::move(fit)};
    const double share = static_cast<double>(part.size()) / static_cast<double>(data_.size());
    passes_ += share * static_cast<double>(run.fit.report.e_steps + 1);
    run.comparable = part.size() == data_.size();
    if (!run.comparable) run.fit.report.objective *= data_.total_weight() / part.total_weight();
    judge(run);
    runs_.push_back(std::move(run));
  }

  /// Runs from starts near the best fits, one of whose components is planted elsewhere (random swaps; Zhao, Hautamaki,
  /// Karkkainen and Franti, 2012): from the best of all as long as that leads up, then from optima below it. The more
  /// covariates, the rarer are starts that lead to the best, and the longer it goes on.
  [[gnu::cold]] void search_near_best() {
    if (options_.restarts > 0 || batch_ < 32) return;  // where runs are few, each takes long
    const auto patience =
        static_cast<std::size_t>(std::clamp<Index>(3 * data_.x().dimension() * (options_.components - 1), 3, 24));
    const auto end = runs_.size() + patience * static_cast<std::size_t>(most_);
    for (std::size_t place = 0; (place < patience || reached() < 3) && runs_.size() < end && !stopped();) {
      const double best = at(0).objective();
      const Model from = at(distinct(place % 6)).fit.model;
      const auto first = static_cast<Index>(runs_.size());
      for (Index r = first; r < first + batch_ && !stopped(); ++r) {
        Rng rng = rng_.fork(static_cast<std::uint64_t>(r));
        const D part = data_.size() > sample_ ? data_.gather(draw_indices(data_, sample_, rng)) : data_;
        add(em(replant(from, part, rng), part, short_options()), part);
      }
      finish_best_since(first);
      rank();
      place = at(0).objective() > best + same() ? 0 : place + 1;
    }
  }
  /// Where in the order the optimum is that is so many below the best; the last one if there are fewer.
  std::size_t distinct(std::size_t below) {
    std::size_t found = 0;
    for (std::size_t i = 1; i < order_.size() && below > 0 && at(i).finished && at(i).kind == FitKind::regular; ++i) {
      if (at(i).objective() < at(found).objective() - same()) found = i, --below;
    }
    return found;
  }

  /// Starts of several kinds: no kind finds the best optimum of every data set.
  static void mix(SeedOptions& seeding, Index r) {
    if constexpr (RegressionData<D>) {  // clusters of (x, y) say little of lines that cross
      if (r % 2 == 1) {
        seeding.width = r / 6 % 2 == 1 ? 0 : 0.5;
        seeding.start = r % 6 == 1   ? Start::random_residuals
                        : r % 6 == 3 ? Start::random_regressions
                                     : Start::random_covariates;
        return;
      }
      r /= 2;
    }
    seeding.sphere = r / 6 % 2 == 1;
    switch (r % 6) {
      case 0: seeding.start = Start::kmeans; break;
      case 2: seeding.start = Start::kmeans, seeding.lloyd = 0, seeding.width = 0.5; break;
      case 4: seeding.start = Start::kmeans, seeding.lloyd = 0; break;
      default: seeding.start = Start::random_means, seeding.width = 1;
    }
  }

  /// Finishes runs from the `first` on, in their order, until enough regular fits are complete and no other promises
  /// more than the best of them.
  void finish_best_since(Index first) {
    rank();
    const Index wanted = std::max<Index>(3, options_.restarts > 0 ? batch_ / 6 : std::min<Index>(batch_ / 6, 33));
    Index regular = 0, finished = 0;
    double best = nothing;
    for (const Index r : std::vector<Index>(order_)) {
      if (r < first) continue;
      Run& run = runs_[static_cast<std::size_t>(r)];
      if (finished > 0 && (finished >= 3 * wanted || stopped())) return;
      if (regular >= wanted && !(promise(run) > best)) continue;
      finish(run, std::max(options_.tolerance, 1e-6));
      ++finished;
      regular += run.kind == FitKind::regular ? 1 : 0;
      if (run.kind == FitKind::regular) best = std::max(best, run.objective());
    }
  }
  /// Where a short run may end: its objective and the estimated distance to its limit, which may be unknown. -inf where
  /// it is no candidate.
  double promise(const Run& run) const {
    if (!run.comparable || run.kind != FitKind::regular) return nothing;
    const double distance = run.fit.report.distance;
    return std::isnan(distance) ? -nothing : run.objective() + distance * data_.total_weight();
  }

  /// Goes on with a run on all observations. Of a short run on a part of them, only what it did to components is kept.
  [[gnu::cold]] void finish(Run& run, double tolerance) {
    Report& report = run.fit.report;
    Report before;
    std::swap(before, report);
    if (!run.comparable) {
      before.iterations = 0;
      before.trace.clear();
      std::erase_if(before.events, [](const Event& event) {
        return event.kind != EventKind::dropped && event.kind != EventKind::reseeded;
      });
    }
    EmOptions options = em_options();
    options.tolerance = tolerance;
    options.max_iterations -= std::min(before.iterations, options.max_iterations);
    run.fit = em(std::move(run.fit.model), data_, options);
    passes_ += static_cast<double>(report.e_steps);
    report.iterations += before.iterations;
    for (std::size_t i = before.trace.empty() ? 0 : 1; i < report.trace.size(); ++i) {
      // The first objective is the last one before, a rounding of float data above those that follow.
      const double last = before.trace.empty() ? report.trace[i] : before.trace.back();
      before.trace.push_back(std::min(std::max(report.trace[i], last), report.trace.back()));
    }
    report.trace.swap(before.trace);
    std::vector<Index> dropped;
    for (const Event& event : before.events) {
      if (event.kind == EventKind::dropped) dropped.push_back(event.component);
    }
    for (Event& event : report.events) {
      if (event.component >= 0) event.component = number_before(dropped, event.component);
      before.events.push_back(std::move(event));
    }
    report.events.swap(before.events);
    run.finished = run.comparable = true;
    stopped_ = stopped_ || report.status == Status::stopped;
    judge(run);
  }

  EmOptions em_options() const {
    return {.max_iterations = options_.max_iterations,
            .tolerance = options_.tolerance,
            .threads = options_.threads,
            .acceleration = options_.acceleration,
            .degenerate = options_.degenerate,
            .seed = options_.seed,
            .progress = options_.progress,
            .stop = options_.stop};
  }

  /// Finished fits first, of those the better kind, then by objective: spurious optima can always be higher than the
  /// best regular one.
  bool before(const Run& a, const Run& b) const {
    if (a.finished != b.finished) return a.finished;
    if (a.kind != b.kind) return a.kind < b.kind;
    return a.objective() > b.objective();
  }
  /// The same optimum reached twice counts as equal, and the earlier start comes first: rounding must not choose
  /// between them.
  void rank() {
    while (order_.size() < runs_.size()) order_.push_back(static_cast<Index>(order_.size()));
    for (std::size_t r = 1; r < order_.size(); ++r) {  // insertion: they are nearly in order
      for (std::size_t i = r; i > 0 && before(at(i), at(i - 1)); --i) std::swap(order_[i], order_[i - 1]);
    }
    double highest = -nothing;  // objective of the optimum whose runs begin at `first`
    for (std::size_t first = 0, r = 0; r < order_.size(); ++r) {
      const Run &head = at(first), &run = at(r);
      const bool same = head.finished == run.finished && head.kind == run.kind &&
                        highest - run.objective() <= 1e-7 * data_.total_weight();
      if (!same) first = r, highest = run.objective();
      for (std::size_t i = r; i > first && order_[i] < order_[i - 1]; --i) std::swap(order_[i], order_[i - 1]);
    }
  }
  /// How many runs reached the best optimum.
  Index reached() {
    rank();
    const Run& best = at(0);
    Index count = 0;
    for (const Run& run : runs_) {
      count += run.comparable && run.kind == best.kind && run.objective() >= best.objective() - same() ? 1 : 0;
    }
    return count;
  }
  double same() const { return 1e-6 * data_.total_weight(); }

  [[gnu::cold]] Fit<Model> result() {
    const Index count = reached();
    Run& best = at(0);
    Report& report = best.fit.report;
    report.best_reached = count;
    double highest = best.objective();
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      report.restarts.push_back(at(r).objective());
      if (at(r).comparable) highest = std::max(highest, at(r).objective());
    }
    report.e_steps = static_cast<Index>(std::llround(passes_));
    if (stopped()) report.status = Status::stopped;  // also where another run was the one that was stopped
    EventLog log;
    if constexpr (requires { best.fit.model.inspect(data_, log); }) best.fit.model.inspect(data_, log);
    note_kind(best, highest, log);
    for (const Event& event : report.events) log.add(event);
    report.events = std::move(log.events());
    return std::move(best.fit);
  }

  [[gnu::cold]] void note_kind(const Run& best, double highest, EventLog& log) const {
    const Regularity& found = best.regularity;
    if (found.twin >= 0) {
      log.add({EventKind::degenerate, 0, found.twin, -1, 0,
               sentence({"component ", found.twin, " coincides with another: as good as a mixture of fewer"})});
    } else if (best.kind != FitKind::regular && std::isfinite(best.objective())) {
      log.add({EventKind::spurious, 0, found.narrowest, -1, found.eigenvalue,
               sentence({"every restart ended with a component far narrower than the others; here component ",
                         found.narrowest, ", of about ",
                         std::lround(best.fit.model.weights()(found.narrowest) * static_cast<double>(used_)),
                         " observations (smallest relative eigenvalue ", found.eigenvalue, ")"})});
    } else if (highest > best.objective() + same()) {
      log.add({EventKind::spurious, 0, -1, -1, highest,
               sentence({"a higher objective, ", highest,
                         ", was found with a component far narrower than the others, and left aside"})});
    }
  }

  Model prototype_;
  D data_;
  FitOptions options_;
  Rng rng_;
  Index used_;  // observations of positive weight
  Index sample_ = 0, batch_ = 0, most_ = 0;
  double passes_ = 0;
  bool stopped_ = false;
  std::vector<Run> runs_;
  std::vector<Index> order_;  // of runs_, best first
};

/// Fits a model of the terms and the number of components that the prototype has, by EM from several starts; its
/// parameters do not matter, and options.components is not read. The objective of the result is the best among regular
/// fits; spurious ones, in which a component sits on a few near-equal observations, are reported and never preferred.
///
/// @throws InvalidArgument  for options out of range, fewer observations than components, and data that the model
///                          cannot have produced, before any work
template <class Gate, class Bank, class... Terms>
Fit<Mixture<Gate, Bank, Terms...>> fit_mixture(const Mixture<Gate, Bank, Terms...>& prototype,
                                               const typename Bank::Data& data, FitOptions options = {}) {
  const Index k = options.components = prototype.size();
  require(k >= 1, "a mixture needs at least one component, got ", k);
  require(options.restarts >= 0, "the number of restarts must not be negative, got ", options.restarts);
  require(options.least_regularity >= 0 && options.least_regularity < 1,
          "the least regularity must lie in [0, 1), got ", options.least_regularity);
  check(
      EmOptions{.max_iterations = options.max_iterations, .tolerance = options.tolerance, .threads = options.threads});
  check(SeedOptions{.start = options.start, .means = options.means, .responsibilities = options.responsibilities}, k,
        data);
  require(data.size() > 0, "a fit needs at least one observation, got none (data of ", data.dimension(), " x 0)");
  const Index used = positive_observations(data);
  if (used < k && data.size() == 1) {
    require(false, "1 observation of dimension ", data.dimension(), "; for ", data.dimension(),
            " observations of one variable pass x.transpose()");
  }
  require(used >= k, k, " components need at least as many observations, got ", used,
          used < data.size() ? " with positive weight" : "", " (data of ", data.dimension(), " x ", data.size(),
          "; an observation is a column, rows(x) adapts rows)");
  prototype.check(data);  // all of them: the restarts may see a part
  return MultiStart<Mixture<Gate, Bank, Terms...>, typename Bank::Data>(prototype, data, options)();
}

/// A mixture of `options.components` members of the prototype's family, with constant weights.
template <class C, Observations D>
requires Component<C> Fit<MixtureOf<C>> fit_mixture(const C& prototype, const D& data, const FitOptions& options = {}) {
  require(options.components >= 1, "a mixture needs at least one component, got ", options.components);
  return fit_mixture(equal_components(prototype, options.components), data, options);
}

template <class C, class Derived>
requires Component<C> Fit<MixtureOf<C>> fit_mixture(const C& prototype, const Eigen::MatrixBase<Derived>& x,
                                                    const FitOptions& options = {}) {
  static_assert(Derived::ColsAtCompileTime != 1 || Derived::RowsAtCompileTime == 1,
                "a column vector is one observation: for n observations of one variable pass x.transpose()");
  return fit_mixture(prototype, typename C::Data(x.derived()), options);
}

}  // namespace emulsion
