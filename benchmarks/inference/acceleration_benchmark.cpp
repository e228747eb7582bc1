#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "emulsion/gaussian_mixture.hpp"

// E-steps to within 1e-6 nats of the limit, with and without acceleration: see benchmarks/README.md for the names.

namespace {

using emulsion::Acceleration;
using emulsion::Index;

/// E-steps until the objective is within 1e-6 nats of where this fit ends.
double e_steps(const emulsion::GaussianMixture& start, const Eigen::MatrixXd& x, Acceleration acceleration) {
  std::vector<std::pair<Index, double>> seen;
  const auto fit =
      em(start, x, {.tolerance = 1e-12, .acceleration = acceleration, .progress = [&](const emulsion::Report& report) {
                      seen.emplace_back(report.e_steps, report.objective);
                      return true;
                    }});
  const auto there = std::find_if(seen.begin(), seen.end(),
                                  [&](const auto& one) { return one.second >= fit.report.objective - 1e-6; });
  return static_cast<double>(there->first);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

/// Twenty samples of two standard normals, `separation` deviations apart, 2000 observations each.
void acceleration(benchmark::State& state, Index d, double separation) {
  std::vector<double> plain, accelerated, ratio;
  for (auto _ : state) {
    for (std::uint64_t seed_value = 0; seed_value < 20; ++seed_value) {
      emulsion::Rng rng(seed_value);
      Eigen::MatrixXd x(d, 2000);
      for (Index i = 0; i < x.cols(); ++i) {
        for (Index j = 0; j < d; ++j) x(j, i) = rng.normal() + (j == 0 && i % 2 == 0 ? separation : 0.0);
      }
      const auto start = seed(emulsion::Gaussian(d), 2, x, rng);
      plain.push_back(e_steps(start, x, Acceleration::none));
      accelerated.push_back(e_steps(start, x, Acceleration::automatic));
      ratio.push_back(plain.back() / accelerated.back());
    }
  }
  state.counters["plain"] = median(plain);
  state.counters["accelerated"] = median(accelerated);
  state.counters["ratio"] = median(ratio);
}

const bool registered = [] {
  for (const Index d : {2, 8, 32}) {
    for (const int tenths : {10, 15, 20}) {
      const std::string name = "em/acceleration/d:" + std::to_string(d) + "/separation:" + std::to_string(tenths / 10) +
                               (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10));
      benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { acceleration(state, d, 0.1 * tenths); })
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond);
    }
  }
  return true;
}();

}  // namespace
