// Two experts, ten covariates, of which few matter, and others elsewhere: the path of the lasso, from no slopes to all,
// and the point that BIC chooses.  lasso_experts [PICTURE.svg [OBSERVATIONS [POINTS]]]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include "emulsion/inference/lasso_path.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

constexpr Index covariates = 10;

/// Slopes of the two experts and of the gate; standard normal covariates.
struct Truth {
  Eigen::MatrixXd slopes = Eigen::MatrixXd::Zero(covariates, 3);
  Truth() {
    slopes(0, 0) = 2, slopes(1, 0) = -1.5, slopes(4, 0) = 1;
    slopes(0, 1) = -2, slopes(2, 1) = 1.5;
    slopes(3, 2) = 2, slopes(0, 2) = -1;
  }
  Regression draw(Index n, Rng& rng) const {
    Eigen::MatrixXd x(covariates, n), y(1, n);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < covariates; ++j) x(j, i) = rng.normal();
      const Eigen::VectorXd at = slopes.transpose() * x.col(i);
      const bool first = rng.uniform() < 1 / (1 + std::exp(-at(2)));
      y(0, i) = (first ? 1 + at(0) : -1 + at(1)) + 0.6 * rng.normal();
    }
    return {std::move(x), std::move(y)};
  }
};

/// Slopes of the experts and of the gate (covariates x 3), the experts in the order of the truth.
Eigen::MatrixXd slopes_of(const MixtureOfExperts<SoftmaxGate, LassoExpert>& model, bool turned) {
  Eigen::MatrixXd result(covariates, 3);
  for (Index k = 0; k < 2; ++k) result.col(k) = model[turned ? 1 - k : k].slopes().transpose();
  result.col(2) = model.gate().coefficients().col(0).tail(covariates);
  if (turned) result.col(2) = Eigen::VectorXd::Zero(covariates) - result.col(2);  // no minus zero
  return result;
}

int run(int argc, char** argv) {
  const Index n = argc > 2 ? std::atol(argv[2]) : 400, points = argc > 3 ? std::atol(argv[3]) : 30;
  if (n < 100 || points < 2) {
    std::fprintf(stderr, "usage: lasso_experts [PICTURE.svg [OBSERVATIONS >= 100 [POINTS >= 2]]]\n");
    return 2;
  }
  const Truth truth;
  Rng rng(21);
  const Regression data = truth.draw(n, rng);
  const auto path =
      lasso_path(SoftmaxGate(2, covariates), data, {.points = points, .ratio = 0.02, .gate = 0.3, .restarts = 8});
  const auto best =
      std::min_element(path.begin(), path.end(), [](const auto& a, const auto& b) { return a.bic < b.bic; });
  const bool turned = best->model[0].slopes()(0, 0) < 0;

  double residual = 0;
  std::printf("%12s %12s %16s %12s %12s\n", "penalty", "parameters", "log-likelihood", "BIC", "KKT residual");
  for (const auto& point : path) {
    std::printf("%12.4f %12td %16.4f %12.4f %12.1e%s\n", point.lambda, point.model.free_parameters(),
                point.log_likelihood, point.bic, point.kkt_residual, &point == &*best ? "  least BIC" : "");
    residual = std::max(residual, point.kkt_residual);
  }
  const Eigen::MatrixXd found = slopes_of(best->model, turned);
  std::printf("\nslopes of the least BIC, and those that made the data\n%10s %18s %18s %18s\n", "covariate",
              "first expert", "second expert", "gate");
  bool all_found = true;
  for (Index j = 0; j < covariates; ++j) {
    std::printf("%10td", j);
    for (Index c = 0; c < 3; ++c) {
      std::printf(" %9.3f %8.1f", found(j, c), truth.slopes(j, c));
      all_found = all_found && (truth.slopes(j, c) == 0 || found(j, c) * truth.slopes(j, c) > 0);
    }
    std::printf("\n");
  }

  const auto size = static_cast<Index>(path.size());
  Eigen::VectorXd logs(size);
  std::vector<Eigen::MatrixXd> all;
  for (Index i = 0; i < size; ++i) {
    logs(i) = std::log10(path[static_cast<std::size_t>(i)].lambda);
    all.push_back(slopes_of(path[static_cast<std::size_t>(i)].model, turned));
  }
  plot::Figure figure(1120, 460, "Which covariates matter, and where?",
                      "slopes of two experts and their gate along the lasso path; grey: those that are zero in truth");
  for (Index c = 0; c < 3; ++c) {
    Eigen::MatrixXd lines(size, covariates);
    for (Index i = 0; i < size; ++i) lines.row(i) = all[static_cast<std::size_t>(i)].col(c).transpose();
    plot::Panel panel({70.0 + 350 * static_cast<double>(c), 84, 300, 300}, plot::around(logs),
                      plot::Range{lines.minCoeff(), lines.maxCoeff()}.wider());
    const Eigen::Vector2d chosen(std::log10(best->lambda), std::log10(best->lambda));
    panel.line(chosen, Eigen::Vector2d(-100, 100), plot::stroke("#777777", 1, "3 4"));
    for (Index j = 0, number = 0; j < covariates; ++j) {
      const bool matters = truth.slopes(j, c) != 0;
      panel.line(logs, lines.col(j), plot::stroke(matters ? plot::colour(number++) : "#aaaaaa", matters ? 2.2 : 1.2));
    }
    panel.axes("log10 penalty", c == 0 ? "first expert" : c == 1 ? "second expert" : "gate");
    figure.add(panel);
  }
  figure.legend_line(900, 60, plot::stroke("#777777", 1, "3 4"), "least BIC");
  if (argc > 1 && !figure.save(argv[1])) {
    std::fprintf(stderr, "cannot write to '%s'\n", argv[1]);
    return 2;
  }
  if (!(residual < 1e-6)) std::fprintf(stderr, "lasso_experts: a point of the path is no maximum\n");
  if (!all_found) std::fprintf(stderr, "lasso_experts: a slope that matters was not found\n");
  return residual < 1e-6 && all_found ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lasso_experts: %s\n", error.what());
    return 1;
  }
}
