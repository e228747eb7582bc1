// Two half moons, which no line tells apart: logistic experts do, each where the gate trusts it.
//   classify_experts [PICTURE.svg]
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "emulsion/experts/logistic.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "experts_plot.hpp"
#include "plot.hpp"

using namespace emulsion;

namespace {

using Model = MixtureOfExperts<SoftmaxGate, LogisticExpert>;

/// Half circles of radius one, interlocked, with normal errors: their points (2 x n) and classes (1 x n).
struct Moons {
  Eigen::MatrixXd x, label;
  Moons(Index n, Rng& rng) : x(2, n), label(1, n) {
    for (Index i = 0; i < n; ++i) {
      const double angle = 3.14159265358979 * rng.uniform();
      const bool upper = i % 2 == 0;
      label(0, i) = upper ? 0 : 1;
      x(0, i) = (upper ? std::cos(angle) : 1 - std::cos(angle)) + 0.2 * rng.normal();
      x(1, i) = (upper ? std::sin(angle) : 0.5 - std::sin(angle)) + 0.2 * rng.normal();
    }
  }
};

double accuracy(const Model& model, const Moons& moons) {
  const Eigen::MatrixXd probability = predict(model, moons.x).mean();
  return ((probability.array() > 0.5) == (moons.label.array() > 0.5)).cast<double>().mean();
}

int run(int argc, char** argv) {
  Rng rng(1);
  const Moons moons(400, rng), others(10000, rng);
  const Regression data(moons.x, moons.label);

  std::printf("experts   log-likelihood      BIC   right of 10000 others\n");
  std::vector<Model> models;
  std::size_t best = 0;
  for (const Index experts : {1, 2, 3}) {
    // A little ridge: where classes are apart, slopes have no finite maximum.
    auto fit = fit_experts(SoftmaxGate(experts, 2, {.ridge = 0.01}), LogisticExpert(2, 2, 0.01), data, {.seed = 1});
    std::printf("%7td %16.2f %8.1f %12.2f %%\n", experts, fit.model.log_likelihood(data), bic(fit.model, data),
                100 * accuracy(fit.model, others));
    models.push_back(std::move(fit.model));
    if (bic(models.back(), data) < bic(models[best], data)) best = models.size() - 1;
  }

  const Model& model = models[best];
  const plot::Range across{-1.8, 2.8}, up{-1.3, 1.8};
  plot::Panel panel({80, 84, 540, 380}, across, up);
  constexpr Index columns = 136, rows = 96;
  panel.contours(predict(model, panel.grid(columns, rows)).mean().transpose(), columns, {0.05, 0.25, 0.5, 0.75, 0.95});
  for (const double label : {0.0, 1.0}) {
    std::vector<Index> own;
    for (Index i = 0; i < data.size(); ++i) {
      if (moons.label(0, i) == label) own.push_back(i);
    }
    panel.points(moons.x(0, own), moons.x(1, own), plot::colour(label > 0 ? 1 : 0), 3.2);
  }
  for (Index k = 0; k < model.size(); ++k) {  // where the expert is undecided: b + B x = 0
    const double b = model[k].intercept()(0);
    const Eigen::Vector2d slopes = model[k].slopes().row(0).transpose();
    const Eigen::Vector2d foot = -b / slopes.squaredNorm() * slopes;
    const Eigen::Vector2d along = Eigen::Vector2d(-slopes(1), slopes(0)).normalized();
    const Eigen::RowVectorXd t = Eigen::RowVectorXd::LinSpaced(801, -6, 6);
    const Eigen::MatrixXd line = (along * t).colwise() + foot;
    const Eigen::MatrixXd weights = gate_probabilities(model.gate(), Covariates(line));
    plot::weighted_line(panel, line.row(0), line.row(1), weights.col(k), "#111111", 2.4);
  }
  panel.axes("x1", "x2");
  const std::string words = text::decimal(100 * accuracy(model, others), 1) + " % of new points in the right class; " +
                            "by one logistic regression " + text::decimal(100 * accuracy(models.front(), others), 1) +
                            " %";
  plot::Figure figure(830, 540, "Two moons told apart by " + text::counted(model.size(), "logistic expert"), words);
  figure.add(panel);
  figure.legend_dot(640, 96, plot::colour(0), "class 0");
  figure.legend_dot(640, 118, plot::colour(1), "class 1");
  figure.legend_line(640, 150, plot::stroke("#111111", 2.4), "an expert undecided,");
  figure.legend_dot(640, 168, "#ffffff", "pale where the gate");
  figure.legend_dot(640, 186, "#ffffff", "doubts it");
  figure.legend_line(640, 214, plot::stroke("#9999a5", 6), "P(class 1): 5, 25,");
  figure.legend_dot(640, 232, "#ffffff", "50, 75, 95 %");
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
    std::fprintf(stderr, "classify_experts: %s\n", error.what());
    return 1;
  }
}
