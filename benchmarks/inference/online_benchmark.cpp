#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <vector>

#include "../core/memory.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/inference/online_em.hpp"

// Learning from a stream: see benchmarks/README.md for the names.

namespace {

using emulsion::BayesianMixture;
using emulsion::Gaussian;
using emulsion::Index;

emulsion::MixtureOf<Gaussian> truth(Index d, Index components) {
  emulsion::Rng rng(5);
  std::vector<Gaussian> all;
  Eigen::VectorXd mean(d);
  for (Index k = 0; k < components; ++k) {
    for (Index j = 0; j < d; ++j) mean(j) = 2 * rng.normal();
    Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(d, d);
    for (Index j = 0; j < d; ++j) {
      factor(j, j) = 0.5 + rng.uniform();
      for (Index i = j + 1; i < d; ++i) factor(i, j) = 0.2 * rng.normal();
    }
    all.push_back(Gaussian::from_factor(mean, factor));
  }
  return {Eigen::VectorXd::Constant(components, 1 / static_cast<double>(components)), std::move(all)};
}

/// Bound per observation of `x`, where the posterior's own part counts once for `population` observations.
double bound(const BayesianMixture<>& model, const Eigen::MatrixXd& x, double population) {
  const double total = em(model, x, {.max_iterations = 0, .threads = 2}).report.objective;
  double offset = model.gate().offset();
  offset += model.bank().offset();
  return (total - offset) / static_cast<double>(x.cols()) + offset / population;
}

void stochastic_variational(benchmark::State& state) {
  constexpr Index d = 16, components = 32, population = 10'000'000, block = 10'000;
  const auto source = truth(d, components);
  emulsion::Rng rng(7);
  const Eigen::MatrixXd first = source.sample(50'000, rng);
  const auto prior = emulsion::weak_prior(emulsion::Points<double>(first));
  // Both fits go on from here: what is compared is the stream, not the start.
  const auto start =
      em(emulsion::seed_variational(prior, emulsion::DirichletGate(components), emulsion::Points<double>(first), rng),
         first, {.tolerance = 1e-6, .threads = 2})
          .model;
  for (auto _ : state) {
    const emulsion::benchmarks::PeakMemory memory;
    emulsion::OnlineEm online(start, {.population = population, .forgetting = 0.7, .delay = 10, .threads = 2});
    double learning = 0;
    for (Index done = 0; done < population; done += block) {
      const Eigen::MatrixXd x = source.sample(block, rng);
      const auto begin = std::chrono::steady_clock::now();
      online(x);
      learning += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    const double peak = memory.bytes();
    state.SetIterationTime(learning);
    const Eigen::MatrixXd million = source.sample(1'000'000, rng);
    const auto batch = em(start, million, {.tolerance = 1e-7, .threads = 2});
    const double streamed = bound(online.model(), million, population);
    const double fitted = batch.report.objective / 1e6;
    state.counters["bound"] = streamed;
    state.counters["batch"] = fitted;
    state.counters["off"] = std::abs(streamed - fitted) / std::abs(fitted);
    using benchmark::Counter;
    state.counters["peak_bytes"] = Counter(peak, Counter::kDefaults, Counter::kIs1024);
  }
}

const bool registered = [] {
  benchmark::RegisterBenchmark("online/stochastic_variational", stochastic_variational)
      ->Iterations(1)
      ->UseManualTime()
      ->Unit(benchmark::kSecond);
  return true;
}();

}  // namespace
