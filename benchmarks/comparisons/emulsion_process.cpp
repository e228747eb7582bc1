// Log marginal likelihood and gradient of an exact Gaussian process with emulsion, beside sklearn_process.py:
//   emulsion_process generate N D FILE
//   emulsion_process FILE N D REPEATS
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "emulsion/kernels/squared_exponential.hpp"
#include "emulsion/processes/gaussian_process.hpp"

using namespace emulsion;

namespace {

/// d x n inputs, then n responses, as doubles in the order of memory.
bool generate(Index n, Index d, const char* path) {
  Rng rng(1);
  Eigen::MatrixXd x(d, n);
  Eigen::VectorXd y(n);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = 2 * rng.normal();
  for (Index i = 0; i < n; ++i) y(i) = std::sin(x(0, i)) + 0.5 * x(1, i) * x(2, i) + 0.3 * rng.normal();
  std::FILE* file = std::fopen(path, "wb");
  if (!file) return false;
  const auto size = static_cast<std::size_t>(n * d);
  const bool written =
      std::fwrite(x.data(), sizeof(double), size, file) == size &&
      std::fwrite(y.data(), sizeof(double), static_cast<std::size_t>(n), file) == static_cast<std::size_t>(n);
  return std::fclose(file) == 0 && written;
}

int measure(const char* path, Index n, Index d, int repeats) {
  Eigen::MatrixXd x(d, n), y(1, n);
  std::FILE* file = std::fopen(path, "rb");
  const bool read = file && std::fread(x.data(), sizeof(double), static_cast<std::size_t>(n * d), file) > 0 &&
                    std::fread(y.data(), sizeof(double), static_cast<std::size_t>(n), file) > 0;
  if (file) std::fclose(file);
  if (!read) return 1;
  const GaussianProcess process(SquaredExponential(1.7, Eigen::VectorXd::LinSpaced(d, 1, 3)), 0.1);
  std::vector<double> seconds;
  double likelihood = 0;
  Eigen::VectorXd gradient;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const auto posterior = process.condition(Regression(x, y));
    likelihood = posterior.log_marginal_likelihood();
    gradient = posterior.gradient();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("seconds %.6g\nlog_marginal_likelihood %.17g\ngradient", seconds[seconds.size() / 2], likelihood);
  for (const double g : gradient) std::printf(" %.17g", g);
  std::printf("\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  if (std::string(argv[1]) == "generate") return generate(std::atol(argv[2]), std::atol(argv[3]), argv[4]) ? 0 : 1;
  return measure(argv[1], std::atol(argv[2]), std::atol(argv[3]), std::atoi(argv[4]));
}
