// Experts whose variance changes with the covariates: laws, the optimum of the likelihood, recovery.
#include "emulsion/experts/location_scale.hpp"

#include "experts/expert_checks.hpp"

using namespace checks;

namespace {

using Model = MixtureOfExperts<ConstantGate, LocationScaleExpert>;
Model alone(const LocationScaleExpert& expert) {
  return Model(ConstantGate(1), Components<LocationScaleExpert>({expert}));
}
Eigen::RowVectorXd row(double a, double b) { return (Eigen::RowVectorXd(2) << a, b).finished(); }
LocationScaleExpert truth() { return LocationScaleExpert(1, row(2, -0.5), -1, row(0.8, 0.3)); }

std::pair<MatrixXd, MatrixXd> plane(Index n, Rng& rng) {
  MatrixXd x = covariates(2, n, rng);
  MatrixXd y = responses(truth(), x, rng);
  return {x, y};
}

}  // namespace

TEST_CASE("the density is normal, with a variance that is an exponential of the covariates") {
  const MatrixXd x = (MatrixXd(2, 3) << 0, 1, -2, 0, 2, 1).finished(), y = (MatrixXd(1, 3) << 1, 3, -2).finished();
  Model model = alone(truth());
  for (int pass = 0; pass < 2; ++pass) {
    const VectorXd p = model.log_density(Regression(x, y));
    for (Index i = 0; i < 3; ++i) {
      const double mean = 1 + 2 * x(0, i) - 0.5 * x(1, i), log_variance = -1 + 0.8 * x(0, i) + 0.3 * x(1, i);
      const double error = y(0, i) - mean;
      CHECK(p(i) ==
            Approx(-0.5 * (log_two_pi + log_variance + error * error * std::exp(-log_variance))).epsilon(1e-13));
      const MatrixXd at = x.col(i);
      CHECK(model[0].mean(at)(0, 0) == Approx(mean).margin(1e-13));
      CHECK(model[0].scale(at)(0, 0) == Approx(std::exp(0.5 * log_variance)).epsilon(1e-13));
    }
    CHECK(model[0].log_variance_intercept() == Approx(-1).epsilon(1e-13));
    CHECK((model[0].log_variance_slopes() - row(0.8, 0.3)).cwiseAbs().maxCoeff() < 1e-14);
    Rng rng(1);
    const auto other = plane(50, rng);  // in another frame
    model.follow(Regression(other.first, other.second));
  }
}

TEST_CASE("a location-scale expert keeps the laws") {
  const auto make = [](Index n, Rng& rng) {
    auto [x, y] = plane(n, rng);
    return Regression(std::move(x), std::move(y));
  };
  check_laws(
      emulsion::testing::component_laws(LocationScaleExpert(2), make, 12, {.exact_maximize = false, .latent = true}));
  Rng rng(1);
  auto [x, y] = plane(400, rng);
  for (Index i = 0; i < 400; i += 2) y(0, i) = -6 - 2 * x(0, i) + 0.6 * rng.normal();
  check_laws(emulsion::testing::expert_laws(
      MixtureOfExperts<SoftmaxGate, LocationScaleExpert>(
          SoftmaxGate(2, 2), Components<LocationScaleExpert>({LocationScaleExpert(2), LocationScaleExpert(2)})),
      Regression(x, y), 3, {.exact_maximize = false, .exact_gate = false}));
}

TEST_CASE("the statistics know the gradient, which vanishes at the fit") {
  Rng rng(2);
  const auto kept = plane(5000, rng);
  const Regression data(kept.first, kept.second);
  check_gradient(alone(LocationScaleExpert(0.5, row(1.5, -0.4), -0.5, row(0.5, 0.2))), data);
  const auto fit = fit_experts(ConstantGate(1), LocationScaleExpert(2), data);
  INFO(fit.report);
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.e_steps < 60);
  check_stationary(fit.model, data);
  CHECK(std::abs(fit.model[0].intercept()(0) - 1) < 0.1);
  CHECK((fit.model[0].slopes() - row(2, -0.5)).cwiseAbs().maxCoeff() < 0.05);
  CHECK(std::abs(fit.model[0].log_variance_intercept() + 1) < 0.15);
  CHECK((fit.model[0].log_variance_slopes() - row(0.8, 0.3)).cwiseAbs().maxCoeff() < 0.06);
  CHECK(fit.model[0].free_parameters() == 6);
  CHECK(fit.report.objective >= alone(truth()).log_likelihood(data));
  CHECK(fit.report.objective > fit_experts(ConstantGate(1), LinearExpert(2), data).report.objective + 500);
}

TEST_CASE("plain steps climb from far away, too") {
  Rng rng(3);
  const auto kept = plane(300, rng);
  const Regression data(kept.first, kept.second);
  const double best = fit_experts(ConstantGate(1), LocationScaleExpert(2), data).report.objective;
  for (const double tilt : {-1.0, 0.0, 1.0}) {
    for (const double log_variance : {-12.0, 0.0, 12.0}) {
      const auto fit = em(alone(LocationScaleExpert(-4, row(-1, 1), log_variance, row(tilt, -tilt))), data,
                          {.acceleration = Acceleration::none});
      INFO(tilt << ' ' << log_variance << '\n' << fit.report);
      CHECK(fit.report.status == Status::converged);
      CHECK(fit.report.objective == Approx(best).epsilon(1e-9));
      CHECK(fit.report.iterations < 2000);
    }
  }
}

TEST_CASE("no step leads down, from wherever it starts") {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed);
    const Index n = 5 + static_cast<Index>(rng.below(40));
    const auto kept = plane(n, rng);
    const Regression data(kept.first, kept.second);
    const auto wild = [&] { return row(2 * rng.normal(), 2 * rng.normal()); };
    Model model = alone(LocationScaleExpert(5 * rng.normal(), wild(), 4 * rng.normal(), wild()));
    model.follow(data);
    double before = model.log_likelihood(data);
    for (int step = 0; step < 12; ++step) {
      Model next = model;
      model.maximize(folded(model, data), next);
      model = next;
      const double after = model.log_likelihood(data);
      INFO("seed " << seed << ", step " << step);
      CHECK(after >= before - 1e-12 * std::abs(before));
      before = after;
    }
  }
}

TEST_CASE("equal variances: without covariates, the fit of a linear expert") {
  Rng rng(4);
  const Index n = 100;
  MatrixXd y(1, n);
  for (Index i = 0; i < n; ++i) y(0, i) = 5 + 2 * rng.normal();
  const Regression data(MatrixXd(MatrixXd::Zero(0, n)), y);
  const auto both = fit_experts(ConstantGate(1), LocationScaleExpert(0), data);
  const auto linear = fit_experts(ConstantGate(1), LinearExpert(0), data);
  CHECK(both.report.objective == Approx(linear.report.objective).epsilon(1e-13));
  CHECK(std::exp(both.model[0].log_variance_intercept()) == Approx(linear.model[0].covariance()(0, 0)).epsilon(1e-10));
}

TEST_CASE("traces never fall, and threads change no bit") {
  check_traces(LocationScaleExpert(2), [](Rng& rng) {
    auto kept = plane(150, rng);
    for (Index i = 0; i < 150; i += 3) kept.second(0, i) = 4 - kept.first(0, i) + rng.normal();
    return kept;
  });
  Rng rng(5);
  const auto kept = plane(3500, rng);
  const Regression data(kept.first, kept.second);
  const auto start =
      seed(MixtureOfExperts<SoftmaxGate, LocationScaleExpert>(
               SoftmaxGate(2, 2), Components<LocationScaleExpert>({LocationScaleExpert(2), LocationScaleExpert(2)})),
           data, rng);
  check_laws(emulsion::testing::em_laws(start, data, 5, {.max_iterations = 200, .tolerance = 1e-6}));
}

TEST_CASE("a perfect line, a constant response and a collinear covariate: no NaN") {
  MatrixXd x(2, 30), y(1, 30), same = MatrixXd::Constant(1, 30, 3);
  Rng rng(6);
  for (Index i = 0; i < 30; ++i) x(0, i) = static_cast<double>(i), x(1, i) = 2 * x(0, i), y(0, i) = 2 + 3 * x(0, i);
  for (const MatrixXd* responses : {&y, &same}) {
    const auto fit =
        fit_experts(ConstantGate(1), LocationScaleExpert(2), Regression(x, *responses), {.max_iterations = 300});
    INFO(fit.report);
    CHECK(std::isfinite(fit.report.objective));
    CHECK(fit.report.status != Status::objective_fell);
    CHECK(fit.model[0].at_floor() == 1);
    CHECK(fit.model[0].mean(MatrixXd(x.col(7)))(0, 0) == Approx((*responses)(0, 7)).epsilon(1e-5));
  }
  for (Index i = 0; i < 30; ++i) y(0, i) += rng.normal();
  const auto collinear = fit_experts(ConstantGate(1), LocationScaleExpert(2), Regression(x, y));
  CHECK(collinear.report.status == Status::converged);
  CHECK(collinear.model[0].slopes().allFinite());
}

TEST_CASE("misuse of a location-scale expert throws one clear sentence") {
  CHECK_THROWS_WITH(LocationScaleExpert(1, row(1, 2), 0, Eigen::RowVectorXd::Ones(1)),
                    ContainsSubstring("got 1 and 2"));
  CHECK_THROWS_WITH(LocationScaleExpert(1, row(1, 2), 0, row(1, std::numeric_limits<double>::infinity())),
                    ContainsSubstring("must be finite"));
  const MatrixXd x = MatrixXd::Ones(1, 5), y = MatrixXd::Ones(2, 5);
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), LocationScaleExpert(1), Regression(x, y)),
                    ContainsSubstring("expected 1 responses, got 2"));
}
