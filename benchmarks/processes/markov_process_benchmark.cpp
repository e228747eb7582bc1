#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include "emulsion/processes/markov_process.hpp"

#include <benchmark/benchmark.h>

#include <cmath>

#include "emulsion/core/random.hpp"

// Time of a Markov process in the number of observations, at irregular times: see benchmarks/README.md.

namespace {

using namespace emulsion;

struct Sample {
  Eigen::RowVectorXd t;
  Eigen::VectorXd y;
  explicit Sample(Index n) : t(n), y(n) {
    Rng rng(1);
    double now = 0;
    for (Index i = 0; i < n; ++i) {
      t(i) = now += 0.1 * rng.exponential();
      y(i) = std::sin(now) + 0.1 * rng.normal();
    }
  }
};

enum class Work { likelihood, gradient, predict };

template <MarkovKernel K>
void markov(benchmark::State& state, const K& kernel, Work work) {
  const auto n = static_cast<Index>(state.range(0));
  const Sample sample(n);
  for (auto _ : state) {
    const auto process = MarkovProcess<K>(kernel, 0.01).condition(emulsion::Regression(sample.t, sample.y.transpose()));
    double result = process.log_marginal_likelihood();
    if (work == Work::gradient) result = process.gradient()(0);
    if (work == Work::predict) result = process.predict(sample.t.array() + 0.05).mean()(0);
    benchmark::DoNotOptimize(result);
  }
  state.SetItemsProcessed(state.iterations() * n);
  state.counters["state"] = static_cast<double>(StateSpace(kernel).dimension());
}

void matern12(benchmark::State& state, Work work) { markov(state, Matern12(1, 2.0), work); }
void matern52(benchmark::State& state, Work work) { markov(state, Matern52(1, 2.0), work); }
void quasi_periodic(benchmark::State& state, Work work) {
  markov(state, Periodic(1, 1.5, 6.3) * Matern12(1, 50.0), work);
}

void sizes(benchmark::internal::Benchmark* one) {
  one->RangeMultiplier(10)->Range(1'000, 1'000'000)->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(matern12, likelihood, Work::likelihood)->Apply(sizes);
BENCHMARK_CAPTURE(matern12, gradient, Work::gradient)->Apply(sizes);
BENCHMARK_CAPTURE(matern12, predict, Work::predict)->Apply(sizes);
BENCHMARK_CAPTURE(matern52, likelihood, Work::likelihood)->Apply(sizes);
BENCHMARK_CAPTURE(matern52, gradient, Work::gradient)->Apply(sizes);
BENCHMARK_CAPTURE(matern52, predict, Work::predict)->Apply(sizes);
BENCHMARK_CAPTURE(quasi_periodic, likelihood, Work::likelihood)->Apply(sizes);
BENCHMARK_CAPTURE(quasi_periodic, gradient, Work::gradient)->Apply(sizes);
BENCHMARK_CAPTURE(quasi_periodic, predict, Work::predict)->Apply(sizes);

}  // namespace
