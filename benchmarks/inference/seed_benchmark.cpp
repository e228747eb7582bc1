#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include "emulsion/inference/seed.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/cases.hpp"
#include "../core/memory.hpp"
#include "emulsion/gaussian_mixture.hpp"

// Time of a start, also in units of the EM iterations that follow it: see benchmarks/README.md for the names.

namespace {

using emulsion::Covariance;
using emulsion::Index;
using emulsion::Start;
using emulsion::benchmarks::Case;
using emulsion::benchmarks::uniform_data;
using Clock = std::chrono::steady_clock;

/// The fastest of three EM iterations from the model.
double seconds_per_iteration(emulsion::GaussianMixture start, const Eigen::MatrixXd& x, int threads) {
  std::vector<Clock::time_point> times;
  emulsion::EmOptions options{
      .max_iterations = 3, .tolerance = 1e-300, .threads = threads, .acceleration = emulsion::Acceleration::none};
  options.progress = [&](const emulsion::Report&) {
    times.push_back(Clock::now());
    return true;
  };
  (void)em(std::move(start), x, options);
  double fastest = std::chrono::duration<double>(times.at(1) - times.at(0)).count();
  for (std::size_t i = 2; i < times.size(); ++i) {
    fastest = std::min(fastest, std::chrono::duration<double>(times[i] - times[i - 1]).count());
  }
  return fastest;
}

void measure_seed(benchmark::State& state, const Case& one, const emulsion::SeedOptions& options) {
  const Eigen::MatrixXd& x = uniform_data<double>(one.d, one.n);
  const emulsion::Gaussian prototype(one.d, one.covariance);
  double total = 0, passes = 0, peak = 0;
  std::uint64_t stream = 0;
  for (auto _ : state) {
    emulsion::Rng rng(stream++);
    const emulsion::benchmarks::PeakMemory memory;
    const auto begin = Clock::now();
    auto model = seed(prototype, one.components, x, rng, options);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    state.SetIterationTime(seconds);
    peak = std::max(peak, memory.bytes());
    total += seconds;
    passes += seconds_per_iteration(std::move(model), x, options.threads);
  }
  using benchmark::Counter;
  state.counters["em_iterations"] = total / passes;
  state.counters["ns/(nK)"] =
      1e9 * total / static_cast<double>(state.iterations()) / static_cast<double>(one.n * one.components);
  state.counters["peak_bytes"] = Counter(peak, Counter::kDefaults, Counter::kIs1024);
}

const bool registered = [] {
  const auto add = [](const std::string& name, const Case& one, const emulsion::SeedOptions& options) {
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { measure_seed(state, one, options); })
        ->Iterations(2)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  };
  for (const Case& one : emulsion::benchmarks::comparison_cases()) {
    for (const int threads : {1, 2}) {
      add("seed/case/" + one.name + "/threads:" + std::to_string(threads), one, {.threads = threads});
    }
  }
  const Case middle{"", Covariance::full, 50'000, 8, 8};
  add("seed/kmeans", middle, {.start = Start::kmeans});
  add("seed/kmeans/sphere", middle, {.start = Start::kmeans, .sphere = true});
  add("seed/kmeans/lloyd:0", middle, {.start = Start::kmeans, .lloyd = 0});
  add("seed/kmeans/width:0.5", middle, {.start = Start::kmeans, .width = 0.5});
  add("seed/random_means", middle, {.start = Start::random_means});
  add("seed/random_responsibilities", middle, {.start = Start::random_responsibilities});
  return true;
}();

}  // namespace
