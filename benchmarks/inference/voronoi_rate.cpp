#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 about its own AVX-512 header: GCC bug 105593
#endif

// How fast a softmax-gated mixture of two lines is learnt (Nguyen, Nguyen and Ho, "Demystifying softmax gating", 2023):
// the Voronoi loss of fits with 2, 3 or 4 experts against the number of observations, and the slope of its logarithm.
//   voronoi_rate [REPETITIONS] [THREADS]       40 repetitions of 10 sizes for each number of experts; minutes
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;

namespace {

using Model = MixtureOfExperts<SoftmaxGate, LinearExpert>;

/// One component: gate (b0 + b1 x), line (c + a x), variance v.
struct Part {
  double b0, b1, c, a, v;
};
const std::vector<Part> truth = {{-8, 25, 15, -20, 0.09}, {0, 0, -5, 20, 0.16}};

Model model(const std::vector<Part>& parts) {
  Eigen::MatrixXd gate(2, static_cast<Index>(parts.size()));
  std::vector<LinearExpert> experts;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    gate.col(static_cast<Index>(k)) << parts[k].b0, parts[k].b1;
    experts.emplace_back(Eigen::VectorXd::Constant(1, parts[k].c), Eigen::MatrixXd::Constant(1, 1, parts[k].a),
                         Eigen::MatrixXd::Constant(1, 1, parts[k].v));
  }
  return Model(SoftmaxGate(gate), Components<LinearExpert>(std::move(experts)));
}
std::vector<Part> parts_of(const Model& m) {
  std::vector<Part> all;
  const Eigen::MatrixXd gate = m.gate().coefficients();
  for (Index k = 0; k < m.size(); ++k) {
    all.push_back({gate(0, k), gate(1, k), m[k].intercept()(0), m[k].slopes()(0, 0), m[k].covariance()(0, 0)});
  }
  return all;
}

/// Every fitted component belongs to the nearest true one, by the parameters of its line (the authors add the gate's
/// slope). The gate is known up to a common line: that of the cell of the last true component is taken to be zero, as
/// it is there. A cell of several converges more slowly, with the powers r = 4 (of two) and 6 (of three).
double voronoi_loss(std::vector<Part> fitted) {
  std::vector<std::vector<Part>> cells(truth.size());
  const auto cell_of = [](const Part& part) {
    std::size_t best = 0;
    double least = 0;
    for (std::size_t j = 0; j < truth.size(); ++j) {
      const Part& t = truth[j];
      const double distance = std::abs(part.c - t.c) + std::abs(part.a - t.a) + std::abs(part.v - t.v);
      if (j == 0 || distance < least) best = j, least = distance;
    }
    return best;
  };
  double mass = 0, line = 0;
  for (const Part& part : fitted) {
    if (cell_of(part) + 1 == truth.size()) mass += std::exp(part.b0), line += std::exp(part.b0) * part.b1;
  }
  for (Part& part : fitted) {
    if (mass > 0) part.b0 -= std::log(mass), part.b1 -= line / mass;
    cells[cell_of(part)].push_back(part);
  }
  double loss = 0;
  for (std::size_t j = 0; j < truth.size(); ++j) {
    const Part& t = truth[j];
    const double r = cells[j].size() < 2 ? 1 : (cells[j].size() == 2 ? 4 : 6), half = std::max(r / 2, 1.0);
    double sum = 0;
    for (const Part& part : cells[j]) {
      const double weight = std::exp(part.b0);
      sum += weight;
      loss += weight * (std::pow(std::abs(part.b1 - t.b1), r) + std::pow(std::abs(part.c - t.c), r) +
                        std::pow(std::abs(part.a - t.a), half) + std::pow(std::abs(part.v - t.v), half));
    }
    loss += std::abs(sum - std::exp(t.b0));
  }
  return loss;
}

double loss_of(std::size_t experts, Index n, std::uint64_t seed, int threads) {
  Rng rng = Rng(seed).fork(static_cast<std::uint64_t>(n) * 8 + experts);
  Eigen::MatrixXd x(1, n);
  for (Index i = 0; i < n; ++i) x(0, i) = static_cast<double>(i) / static_cast<double>(n - 1);
  const Eigen::MatrixXd y = predict(model(truth), x).sample(rng);
  std::vector<Part> start;
  for (std::size_t k = 0; k < experts; ++k) {  // near the truth, extra experts beside the last true one
    Part part = truth[std::min(k, truth.size() - 1)];
    part.b0 += 0.05 * rng.normal(), part.b1 += 0.05 * rng.normal();
    part.c += 0.05 * rng.normal(), part.a += 0.05 * rng.normal(), part.v *= std::exp(0.05 * rng.normal());
    start.push_back(part);
  }
  const auto fit = em(model(start), Regression(x, y), {.max_iterations = 2000, .tolerance = 1e-9, .threads = threads});
  return voronoi_loss(parts_of(fit.model));
}

/// Of the least-squares line.
double slope(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, cross = 0, square = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += x[i] / n, mean_y += y[i] / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    cross += (x[i] - mean_x) * (y[i] - mean_y), square += (x[i] - mean_x) * (x[i] - mean_x);
  }
  return cross / square;
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::stoi(argv[1]) : 40, threads = argc > 2 ? std::stoi(argv[2]) : 1;
  for (const std::size_t experts : {2U, 3U, 4U}) {
    std::vector<double> log_n, log_mean, log_median;
    for (int size = 0; size < 10; ++size) {
      const auto n = static_cast<Index>(std::lround(500 * std::pow(2.0, size * 0.75)));
      std::vector<double> losses;
      double sum = 0;
      int overflowed = 0;  // e^b0 of a superfluous expert, whose gate has hardly a maximum
      for (int r = 0; r < repetitions; ++r) {
        const double loss = loss_of(experts, n, static_cast<std::uint64_t>(r), threads);
        losses.push_back(std::isfinite(loss) ? loss : std::numeric_limits<double>::max());
        if (std::isfinite(loss)) sum += loss;
        else ++overflowed;
      }
      std::sort(losses.begin(), losses.end());
      log_n.push_back(std::log(static_cast<double>(n)));
      const double mean = sum / std::max(1, repetitions - overflowed);
      log_mean.push_back(std::log(mean));
      log_median.push_back(std::log(losses[losses.size() / 2]));
      std::printf("experts %zu  n %6ld  Voronoi loss: mean %.5g, median %.5g, overflowed %d\n", experts,
                  static_cast<long>(n), mean, losses[losses.size() / 2], overflowed);
    }
    std::printf("experts %zu  slope of log loss on log n: of means %.3f, of medians %.3f\n", experts,
                slope(log_n, log_mean), slope(log_n, log_median));
  }
}
