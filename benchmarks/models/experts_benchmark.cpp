#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/mixture_of_experts.hpp"

// One EM iteration of a mixture of experts beside one of a Gaussian mixture of (x, y): see benchmarks/README.md.

namespace {

using emulsion::Index;
using emulsion::LinearExpert;

constexpr Index n = 1'000'000, p = 8, components = 4;

struct Sample {
  Eigen::MatrixXd x{p, n}, y{1, n}, joint{p + 1, n};
  Sample() {
    emulsion::Rng rng(1);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < p; ++j) x(j, i) = rng.normal();
      const bool first = x(0, i) + 0.5 * rng.normal() > 0, second = x(1, i) > 0.3;
      y(0, i) = (first ? 2 : -1) * x(2, i) + (second ? 3 + x(3, i) : 0) + 0.5 * rng.normal();
    }
    joint << x, y;
  }
};
const Sample& sample() {
  static const Sample kept;
  return kept;
}

/// Median seconds of an iteration.
template <class Model, class Data>
double iteration(const Model& start, const Data& data) {
  std::vector<double> seconds;
  double last = -1;
  emulsion::EmOptions options{.max_iterations = 9, .tolerance = 1e-300, .acceleration = emulsion::Acceleration::none};
  options.progress = [&](const emulsion::Report&) {
    const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    if (last >= 0) seconds.push_back(now - last);
    last = now;
    return true;
  };
  em(start, data, options);
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  return seconds[seconds.size() / 2];
}

template <class Gate>
void experts(benchmark::State& state, const Gate& gate) {
  using Model = emulsion::MixtureOfExperts<Gate, LinearExpert>;
  const emulsion::Regression data(sample().x, sample().y);
  const Model prototype(gate,
                        emulsion::Components<LinearExpert>(std::vector<LinearExpert>(components, LinearExpert(p))));
  emulsion::Rng rng(2);
  const Model start = seed(prototype, data, rng);
  const auto mixture = emulsion::seed(emulsion::Gaussian(p + 1), components, sample().joint, rng);
  std::vector<double> ratios;
  for (auto _ : state) {  // in turn, so that both see the same machine
    const double ours = iteration(start, data), theirs = iteration(mixture, emulsion::columns(sample().joint));
    ratios.push_back(ours / theirs);
    state.SetIterationTime(ours);
  }
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2), ratios.end());
  state.counters["x_gaussian_mixture"] = ratios[ratios.size() / 2];
}

const auto registered = [] {
  const auto add = [](const std::string& name, const auto& gate) {
    benchmark::RegisterBenchmark(("em/experts/" + name).c_str(),
                                 [gate](benchmark::State& state) { experts(state, gate); })
        ->UseManualTime()
        ->Iterations(3)
        ->Unit(benchmark::kMillisecond);
  };
  add("constant", emulsion::ConstantGate(components));
  add("softmax", emulsion::SoftmaxGate(components, p));
  add("gaussian", emulsion::GaussianGate(components, p));
  return true;
}();

}  // namespace
