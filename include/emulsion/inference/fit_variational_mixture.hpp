#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed_variational.hpp"

namespace emulsion {

struct VariationalFitOptions {
  Index restarts = 8;  ///< short runs from different starts, on 20,000 observations at most, the best of which goes on
  Index moves = 1000;  ///< at most so many merges, deletions and splits are tried; 0: the number of components stays
  std::uint64_t seed = 0;
  int threads = 1;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation
  Index max_iterations = 100'000;
  std::function<bool(const Report&)> progress = {};  ///< after every iteration of the last run; false stops
  std::stop_token stop = {};
};

inline void check(const VariationalFitOptions& options) {
  require(options.restarts >= 1, "a fit needs at least one start, got ", options.restarts, " restarts");
  require(options.moves >= 0, "the number of moves must not be negative, got ", options.moves);
  check(
      EmOptions{.max_iterations = options.max_iterations, .tolerance = options.tolerance, .threads = options.threads});
}

/// The search for the posterior of a mixture, number of components included. Moves change the number: two components
/// are merged, one is deleted, one is split into two (Ueda and Ghahramani, 2002; Hughes and Sudderth, 2013). A move is
/// judged after iterations with the new components, by
///
///   ELBO + log(K! / (K - U)!),   U components in use of K,
///
/// the bound on the evidence of a partition, which the labels of an exchangeable gate can name in so many ways; the
/// gate's total concentration is the same for every K. See needed().
template <class Family, class Gate, class D>
class VariationalSearch {
 public:
  using Model = VariationalMixture<Family, Gate>;
  using Posterior = typename Model::Posterior;
  using Statistics = typename Model::Statistics;

  VariationalSearch(const Posterior& prior, Gate gate, const D& data, VariationalFitOptions options)
      : prior_(in_frame_of(prior.as_prior(), data)), gate_(std::move(gate)), data_(data), options_(std::move(options)),
        rng_(options_.seed),
        workers_(useful_threads(options_.threads, data.size())), best_{Model(gate_, prior_),
                                                                       -std::numeric_limits<double>::infinity(), 0} {}

  [[gnu::cold]] Fit<Model> operator()() {
    std::vector<Candidate> found;
    for (const Index components : starts()) {
      if (!found.empty() && stopped()) break;
      splits_ = tried_ = 0;  // so that what is found from one number does not depend on the others
      best_ = start(components);
      for (bool moved = true; moved && !stopped();) moved = reorder() || shrink() || grow();
      found.push_back(best_);
    }
    best_ = *std::max_element(found.begin(), found.end(),
                              [](const auto& a, const auto& b) { return a.objective + 1e-3 < b.objective; });
    const Index before = e_steps_;
    EmOptions last = em_options(options_.max_iterations, options_.tolerance);
    last.progress = options_.progress;
    Fit<Model> result = em(best_.model, data_, last);
    result.report.e_steps += before;
    result.report.restarts = std::move(restarts_);
    std::sort(result.report.restarts.begin(), result.report.restarts.end(), std::greater<>());
    EventLog log;
    result.model.inspect(data_, log);
    for (const Event& event : result.report.events) log.add(event);
    result.report.events = std::move(log.events());
    if (stopped()) result.report.status = Status::stopped;
    return result;
  }

 private:
  static Posterior in_frame_of(const Posterior& prior, const D& data) {
    if constexpr (FramedComponent<Posterior>) return prior.in(prior.frame_for(data));
    else return prior;
  }

  struct Candidate {
    Model model;
    double objective;  // with the symmetries
    double distance;   // how much higher it may still rise, by the estimate
  };
  /// What components have learnt, from which a posterior can be assembled; which component of the gate before each one
  /// continues.
  struct Parts {
    std::vector<typename Posterior::Statistics> components;
    Eigen::VectorXd counts;
    Gate gate;
    std::vector<Index> from;

    Index size() const { return counts.size(); }
    typename Posterior::Statistics& operator[](Index k) { return components[static_cast<std::size_t>(k)]; }
    const typename Posterior::Statistics& operator[](Index k) const { return components[static_cast<std::size_t>(k)]; }
    Parts only(const std::vector<Index>& kept) const {
      Parts result{{}, Eigen::VectorXd(static_cast<Index>(kept.size())), gate, {}};
      for (const Index k : kept) {
        result.counts(static_cast<Index>(result.components.size())) = counts(k);
        result.components.push_back((*this)[k]);
        result.from.push_back(from[static_cast<std::size_t>(k)]);
      }
      return result;
    }
    /// By falling counts.
    std::vector<Index> order() const {
      std::vector<Index> result(components.size());
      std::iota(result.begin(), result.end(), Index{0});
      std::stable_sort(result.begin(), result.end(), [&](Index a, Index b) { return counts(a) > counts(b); });
      return result;
    }
  };

  /// How many components to start from: the number given, and always 30, 10 and 1. Moves lead to the same answer from
  /// different numbers where the data are plain; where they are not, the best counts, whatever number was given.
  std::vector<Index> starts() const {
    std::vector<Index> result{gate_.size()};
    if (options_.moves == 0) return result;
    const Index most = std::max<Index>(1, positive_observations(data_) / 2);
    for (const Index more : {30, 10, 1}) {
      if (more <= most && more != gate_.size()) result.push_back(more);
    }
    return result;
  }
  bool stopped() const { return options_.stop.stop_requested(); }
  EmOptions em_options(Index iterations, double tolerance) const {
    EmOptions result;
    result.max_iterations = std::min(iterations, options_.max_iterations);
    result.tolerance = tolerance;
    result.threads = options_.threads;
    result.stop = options_.stop;
    return result;
  }
  double rough() const { return std::max(options_.tolerance, 1e-6); }

  static double symmetries(const Model& model) {
    if constexpr (!Gate::exchangeable) return 0;
    double sum = 0;
    for (Index used = 0; used < model.in_use(0.5); ++used) sum += std::log(static_cast<double>(model.size() - used));
    return sum;
  }

  Candidate improved(Model model, Index iterations, double tolerance) {
    return improved(std::move(model), data_, iterations, tolerance);
  }
  Candidate improved(Model model, const D& data, Index iterations, double tolerance) {
    Fit<Model> fit = em(std::move(model), data, em_options(iterations, tolerance));
    if (data.size() == data_.size()) e_steps_ += fit.report.e_steps;
    const double distance = fit.report.distance * data.total_weight(), added = symmetries(fit.model);
    return {std::move(fit.model), fit.report.objective + added,
            std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance};
  }

  /// The best of the short runs from so many components, finished.
  [[gnu::cold]] Candidate start(Index components) {
    const Gate gate = components == gate_.size() ? gate_ : gate_.resized(components);
    Rng drawing = rng_.fork(2'000'000);
    const D part = data_.size() > most_drawn ? data_.gather(draw_indices(data_, most_drawn, drawing)) : data_;
    std::vector<Candidate> all;
    for (Index r = 0; r < (components == 1 ? 1 : options_.restarts) && (r == 0 || !stopped()); ++r) {
      Rng rng = rng_.fork(static_cast<std::uint64_t>(r));
      SeedOptions seeding;
      seeding.threads = options_.threads;
      seeding.start = r % 2 == 0 ? Start::kmeans : Start::random_means;
      seeding.width = r % 2 == 0 ? 0 : 1;
      if (RegressionData<D> && r % 2 == 1) {  // clusters of (x, y) say little of lines that cross
        seeding.start = r % 4 == 1 ? Start::random_regressions : Start::random_residuals;
        seeding.width = 0.5;
      }
      all.push_back(improved(seed_variational(prior_, gate, part, rng, seeding), part, 50, 1e-5));
    }
    const auto best = std::max_element(all.begin(), all.end(),
                                       [](const auto& a, const auto& b) { return a.objective < b.objective; });
    for (const Candidate& one : all) restarts_.push_back(one.objective - symmetries(one.model));
    return pruned(improved(std::move(best->model), 10'000, rough()));
  }

  // --- moves --------------------------------------------------------------------------------------------------------

  /// What the components of a model have learnt, of the best one by default.
  Parts parts() { return parts(best_.model); }
  [[gnu::cold]] Parts parts(const Model& model) {
    Fold<Model, D> fold(model, data_, workers_);
    const Statistics& s = fold(model, Soft());
    ++e_steps_;
    return parts(s, model.gate());
  }
  static Parts parts(const Statistics& s, const Gate& gate) {
    std::vector<Index> from(static_cast<std::size_t>(gate.size()));
    std::iota(from.begin(), from.end(), Index{0});
    return {std::get<1>(s.parts).all, std::get<0>(s.parts).counts, gate, std::move(from)};
  }
  /// The posterior, of as many components as there are parts, that learnt those.
  [[gnu::cold]] Model assemble(const Parts& parts) const {
    Gate gate = gate_of(parts);
    const Components<Posterior> priors(std::vector<Posterior>(parts.components.size(), prior_));
    Components<Posterior> bank = priors;
    priors.maximize({parts.components}, bank);
    return Model(std::move(gate), std::move(bank));
  }
  /// Weights follow from counts; a gate on covariates goes on from where it was.
  Gate gate_of(const Parts& parts) const {
    if constexpr (GatePosterior<Gate>) {
      return parts.gate.rearranged(parts.from, parts.counts);
    } else {
      const Gate prior = gate_.resized(parts.size());
      Gate gate = prior;
      prior.maximize({parts.counts}, gate);
      return gate;
    }
  }

  /// What an objective must be for its model to be taken: more components must gain 0.1 nats (and 2e-7 per
  /// observation), fewer may cost half of that. An empty component is not worth having.
  double needed(Index components) const {
    const double margin = 0.05 + 1e-7 * data_.total_weight();
    const Index more = components - best_.model.size();
    return best_.objective + (more > 0 ? 2 * margin : more < 0 ? -margin : 1e-3 * margin);
  }
  /// Tries the parts: true if they are better, after as many iterations as they promise to be.
  [[gnu::cold]] bool attempt(const Parts& parts) {
    if (stopped()) return false;
    const double least = needed(static_cast<Index>(parts.components.size()));
    Candidate candidate = improved(assemble(parts), 30, 1e-4);
    for (int more = 0; more < 3 && candidate.objective < least && candidate.objective + candidate.distance > least;
         ++more) {
      candidate = improved(std::move(candidate.model), 100, rough());
    }
    if (candidate.objective < least) return false;
    candidate = pruned(improved(std::move(candidate.model), 10'000, rough()));
    if (candidate.objective < needed(candidate.model.size())) return false;
    best_ = std::move(candidate);
    return true;
  }
  /// Without empty components: their number is no part of the answer.
  [[gnu::cold]] Candidate pruned(Candidate candidate) {
    while (options_.moves > 0) {
      std::vector<Index> used;
      for (Index k = 0; k < candidate.model.size(); ++k) {
        if (candidate.model.gate().count(k) >= 0.5) used.push_back(k);
      }
      if (used.empty() || static_cast<Index>(used.size()) == candidate.model.size()) break;
      candidate = improved(assemble(parts(candidate.model).only(used)), 10'000, rough());
    }
    return candidate;
  }
  bool exhausted() const { return tried_ >= options_.moves || stopped(); }
  /// A move, of which there are so many.
  bool move(const Parts& parts) { return tried_++ < options_.moves && attempt(parts); }

  /// Sticks in the order of their observations, where that raises the bound.
  [[gnu::cold]] bool reorder() {
    if constexpr (Gate::exchangeable) {
      return false;
    } else {
      const Parts now = parts(), sorted = now.only(now.order());
      const Gate& gate = best_.model.gate();
      return gate.log_evidence(sorted.counts) > gate.log_evidence(now.counts) && attempt(sorted);
    }
  }

  /// Deletes what is empty, merges two components, or deletes the smallest.
  [[gnu::cold]] bool shrink() {
    const Parts now = parts();
    const Index size = now.size();
    if (size == 1 || exhausted()) return false;
    std::vector<Index> used, all_but_least = now.order();
    for (Index k = 0; k < size; ++k) {
      if (now.counts(k) >= 0.5) used.push_back(k);
    }
    if (!used.empty() && static_cast<Index>(used.size()) < size && move(now.only(used))) return true;
    struct Merge {
      double gain;  // of evidence, if nothing else changes
      Index into, gone;
    };
    std::vector<Merge> merges;
    Eigen::VectorXd evidence(size);
    for (Index k = 0; k < size; ++k) {
      evidence(k) = prior_.log_evidence(now[k]);
      for (Index j = 0; j < k; ++j) {
        auto both = now[j];
        both += now[k];
        merges.push_back({prior_.log_evidence(both) - evidence(j) - evidence(k), j, k});
      }
    }
    std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.gain > b.gain; });
    merges.resize(std::min<std::size_t>(merges.size(), std::max<std::size_t>(3, static_cast<std::size_t>(size))));
    for (const Merge& merge : merges) {
      // What is lost at once, iterations seldom bring back.
      if (merge.gain < -50 - 0.05 * (now.counts(merge.into) + now.counts(merge.gone))) continue;
      Parts merged = now;
      merged[merge.into] += now[merge.gone];
      merged.counts(merge.into) += now.counts(merge.gone);
      std::vector<Index> rest;
      for (Index k = 0; k < size; ++k) {
        if (k != merge.gone) rest.push_back(k);
      }
      if (move(merged.only(rest))) return true;
    }
    all_but_least.pop_back();
    return move(now.only(all_but_least));
  }

  /// Splits a component into two.
  [[gnu::cold]] bool grow() {
    if (exhausted()) return false;
    const Parts now = parts();
    const Labels labels = best_.model.classify(data_);
    for (const Index k : now.order()) {
      std::vector<Index> own;
      for (Index i = 0; i < labels.size(); ++i) {
        if (labels(i) == k && data_.weight(i) > 0) own.push_back(i);
      }
      if (own.size() < 4 || exhausted()) continue;
      Rng rng = rng_.fork(1'000'000 + static_cast<std::uint64_t>(splits_++));
      if (own.size() > static_cast<std::size_t>(most_drawn)) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(most_drawn); ++i)
          std::swap(own[i], own[i + rng.below(own.size() - i)]);
        own.resize(static_cast<std::size_t>(most_drawn));
        std::sort(own.begin(), own.end());
      }
      const std::optional<Parts> two = split(data_.gather(own), rng, now.counts(k));
      if (!two) continue;
      Parts more = now;
      more[k] = (*two)[0];
      more.components.push_back((*two)[1]);
      more.from.push_back(more.from[static_cast<std::size_t>(k)]);
      more.counts.conservativeResize(now.size() + 1);
      more.counts(k) = two->counts(0);
      more.counts(now.size()) = two->counts(1);
      if (move(more)) return true;
    }
    return false;
  }

  /// Two components for these observations, as if they counted `weight` in all; none if the observations alone are far
  /// better off with one.
  [[gnu::cold]] std::optional<Parts> split(const D& own, Rng& rng, double weight) {
    const auto fit_of = [&](Start kind) {
      SeedOptions seeding;
      seeding.start = kind;
      seeding.width = kind == Start::kmeans ? 0 : 0.5;
      return em(seed_variational(prior_, gate_.resized(2), own, rng, seeding), own, em_options(50, 1e-4));
    };
    Fit<Model> fit = fit_of(Start::kmeans);
    for (int others = 0; others < 2; ++others) {
      Fit<Model> other = fit_of(RegressionData<D> ? Start::random_regressions : Start::random_means);
      if (other.report.objective > fit.report.objective + 1e-3) fit = std::move(other);
    }
    const double one = em(Model(gate_.resized(1), prior_), own, em_options(1, 1e-4)).report.objective;
    if (fit.report.objective + symmetries(fit.model) < one - 3) return {};
    Model two = std::move(fit.model);
    if constexpr (FramedComponent<Posterior>) {
      std::vector<Posterior> moved;
      for (Index k = 0; k < 2; ++k) moved.push_back(two[k].in(prior_.shared_frame()));
      two = Model(two.gate(), Components<Posterior>(std::move(moved)));
    }
    Workers alone(1);
    Fold<Model, D> fold(two, own, alone);
    Statistics& s = fold(two, Soft());
    s *= weight / own.total_weight();
    return parts(s, two.gate());
  }

  static constexpr Index most_drawn = 20'000;  // observations that short runs and splits look at

  Posterior prior_;
  Gate gate_;
  D data_;
  VariationalFitOptions options_;
  Rng rng_;
  Workers workers_;
  Index e_steps_ = 0, tried_ = 0, splits_ = 0;
  std::vector<double> restarts_;
  Candidate best_;
};

/// Fits the variational posterior of a mixture: components with the conjugate `prior`, weights with the `gate`'s, from
/// gate.size() components on.
///
/// @throws InvalidArgument  for options out of range and data that the family cannot have produced, before any work
template <class Gate, class Posterior, Observations D>
Fit<VariationalMixture<typename Posterior::Member, Gate>> fit_variational_mixture(
    const Posterior& prior, const Gate& gate, const D& data, const VariationalFitOptions& options = {}) {
  check(options);
  require(data.size() > 0, "a fit needs at least one observation, got none (data of ", data.dimension(), " x 0)");
  Components<Posterior>(std::vector<Posterior>(1, prior)).check(data);
  return VariationalSearch<typename Posterior::Member, Gate, D>(prior, gate, data, options)();
}

/// Of a matrix, one observation per column.
template <class Gate, class Posterior, class Derived>
Fit<VariationalMixture<typename Posterior::Member, Gate>> fit_variational_mixture(
    const Posterior& prior, const Gate& gate, const Eigen::MatrixBase<Derived>& x,
    const VariationalFitOptions& options = {}) {
  return fit_variational_mixture(prior, gate, typename Posterior::Data(x.derived()), options);
}

}  // namespace emulsion
