#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../core/memory.hpp"
#include "emulsion/gaussian_mixture.hpp"

// What a fitted mixture says about observations: see benchmarks/README.md for the names.

namespace {

using emulsion::Covariance;
using emulsion::GaussianMixture;
using emulsion::Index;

/// Means uniform on the unit cube, standard deviations from 0.1 to 0.3, one correlation for all pairs of dimensions.
GaussianMixture random_mixture(Index d, Index components, Covariance covariance) {
  emulsion::Rng rng(1);
  std::vector<emulsion::Gaussian> all;
  Eigen::VectorXd mean(d), deviation(d);
  for (Index k = 0; k < components; ++k) {
    for (Index j = 0; j < d; ++j) mean(j) = rng.uniform(), deviation(j) = 0.1 + 0.2 * rng.uniform();
    Eigen::MatrixXd square = Eigen::MatrixXd::Zero(d, d);
    for (Index j = 0; j < d; ++j) {
      for (Index i = 0; i < d; ++i) {
        if (covariance == Covariance::full || i == j) square(i, j) = (i == j ? 1 : 0.3) * deviation(i) * deviation(j);
      }
    }
    all.emplace_back(mean, square, covariance);
  }
  return {Eigen::VectorXd::Constant(components, 1 / static_cast<double>(components)), std::move(all)};
}

/// Calls predict(model, data) on n observations. The counter is what one observation costs.
template <class Predict>
void measure_prediction(benchmark::State& state, Covariance covariance, const Predict& predict) {
  const Index n = state.range(0), d = state.range(1), components = state.range(2);
  const GaussianMixture model = random_mixture(d, components, covariance);
  emulsion::Rng rng(2);
  const Eigen::MatrixXd x = model.sample(n, rng);
  const emulsion::benchmarks::PeakMemory memory;
  for (auto _ : state) benchmark::DoNotOptimize(predict(model, emulsion::columns(x)));
  const double peak = memory.bytes();
  using benchmark::Counter;
  const auto observations = static_cast<double>(n);
  state.counters["observations/s"] = Counter(observations, Counter::kIsIterationInvariantRate);
  state.counters["s/observation"] =
      Counter(observations, static_cast<Counter::Flags>(Counter::kIsIterationInvariantRate | Counter::kInvert));
  state.counters["peak_bytes"] = Counter(peak, Counter::kDefaults, Counter::kIs1024);
}

const auto log_density = [](const GaussianMixture& model, const auto& x) { return model.log_density(x); };
const auto log_likelihood = [](const GaussianMixture& model, const auto& x) { return model.log_likelihood(x); };
const auto responsibilities = [](const GaussianMixture& model, const auto& x) { return model.responsibilities(x); };
/// Into memory that is there.
const auto responsibilities_into = [](const GaussianMixture& model, const auto& x) {
  static Eigen::MatrixXd result;
  if (result.rows() != x.size() || result.cols() != model.size()) result.resize(x.size(), model.size());
  model.responsibilities(x, result);
  return result(0, 0);
};
const auto classify = [](const GaussianMixture& model, const auto& x) { return model.classify(x); };

/// One point after another, as a robot's loop has them.
template <class Predict>
void measure_points(benchmark::State& state, const Predict& predict) {
  const GaussianMixture model = random_mixture(state.range(0), state.range(1), Covariance::full);
  emulsion::Rng rng(2);
  const Eigen::MatrixXd x = model.sample(1024, rng);
  Index i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(predict(model, x.col(i++ % 1024)));
}

const bool registered = [] {
  const auto at = [](const std::string& name, const auto& predict) {
    benchmark::RegisterBenchmark(("predict/" + name).c_str(),
                                 [=](benchmark::State& state) { measure_points(state, predict); })
        ->ArgNames({"d", "K"})
        ->Args({3, 8})
        ->Args({16, 16});
  };
  at("log_density_at", [](const GaussianMixture& model, const auto& x) { return model.log_density_at(x); });
  at("classify_at", [](const GaussianMixture& model, const auto& x) { return model.classify_at(x); });
  const auto add = [](const std::string& name, const auto& predict) {
    for (const Covariance covariance : {Covariance::full, Covariance::diagonal}) {
      auto* made = benchmark::RegisterBenchmark(
          ("predict/" + name + "/" + std::string(to_string(covariance))).c_str(),
          [=](benchmark::State& state) { measure_prediction(state, covariance, predict); });
      made->ArgNames({"n", "d", "K"})->Unit(benchmark::kMillisecond);
      if (covariance == Covariance::full) made->Args({1, 3, 8})->Args({1'000'000, 2, 8})->Args({1'000'000, 3, 8});
      made->Args({100'000, 16, 16});
    }
  };
  add("log_density", log_density);
  add("log_likelihood", log_likelihood);
  add("responsibilities", responsibilities);
  add("responsibilities_into", responsibilities_into);
  add("classify", classify);
  return true;
}();

}  // namespace
