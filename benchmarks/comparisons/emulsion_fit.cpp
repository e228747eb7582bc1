#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <string>
#include <utility>
#include <vector>

#include "emulsion/gaussian_mixture.hpp"
#include "problem.hpp"

// Whole fits of a million observations from 16 overlapping Gaussians in 8 dimensions:
//   emulsion_fit draw FILE N SEED              writes the data; prints the optimum that EM reaches from the truth
//   emulsion_fit fit FILE N RESTARTS THREADS   prints time and mean log-likelihood after every iteration, and in all

namespace {

using emulsion::Index;

constexpr Index dimension = 8, components = 16;

/// Weights Dirichlet(10, ..., 10). Means standard normal: 4 apart on average, the nearest about 2. Cholesky factors of
/// the covariances: uniform on (0.6, 1.4) on the diagonal, normal with deviation 0.3 below it.
emulsion::GaussianMixture random_mixture(emulsion::Rng& rng) {
  const Eigen::VectorXd weights = rng.dirichlet(Eigen::VectorXd::Constant(components, 10));
  std::vector<emulsion::Gaussian> all;
  for (Index k = 0; k < components; ++k) {
    Eigen::VectorXd mean(dimension);
    Eigen::MatrixXd factor = Eigen::MatrixXd::Zero(dimension, dimension);
    for (Index j = 0; j < dimension; ++j) {
      mean(j) = rng.normal();
      factor(j, j) = 0.6 + 0.8 * rng.uniform();
      for (Index i = j + 1; i < dimension; ++i) factor(i, j) = 0.3 * rng.normal();
    }
    all.emplace_back(mean, Eigen::MatrixXd(factor * factor.transpose()));
  }
  return {weights, std::move(all)};
}

void draw(const std::string& file, Index n, std::uint64_t seed) {
  emulsion::Rng rng(seed);
  const emulsion::GaussianMixture truth = random_mixture(rng);
  const Eigen::MatrixXd x = truth.sample(n, rng);
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(x.data()), static_cast<std::streamsize>(sizeof(double)) * x.size());
  const auto fit = em(truth, x, {.threads = 2});
  std::printf("mean_log_likelihood %.12f\n", fit.report.objective / static_cast<double>(n));
}

void fit(const std::string& file, Index n, Index restarts, int threads) {
  const std::vector<double> data = read_doubles(file, static_cast<std::size_t>(n * dimension));
  const Eigen::Map<const Eigen::MatrixXd> x(data.data(), dimension, n);
  std::vector<std::pair<double, double>> progress;
  const double begin = seconds_now();
  const auto result =
      emulsion::fit_gaussian_mixture(x, {.components = components,
                                         .restarts = restarts,
                                         .threads = threads,
                                         .progress = [&](const emulsion::Report& report) {
                                           progress.emplace_back(seconds_now() - begin, report.objective);
                                           return true;
                                         }});
  progress.emplace_back(seconds_now() - begin, result.report.objective);
  for (const auto& [seconds, objective] : progress) {
    std::printf("progress %.4f %.12f\n", seconds, objective / static_cast<double>(n));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 4 && arguments[0] == "draw") {
    draw(arguments[1], std::stol(arguments[2]), std::stoull(arguments[3]));
  } else if (arguments.size() == 5 && arguments[0] == "fit") {
    fit(arguments[1], std::stol(arguments[2]), std::stol(arguments[3]), std::stoi(arguments[4]));
  } else {
    std::fprintf(stderr, "usage: %s draw FILE N SEED | fit FILE N RESTARTS THREADS\n", argv[0]);
    return 2;
  }
}
