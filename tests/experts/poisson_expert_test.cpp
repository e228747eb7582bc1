// Poisson regression and its zero-inflated kin: reference values, the GLM, laws, recovery, hard and wrong data.
#include "emulsion/experts/poisson.hpp"

#include <Eigen/Cholesky>

#include "catch.hpp"
#include "emulsion/experts/zero_inflated_poisson.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "reference/experts.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

template <class Expert, class Gate>
MixtureOfExperts<Gate, Expert> experts(const Gate& gate, std::vector<Expert> all) {
  return MixtureOfExperts<Gate, Expert>(gate, Components<Expert>(std::move(all)));
}
template <class Expert, class Gate>
MixtureOfExperts<Gate, Expert> equal_experts(const Gate& gate, const Expert& one) {
  return experts<Expert>(gate, std::vector<Expert>(static_cast<std::size_t>(gate.size()), one));
}
template <class Model>
void check_at(const Model& model, const Regression& data, double log_likelihood, const VectorXd& first) {
  CHECK(model.log_likelihood(data) == Approx(log_likelihood).epsilon(1e-13));
  const MatrixXd r = model.responsibilities(data);
  for (Index i = 0; i < data.size(); ++i) CHECK(r(i, 0) == Approx(first(i)).epsilon(1e-12));
}
VectorXd one(double value) { return VectorXd::Constant(1, value); }

/// Counts of two regressions on p covariates of different units, away from zero, `zeros` of them structural zeros.
Regression two_lines(Index p, Index n, double size, double zeros, Rng& rng) {
  MatrixXd x(p, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    double sum = 0;
    for (Index j = 0; j < p; ++j) {
      const double z = rng.normal();
      sum += z / std::sqrt(static_cast<double>(p));
      x(j, i) = std::pow(10.0, static_cast<double>(j)) * (z + 3);
    }
    const bool first = rng.uniform() < 1 / (1 + std::exp(-0.3 - 0.8 * sum));
    y(0, i) = draw_poisson(size * std::exp(first ? 2.2 + 0.5 * sum : 0.6 - 0.4 * sum), rng);
    if (rng.uniform() < zeros) y(0, i) = 0;
  }
  return Regression(std::move(x), std::move(y));
}

/// Weighted Poisson regression by textbook IRLS from log(y + 1/2): coefficients (1 + p).
VectorXd glm(const MatrixXd& x, const MatrixXd& y, const VectorXd& w) {
  MatrixXd design(x.rows() + 1, x.cols());
  design << MatrixXd::Ones(1, x.cols()), x;
  VectorXd eta = (y.row(0).array() + 0.5).log(), beta;
  for (int i = 0; i < 60; ++i) {
    const VectorXd mean = eta.array().exp(),
                   working = eta.array() + (y.row(0).transpose() - mean).array() / mean.array();
    const VectorXd weight = w.cwiseProduct(mean);
    beta = (design * weight.asDiagonal() * design.transpose()).ldlt().solve(design * weight.cwiseProduct(working));
    eta = design.transpose() * beta;
  }
  return beta;
}

}  // namespace

TEST_CASE("E1h, E1i: Poisson and zero-inflated Poisson experts at fixed parameters") {
  const MatrixXd x = reference::e1_x(), y = reference::e1_counts();
  const Regression data(x, y);
  const SoftmaxGate gate((MatrixXd(2, 2) << .5, 0, -1, 0).finished());
  auto plain = experts<PoissonExpert>(gate, {{.2, one(.5)}, {1, one(.3)}});
  check_at(plain, data, -20.46622989060178, reference::e1h());
  auto inflated = experts<ZeroInflatedPoissonExpert>(gate, {{.2, one(.5), .2}, {1, one(.3), .2}});
  check_at(inflated, data, -19.04602340545924, reference::e1i());
  plain.follow(data);
  check_at(plain, data, -20.46622989060178, reference::e1h());
  CHECK(plain[1].intercept()(0) == Approx(1).epsilon(1e-14));
  CHECK(plain[1].slopes()(0, 0) == Approx(.3).epsilon(1e-14));
  inflated.follow(data);
  check_at(inflated, data, -19.04602340545924, reference::e1i());
}

TEST_CASE("one Poisson expert is the GLM, whatever the size of its counts, in a few iterations") {
  for (const double size : {0.02, 1.0, 1e4, 1e8}) {
    Rng rng(7);
    const Regression data = two_lines(3, 300, size, 0, rng);
    const VectorXd w = testing::random_weights(300, rng);
    const VectorXd expected = glm(data.x().matrix(), data.y().matrix(), w);
    const auto fit = em(equal_experts(ConstantGate(1), PoissonExpert(3)), weighted(data, w));
    CHECK(fit.report.status == Status::converged);
    CAPTURE(size);
    CHECK(fit.report.iterations < 25);
    CHECK(std::abs(fit.model[0].intercept()(0) - expected(0)) < 1e-10 * (1 + std::abs(expected(0))));
    for (Index j = 0; j < 3; ++j) {  // covariate j has the unit 10^j
      CHECK(std::abs(fit.model[0].slopes()(0, j) - expected(1 + j)) * std::pow(10.0, static_cast<double>(j)) < 1e-10);
    }
    for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
      CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-13 * std::abs(fit.report.trace[i]));
    }
  }
}

TEST_CASE("from anywhere, no step of a Poisson expert leads down") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    MatrixXd x(2, 200), y(1, 200);
    for (Index i = 0; i < 200; ++i) {
      x.col(i) << 6 * rng.uniform() - 3, 10 + rng.normal();
      y(0, i) = draw_poisson(std::exp(1 + x(0, i) - 0.5 * (x(1, i) - 10)), rng);
    }
    const PoissonExpert wrong(3 * rng.normal(), Eigen::Vector2d(2 * rng.normal(), 2 * rng.normal()));
    const auto fit = em(equal_experts(ConstantGate(1), wrong), Regression(x, y), {.acceleration = Acceleration::none});
    CHECK(fit.report.status == Status::converged);
    const VectorXd expected = glm(x, y, VectorXd::Ones(200));
    CHECK((fit.model[0].slopes().transpose() - expected.tail(2)).cwiseAbs().maxCoeff() < 1e-9);
    for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
      CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-13 * std::abs(fit.report.trace[i]));
    }
  }
}

TEST_CASE("counts of weight zero leave no bit, however large") {
  Rng rng(1);
  const Regression data = two_lines(1, 300, 1, 0, rng);
  MatrixXd y = data.y().matrix();
  VectorXd w = VectorXd::Ones(300);
  for (Index i = 0; i < 300; i += 9) w(i) = 0, y(0, i) = 1e6;
  const Regression replaced(data.x(), Points<>(y));
  const auto fit = [&](const Regression& one) {
    return em(equal_experts(ConstantGate(1), ZeroInflatedPoissonExpert(1)), weighted(one, w)).model;
  };
  CHECK(testing::identical(fit(data).log_density(data), fit(replaced).log_density(data)));
}

TEST_CASE("without surplus zeros a zero-inflated expert is a Poisson expert, and says so") {
  Rng rng(3);
  MatrixXd x(1, 400), y(1, 400);
  for (Index i = 0; i < 400; ++i) {
    x(0, i) = rng.normal();
    y(0, i) = draw_poisson(std::exp(3 + 0.2 * x(0, i)), rng);
  }
  const Regression data(x, y);
  REQUIRE(y.minCoeff() > 0);
  const auto plain = fit_experts(ConstantGate(1), PoissonExpert(1), data);
  const auto inflated = fit_experts(ConstantGate(1), ZeroInflatedPoissonExpert(1), data);
  CHECK(inflated.report.objective == Approx(plain.report.objective).epsilon(1e-9));
  CHECK(inflated.model[0].structural_zeros() < 1e-10);
  CHECK(std::any_of(inflated.report.events.begin(), inflated.report.events.end(),
                    [](const Event& e) { return e.kind == EventKind::at_bound; }));
  CHECK(inflated.model[0].slopes()(0, 0) == Approx(plain.model[0].slopes()(0, 0)).epsilon(1e-6));
}

TEST_CASE("the laws of a mixture of experts: Poisson") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    testing::ExpertLaws options{.support = testing::Support::counts, .exact_maximize = false};
    check_laws("Poisson experts, constant gate", testing::expert_laws(equal_experts(ConstantGate(2), PoissonExpert(1)),
                                                                      two_lines(1, 250, 1, 0, rng), seed, options));
    options.exact_gate = false;
    check_laws("Poisson experts, softmax gate, large counts",
               testing::expert_laws(equal_experts(SoftmaxGate(2, 2), PoissonExpert(2)), two_lines(2, 250, 30, 0, rng),
                                    seed, options));
  }
}

TEST_CASE("the laws of a mixture of experts: zero-inflated Poisson") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const testing::ExpertLaws options{
        .support = testing::Support::counts, .exact_maximize = false, .exact_gate = false};
    check_laws("zero-inflated Poisson experts, softmax gate",
               testing::expert_laws(equal_experts(SoftmaxGate(2, 1), ZeroInflatedPoissonExpert(1)),
                                    two_lines(1, 250, 3, 0.3, rng), seed, options));
  }
}

TEST_CASE("fits recover the parameters of Poisson experts", "[long]") {
  Rng rng(11);
  const Index n = 20'000;
  MatrixXd x(1, n);
  for (Index i = 0; i < n; ++i) x(0, i) = 4 * rng.uniform() - 2;
  const SoftmaxGate gate((MatrixXd(2, 2) << .4, 0, 1.2, 0).finished());
  const auto truth = experts<ZeroInflatedPoissonExpert>(gate, {{2.5, one(.4), .15}, {.8, one(-.5), .3}});
  const MatrixXd y = predict(truth, x).sample(rng);
  const auto fit = fit_experts(SoftmaxGate(2, 1), ZeroInflatedPoissonExpert(1), Regression(x, y), {.seed = 1});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.objective > truth.log_likelihood(Regression(x, y)));
  const Index first = fit.model[0].intercept()(0) > fit.model[1].intercept()(0) ? 0 : 1;
  CHECK(fit.model[first].intercept()(0) == Approx(2.5).margin(0.02));
  CHECK(fit.model[first].slopes()(0, 0) == Approx(.4).margin(0.02));
  CHECK(fit.model[first].structural_zeros() == Approx(.15).margin(0.02));
  CHECK(fit.model[1 - first].intercept()(0) == Approx(.8).margin(0.06));
  CHECK(fit.model[1 - first].slopes()(0, 0) == Approx(-.5).margin(0.05));
  CHECK(fit.model[1 - first].structural_zeros() == Approx(.3).margin(0.04));
}

TEST_CASE("Poisson experts of hard data: no count above zero, a far observation, collinear covariates, n < p") {
  Rng rng(2);
  const Index n = 60;
  MatrixXd x(2, n), y = MatrixXd::Zero(1, n);
  for (Index i = 0; i < n; ++i) x.col(i) << rng.normal(), rng.normal();
  const auto finite = [&](const auto& fit, const Regression& data) {
    CHECK(fit.report.status == Status::converged);
    CHECK(std::isfinite(fit.report.objective));
    CHECK(fit.model.log_density(data).allFinite());
    for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
      CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-12 * (1 + std::abs(fit.report.trace[i])));
    }
  };
  const auto none = fit_experts(ConstantGate(1), PoissonExpert(2), Regression(x, y));
  finite(none, Regression(x, y));
  CHECK(none.report.objective > -1e-6);
  CHECK(none.report.objective <= 0);
  finite(fit_experts(SoftmaxGate(2, 2), PoissonExpert(2), Regression(x, y)), Regression(x, y));
  finite(fit_experts(SoftmaxGate(2, 2), ZeroInflatedPoissonExpert(2), Regression(x, y)), Regression(x, y));

  for (Index i = 0; i < n; ++i) y(0, i) = draw_poisson(std::exp(1 + 0.5 * x(0, i)), rng);
  MatrixXd far = x;
  far(1, 7) = 1e9;
  finite(fit_experts(ConstantGate(1), PoissonExpert(2), Regression(far, y)), Regression(far, y));
  MatrixXd twice(3, n);
  twice << x, 2 * x.row(0) - 3 * x.row(1) + MatrixXd::Ones(1, n);
  const auto collinear = fit_experts(ConstantGate(1), PoissonExpert(3), Regression(twice, y));
  finite(collinear, Regression(twice, y));
  CHECK(collinear.report.objective ==
        Approx(fit_experts(ConstantGate(1), PoissonExpert(2), Regression(x, y)).report.objective).epsilon(1e-9));

  MatrixXd wide(9, 5), few(1, 5);
  for (Index i = 0; i < 5; ++i) {
    few(0, i) = static_cast<double>(1 + i * i);
    for (Index j = 0; j < 9; ++j) wide(j, i) = rng.normal();
  }
  const auto saturated = fit_experts(ConstantGate(1), PoissonExpert(9), Regression(wide, few));
  finite(saturated, Regression(wide, few));
  CHECK((saturated.model[0].mean(wide) - few).cwiseAbs().maxCoeff() < 1e-3);  // every count met
}

TEST_CASE("P(X <= x) of Poisson counts") {
  CHECK(poisson_cumulative(-0.5, 3) == 0);
  CHECK(poisson_cumulative(2.7, 3) == Approx(std::exp(-3.0) * (1 + 3 + 4.5)).epsilon(1e-14));
  CHECK(poisson_cumulative(5, 0) == 1);
  for (const double n : {100.0, 1e4, 1e8}) {  // Ramanujan: P(X < n) + theta p(n) = 1/2, theta = 1/3 + 4 / (135 n) + ...
    const double above = (poisson_cumulative(n, n) - 0.5) / std::exp(-stirling_excess(n));
    CHECK(above == Approx(2.0 / 3 - 4 / (135 * n)).epsilon(0.01 / (n * n)).margin(1e-13 * std::sqrt(n)));
  }
  CHECK(poisson_cumulative(1e4 - 1, 1e4) + std::exp(-stirling_excess(1e4)) ==
        Approx(poisson_cumulative(1e4, 1e4)).epsilon(1e-14));
}

TEST_CASE("misuse of Poisson experts is one sentence") {
  const MatrixXd x = MatrixXd::Random(1, 4);
  const auto fit = [&](std::initializer_list<double> counts) {
    MatrixXd y(1, 4);
    Index i = 0;
    for (const double count : counts) y(0, i++) = count;
    return fit_experts(ConstantGate(1), PoissonExpert(1), Regression(x, y));
  };
  CHECK_THROWS_WITH(fit({1, 2, -1, 0}), "the response of observation 2 is -1; counts must be non-negative integers");
  CHECK_THROWS_WITH(fit({1, 2.5, 1, 0}), "the response of observation 1 is 2.5; counts must be non-negative integers");
  CHECK_THROWS_WITH(fit({1, 2, 1, std::nan("")}), ContainsSubstring("the response of observation 3 is nan"));
  CHECK_THROWS_WITH(fit({HUGE_VAL, 2, 1, 1}), ContainsSubstring("the response of observation 0 is inf"));
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), PoissonExpert(2), Regression(x, MatrixXd::Ones(1, 4))),
                    ContainsSubstring("expected 2 covariates, got 1"));
  CHECK_THROWS_WITH(fit_experts(ConstantGate(1), PoissonExpert(1), Regression(x, MatrixXd::Ones(2, 4))),
                    ContainsSubstring("expected 1 responses, got 2"));
  CHECK_THROWS_WITH(PoissonExpert(-1), "the number of covariates must not be negative, got -1");
  CHECK_THROWS_WITH(PoissonExpert(std::nan(""), one(1)), "the coefficients of an expert must be finite");
  CHECK_THROWS_WITH(ZeroInflatedPoissonExpert(0, one(1), 1.5),
                    "the probability of structural zeros must lie in [0, 1], got 1.5");
}

TEST_CASE("the distribution function of large rates is the sum of its terms, and quantiles of any rate are found") {
  for (const double rate : {1.1e4, 3e5, 2e7}) {
    for (const double away : {-30.0, -8.0, -2.0, -0.3, 0.0, 0.4, 1.0, 5.0, 20.0}) {
      const double count = std::floor(rate + away * std::sqrt(rate));
      CAPTURE(rate, away);
      long double sum = 0, p = std::exp(-poisson_deviance(count, rate) - stirling_excess(count));
      if (away <= 0) {
        for (long double k = count; p > 1e-20L * sum; k -= 1) sum += p, p *= k / rate;
        CHECK(poisson_cumulative(count, rate) == Approx(static_cast<double>(sum)).epsilon(1e-11));
      } else {
        for (long double k = count + 1; p *= rate / k, p > 1e-20L * sum; k += 1) sum += p;
        CHECK(poisson_cumulative(count, rate) == Approx(static_cast<double>(1 - sum)).epsilon(1e-13));
      }
    }
  }
  CHECK(poisson_cumulative(1e20, 1e20) == Approx(0.5).margin(1e-9));
  CHECK(poisson_cumulative(9e299, 1e300) == 0);
  CHECK(poisson_cumulative(1.1e300, 1e300) == 1);

  const PoissonExpert steep(0, Eigen::VectorXd::Constant(1, 1));  // the mean is exp(x)
  const MixtureOfExperts<ConstantGate, PoissonExpert> model(ConstantGate(1), Components<PoissonExpert>({steep}));
  Eigen::MatrixXd at(1, 4);
  at << 1, 10, 40, 600;
  const auto found = predict(model, at);
  for (const double probability : {0.05, 0.5, 0.95}) {
    const Eigen::VectorXd y = found.quantile(probability);
    for (Index i = 0; i < 4; ++i) {
      const double mean = std::exp(at(0, i)), below = std::nextafter(y(i), -1.0);
      CHECK(y(i) == std::floor(y(i)));
      CHECK(poisson_cumulative(y(i), mean) >= probability);
      CHECK(poisson_cumulative(below, mean) < probability);
    }
  }
}
