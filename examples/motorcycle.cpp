// The head of a rider in a simulated crash: four phases, each nearly a line with an error of its own, and a gate that
// says when one gives way to the next:  motorcycle [PICTURE.svg]
#include <cstdio>
#include <exception>
#include <string>

#include "emulsion/data/csv.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "experts_plot.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

template <class Gate>
auto fitted(const char* name, const Gate& gate, const Regression& data) {
  auto fit = fit_experts(gate, LinearExpert(1), data, {.seed = 1});
  std::printf("%-9s gate: log p(accel | time) %8.2f, %td parameters, %s\n", name,
              conditional_log_likelihood(fit.model, data), fit.model.free_parameters(),
              std::string(to_string(fit.report.status)).c_str());
  return fit;
}

int run(int argc, char** argv) {
  const Eigen::MatrixXd table = read_csv("examples/data/motorcycle.csv").matrix();
  const Regression data(table.row(0), table.row(1));
  constexpr Index experts = 4;

  // A softmax gate maximises log p(accel | time), a Gaussian gate log p(accel, time): this one is smoother.
  fitted("constant", ConstantGate(experts), data);
  fitted("softmax", SoftmaxGate(experts, 1), data);
  const auto fit = fitted("gaussian", GaussianGate(experts, 1), data);
  for (Index k = 0; k < experts; ++k) {
    std::printf("  about %5.1f ms: accel = %7.1f %+6.2f t, standard deviation %5.2f g\n", fit.model.gate()[k].mean()(0),
                fit.model[k].intercept()(0), fit.model[k].slopes()(0, 0), std::sqrt(fit.model[k].covariance()(0, 0)));
  }

  const Eigen::VectorXd time = Eigen::VectorXd::LinSpaced(500, 0, 60);
  const auto found = predict(fit.model, time.transpose());
  const plot::Range across{0, 60};
  plot::Panel curves({90, 84, 490, 330}, across, {-200, 130});
  curves.band(time, found.quantile(0.05), found.quantile(0.95), "#777788", 0.18);
  plot::expert_points(curves, table.row(0), table.row(1), fit.model.classify(data), experts);
  for (Index k = 0; k < experts; ++k) {
    plot::weighted_line(curves, time, found.mean_of(k).row(0), found.weights().col(k), plot::colour(k), 2.6);
  }
  curves.line(time, found.mean().row(0), plot::stroke("#222222", 1.8, "6 4"));
  curves.axes("", "acceleration (g)");
  plot::Panel weights({90, 430, 490, 110}, across, {-0.03, 1.03});
  for (Index k = 0; k < experts; ++k) {
    weights.line(time, found.weights().col(k), plot::stroke(plot::colour(k), 2.2));
  }
  weights.axes("time after impact (ms)", "gate");

  plot::Figure figure(800, 610, "A simulated motorcycle crash", "Four linear experts with a Gaussian gate");
  figure.add(curves);
  figure.add(weights);
  for (Index k = 0; k < experts; ++k) {
    figure.legend_dot(600, 96 + 22 * static_cast<double>(k), plot::colour(k), "expert " + std::to_string(k));
  }
  figure.legend_line(600, 198, plot::stroke("#222222", 1.8, "6 4"), "predictive mean");
  figure.legend_line(600, 220, plot::stroke("#dedee2", 10), "5 to 95 %");
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
    std::fprintf(stderr, "motorcycle: %s\n", error.what());
    return 1;
  }
}
