#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/models/variational_mixture.hpp"

namespace emulsion {

/// A variational mixture to start a fit from: as seed() starts a mixture of the prior's, and the gate's posterior of
/// its weights.
///
/// @throws InvalidArgument  for options that do not fit and data that the family cannot have produced, before any work
template <class Gate, class Posterior, Observations D>
VariationalMixture<typename Posterior::Member, Gate> seed_variational(const Posterior& prior, const Gate& gate,
                                                                      const D& x, Rng& rng,
                                                                      const SeedOptions& options = {}) {
  const auto seeded = seed(prior, gate.size(), x, rng, options);
  Gate start = gate;
  gate.maximize({seeded.weights() * x.total_weight()}, start);
  return VariationalMixture<typename Posterior::Member, Gate>(std::move(start), seeded.bank());
}

struct VariationalFitOptions {
  Index restarts = 8;  ///< short runs from different starts, the best of which goes on
  Index moves = 1000;  ///< at most so many merges, deletions and births are tried; 0: the number of components stays
  std::uint64_t seed = 0;
  int threads = 1;
  double tolerance = 1e-9;  ///< estimated distance to the limit, in nats per observation
  Index max_iterations = 100'000;
  std::function<bool(const Report&)> progress = {};  ///< after every iteration of the last run; false stops
  std::stop_token stop = {};
};

/// The search for the posterior of a mixture, number of components included. Moves change the number: two components
/// are merged, one is deleted, one is split into two (Ueda and Ghahramani, 2002; Hughes and Sudderth, 2013). A move is
/// made if, after iterations with the new components, it raised
///
///   ELBO + log(K! / (K - U)!),   U components in use of K,
///
/// the bound on the evidence of a partition, which the labels of an exchangeable gate can name in so many ways. The
/// gate's total concentration is the same for every K.
template <class Family, class Gate, class D>
class VariationalSearch {
 public:
  using Model = VariationalMixture<Family, Gate>;
  using Posterior = typename Model::Posterior;
  using Statistics = typename Model::Statistics;

  VariationalSearch(const Posterior& prior, const Gate& gate, const D& data, const VariationalFitOptions& options)
      : prior_(prior), gate_(gate), data_(data), options_(options), rng_(options.seed),
        workers_(useful_threads(options.threads, data.size())), best_{start()} {}

  [[gnu::cold]] Fit<Model> operator()() {
    for (bool moved = true; moved && !stopped();) moved = reorder() || shrink() || grow();
    const Index before = e_steps_;
    EmOptions last = em_options(options_.max_iterations, options_.tolerance);
    last.progress = options_.progress;
    Fit<Model> result = em(best_.model, data_, last);
    result.report.e_steps += before;
    if (stopped()) result.report.status = Status::stopped;
    return result;
  }

 private:
  struct Candidate {
    Model model;
    double objective;  // with the symmetries
  };
  struct Parts {
    std::vector<typename Posterior::Statistics> components;
    Eigen::VectorXd counts;
  };

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
    Fit<Model> fit = em(std::move(model), data_, em_options(iterations, tolerance));
    e_steps_ += fit.report.e_steps;
    const double objective = fit.report.objective + symmetries(fit.model);
    return {std::move(fit.model), objective};
  }

  [[gnu::cold]] Candidate start() {
    std::vector<Candidate> all;
    for (Index r = 0; r < std::max<Index>(1, options_.restarts) && (r == 0 || !stopped()); ++r) {
      Rng rng = rng_.fork(static_cast<std::uint64_t>(r));
      SeedOptions seeding;
      seeding.threads = options_.threads;
      seeding.start = r % 2 == 0 ? Start::kmeans : Start::random_means;
      seeding.width = r % 2 == 0 ? 0 : 1;
      all.push_back(improved(seed_variational(prior_, gate_, data_, rng, seeding), 50, 1e-5));
      if (gate_.size() == 1) break;
    }
    const auto best = std::max_element(all.begin(), all.end(),
                                       [](const auto& a, const auto& b) { return a.objective < b.objective; });
    return improved(std::move(best->model), 10'000, rough());
  }

  // --- moves --------------------------------------------------------------------------------------------------------

  /// What the components of the best model have learnt.
  [[gnu::cold]] Parts parts() {
    Fold<Model, D> fold(best_.model, data_, workers_);
    const Statistics& s = fold(best_.model, Soft());
    ++e_steps_;
    return {std::get<1>(s.parts).all, std::get<0>(s.parts).counts};
  }
  /// The posterior, of as many components as there are parts, that learnt those.
  [[gnu::cold]] Model assemble(const Parts& parts) const {
    const auto count = static_cast<Index>(parts.components.size());
    const Gate prior = gate_.resized(count);
    Gate gate = prior;
    prior.maximize({parts.counts}, gate);
    const Components<Posterior> priors(std::vector<Posterior>(parts.components.size(), best_.model[0].prior()));
    Components<Posterior> bank = priors;
    priors.maximize({parts.components}, bank);
    return Model(std::move(gate), std::move(bank));
  }

  /// Fewer components may cost as much as more must gain: an empty one is not worth having.
  bool better(const Candidate& candidate) const {
    const double margin = 0.05 + 1e-7 * data_.total_weight();
    const Index more = candidate.model.size() - best_.model.size();
    return candidate.objective > best_.objective + (more > 0 ? 2 * margin : more < 0 ? -margin : 1e-3 * margin);
  }
  /// Tries the parts; true if they are better.
  [[gnu::cold]] bool attempt(const Parts& parts) {
    if (tried_++ >= options_.moves || stopped()) return false;
    Candidate candidate = improved(assemble(parts), 40, 1e-4);
    if (!better(candidate)) {
      if (candidate.objective < best_.objective - 1 - 0.01 * data_.total_weight()) return false;
      candidate = improved(std::move(candidate.model), 2000, rough());
      if (!better(candidate)) return false;
    } else {
      candidate = improved(std::move(candidate.model), 10'000, rough());
    }
    best_ = std::move(candidate);
    return true;
  }

  /// Sticks in the order of their observations, where that raises the bound.
  [[gnu::cold]] bool reorder() {
    if constexpr (Gate::exchangeable) return false;
    Parts now = parts();
    std::vector<Index> order(now.components.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return now.counts(a) > now.counts(b); });
    if (std::is_sorted(order.begin(), order.end())) return false;
    Parts sorted = now;
    for (std::size_t k = 0; k < order.size(); ++k) {
      sorted.components[k] = now.components[static_cast<std::size_t>(order[k])];
      sorted.counts(static_cast<Index>(k)) = now.counts(order[k]);
    }
    if (!(gate_.log_evidence(sorted.counts) > gate_.log_evidence(now.counts))) return false;
    return attempt(sorted);
  }

  /// Merges two components or deletes one.
  [[gnu::cold]] bool shrink() {
    const Index size = best_.model.size();
    if (size == 1 || options_.moves == 0) return false;
    const Parts now = parts();
    Parts used = now;
    Index count = 0;
    for (Index k = 0; k < size; ++k) {
      if (now.counts(k) < 0.5) continue;
      used.components[static_cast<std::size_t>(count)] = now.components[static_cast<std::size_t>(k)];
      used.counts(count++) = now.counts(k);
    }
    if (count > 0 && count < size) {
      used.components.resize(static_cast<std::size_t>(count), used.components.front());
      used.counts.conservativeResize(count);
      if (attempt(used)) return true;
    }
    struct Move {
      double gain;
      Index into, gone;
    };
    std::vector<Move> moves;
    std::vector<double> evidence;
    const Posterior& prior = best_.model[0].prior();
    for (const auto& s : now.components) evidence.push_back(prior.log_evidence(s));
    for (Index k = 0; k < size; ++k) {
      for (Index j = 0; j < k; ++j) {
        auto both = now.components[static_cast<std::size_t>(j)];
        both += now.components[static_cast<std::size_t>(k)];
        moves.push_back(
            {prior.log_evidence(both) - evidence[static_cast<std::size_t>(j)] - evidence[static_cast<std::size_t>(k)],
             j, k});
      }
    }
    std::stable_sort(moves.begin(), moves.end(), [](const Move& a, const Move& b) { return a.gain > b.gain; });
    moves.resize(std::min<std::size_t>(moves.size(), 3));
    Index least = 0;
    for (Index k = 1; k < size; ++k) least = now.counts(k) < now.counts(least) ? k : least;
    moves.push_back({0, -1, least});
    for (const Move& move : moves) {
      Parts fewer = now;
      if (move.into >= 0) {
        fewer.components[static_cast<std::size_t>(move.into)] += now.components[static_cast<std::size_t>(move.gone)];
        fewer.counts(move.into) += now.counts(move.gone);
      }
      fewer.components.erase(fewer.components.begin() + move.gone);
      for (Index k = move.gone; k + 1 < size; ++k) fewer.counts(k) = fewer.counts(k + 1);
      fewer.counts.conservativeResize(size - 1);
      if (attempt(fewer)) return true;
    }
    return false;
  }

  /// Splits a component into two.
  [[gnu::cold]] bool grow() {
    if (options_.moves == 0) return false;
    const Parts now = parts();
    const Labels labels = best_.model.classify(data_);
    std::vector<Index> order(now.components.size());
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return now.counts(a) > now.counts(b); });
    for (const Index k : order) {
      std::vector<Index> own;
      for (Index i = 0; i < labels.size(); ++i) {
        if (labels(i) == k && data_.weight(i) > 0) own.push_back(i);
      }
      if (own.size() < 4 || stopped()) continue;
      Rng rng = rng_.fork(1'000'000 + static_cast<std::uint64_t>(tried_));
      if (own.size() > most_split) {
        for (std::size_t i = 0; i < most_split; ++i) std::swap(own[i], own[i + rng.below(own.size() - i)]);
        own.resize(most_split);
        std::sort(own.begin(), own.end());
      }
      Parts more = now;
      auto two = split(data_.gather(own), rng, now.counts(k));
      more.components[static_cast<std::size_t>(k)] = two.components[0];
      more.components.push_back(two.components[1]);
      more.counts.conservativeResize(more.counts.size() + 1);
      more.counts(k) = two.counts(0);
      more.counts(more.counts.size() - 1) = two.counts(1);
      if (attempt(more)) return true;
    }
    return false;
  }
  static constexpr std::size_t most_split = 20'000;

  /// Two components for these observations, as if they counted `weight` in all.
  [[gnu::cold]] Parts split(const D& own, Rng& rng, double weight) {
    const Posterior& prior = best_.model[0].prior();
    Model two = em(seed_variational(prior, gate_.resized(2), own, rng), own, em_options(30, 1e-4)).model;
    if constexpr (FramedComponent<Posterior>) {
      std::vector<Posterior> moved;
      for (Index k = 0; k < 2; ++k) moved.push_back(two[k].in(best_.model[0].shared_frame()));
      two = Model(two.gate(), Components<Posterior>(std::move(moved)));
    }
    Workers alone(1);
    Fold<Model, D> fold(two, own, alone);
    Statistics& s = fold(two, Soft());
    s *= weight / own.total_weight();
    return {std::get<1>(s.parts).all, std::get<0>(s.parts).counts};
  }

  Posterior prior_;
  Gate gate_;
  D data_;
  VariationalFitOptions options_;
  Rng rng_;
  Workers workers_;
  Index e_steps_ = 0, tried_ = 0;
  Candidate best_;
};

/// Fits the variational posterior of a mixture: components with the conjugate `prior`, weights with the `gate`'s, from
/// gate.size() components on.
///
/// @throws InvalidArgument  for options out of range and data that the family cannot have produced, before any work
template <class Gate, class Posterior, Observations D>
Fit<VariationalMixture<typename Posterior::Member, Gate>> fit_variational_mixture(
    const Posterior& prior, const Gate& gate, const D& data, const VariationalFitOptions& options = {}) {
  require(options.restarts >= 1, "a fit needs at least one start, got ", options.restarts, " restarts");
  require(options.moves >= 0, "the number of moves must not be negative, got ", options.moves);
  check(
      EmOptions{.max_iterations = options.max_iterations, .tolerance = options.tolerance, .threads = options.threads});
  require(data.size() > 0, "a fit needs at least one observation, got none (data of ", data.dimension(), " x 0)");
  Components<Posterior>(std::vector<Posterior>(1, prior)).check(data);
  return VariationalSearch<typename Posterior::Member, Gate, D>(prior, gate, data, options)();
}

}  // namespace emulsion
