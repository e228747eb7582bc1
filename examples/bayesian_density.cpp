// How well do 82 velocities fix their density? A Dirichlet-process mixture, its predictive density, and a band that
// holds nine of ten densities drawn from the posterior:  bayesian_density [PICTURE.svg]
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/data/csv.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

int run(int argc, char** argv) {
  const CsvTable table = read_csv("examples/data/galaxies.csv");
  const Eigen::MatrixXd& x = table.matrix();

  // Vague about place and number of the components, less vague about their widths: about one thousand km/s.
  BayesianMixtureOptions options;
  options.prior = NormalWishart(Eigen::VectorXd::Constant(1, 20), 0.02, 4, Eigen::MatrixXd::Constant(1, 1, 4));
  const auto fit =
      fit_bayesian_mixture(x, StickBreakingGate::dirichlet_process(10, Concentration::gamma(2, 2)), options);
  const auto& posterior = fit.model;
  std::printf("%td components in use, ELBO %.2f nats, E[concentration] %.2f\n", posterior.in_use(),
              fit.report.objective, posterior.gate().concentration().mean());
  for (Index k = 0; k < posterior.size(); ++k) {
    std::printf("  %5.1f %%  at %6.2f, standard deviation %.2f\n", 100 * posterior.weights()(k), posterior[k].mean()(0),
                posterior[k].expected().factor()(0, 0));
  }

  constexpr Index points = 300, draws = 1000;
  const Eigen::RowVectorXd at = Eigen::RowVectorXd::LinSpaced(points, 5, 40);
  const Eigen::VectorXd predictive = posterior.log_density(at).array().exp();
  Eigen::MatrixXd drawn(draws, points);
  Rng rng(1);
  for (Index i = 0; i < draws; ++i) drawn.row(i) = posterior.sample_parameters(rng).log_density(at).array().exp();
  Eigen::VectorXd low(points), high(points);
  for (Index j = 0; j < points; ++j) {
    Eigen::VectorXd column = drawn.col(j);
    std::sort(column.begin(), column.end());
    low(j) = column(draws / 20), high(j) = column(draws - draws / 20);
  }

  constexpr Index bins = 35;
  const Eigen::VectorXd edges = Eigen::VectorXd::LinSpaced(bins + 1, 5, 40);
  Eigen::VectorXd heights = Eigen::VectorXd::Zero(bins);
  for (const double value : x.row(0)) heights(static_cast<Index>(value - 5)) += 1.0 / static_cast<double>(x.cols());
  plot::Panel panel({80, 84, 560, 380}, {5, 40}, {0, 0.3});
  panel.bars(edges, heights, "#dcdce2");
  panel.band(at, low, high, plot::colour(0));
  panel.line(at, predictive, plot::stroke(plot::colour(0), 2.5));
  panel.axes("velocity (1000 km/s)", "density");
  plot::Figure figure(880, 540, "Velocities of 82 galaxies", "Dirichlet-process mixture of normal distributions");
  figure.add(panel);
  figure.legend_dot(656, 96, "#dcdce2", "data");
  figure.legend_line(656, 118, plot::stroke(plot::colour(0), 2.5), "predictive density");
  figure.legend_line(656, 140, plot::stroke("#cce3f0", 10), "90 % of the posterior");
  if (argc > 1 && !figure.save(argv[1])) {
    std::fprintf(stderr, "cannot write to '%s'\n", argv[1]);
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bayesian_density: %s\n", error.what());
    return 1;
  }
}
