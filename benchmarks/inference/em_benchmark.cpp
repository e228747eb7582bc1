#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "../core/cases.hpp"
#include "../core/memory.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/gaussian_mixture.hpp"

// Time of one EM iteration, without what comes before the first: see benchmarks/README.md for the names.

namespace {

using emulsion::Covariance;
using emulsion::Index;
using emulsion::benchmarks::Case;
using emulsion::benchmarks::uniform_data;
using Clock = std::chrono::steady_clock;

// --- one iteration ----------------------------------------------------------------------------------------------------

/// Enough iterations for about a second (n K d operations at the speed of one core), the same for any speed of the
/// code.
Index iterations_for(double n, double components, double d, bool full) {
  const double operations = n * components * (full ? 2 * d * (d + 3) : 8 * d + 20);
  return static_cast<Index>(std::clamp(2e9 / operations, 6.0, 200.0));
}

/// Processor time of all threads of this program. It tells work from waiting for a processor.
double cpu_time() {
  std::timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Runs em() for so many iterations from `start()`. Reported time: the median time from one call of the progress
/// callback to the next, which is one M-step and one E-step; nothing before the first E-step is in it. A fit that
/// stands still may end before.
template <class MakeStart, class D>
void measure_iteration(benchmark::State& state, const MakeStart& start, const D& data, int threads, Index iterations) {
  for (auto _ : state) {  // once: every benchmark here asks for Iterations(1)
    std::vector<double> seconds, cpu_seconds;
    seconds.reserve(static_cast<std::size_t>(iterations));
    cpu_seconds.reserve(static_cast<std::size_t>(iterations));
    Clock::time_point last;
    double last_cpu = -1;
    emulsion::EmOptions options{.max_iterations = iterations,
                                .tolerance = 1e-300,
                                .threads = threads,
                                .acceleration = emulsion::Acceleration::none};
    options.progress = [&](const emulsion::Report&) {
      const auto now = Clock::now();
      const double cpu = cpu_time();
      if (last_cpu >= 0) {
        seconds.push_back(std::chrono::duration<double>(now - last).count());
        cpu_seconds.push_back(cpu - last_cpu);
      }
      last = now;
      last_cpu = cpu;
      return true;
    };
    const emulsion::benchmarks::PeakMemory memory;
    const auto fit = em(start(), data, options);
    const double peak = memory.bytes();
    using emulsion::Status;
    const Status status = fit.report.status;
    if (status == Status::failed || status == Status::objective_fell || seconds.size() < 5) {
      const std::string message = "ended early: " + std::string(to_string(status));
      state.SkipWithError(message.c_str());
      return;
    }
    std::sort(seconds.begin(), seconds.end());
    std::sort(cpu_seconds.begin(), cpu_seconds.end());
    const double median = seconds[seconds.size() / 2];
    state.SetIterationTime(median);
    const auto n = static_cast<double>(data.size()), components = static_cast<double>(fit.model.size());
    using benchmark::Counter;
    state.counters["observations/s"] = n / median;
    state.counters["ns/(nK)"] = 1e9 * median / (n * components);
    state.counters["cpu_ms"] = 1e3 * cpu_seconds[cpu_seconds.size() / 2];
    state.counters["fastest_ms"] = 1e3 * seconds.front();
    state.counters["peak_bytes"] = Counter(peak, Counter::kDefaults, Counter::kIs1024);
    state.counters["e_steps"] = static_cast<double>(fit.report.e_steps);
  }
}

// --- Gaussian mixtures ------------------------------------------------------------------------------------------------

template <class Scalar, int Dim>
void measure_gaussian(benchmark::State& state, const Case& one, const emulsion::Points<Scalar, Dim>& x, int threads) {
  const bool full = !emulsion::is_diagonal(one.covariance);
  const Index iterations =
      iterations_for(static_cast<double>(one.n), static_cast<double>(one.components), static_cast<double>(one.d), full);
  measure_iteration(
      state,
      [&] {
        emulsion::Rng rng(2);
        return emulsion::benchmarks::start_at(x, one.covariance, one.components, rng);
      },
      x, threads, iterations);
}

template <class Scalar = double, int Dim = Eigen::Dynamic>
void gaussian(benchmark::State& state, const Case& one, int threads) {
  measure_gaussian(state, one, emulsion::columns<Dim>(uniform_data<Scalar>(one.d, one.n)), threads);
}

/// The same start as a variational posterior: means at observations, E[L] the identity, one observation's worth.
void variational(benchmark::State& state, const Case& one, int threads) {
  const emulsion::Points<double> x = emulsion::columns(uniform_data<double>(one.d, one.n));
  const bool full = !emulsion::is_diagonal(one.covariance);
  const Index iterations =
      iterations_for(static_cast<double>(one.n), static_cast<double>(one.components), static_cast<double>(one.d), full);
  const auto start = [&] {
    emulsion::Rng rng(2);
    const auto mixture = emulsion::benchmarks::start_at(x, one.covariance, one.components, rng);
    const double nu = static_cast<double>(one.d);
    const auto prior = emulsion::NormalWishart::with_expected(
        emulsion::Gaussian(Eigen::VectorXd::Constant(one.d, 0.5), Eigen::MatrixXd::Identity(one.d, one.d),
                           one.covariance),
        1, nu);
    std::vector<emulsion::NormalWishart> all;
    for (Index k = 0; k < one.components; ++k) {
      all.push_back(emulsion::NormalWishart::with_expected(mixture[k], 1, nu).with_prior(prior));
    }
    return emulsion::BayesianMixture<>(emulsion::DirichletGate(one.components),
                                       emulsion::Components<emulsion::NormalWishart>(std::move(all)));
  };
  measure_iteration(state, start, x, threads, iterations);
}

// --- the layout of the data -------------------------------------------------------------------------------------------

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// n x d, one observation per row; row-major, the memory is that of columns.
void rows_row_major(benchmark::State& state, const Case& one) {
  const RowMajor x = uniform_data<double>(one.d, one.n).transpose();
  measure_gaussian(state, one, emulsion::rows(x), 1);
}
/// Column-major, a dimension is contiguous.
void rows_column_major(benchmark::State& state, const Case& one) {
  const Eigen::MatrixXd x = uniform_data<double>(one.d, one.n).transpose();
  measure_gaussian(state, one, emulsion::rows(x), 1);
}
/// Every second column of a matrix with 3 more rows.
void strided(benchmark::State& state, const Case& one) {
  Eigen::MatrixXd x = Eigen::MatrixXd::Zero(one.d + 3, 2 * one.n);
  for (Index i = 0; i < one.n; ++i) x.col(2 * i).head(one.d) = uniform_data<double>(one.d, one.n).col(i);
  measure_gaussian(state, one, emulsion::Points<double>(x.data(), one.d, one.n, 1, 2 * x.rows()), 1);
}
void with_weights(benchmark::State& state, const Case& one) {
  const Eigen::VectorXd w = Eigen::VectorXd::Constant(one.n, 0.5);
  measure_gaussian(state, one, emulsion::weighted(uniform_data<double>(one.d, one.n), w), 1);
}

// --- clusters far apart -----------------------------------------------------------------------------------------------

/// Draws around 64 means, `distance` standard deviations apart in each of 32 dimensions, from a start at the means.
void clusters(benchmark::State& state, double distance) {
  constexpr Index d = 32, count = 64, n = 50'000;
  emulsion::Rng rng(7);
  std::vector<emulsion::Gaussian> components;
  Eigen::VectorXd mean(d);
  for (Index k = 0; k < count; ++k) {
    for (Index j = 0; j < d; ++j) mean(j) = distance * rng.normal();
    components.emplace_back(mean, Eigen::MatrixXd::Identity(d, d));
  }
  const emulsion::GaussianMixture truth(Eigen::VectorXd::Constant(count, 1.0 / count), std::move(components));
  const Eigen::MatrixXd x = truth.sample(n, rng);
  measure_iteration(
      state, [&] { return truth; }, emulsion::columns(x), 1, 6);
}

// --- other families: draws of one random mixture, from the components of another --------------------------------------

template <class C, class MakeComponent>
void family(benchmark::State& state, Index n, int threads, const MakeComponent& component) {
  constexpr Index count = 8;
  const auto mixture = [&](std::uint64_t seed) {
    emulsion::Rng rng(seed);
    std::vector<C> components;
    for (Index k = 0; k < count; ++k) components.push_back(component(rng));
    return emulsion::MixtureOf<C>(Eigen::VectorXd::Constant(count, 1.0 / count), std::move(components));
  };
  emulsion::Rng rng(3);
  const typename C::Data::Matrix x = mixture(4).sample(n, rng);
  measure_iteration(
      state, [&] { return mixture(5); }, typename C::Data(x), threads, 12);
}

void poisson(benchmark::State& state, Index n, Index d, int threads) {
  family<emulsion::Poisson>(state, n, threads, [d](emulsion::Rng& rng) {
    Eigen::VectorXd rates(d);
    for (Index j = 0; j < d; ++j) rates(j) = 1 + 9 * rng.uniform();
    return emulsion::Poisson(rates);
  });
}
void categorical(benchmark::State& state, Index n, Index d, int threads) {
  family<emulsion::Categorical>(state, n, threads, [d](emulsion::Rng& rng) {
    std::vector<Eigen::VectorXd> items;
    for (Index j = 0; j < d; ++j) items.push_back(rng.dirichlet(Eigen::VectorXd::Ones(4)));
    return emulsion::Categorical(items);
  });
}

// --- whole fits: defaults, restarts and all ---------------------------------------------------------------------------

void whole_fit(benchmark::State& state, const std::string& file, const std::string& label, Index components,
               int threads) {
  try {
    const std::string here = __FILE__;
    const std::string top = here.substr(0, here.size() - std::string("benchmarks/inference/em_benchmark.cpp").size());
    const Eigen::MatrixXd x = emulsion::read_csv(top + "examples/data/" + file, {.label = label}).matrix();
    double peak = 0, e_steps = 0, log_likelihood = 0;
    for (auto _ : state) {
      const emulsion::benchmarks::PeakMemory memory;
      const auto fit = emulsion::fit_gaussian_mixture(x, {.components = components, .seed = 7, .threads = threads});
      peak = std::max(peak, memory.bytes());
      e_steps = static_cast<double>(fit.report.e_steps);
      log_likelihood = fit.report.objective;
    }
    using benchmark::Counter;
    state.counters["e_steps"] = e_steps;
    state.counters["log_likelihood"] = log_likelihood;
    state.counters["peak_bytes"] = Counter(peak, Counter::kDefaults, Counter::kIs1024);
  } catch (const emulsion::InvalidArgument& error) { state.SkipWithError(error.what()); }
}

// --- names ------------------------------------------------------------------------------------------------------------

template <class F>
void once(const std::string& name, F function) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(function))
      ->Iterations(1)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  const auto gaussians = [](const std::string& name, const Case& one, std::initializer_list<int> thread_counts) {
    for (const int threads : thread_counts) {
      once(name + "/threads:" + std::to_string(threads),
           [=](benchmark::State& state) { gaussian(state, one, threads); });
    }
  };
  // The cases of the comparison with other packages.
  for (const Case& one : emulsion::benchmarks::comparison_cases()) {
    gaussians("em/case/" + one.name, one, {1, 2});
    for (const int threads : {1, 2}) {
      once("em/variational/" + one.name + "/threads:" + std::to_string(threads),
           [=](benchmark::State& state) { variational(state, one, threads); });
    }
  }
  // One thing varied at a time.
  const Case middle{"", Covariance::full, 50'000, 8, 8};
  for (const Index n : {100, 1'000, 10'000, 100'000, 1'000'000}) {
    Case one = middle;
    one.n = n;
    gaussians("em/n:" + std::to_string(n), one, {1, 2});
  }
  for (const Index d : {1, 2, 3, 4, 5, 8, 16, 32, 64, 128}) {
    Case one = middle;
    one.d = d;
    if (d > 16) one.n = 10'000;
    gaussians("em/d:" + std::to_string(d), one, {1});
  }
  for (const Index components : {1, 2, 4, 8, 16, 32, 64}) {
    Case one = middle;
    one.components = components;
    gaussians("em/K:" + std::to_string(components), one, {1});
  }
  for (const Covariance covariance :
       {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    Case one = middle;
    one.covariance = covariance;
    gaussians("em/covariance:" + std::string(to_string(covariance)), one, {1, 2});
  }
  for (const Index d : {2, 16, 64}) {
    for (const Covariance covariance : {Covariance::full, Covariance::diagonal}) {
      Case one = middle;
      one.d = d;
      one.covariance = covariance;
      const std::string size = "/" + std::string(to_string(covariance)) + "/d:" + std::to_string(d);
      once("em/double" + size, [=](benchmark::State& state) { gaussian<double>(state, one, 1); });
      once("em/float" + size, [=](benchmark::State& state) { gaussian<float>(state, one, 1); });
    }
  }
  const auto fixed = [middle]<int Dim>(std::integral_constant<int, Dim>) {
    Case one = middle;
    one.d = Dim;
    const std::string size = "/d:" + std::to_string(Dim);
    once("em/dynamic" + size, [=](benchmark::State& state) { gaussian<double>(state, one, 1); });
    once("em/fixed" + size, [=](benchmark::State& state) { gaussian<double, Dim>(state, one, 1); });
  };
  fixed(std::integral_constant<int, 2>());
  fixed(std::integral_constant<int, 3>());
  fixed(std::integral_constant<int, 4>());
  once("em/layout:columns", [=](benchmark::State& state) { gaussian(state, middle, 1); });
  once("em/layout:rows_row_major", [=](benchmark::State& state) { rows_row_major(state, middle); });
  once("em/layout:rows_column_major", [=](benchmark::State& state) { rows_column_major(state, middle); });
  once("em/layout:strided", [=](benchmark::State& state) { strided(state, middle); });
  once("em/layout:weighted", [=](benchmark::State& state) { with_weights(state, middle); });
  // Where each observation belongs to one component, the others cost no M-step.
  once("em/clusters/overlapping", [](benchmark::State& state) { clusters(state, 0.2); });
  once("em/clusters/separated", [](benchmark::State& state) { clusters(state, 10); });
  // Other families.
  for (const int threads : {1, 2}) {
    const std::string size = "/n:50000/d:8/K:8/threads:" + std::to_string(threads);
    once("em/Poisson" + size, [=](benchmark::State& state) { poisson(state, 50'000, 8, threads); });
    once("em/Categorical" + size, [=](benchmark::State& state) { categorical(state, 50'000, 8, threads); });
  }
  // Whole fits.
  for (const int threads : {1, 2}) {
    const std::string end = "/threads:" + std::to_string(threads);
    benchmark::RegisterBenchmark(("fit/faithful/K:2" + end).c_str(),
                                 [=](benchmark::State& state) { whole_fit(state, "faithful.csv", "", 2, threads); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("fit/iris/K:3" + end).c_str(),
                                 [=](benchmark::State& state) { whole_fit(state, "iris.csv", "Species", 3, threads); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
  return true;
}();

}  // namespace
