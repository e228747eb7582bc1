#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <benchmark/benchmark.h>

#include <cmath>

#include "emulsion/core/random.hpp"
#include "emulsion/kernels/squared_exponential.hpp"
#include "emulsion/processes/inducing_points.hpp"
#include "emulsion/processes/sparse_process.hpp"

// One pass of a million observations over 200 inducing inputs, and the posterior, on one thread and on two.

namespace {

using emulsion::Index;
using emulsion::SquaredExponential;

void pass(benchmark::State& state) {
  constexpr Index n = 1'000'000;
  emulsion::Rng rng(1);
  Eigen::MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = 10 * rng.uniform();
    x(1, i) = 10 * rng.uniform();
    y(0, i) = std::sin(x(0, i)) * std::cos(x(1, i)) + 0.1 * rng.normal();
  }
  const SquaredExponential kernel(1, 1);
  const emulsion::InducingBasis<SquaredExponential> basis(
      kernel, emulsion::greedy_inducing_points(kernel, x.leftCols(5000), 200));
  const emulsion::SparseProcess<SquaredExponential> process(basis, 0.01);
  const emulsion::Regression data(x, y);
  for (auto _ : state) {
    const auto posterior = process.condition(data, static_cast<int>(state.range(0)));
    benchmark::DoNotOptimize(posterior.posterior_mean().data());
  }
  state.SetItemsProcessed(state.iterations() * n);
}
BENCHMARK(pass)
    ->Name("processes/sparse/pass")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

}  // namespace
