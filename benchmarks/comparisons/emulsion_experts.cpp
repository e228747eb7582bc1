#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "emulsion/mixture_of_experts.hpp"
#include "problem.hpp"

// The iterations of one mixture of experts with emulsion:
//   emulsion_experts generate N P K FOLDER          writes x (P x N), y (N) and starting responsibilities (N x K)
//   emulsion_experts constant|softmax N P K FOLDER ITERATIONS THREADS

namespace {

using emulsion::Index;

void write(const std::string& path, const Eigen::MatrixXd& values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(8 * values.size()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

/// K planes; a softmax gate on two covariates chooses. The start: the right plane with probability 0.7.
void generate(Index n, Index p, Index k, const std::string& folder) {
  emulsion::Rng rng(3);
  Eigen::MatrixXd x(p, n), y(1, n), r(n, k), b(1 + p, k), gate(3, k);
  for (Index i = 0; i < b.size(); ++i) b.data()[i] = 2 * rng.normal();
  for (Index i = 0; i < gate.size(); ++i) gate.data()[i] = rng.normal();
  Eigen::VectorXd w(k);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < p; ++j) x(j, i) = rng.normal();
    for (Index c = 0; c < k; ++c) w(c) = std::exp(gate(0, c) + gate(1, c) * x(0, i) + gate(2, c) * x(1, i));
    const Index z = rng.categorical(w);
    y(0, i) = b(0, z) + rng.normal();
    for (Index j = 0; j < p; ++j) y(0, i) += b(1 + j, z) * x(j, i);
    r.row(i).setConstant(0.3 / static_cast<double>(k));
    r(i, z) += 0.7;
  }
  write(folder + "/x", x), write(folder + "/y", y), write(folder + "/responsibilities", r);
}

template <class Gate>
void run(const Gate& gate, const emulsion::Regression& data, const Eigen::MatrixXd& r, int iterations, int threads) {
  using emulsion::LinearExpert;
  using Model = emulsion::MixtureOfExperts<Gate, LinearExpert>;
  const Model prototype(gate, emulsion::Components<LinearExpert>(std::vector<LinearExpert>(
                                  static_cast<std::size_t>(gate.size()), LinearExpert(data.x().dimension()))));
  emulsion::Rng rng(0);
  const Model start = seed(prototype, data, rng, {.start = emulsion::Start::responsibilities, .responsibilities = r});
  std::vector<double> seconds;
  emulsion::Report report;
  for (int fits = 0; fits < 20; ++fits) {
    double last = -1;
    emulsion::EmOptions options{.max_iterations = iterations,
                                .tolerance = 1e-300,
                                .threads = threads,
                                .acceleration = emulsion::Acceleration::none};
    options.progress = [&](const emulsion::Report&) {
      const double now = seconds_now();
      if (last >= 0) seconds.push_back(now - last);
      last = now;
      return true;
    };
    report = em(start, data, options).report;
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  std::printf("mean_log_likelihood %.17g\nseconds_per_iteration %.6g\n",
              report.objective / static_cast<double>(data.size()), seconds[seconds.size() / 2]);
}

}  // namespace

int main(int argc, char** argv) {
  const bool generating = argc == 6 && std::strcmp(argv[1], "generate") == 0;
  if (!generating && argc != 8) {
    std::fprintf(stderr, "usage: %s generate N P K FOLDER | constant|softmax N P K FOLDER ITERATIONS THREADS\n",
                 argv[0]);
    return 2;
  }
  const Index n = std::stol(argv[2]), p = std::stol(argv[3]), k = std::stol(argv[4]);
  const std::string folder = argv[5];
  if (generating) {
    generate(n, p, k, folder);
    return 0;
  }
  const auto read = [&](const char* name, Index rows, Index cols) {
    const std::vector<double> values = read_doubles(folder + "/" + name, static_cast<std::size_t>(rows * cols));
    return Eigen::MatrixXd(Eigen::Map<const Eigen::MatrixXd>(values.data(), rows, cols));
  };
  const Eigen::MatrixXd x = read("x", p, n), y = read("y", 1, n), r = read("responsibilities", n, k);
  const emulsion::Regression data(x, y);
  const int iterations = std::stoi(argv[6]), threads = std::stoi(argv[7]);
  if (std::string(argv[1]) == "constant") run(emulsion::ConstantGate(k), data, r, iterations, threads);
  else run(emulsion::SoftmaxGate(k, p), data, r, iterations, threads);
}
