// How many experts do four criteria choose? The well-specified experiment of Nguyen, Chamroukhi, Forbes and Mercer
// (2022): x from N(0.2, 0.1) or N(0.8, 0.15) with probability 1/2 each (variances), y = 2 - 5 x or 0.1 x with deviation
// 0.3; Gaussian-gated linear experts, K = 1 to 20. There, the jump chose K = 2 in 99 and the slope in 92 of 100 trials
// of n = 2000.  glome_selection [TRIALS [N [LARGEST_K [THREADS]]]]
//
// Ends with exit code 1 where the jump chooses K = 2 in fewer than 85 % of the trials.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "emulsion/inference/slope_heuristic.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;

namespace {

Regression draw(Index n, Rng& rng) {
  Eigen::MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    const bool first = rng.uniform() < 0.5;
    x(0, i) = first ? 0.2 + std::sqrt(0.1) * rng.normal() : 0.8 + std::sqrt(0.15) * rng.normal();
    y(0, i) = (first ? 2 - 5 * x(0, i) : 0.1 * x(0, i)) + 0.3 * rng.normal();
  }
  return {std::move(x), std::move(y)};
}

/// Place of the smallest.
std::size_t least(const std::vector<double>& values) {
  std::size_t best = 0;
  for (std::size_t m = 1; m < values.size(); ++m) best = values[m] < values[best] ? m : best;
  return best;
}

int run(int argc, char** argv) {
  const int trials = argc > 1 ? std::atoi(argv[1]) : 20;
  const Index n = argc > 2 ? std::atol(argv[2]) : 2000, most = argc > 3 ? std::atol(argv[3]) : 20;
  const int threads = argc > 4 ? std::atoi(argv[4]) : 1;
  if (trials < 1 || n < 100 || most < 3) {
    std::fprintf(stderr, "usage: glome_selection [TRIALS [N >= 100 [LARGEST_K >= 3 [THREADS]]]]\n");
    return 2;
  }
  const char* const names[] = {"jump", "slope", "BIC", "ICL"};
  std::vector<std::vector<int>> counts(4, std::vector<int>(static_cast<std::size_t>(most), 0));
  for (int trial = 0; trial < trials; ++trial) {
    Rng rng = Rng(2022).fork(static_cast<std::uint64_t>(trial));
    const Regression data = draw(n, rng);
    std::vector<FittedSize> sizes;
    std::vector<double> by_bic, by_icl;
    for (Index k = 1; k <= most; ++k) {
      const auto model = fit_experts(GaussianGate(k, 1), LinearExpert(1), data,
                                     {.restarts = 12,
                                      .seed = static_cast<std::uint64_t>(trial),
                                      .threads = threads,
                                      .tolerance = 1e-7,
                                      .max_iterations = 2000})
                             .model;
      sizes.push_back({model.log_likelihood(data), model.free_parameters()});
      by_bic.push_back(bic(model, data));
      by_icl.push_back(icl(model, data));
    }
    const SlopeChoice jump = select_by_jump(sizes), slope = select_by_slope(sizes);
    const std::size_t chosen[] = {static_cast<std::size_t>(jump.chosen), static_cast<std::size_t>(slope.chosen),
                                  least(by_bic), least(by_icl)};
    std::printf("trial %2d:", trial + 1);
    for (std::size_t c = 0; c < 4; ++c) {
      ++counts[c][chosen[c]];
      std::printf("  %s K = %zu", names[c], chosen[c] + 1);
    }
    std::printf("  (kappa %.3f by jump, %.3f by slope)\n", jump.kappa, slope.kappa);
    std::fflush(stdout);
  }
  std::printf("\ntrials of %d, n = %td\n%6s", trials, n, "K");
  for (const char* name : names) std::printf(" %6s", name);
  std::printf("\n");
  for (std::size_t k = 0; k < static_cast<std::size_t>(most); ++k) {
    if (counts[0][k] + counts[1][k] + counts[2][k] + counts[3][k] == 0) continue;
    std::printf("%6zu %6d %6d %6d %6d\n", k + 1, counts[0][k], counts[1][k], counts[2][k], counts[3][k]);
  }
  return counts[0][1] >= 0.85 * trials ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "glome_selection: %s\n", error.what());
    return 1;
  }
}
