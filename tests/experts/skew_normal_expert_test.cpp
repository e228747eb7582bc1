// Skew-normal experts: reference values, laws, the optimum of the likelihood, the sign of the shape.
#include "emulsion/experts/skew_normal.hpp"

#include "experts/expert_checks.hpp"

using namespace checks;

namespace {

using Model = MixtureOfExperts<ConstantGate, SkewNormalExpert>;
Model alone(const SkewNormalExpert& expert) { return Model(ConstantGate(1), Components<SkewNormalExpert>({expert})); }

std::pair<MatrixXd, MatrixXd> line(Index n, double shape, Rng& rng) {
  MatrixXd x = covariates(1, n, rng);
  MatrixXd y = responses(SkewNormalExpert(1, single(2), 1.5, shape), x, rng);
  return {x, y};
}

}  // namespace

TEST_CASE("E1d: skew-normal experts at fixed parameters") {
  check_e1(SkewNormalExpert(.8, single(1.7), .3, 2), SkewNormalExpert(2.9, single(-.8), .4, -1), -4.791558631558442,
           reference::e1d());
}

TEST_CASE("Owen's function") {
  // T(h, 1) = Phi(h) (1 - Phi(h)) / 2, T(0, a) = atan(a) / (2 pi)
  for (const double h : {0.0, 0.3, 1.0, 2.5, 6.0}) {
    CHECK(owen_t(h, 1) == Approx(0.5 * normal_cdf(h) * normal_cdf(-h)).epsilon(1e-13));
    CHECK(owen_t(h, -1) == -owen_t(h, 1));
  }
  for (const double a : {0.2, 0.9, 1.5, 40.0}) CHECK(owen_t(0, a) == Approx(std::atan(a) / two_pi).epsilon(1e-14));
}

TEST_CASE("mean, variance, distribution function and draws are those of the density") {
  for (const double shape : {-3.0, 0.0, 1.0, 20.0}) {
    check_prediction(SkewNormalExpert(1, single(2), 0.7, shape), 0.4, 1.8 - 7, 1.8 + 7);
  }
}

TEST_CASE("a skew-normal expert keeps the laws") {
  const auto make = [](Index n, Rng& rng) {
    auto [x, y] = line(n, 4, rng);
    return Regression(std::move(x), std::move(y));
  };
  check_laws(
      emulsion::testing::component_laws(SkewNormalExpert(1), make, 12, {.exact_maximize = false, .latent = true}));
  Rng rng(1);
  auto [x, y] = line(400, 4, rng);
  for (Index i = 0; i < 400; i += 2) y(0, i) = -6 - 2 * x(0, i) + 0.6 * rng.normal();
  check_laws(emulsion::testing::expert_laws(
      MixtureOfExperts<SoftmaxGate, SkewNormalExpert>(
          SoftmaxGate(2, 1), Components<SkewNormalExpert>({SkewNormalExpert(1), SkewNormalExpert(1)})),
      Regression(x, y), 3, {.exact_maximize = false, .exact_gate = false, .interior = false}));
}

TEST_CASE("the statistics know the gradient, which vanishes at the fit; the sign is found") {
  for (const double shape : {3.0, -3.0}) {
    Rng rng(2);
    const auto kept = line(5000, shape, rng);
    const Regression data(kept.first, kept.second);
    check_gradient(alone(SkewNormalExpert(0.5, single(1.8), 1.2, 0.5 * shape)), data);
    const auto fit = fit_experts(ConstantGate(1), SkewNormalExpert(1), data);
    INFO(fit.report);
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.e_steps < 100);
    check_stationary(fit.model, data);
    CHECK(std::abs(fit.model[0].intercept()(0) - 1) < 0.1);
    CHECK(std::abs(fit.model[0].slopes()(0, 0) - 2) < 0.05);
    CHECK(std::abs(fit.model[0].deviation() - 1.5) < 0.1);
    CHECK(std::abs(fit.model[0].shape() / shape - 1) < 0.2);
    CHECK(fit.report.objective >= alone(SkewNormalExpert(1, single(2), 1.5, shape)).log_likelihood(data));
    CHECK(fit.report.objective > fit_experts(ConstantGate(1), LinearExpert(1), data).report.objective + 50);
  }
}

TEST_CASE("errors as symmetric as can be: the fit of a linear expert, without a shape") {
  MatrixXd x(1, 200), y(1, 200);
  Rng rng(3);
  for (Index i = 0; i < 200; i += 2) {
    x(0, i) = x(0, i + 1) = rng.normal();
    const double error = rng.normal();
    y(0, i) = 1 + 2 * x(0, i) + error;
    y(0, i + 1) = 1 + 2 * x(0, i) - error;
  }
  const Regression data(x, y);
  const auto skew = fit_experts(ConstantGate(1), SkewNormalExpert(1), data);
  const auto linear = fit_experts(ConstantGate(1), LinearExpert(1), data);
  CHECK(skew.report.status == Status::converged);
  CHECK(skew.model[0].shape() == 0);
  CHECK(skew.report.objective == Approx(linear.report.objective).epsilon(1e-12));
}

TEST_CASE("half-normal errors: the shape at its bound, and a report that says so") {
  Rng rng(4);
  MatrixXd x = covariates(1, 300, rng), y(1, 300);
  for (Index i = 0; i < 300; ++i) y(0, i) = 1 + 2 * x(0, i) + std::abs(rng.normal());
  const auto fit = fit_experts(ConstantGate(1), SkewNormalExpert(1), Regression(x, y));
  INFO(fit.report << "\nshape " << fit.model[0].shape());
  CHECK(fit.report.status != Status::objective_fell);
  CHECK(std::isfinite(fit.report.objective));
  CHECK(fit.model[0].shape() == 100);
  CHECK(fit.model[0].at_bound() == 1);
  bool told = false;
  for (const Event& event : fit.report.events) told = told || event.kind == EventKind::at_bound;
  CHECK(told);
  // Bounds that always hold.
  const auto bounded = fit_experts(ConstantGate(1), SkewNormalExpert(1, {.most = 2}), Regression(x, y));
  INFO(bounded.report);
  CHECK(bounded.report.status != Status::objective_fell);
  CHECK(bounded.model[0].shape() == 2);
  CHECK(bounded.report.objective < fit.report.objective);
}

TEST_CASE("traces never fall, and threads change no bit") {
  check_traces(SkewNormalExpert(1), [](Rng& rng) {
    auto kept = line(120, 5, rng);
    for (Index i = 0; i < 120; i += 3) kept.second(0, i) = 4 - kept.first(0, i) + rng.normal();
    return kept;
  });
  Rng rng(5);
  const auto kept = line(3500, -2, rng);
  const Regression data(kept.first, kept.second);
  const auto start =
      seed(MixtureOfExperts<SoftmaxGate, SkewNormalExpert>(
               SoftmaxGate(2, 1), Components<SkewNormalExpert>({SkewNormalExpert(1), SkewNormalExpert(1)})),
           data, rng);
  check_laws(emulsion::testing::em_laws(start, data, 5, {.max_iterations = 200, .tolerance = 1e-6}));
}

TEST_CASE("a perfect line: the floor holds the scale up") {
  MatrixXd x(1, 20), y(1, 20);
  for (Index i = 0; i < 20; ++i) x(0, i) = static_cast<double>(i), y(0, i) = 2 + 3 * x(0, i);
  const auto fit = fit_experts(ConstantGate(1), SkewNormalExpert(1), Regression(x, y), {.max_iterations = 300});
  CHECK(std::isfinite(fit.report.objective));
  CHECK(fit.report.status != Status::objective_fell);
  CHECK(fit.model[0].at_floor() == 1);
  CHECK(fit.model[0].slopes()(0, 0) == Approx(3).epsilon(1e-6));
}

TEST_CASE("misuse of a skew-normal expert throws one clear sentence") {
  CHECK_THROWS_WITH(SkewNormalExpert(1, {.most = 0}), ContainsSubstring("must be positive and finite"));
  CHECK_THROWS_WITH(SkewNormalExpert(1, single(1), 1, 200), ContainsSubstring("within its bound of 100, got 200"));
  CHECK_THROWS_WITH(SkewNormalExpert(1, single(1), 1, std::numeric_limits<double>::quiet_NaN()),
                    ContainsSubstring("within its bound"));
  const MatrixXd x = MatrixXd::Ones(1, 5), y = MatrixXd::Ones(2, 5);
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), SkewNormalExpert(1), Regression(x, y)),
                    ContainsSubstring("expected 1 responses, got 2"));
}
