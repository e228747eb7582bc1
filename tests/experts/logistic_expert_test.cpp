// Multinomial logistic experts: reference values, the GLM, laws, recovery, separated and wrong data.
#include "emulsion/experts/logistic.hpp"

#include <Eigen/LU>

#include "catch.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "reference/experts.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

template <class Gate>
MixtureOfExperts<Gate, LogisticExpert> experts(const Gate& gate, std::vector<LogisticExpert> all) {
  return MixtureOfExperts<Gate, LogisticExpert>(gate, Components<LogisticExpert>(std::move(all)));
}
template <class Gate>
MixtureOfExperts<Gate, LogisticExpert> equal_experts(const Gate& gate, const LogisticExpert& one) {
  return experts(gate, std::vector<LogisticExpert>(static_cast<std::size_t>(gate.size()), one));
}
LogisticExpert line(double intercept, double slope) {
  return LogisticExpert(VectorXd::Constant(1, intercept), MatrixXd::Constant(1, 1, slope));
}
bool reports(const Report& report, EventKind kind, Index component, Index dimension) {
  return std::any_of(report.events.begin(), report.events.end(), [&](const Event& e) {
    return e.kind == kind && e.component == component && e.dimension == dimension;
  });
}
void check_trace(const Report& report) {
  for (std::size_t i = 1; i < report.trace.size(); ++i) {
    CHECK(report.trace[i] >= report.trace[i - 1] - 1e-12 * (1 + std::abs(report.trace[i])));
  }
}

/// Labels of two regressions on p covariates of different units, away from zero, that the first covariate tells apart.
Regression two_lines(Index p, Index classes, Index n, Rng& rng) {
  MatrixXd x(p, n), y(1, n);
  VectorXd scores(classes);
  for (Index i = 0; i < n; ++i) {
    double first = 0, sum = 0;
    for (Index j = 0; j < p; ++j) {
      const double z = 1.5 * rng.normal();
      if (j == 0) first = z;
      sum += z;
      x(j, i) = std::pow(10.0, static_cast<double>(j)) * (z + 3);
    }
    const double side = rng.uniform() < 1 / (1 + std::exp(-2 * first)) ? 1 : -1;
    for (Index c = 0; c < classes; ++c) scores(c) = std::exp(side * static_cast<double>(c) * (0.4 + 1.2 * sum));
    y(0, i) = static_cast<double>(rng.categorical(scores));
  }
  return Regression(std::move(x), std::move(y));
}

/// Weighted multinomial logistic regression by undamped Newton steps on the whole Hessian: (C - 1) x (1 + p).
MatrixXd glm(const MatrixXd& x, const MatrixXd& y, const VectorXd& w, Index classes) {
  const Index p = x.rows() + 1, free = classes - 1;
  MatrixXd design(p, x.cols()), beta = MatrixXd::Zero(free, p);
  design << MatrixXd::Ones(1, x.cols()), x;
  for (int step = 0; step < 60; ++step) {
    VectorXd g = VectorXd::Zero(free * p);
    MatrixXd h = MatrixXd::Zero(free * p, free * p);
    for (Index i = 0; i < x.cols(); ++i) {
      VectorXd probability = (beta * design.col(i)).array().exp();
      probability /= 1 + probability.sum();
      for (Index c = 0; c < free; ++c) {
        const double residual = (y(0, i) == static_cast<double>(c + 1) ? 1 : 0) - probability(c);
        g.segment(c * p, p) += w(i) * residual * design.col(i);
        for (Index d = 0; d < free; ++d) {
          const double curvature = probability(c) * ((c == d ? 1 : 0) - probability(d));
          h.block(c * p, d * p, p, p) += w(i) * curvature * design.col(i) * design.col(i).transpose();
        }
      }
    }
    const VectorXd change = h.fullPivLu().solve(g);
    for (Index c = 0; c < free; ++c) beta.row(c) += change.segment(c * p, p).transpose();
  }
  return beta;
}

}  // namespace

TEST_CASE("E1j: logistic experts at fixed parameters") {
  const MatrixXd x = reference::e1_x();
  const MatrixXd y = (reference::e1_counts().array() > 1).cast<double>();
  const Regression data(x, y);
  auto model = experts(SoftmaxGate((MatrixXd(2, 2) << .5, 0, -1, 0).finished()), {line(.2, .5), line(-1, .9)});
  for (int moved = 0; moved < 2; ++moved) {
    CHECK(model.log_likelihood(data) == Approx(-7.7750528940961505).epsilon(1e-13));
    const MatrixXd r = model.responsibilities(data);
    for (Index i = 0; i < 12; ++i) CHECK(r(i, 0) == Approx(reference::e1j()(i)).epsilon(1e-12));
    CHECK(model[1].intercept()(0) == Approx(-1).epsilon(1e-14));
    CHECK(model[1].slopes()(0, 0) == Approx(.9).epsilon(1e-14));
    model.follow(data);
  }
}

TEST_CASE("one logistic expert is the GLM") {
  for (const Index classes : {2, 4}) {
    Rng rng(5);
    const Index n = 500;
    MatrixXd x(2, n), y(1, n);
    for (Index i = 0; i < n; ++i) {
      x.col(i) << 2 + rng.normal(), 0.5 * rng.normal();
      VectorXd scores(classes);
      for (Index c = 0; c < classes; ++c) scores(c) = std::exp(static_cast<double>(c % 3) * (x(0, i) - 2 - x(1, i)));
      y(0, i) = static_cast<double>(rng.categorical(scores));
    }
    const VectorXd w = testing::random_weights(n, rng);
    const MatrixXd expected = glm(x, y, w, classes);
    const auto fit = em(equal_experts(ConstantGate(1), LogisticExpert(2, classes)), weighted(Regression(x, y), w));
    CHECK(fit.report.status == Status::converged);
    CHECK((fit.model[0].intercept() - expected.col(0)).cwiseAbs().maxCoeff() < 1e-10);
    CHECK((fit.model[0].slopes() - expected.rightCols(2)).cwiseAbs().maxCoeff() < 1e-10);
    check_trace(fit.report);
    // Mean weights of the classes are met: the score equation of an intercept.
    const MatrixXd p = class_probabilities(fit.model, x);
    for (Index c = 0; c < classes; ++c) {
      const VectorXd is = (y.row(0).array() == static_cast<double>(c)).cast<double>();
      CHECK(p.row(c).dot(w) == Approx(is.dot(w)).epsilon(1e-9));
    }
  }
}

TEST_CASE("a ridge is on slopes of the covariates as given") {
  Rng rng(8);
  const Index n = 200;
  MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = 50 + 20 * rng.normal();
    y(0, i) = rng.uniform() < 1 / (1 + std::exp(-0.1 * (x(0, i) - 50))) ? 1 : 0;
  }
  const double ridge = 300;
  const auto fit = em(equal_experts(ConstantGate(1), LogisticExpert(1, 2, ridge)), Regression(x, y));
  const MatrixXd p = class_probabilities(fit.model, x);
  const double slope = fit.model[0].slopes()(0, 0);
  CHECK((y - p.row(1)).sum() == Approx(0).margin(1e-8));
  CHECK((y - p.row(1)).cwiseProduct(x).sum() == Approx(ridge * slope).epsilon(1e-7));
  CHECK(fit.report.objective ==
        Approx(fit.model.log_likelihood(Regression(x, y)) - 0.5 * ridge * slope * slope).epsilon(1e-12));
}

TEST_CASE("the laws of a mixture of experts: logistic") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    testing::ExpertLaws options{.support = testing::Support::counts,
                                .exact_maximize = false,
                                .exact_gate = false,
                                .recovery = false};  // by two classes a mixture is hardly identified
    const Regression two = two_lines(2, 2, 400, rng);
    check_laws("logistic experts, three classes",
               testing::expert_laws(equal_experts(SoftmaxGate(2, 2), LogisticExpert(2, 3)), two_lines(2, 3, 400, rng),
                                    seed, options));
    check_laws(
        "logistic experts, Gaussian gate",
        testing::expert_laws(
            equal_experts(GaussianGate(2, 2), LogisticExpert(2)), two, seed,
            {.support = testing::Support::counts, .exact_maximize = false, .conditional = false, .recovery = false}));
    options.likelihood = false;
    check_laws("logistic experts with a ridge",
               testing::expert_laws(equal_experts(SoftmaxGate(2, 2), LogisticExpert(2, 2, 0.5)), two, seed, options));
  }
}

TEST_CASE("predictions of classes") {
  Rng rng(4);
  MatrixXd slopes(2, 1);
  slopes << 1.5, -1;
  const auto model =
      experts(SoftmaxGate((MatrixXd(2, 2) << 0, 0, 2, 0).finished()),
              {LogisticExpert(Eigen::Vector2d(.3, -.2), slopes), LogisticExpert(Eigen::Vector2d(-1, 1), -slopes)});
  const MatrixXd x = (MatrixXd(1, 3) << -1, 0.2, 700).finished();
  const MatrixXd p = class_probabilities(model, x);
  CHECK((p.colwise().sum().array() - 1).abs().maxCoeff() < 1e-15);
  const MatrixXd w = predict(model, x).weights();
  for (Index i = 0; i < 3; ++i) {
    for (Index c = 0; c < 3; ++c) {
      const MatrixXd label = MatrixXd::Constant(1, 3, static_cast<double>(c));
      CHECK(p(c, i) == Approx(std::exp(model.log_density(Regression(x, label))(i))).epsilon(1e-12).margin(1e-300));
    }
  }
  const auto at = predict(model, x);
  CHECK((at.mean() - p.bottomRows(2)).cwiseAbs().maxCoeff() < 1e-15);
  CHECK((at.variance(Noise::included) - p.bottomRows(2).cwiseProduct((1 - p.bottomRows(2).array()).matrix()))
            .cwiseAbs()
            .maxCoeff() < 1e-15);
  CHECK(at.cumulative(0, 1)(0) == Approx(1 - p(2, 0)).epsilon(1e-14));
  CHECK(at.cumulative(1, 1)(0) == Approx(1).epsilon(1e-15));
  CHECK(at.cumulative(-0.1, 1)(0) == 0);
  MatrixXd total = MatrixXd::Zero(2, 3);
  const int draws = 20'000;
  for (int i = 0; i < draws; ++i) {
    const MatrixXd y = at.sample(rng);
    CHECK_FALSE((y.colwise().sum().array() > 1).any());  // one class each
    total += y;
  }
  for (Index i = 0; i < 3; ++i) {
    for (Index c = 0; c < 2; ++c) {
      const double q = p(1 + c, i);
      CHECK(std::abs(total(c, i) / draws - q) <= 5.5 * std::sqrt(q * (1 - q) / draws));
    }
  }
  CHECK_THROWS_WITH(class_probabilities(model, MatrixXd::Ones(2, 3)), ContainsSubstring("expected 1"));
}

TEST_CASE("fits recover the parameters of logistic experts", "[long]") {
  Rng rng(21);
  const Index n = 40'000;
  MatrixXd x(2, n);
  for (Index i = 0; i < n; ++i) x.col(i) << 3 * rng.uniform() - 1.5, 6 * rng.uniform() - 3;
  const SoftmaxGate gate((MatrixXd(3, 2) << 0, 0, 4, 0, 0, 0).finished());
  MatrixXd first(2, 2), second(2, 2);
  first << .3, 2, -.2, -1;
  second << -.4, -2, .5, 1.5;
  const auto truth =
      experts(gate, {LogisticExpert(Eigen::Vector2d(.5, -.5), first), LogisticExpert(Eigen::Vector2d(-1, .4), second)});
  const MatrixXd p = class_probabilities(truth, x);
  MatrixXd y(1, n);
  for (Index i = 0; i < n; ++i) y(0, i) = static_cast<double>(rng.categorical(p.col(i)));
  const Regression data(x, y);
  const auto fit = fit_experts(SoftmaxGate(2, 2), LogisticExpert(2, 3), data, {.seed = 2});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.objective > truth.log_likelihood(data));
  CHECK(fit.report.objective < truth.log_likelihood(data) + 40);  // 15 parameters
  const Index one = fit.model[0].slopes()(0, 1) > 0 ? 0 : 1;
  CHECK((fit.model[one].slopes() - first).cwiseAbs().maxCoeff() < 0.2);
  CHECK((fit.model[1 - one].slopes() - second).cwiseAbs().maxCoeff() < 0.2);
  CHECK((class_probabilities(fit.model, x) - p).cwiseAbs().mean() < 0.01);
}

TEST_CASE("separated classes: the likelihood approaches its supremum from below, and a ridge has a maximum") {
  Rng rng(9);
  const Index n = 100;
  MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = rng.normal() + (i % 2 == 0 ? 4 : -4);
    y(0, i) = i % 2 == 0 ? 1 : 0;
  }
  const Regression data(x, y);
  const auto free = fit_experts(ConstantGate(1), LogisticExpert(1), data);
  CHECK(free.report.objective <= 0);
  CHECK(free.report.objective > -1e-4);
  CHECK(free.model.log_density(data).allFinite());
  CHECK(reports(free.report, EventKind::separated_classes, 0, 1));
  check_trace(free.report);
  const auto held = fit_experts(ConstantGate(1), LogisticExpert(1, 2, 0.1), data);
  CHECK(held.report.status == Status::converged);
  CHECK_FALSE(reports(held.report, EventKind::separated_classes, 0, 1));
  CHECK(held.model[0].slopes()(0, 0) < free.model[0].slopes()(0, 0));
  MatrixXd mixed = y;
  for (Index i = 0; i < n; i += 7) mixed(0, i) = 1 - mixed(0, i);
  CHECK_FALSE(reports(fit_experts(ConstantGate(1), LogisticExpert(1), Regression(x, mixed)).report,
                      EventKind::separated_classes, 0, 1));
}

TEST_CASE("a class never seen, one class only, more covariates than observations, collinear covariates") {
  Rng rng(6);
  const Index n = 150;
  MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = rng.normal();
    y(0, i) = rng.uniform() < 1 / (1 + std::exp(-x(0, i))) ? 2 : 0;
  }
  const Regression data(x, y);
  const auto unseen = fit_experts(ConstantGate(1), LogisticExpert(1, 3), data);
  CHECK(unseen.report.status == Status::converged);
  CHECK(reports(unseen.report, EventKind::unseen_class, -1, 1));
  CHECK_FALSE(reports(unseen.report, EventKind::unseen_class, -1, 0));
  CHECK(class_probabilities(unseen.model, x).row(1).maxCoeff() < 1e-6);
  CHECK(class_probabilities(unseen.model, x).allFinite());
  MatrixXd labels = y / 2;
  const auto two = fit_experts(ConstantGate(1), LogisticExpert(1), Regression(x, labels));
  CHECK(unseen.report.objective == Approx(two.report.objective).epsilon(1e-7));
  CHECK(unseen.report.objective <= two.report.objective + 1e-9);  // its probability is taken from the others

  const auto constant = fit_experts(SoftmaxGate(2, 1), LogisticExpert(1), Regression(x, MatrixXd::Ones(1, n)));
  CHECK(constant.report.objective <= 1e-12);  // zero, but for the rounding of n logarithms
  CHECK(constant.report.objective > -1e-4);
  CHECK(constant.model.log_density(Regression(x, labels)).allFinite());
  CHECK(reports(constant.report, EventKind::unseen_class, -1, 0));

  MatrixXd wide(8, 6), few(1, 6);
  for (Index i = 0; i < 6; ++i) {
    few(0, i) = static_cast<double>(i % 2);
    for (Index j = 0; j < 8; ++j) wide(j, i) = rng.normal();
  }
  const auto saturated = fit_experts(ConstantGate(1), LogisticExpert(8), Regression(wide, few));
  CHECK(saturated.report.objective <= 0);
  CHECK(saturated.report.objective > -1e-3);
  CHECK(saturated.model[0].slopes().allFinite());
  check_trace(saturated.report);

  MatrixXd twice(2, n);
  twice << x, 3 * x + MatrixXd::Ones(1, n);
  const auto collinear = fit_experts(ConstantGate(1), LogisticExpert(2), Regression(twice, labels));
  CHECK(collinear.report.status == Status::converged);
  CHECK(collinear.report.objective == Approx(two.report.objective).epsilon(1e-9));
}

TEST_CASE("misuse of logistic experts is one sentence") {
  const MatrixXd x = MatrixXd::Random(1, 3);
  const auto fit = [&](double a, double b, double c) {
    return fit_experts(ConstantGate(1), LogisticExpert(1, 3), Regression(x, (MatrixXd(1, 3) << a, b, c).finished()));
  };
  CHECK_THROWS_WITH(fit(0, 3, 1), "the response of observation 1 is 3; labels must be integers from 0 to 2");
  CHECK_THROWS_WITH(fit(-1, 1, 1), "the response of observation 0 is -1; labels must be integers from 0 to 2");
  CHECK_THROWS_WITH(fit(0, 1, 0.5), "the response of observation 2 is 0.5; labels must be integers from 0 to 2");
  CHECK_THROWS_WITH(fit(0, 1, std::nan("")), ContainsSubstring("the response of observation 2 is nan"));
  CHECK_THROWS_WITH(LogisticExpert(1, 1), "a logistic expert needs at least two classes, got 1");
  CHECK_THROWS_WITH(LogisticExpert(-2), "the number of covariates must not be negative, got -2");
  CHECK_THROWS_WITH(LogisticExpert(Eigen::Vector2d(1, 2), MatrixXd::Ones(3, 1)),
                    "an expert with 2 intercepts needs slopes of 2 x p, got 3 x 1");
  CHECK_THROWS_WITH(LogisticExpert(1, 2, -1.0), ContainsSubstring("must not be negative, got -1"));
  CHECK_THROWS_WITH(experts(ConstantGate(2), {LogisticExpert(1, 2), LogisticExpert(1, 3)}),
                    ContainsSubstring("of one form"));
}
