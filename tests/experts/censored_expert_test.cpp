// Censored regression: reference values, laws, the optimum of the likelihood, recovery behind the limits.
#include "emulsion/experts/censored.hpp"

#include "experts/expert_checks.hpp"

using namespace checks;

namespace {

using Model = MixtureOfExperts<ConstantGate, CensoredExpert>;
Model alone(const CensoredExpert& expert) { return Model(ConstantGate(1), Components<CensoredExpert>({expert})); }
constexpr Limits both{.lower = -1, .upper = 3};

/// A line of which a good part lies beyond the limits, which the responses here do not hide.
std::pair<MatrixXd, MatrixXd> line(Index n, Rng& rng) {
  MatrixXd x = covariates(1, n, rng);
  MatrixXd y = responses(CensoredExpert(1, single(2), 0.8, both), x, rng);
  return {x, y};
}
double log_phi(double z) { return std::log(0.5 * std::erfc(-z / std::sqrt(2.0))); }

}  // namespace

TEST_CASE("E1f: censored experts at fixed parameters") {
  const Limits above{.upper = 1.8};
  check_e1(CensoredExpert(.8, single(1.7), .3, above), CensoredExpert(2.9, single(-.8), .4, above), -3.669799775316237,
           reference::e1f());
}

TEST_CASE("a response at or beyond a limit counts with its probability") {
  const CensoredExpert expert(1, single(2), 0.5, both);
  const MatrixXd x = (MatrixXd(1, 6) << 0, 0, 1, 1, -1, -1).finished();
  const MatrixXd y = (MatrixXd(1, 6) << 1.2, -1, 3, 7, -1.5, -100).finished();
  const VectorXd p = alone(expert).log_density(Regression(x, y));
  CHECK(p(0) == Approx(-0.5 * 0.16 - std::log(0.5) - 0.5 * log_two_pi).epsilon(1e-14));
  CHECK(p(1) == Approx(log_phi(-4)).epsilon(1e-13));
  CHECK(p(2) == Approx(log_phi(0)).epsilon(1e-14));
  CHECK(p(3) == p(2));
  CHECK(p(4) == Approx(log_phi(0)).epsilon(1e-14));
  CHECK(p(5) == p(4));
  // Far out, where the probability is below every double.
  const MatrixXd far = single(-50), at_limit = single(3);
  CHECK(alone(expert).log_density(Regression(far, at_limit))(0) ==
        Approx(-0.5 * 204 * 204 - 0.5 * log_two_pi - std::log(204 + 1 / (204 + 2 / 204.0))).epsilon(1e-13));
}

TEST_CASE("a censored expert keeps the laws") {
  const auto make = [](Index n, Rng& rng) {
    auto [x, y] = line(n, rng);
    return Regression(std::move(x), std::move(y));
  };
  check_laws(
      emulsion::testing::component_laws(CensoredExpert(1, both), make, 12, {.exact_maximize = false, .latent = true}));
  Rng rng(1);
  auto [x, y] = line(300, rng);
  for (Index i = 0; i < 300; i += 2) y(0, i) = 2 - x(0, i) + 0.3 * rng.normal();
  check_laws(emulsion::testing::expert_laws(
      MixtureOfExperts<SoftmaxGate, CensoredExpert>(
          SoftmaxGate(2, 1), Components<CensoredExpert>({CensoredExpert(1, both), CensoredExpert(1, both)})),
      Regression(x, y), 3,
      {.support = emulsion::testing::Support::other, .exact_maximize = false, .exact_gate = false}));
}

TEST_CASE("the statistics know the gradient, which vanishes at the fit") {
  Rng rng(2);
  const auto kept = line(4000, rng);
  const Regression data(kept.first, kept.second);
  check_gradient(alone(CensoredExpert(0.5, single(1.5), 1.1, both)), data);
  const auto fit = fit_experts(ConstantGate(1), CensoredExpert(1, both), data);
  INFO(fit.report);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.e_steps < 60);
  check_stationary(fit.model, data);
  CHECK(std::abs(fit.model[0].intercept()(0) - 1) < 0.1);
  CHECK(std::abs(fit.model[0].slopes()(0, 0) - 2) < 0.1);
  CHECK(std::abs(fit.model[0].deviation() - 0.8) < 0.05);
  CHECK(fit.model[0].free_parameters() == 3);
  // Least squares of what is seen has another slope.
  const MatrixXd seen = kept.second.cwiseMax(-1).cwiseMin(3);
  CHECK(fit_experts(ConstantGate(1), LinearExpert(1), Regression(kept.first, seen)).model[0].slopes()(0, 0) < 1.5);
  // What lies behind a limit does not matter.
  const auto same = fit_experts(ConstantGate(1), CensoredExpert(1, both), Regression(kept.first, seen));
  CHECK(same.report.objective == Approx(fit.report.objective).epsilon(1e-10));
}

TEST_CASE("limits that nothing reaches: the fit of a linear expert") {
  Rng rng(3);
  const auto kept = line(200, rng);
  const Regression data(kept.first, kept.second);
  const auto censored = fit_experts(ConstantGate(1), CensoredExpert(1, {.lower = -1e3}), data);
  const auto linear = fit_experts(ConstantGate(1), LinearExpert(1), data);
  CHECK(censored.report.objective == Approx(linear.report.objective).epsilon(1e-13));
  CHECK(censored.model[0].slopes()(0, 0) == Approx(linear.model[0].slopes()(0, 0)).epsilon(1e-10));
}

TEST_CASE("traces never fall, and threads change no bit") {
  check_traces(CensoredExpert(1, both), [](Rng& rng) {
    auto kept = line(120, rng);
    for (Index i = 0; i < 120; i += 3) kept.second(0, i) = 4 - kept.first(0, i) + rng.normal();
    return kept;
  });
  Rng rng(5);
  const auto kept = line(3500, rng);
  const Regression data(kept.first, kept.second);
  const auto start =
      seed(MixtureOfExperts<SoftmaxGate, CensoredExpert>(
               SoftmaxGate(2, 1), Components<CensoredExpert>({CensoredExpert(1, both), CensoredExpert(1, both)})),
           data, rng);
  check_laws(emulsion::testing::em_laws(start, data, 5, {.max_iterations = 200, .tolerance = 1e-6}));
}

TEST_CASE("nothing seen, or all at one limit: no NaN") {
  MatrixXd x(1, 30), y = MatrixXd::Constant(1, 30, 5);
  for (Index i = 0; i < 30; ++i) x(0, i) = static_cast<double>(i);
  const auto all = fit_experts(ConstantGate(1), CensoredExpert(1, both), Regression(x, y), {.max_iterations = 200});
  CHECK(std::isfinite(all.report.objective));
  CHECK(all.report.status != Status::objective_fell);
  CHECK(all.model[0].intercept().allFinite());
  y(0, 0) = 0;  // one response is seen
  const auto one_seen =
      fit_experts(ConstantGate(1), CensoredExpert(1, both), Regression(x, y), {.max_iterations = 200});
  CHECK(std::isfinite(one_seen.report.objective));
  CHECK(one_seen.report.status != Status::objective_fell);
}

TEST_CASE("misuse of a censored expert throws one clear sentence") {
  CHECK_THROWS_WITH(CensoredExpert(1, {.lower = 2, .upper = 2}), ContainsSubstring("must lie below the upper, got 2"));
  CHECK_THROWS_WITH(CensoredExpert(1, {.upper = std::numeric_limits<double>::quiet_NaN()}),
                    ContainsSubstring("must lie below"));
  CHECK_THROWS_WITH(CensoredExpert(1, single(2), 0, both), ContainsSubstring("positive definite"));
  CHECK_THROWS_WITH(Components<CensoredExpert>({CensoredExpert(1, both), CensoredExpert(1, {.upper = 2})}),
                    ContainsSubstring("of one form"));
  const MatrixXd x = MatrixXd::Ones(1, 5), y = MatrixXd::Ones(2, 5);
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), CensoredExpert(1, both), Regression(x, y)),
                    ContainsSubstring("expected 1 responses, got 2"));
}
