// Truncated regression: reference values, laws, the optimum of the likelihood, recovery of what never came to notice.
#include "emulsion/experts/truncated.hpp"

#include "experts/expert_checks.hpp"

using namespace checks;

namespace {

using Model = MixtureOfExperts<ConstantGate, TruncatedExpert>;
Model alone(const TruncatedExpert& expert) { return Model(ConstantGate(1), Components<TruncatedExpert>({expert})); }
constexpr Limits both{.lower = -1, .upper = 4}, below{.lower = 0};

std::pair<MatrixXd, MatrixXd> line(Index n, const Limits& limits, Rng& rng) {
  MatrixXd x = covariates(1, n, rng);
  MatrixXd y = responses(TruncatedExpert(1, single(1), 1.2, limits), x, rng);
  return {x, y};
}

}  // namespace

TEST_CASE("E1g: truncated experts at fixed parameters") {
  const Limits above{.lower = -2};
  check_e1(TruncatedExpert(.8, single(1.7), .3, above), TruncatedExpert(2.9, single(-.8), .4, above),
           -3.8318259128128314, reference::e1g());
}

TEST_CASE("the density sums to one between the limits, however far the line lies from them") {
  for (const double x : {-30.0, -6.0, -1.0, 0.0, 1.0, 4.0, 25.0}) {
    check_prediction(TruncatedExpert(1, single(2), 0.7, both), x, both.lower, both.upper);
  }
  check_prediction(TruncatedExpert(1, single(2), 0.7, below), 0.5, 0, 8);
  check_prediction(TruncatedExpert(1, single(2), 0.7, below), -2, 0, 5);
  check_prediction(TruncatedExpert(1, single(2), 0.7, {.upper = 1}), 2, -3, 1);
}

TEST_CASE("a truncated expert keeps the laws") {
  for (const Limits& limits : {both, below}) {
    const auto make = [&](Index n, Rng& rng) {
      auto [x, y] = line(n, limits, rng);
      return Regression(std::move(x), std::move(y));
    };
    check_laws(emulsion::testing::component_laws(TruncatedExpert(1, limits), make, 12,
                                                 {.exact_maximize = false, .latent = true}));
  }
  Rng rng(1);
  auto [x, y] = line(300, both, rng);
  for (Index i = 0; i < 300; i += 2) y(0, i) = std::clamp(2 - x(0, i) + 0.3 * rng.normal(), -1.0, 4.0);
  check_laws(emulsion::testing::expert_laws(
      MixtureOfExperts<SoftmaxGate, TruncatedExpert>(
          SoftmaxGate(2, 1), Components<TruncatedExpert>({TruncatedExpert(1, both), TruncatedExpert(1, both)})),
      Regression(x, y), 3,
      {.support = emulsion::testing::Support::other, .exact_maximize = false, .exact_gate = false, .interior = false}));
}

TEST_CASE("the statistics know the gradient, which vanishes at the fit") {
  for (const Limits& limits : {both, below}) {
    Rng rng(2);
    const auto kept = line(6000, limits, rng);
    const Regression data(kept.first, kept.second);
    check_gradient(alone(TruncatedExpert(0.5, single(1.5), 1, limits)), data);
    const auto fit = fit_experts(ConstantGate(1), TruncatedExpert(1, limits), data);
    INFO(fit.report);
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.report.e_steps < 80);
    check_stationary(fit.model, data);
    CHECK(std::abs(fit.model[0].intercept()(0) - 1) < 0.15);
    CHECK(std::abs(fit.model[0].slopes()(0, 0) - 1) < 0.1);
    CHECK(std::abs(fit.model[0].deviation() - 1.2) < 0.1);
    CHECK(fit.report.objective >= alone(TruncatedExpert(1, single(1), 1.2, limits)).log_likelihood(data));
    CHECK(fit_experts(ConstantGate(1), LinearExpert(1), data).model[0].slopes()(0, 0) < 0.9);
  }
}

TEST_CASE("limits far away: the fit of a linear expert") {
  Rng rng(3);
  const auto kept = line(200, {}, rng);
  const Regression data(kept.first, kept.second);
  const auto truncated = fit_experts(ConstantGate(1), TruncatedExpert(1, {.lower = -1e3, .upper = 1e4}), data);
  const auto linear = fit_experts(ConstantGate(1), LinearExpert(1), data);
  CHECK(truncated.report.objective == Approx(linear.report.objective).epsilon(1e-13));
  CHECK(truncated.model[0].slopes()(0, 0) == Approx(linear.model[0].slopes()(0, 0)).epsilon(1e-10));
}

TEST_CASE("exponential responses: no maximum, the deviation at its bound, and a report that says so") {
  Rng rng(4);
  MatrixXd x = covariates(1, 500, rng), y(1, 500);
  for (Index i = 0; i < 500; ++i) y(0, i) = rng.exponential() * (1 + 0.4 * rng.exponential());
  const auto fit = fit_experts(ConstantGate(1), TruncatedExpert(1, below), Regression(x, y), {.max_iterations = 3000});
  INFO(fit.report);
  CHECK(fit.report.status != Status::objective_fell);
  CHECK(std::isfinite(fit.report.objective));
  CHECK(fit.model[0].at_bound() == 1);
}

TEST_CASE("traces never fall, and threads change no bit") {
  check_traces(TruncatedExpert(1, both), [](Rng& rng) {
    auto kept = line(120, both, rng);
    for (Index i = 0; i < 120; i += 3) kept.second(0, i) = std::clamp(4 - kept.first(0, i) + rng.normal(), -1.0, 4.0);
    return kept;
  });
  Rng rng(5);
  const auto kept = line(3500, both, rng);
  const Regression data(kept.first, kept.second);
  const auto start =
      seed(MixtureOfExperts<SoftmaxGate, TruncatedExpert>(
               SoftmaxGate(2, 1), Components<TruncatedExpert>({TruncatedExpert(1, both), TruncatedExpert(1, both)})),
           data, rng);
  check_laws(emulsion::testing::em_laws(start, data, 5, {.max_iterations = 200, .tolerance = 1e-6}));
}

TEST_CASE("misuse of a truncated expert throws one clear sentence") {
  CHECK_THROWS_WITH(TruncatedExpert(1, {.lower = 2, .upper = 1}), ContainsSubstring("must lie below the upper"));
  MatrixXd x = MatrixXd::Ones(1, 5), y = MatrixXd::Ones(1, 5);
  y(0, 2) = 4.5;
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), TruncatedExpert(1, both), Regression(x, y)),
                    ContainsSubstring("response 0 of observation 2 is 4.5"));
}
