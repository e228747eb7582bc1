// Student t experts: reference values, laws, the optimum of the likelihood, outliers.
#include "emulsion/experts/student_t.hpp"

#include "experts/expert_checks.hpp"

using namespace checks;

namespace {

StudentTExpert line(double intercept, double slope, double deviation, double freedom) {
  return StudentTExpert(one(intercept), single(slope), single(deviation * deviation), freedom);
}
using Model = MixtureOfExperts<ConstantGate, StudentTExpert>;
Model alone(const StudentTExpert& expert) { return Model(ConstantGate(1), Components<StudentTExpert>({expert})); }

StudentTExpert plane() {
  const MatrixXd slopes = (MatrixXd(2, 2) << 1, -0.5, 0.25, 2).finished();
  const MatrixXd scales = (MatrixXd(2, 2) << 1, 0.3, 0.3, 0.5).finished();
  return StudentTExpert((VectorXd(2) << 2, -1).finished(), slopes, scales, 4);
}

}  // namespace

TEST_CASE("E1c: Student t experts at fixed parameters") {
  check_e1(line(.8, 1.7, .3, 4), line(2.9, -.8, .4, 7), -4.608463238960241, reference::e1c());
}

TEST_CASE("a Student t expert keeps the laws of a component") {
  for (const Covariance structure : {Covariance::full, Covariance::diagonal, Covariance::spherical}) {
    for (const bool fixed : {false, true}) {
      const auto make = [](Index n, Rng& rng) {
        const MatrixXd x = covariates(2, n, rng);
        MatrixXd y = responses(plane(), x, rng);
        return Regression(MatrixXd(x), std::move(y));
      };
      check_laws(emulsion::testing::component_laws(StudentTExpert(2, 2, {.fixed = fixed, .structure = structure}), make,
                                                   11, {.exact_maximize = false, .latent = true}));
    }
  }
}

TEST_CASE("mixtures of Student t experts keep the laws") {
  Rng rng(1);
  const MatrixXd x = covariates(1, 400, rng);
  MatrixXd y = responses(line(1, 2, 0.5, 5), x, rng);
  for (Index i = 0; i < 400; i += 2) y(0, i) = -4 - x(0, i) + 0.6 * rng.normal();
  // The tails of a t beyond the grid of the integrals: with nu fixed at 12 they hold less than 1e-6.
  check_laws(emulsion::testing::expert_laws(
      MixtureOfExperts<SoftmaxGate, StudentTExpert>(
          SoftmaxGate(2, 1), Components<StudentTExpert>(std::vector<StudentTExpert>(
                                 2, StudentTExpert(1, 1, {.degrees_of_freedom = 12, .fixed = true})))),
      Regression(x, y), 3, {.exact_maximize = false, .exact_gate = false}));
  check_laws(emulsion::testing::expert_laws(
      MixtureOfExperts<SoftmaxGate, StudentTExpert>(
          SoftmaxGate(2, 1), Components<StudentTExpert>(std::vector<StudentTExpert>(2, StudentTExpert(1)))),
      Regression(x, y), 4,
      {.support = emulsion::testing::Support::other, .exact_maximize = false, .exact_gate = false, .interior = false}));
}

TEST_CASE("the statistics know the gradient of the log-likelihood") {
  Rng rng(1);
  const MatrixXd x = covariates(2, 60, rng), y = responses(plane(), x, rng);
  for (const Covariance structure : {Covariance::full, Covariance::diagonal, Covariance::spherical}) {
    const MatrixXd scales = MatrixXd::Identity(2, 2) * 0.8;
    const StudentTExpert off((VectorXd(2) << 1, 0).finished(), MatrixXd::Constant(2, 2, 0.4), scales, 3,
                             {.structure = structure});
    check_gradient(alone(off), Regression(x, y));
  }
}

TEST_CASE("one expert: the maximum of the likelihood, and what was drawn") {
  Rng rng(2);
  const MatrixXd x = covariates(2, 4000, rng), y = responses(plane(), x, rng);
  const Regression data(x, y);
  const auto fit = fit_experts(ConstantGate(1), StudentTExpert(2, 2), data);
  INFO(fit.report);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.e_steps < 100);
  check_stationary(fit.model, data);
  const StudentTExpert& found = fit.model[0];
  CHECK(std::abs(found.degrees_of_freedom() - 4) < 0.6);
  CHECK((found.intercept() - plane().intercept()).cwiseAbs().maxCoeff() < 0.15);
  CHECK((found.slopes() - plane().slopes()).cwiseAbs().maxCoeff() < 0.05);
  CHECK((found.scales() - plane().scales()).cwiseAbs().maxCoeff() < 0.1);
  CHECK(found.free_parameters() == 6 + 3 + 1);
  CHECK(fit.report.objective >= alone(plane()).log_likelihood(data));
}

TEST_CASE("one expert: no parameter near those of the fit is more likely") {
  // An optimum that owes nothing to the statistics: a grid search around it, by the density alone.
  Rng rng(3);
  const MatrixXd x = covariates(1, 150, rng), y = responses(line(1, 2, 0.5, 3), x, rng);
  const Regression data(x, y);
  const auto fit = fit_experts(ConstantGate(1), StudentTExpert(1), data);
  const StudentTExpert& best = fit.model[0];
  double highest = -1e300;
  for (int a = -2; a <= 2; ++a) {
    for (int b = -2; b <= 2; ++b) {
      for (int c = -2; c <= 2; ++c) {
        for (int d = -2; d <= 2; ++d) {
          if (a == 0 && b == 0 && c == 0 && d == 0) continue;
          const StudentTExpert near(one(best.intercept()(0) + 0.002 * a), single(best.slopes()(0, 0) + 0.002 * b),
                                    single(best.scales()(0, 0) * std::exp(0.01 * c)),
                                    best.degrees_of_freedom() * std::exp(0.01 * d));
          highest = std::max(highest, alone(near).log_likelihood(data));
        }
      }
    }
  }
  CHECK(highest < fit.report.objective);
  CHECK(highest > fit.report.objective - 0.1);
}

TEST_CASE("normal errors: degrees of freedom without end, and the fit of a linear expert") {
  int at_bound = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Rng rng(seed);
    const MatrixXd x = covariates(1, 400, rng);
    MatrixXd y(1, 400);
    for (Index i = 0; i < 400; ++i) y(0, i) = 1 + 2 * x(0, i) + 0.7 * rng.normal();
    const Regression data(x, y);
    const auto robust = fit_experts(ConstantGate(1), StudentTExpert(1), data);
    const auto normal = fit_experts(ConstantGate(1), LinearExpert(1), data);
    INFO(robust.report << "\nnu " << robust.model[0].degrees_of_freedom());
    CHECK(robust.report.status == Status::converged);
    CHECK(robust.report.e_steps < 400);
    CHECK(robust.report.objective > normal.report.objective - 1e-2);
    if (robust.model[0].at_bound() == 0) continue;
    ++at_bound;
    CHECK(robust.model[0].degrees_of_freedom() == 1e4);
    CHECK(robust.report.objective == Approx(normal.report.objective).epsilon(1e-4));
    CHECK(robust.model[0].slopes()(0, 0) == Approx(normal.model[0].slopes()(0, 0)).epsilon(1e-4));
    CHECK(robust.model[0].scales()(0, 0) == Approx(normal.model[0].covariance()(0, 0)).epsilon(1e-3));
  }
  CHECK(at_bound >= 1);
  // The density itself: t with a great many degrees of freedom is normal.
  const MatrixXd x = reference::e1_x(), y = reference::e1_y();
  const MixtureOfExperts<ConstantGate, LinearExpert> normal(
      ConstantGate(1), Components<LinearExpert>({LinearExpert(one(.8), single(1.7), single(.25))}));
  const double far =
      alone(StudentTExpert(one(.8), single(1.7), single(.25), 1e10, {.fixed = true})).log_likelihood(Regression(x, y));
  CHECK(far == Approx(normal.log_likelihood(Regression(x, y))).epsilon(1e-7));
}

TEST_CASE("outliers: a Student t expert resists them", "[long]") {
  Rng rng(4);
  const Index n = 300;
  const MatrixXd x = covariates(1, n, rng);
  MatrixXd y(1, n);
  for (Index i = 0; i < n; ++i)
    y(0, i) = 1 + 2 * x(0, i) + 0.3 * rng.normal() + (i % 20 == 0 ? 1e3 * rng.uniform() : 0.0);
  const Regression data(x, y);
  const auto robust = fit_experts(ConstantGate(1), StudentTExpert(1), data);
  const auto normal = fit_experts(ConstantGate(1), LinearExpert(1), data);
  CHECK(std::abs(robust.model[0].slopes()(0, 0) - 2) < 0.1);
  CHECK(std::abs(robust.model[0].intercept()(0) - 1) < 0.1);
  CHECK(std::abs(normal.model[0].intercept()(0) - 1) > 5);
  // Two lines, with outliers.
  for (Index i = 0; i < n; ++i) {
    y(0, i) = (i % 2 == 0 ? 1 + 2 * x(0, i) : 6 - x(0, i)) + 0.1 * rng.normal() + (i % 30 == 7 ? 100.0 : 0.0);
  }
  const auto two = fit_experts(ConstantGate(2), StudentTExpert(1), data, {.seed = 1});
  const Index up = two.model[0].slopes()(0, 0) > two.model[1].slopes()(0, 0) ? 0 : 1;
  CHECK(std::abs(two.model[up].slopes()(0, 0) - 2) < 0.1);
  CHECK(std::abs(two.model[1 - up].slopes()(0, 0) + 1) < 0.1);
}

TEST_CASE("traces never fall, and threads change no bit") {
  const auto make = [](Rng& rng) {
    MatrixXd x = covariates(1, 120, rng), y = responses(line(1, 2, 0.5, 2), x, rng);
    for (Index i = 0; i < 120; i += 3) y(0, i) = 4 - x(0, i) + rng.normal();
    return std::pair<MatrixXd, MatrixXd>(x, y);
  };
  check_traces(StudentTExpert(1), make);
  Rng rng(5);
  const MatrixXd x = covariates(2, 3500, rng), y = responses(plane(), x, rng);
  const Regression data(x, y);
  const auto start =
      seed(MixtureOfExperts<SoftmaxGate, StudentTExpert>(
               SoftmaxGate(2, 2), Components<StudentTExpert>({StudentTExpert(2, 2), StudentTExpert(2, 2)})),
           data, rng);
  check_laws(emulsion::testing::em_laws(start, data, 5, {.max_iterations = 200, .tolerance = 1e-6}));
}

TEST_CASE("predictions of a Student t expert") {
  const StudentTExpert expert = line(1, 2, 0.5, 5);
  Rng rng(6);
  const Index n = 20000;
  const MatrixXd x = MatrixXd::Constant(1, n, 0.3), y = responses(expert, x, rng);
  const auto at = predict(alone(expert), single(0.3));
  CHECK(at.mean()(0, 0) == Approx(1.6).epsilon(1e-14));
  CHECK(at.variance(Noise::included)(0, 0) == Approx(0.25 * 5 / 3).epsilon(1e-14));
  CHECK(y.mean() == Approx(1.6).margin(0.02));
  CHECK((y.array() - 1.6).square().mean() == Approx(0.25 * 5 / 3).epsilon(0.1));
  CHECK(at.quantile(0.9)(0) == Approx(1.6 + 0.5 * 1.4758840488244813).epsilon(1e-12));  // of t_5
  CHECK(static_cast<double>((y.array() <= at.quantile(0.9)(0)).count()) / n == Approx(0.9).margin(0.01));
  CHECK(std::isinf(predict(alone(line(1, 2, 0.5, 2)), single(0.3)).variance(Noise::included)(0, 0)));
}

TEST_CASE("misuse of a Student t expert throws one clear sentence") {
  CHECK_THROWS_WITH(line(1, 2, 0.5, 0), ContainsSubstring("degrees of freedom must be positive"));
  CHECK_THROWS_WITH(line(1, 2, 0.5, 1e5), ContainsSubstring("within their bounds"));
  CHECK_THROWS_WITH(StudentTExpert(1, 1, {.least = 5, .most = 4}), ContainsSubstring("5 and 4"));
  CHECK_THROWS_WITH(StudentTExpert(1, 1, {.structure = Covariance::tied}), ContainsSubstring("cannot share"));
  CHECK_THROWS_WITH(StudentTExpert(-1), ContainsSubstring("must not be negative"));
  CHECK_THROWS_WITH(StudentTExpert(one(1), MatrixXd(2, 2), single(1), 4), ContainsSubstring("2 x 2"));
  MatrixXd x = MatrixXd::Ones(2, 10), y = MatrixXd::Ones(1, 10);
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), StudentTExpert(1), Regression(x, y)),
                    ContainsSubstring("expected 1 covariates, got 2"));
  y(0, 3) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), StudentTExpert(2), Regression(x, y)),
                    ContainsSubstring("observation 3"));
  y.setOnes();  // a constant response: the floor holds the scale up, nothing is NaN
  const auto constant = fit_experts(ConstantGate(1), StudentTExpert(2), Regression(x, y));
  CHECK(std::isfinite(constant.report.objective));
  CHECK(constant.model[0].intercept().allFinite());
}
