// Variational mixtures: the evidence bound against exact evidence and reference values, what is known of its limits.
#include <algorithm>

#include "catch.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/categorical_dirichlet.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "reference/values.hpp"

using namespace emulsion;

namespace {

/// The prior of V1: mean and covariance (n - 1) of the data, beta = 1, nu = 2.
NormalWishart prior_of(const Eigen::MatrixXd& x) {
  const Eigen::VectorXd mean = x.rowwise().mean();
  const Eigen::MatrixXd y = x.colwise() - mean;
  return NormalWishart(mean, 1, 2, y * y.transpose() / static_cast<double>(x.cols() - 1));
}

template <class Gate>
Fit<BayesianMixture<Gate>> fit_from(const Eigen::MatrixXd& x, const Gate& gate, const NormalWishart& prior,
                                    const Eigen::MatrixXd& means) {
  Rng rng(1);
  SeedOptions options{.start = Start::means};
  options.means = means;
  return em(seed_variational(prior, gate, Points<double>(x), rng, options), x, {.tolerance = 1e-14});
}

}  // namespace

TEST_CASE("V1: with one component the bound is the exact log evidence") {
  const Eigen::MatrixXd x = reference::faithful();
  const NormalWishart prior = prior_of(x);
  const double exact = -1303.897517794859;
  CHECK(prior.log_evidence(prior.statistics(x)) == Approx(exact).epsilon(1e-12));
  const auto fit = em(BayesianMixture<>(DirichletGate(1), prior), x);
  CHECK(fit.report.objective == Approx(exact).epsilon(1e-12));
  // The only weight is one, whatever its concentration.
  const auto unknown = em(BayesianMixture<>(DirichletGate(1, Concentration::gamma(2, 3)), prior), x);
  CHECK(unknown.report.objective == Approx(exact).epsilon(1e-12));
  const double gamma = 0.5, n = static_cast<double>(x.cols());
  const auto sticks = em(BayesianMixture<StickBreakingGate>(StickBreakingGate::dirichlet_process(1, gamma), prior), x);
  CHECK(sticks.report.objective == Approx(exact + log_beta(1 + n, gamma) - log_beta(1, gamma)).epsilon(1e-12));
}

TEST_CASE("V4: the Dirichlet mixture of two on Old Faithful") {
  const Eigen::MatrixXd x = reference::faithful();
  const Eigen::MatrixXd means = (Eigen::MatrixXd(2, 2) << 4.3, 2.0, 80, 54).finished();
  const auto fit = fit_from(x, DirichletGate(2, 1.0), prior_of(x), means);
  CHECK(fit.report.objective == Approx(-1178.571838278126).epsilon(1e-12));
  const auto& m = fit.model;
  CHECK(m.gate().count(0) == Approx(174.82644110744).epsilon(1e-8));
  CHECK(m[0].beta() == Approx(175.82644110744).epsilon(1e-8));
  CHECK(m[0].nu() == Approx(176.82644110744).epsilon(1e-8));
  CHECK(m[0].mean()(0) == Approx(4.28783759833017).epsilon(1e-8));
  CHECK(m[0].mean()(1) == Approx(79.9460210791188).epsilon(1e-8));
  CHECK(m[0].expected().covariance()(0, 0) == Approx(0.17589398449225).epsilon(1e-8));
  CHECK(m[0].expected().covariance()(1, 0) == Approx(1.01405527275562).epsilon(1e-8));
  CHECK(m[0].expected().covariance()(1, 1) == Approx(36.7984225389959).epsilon(1e-8));
  CHECK(m[1].mean()(0) == Approx(2.0549050425704).epsilon(1e-8));
  CHECK(m[1].expected().covariance()(1, 0) == Approx(0.846289027666249).epsilon(1e-8));
}

TEST_CASE("V6: the Dirichlet process truncated at two on Old Faithful") {
  const Eigen::MatrixXd x = reference::faithful();
  const Eigen::MatrixXd big_first = (Eigen::MatrixXd(2, 2) << 4.3, 2.0, 80, 54).finished();
  const auto gate = StickBreakingGate::dirichlet_process(2, 0.5);
  CHECK(fit_from(x, gate, prior_of(x), big_first).report.objective == Approx(-1181.162189028439).epsilon(1e-12));
  CHECK(fit_from(x, gate, prior_of(x), big_first.rowwise().reverse()).report.objective ==
        Approx(-1181.747218627118).epsilon(1e-12));
}

TEST_CASE("sticks are put in the order that raises the bound") {
  const Eigen::MatrixXd x = reference::faithful();
  Index reversed = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const VariationalFitOptions options{.restarts = 1, .moves = 0, .seed = seed};
    const auto gate = StickBreakingGate::dirichlet_process(2, 0.5);
    // Where EM alone goes from the same kind of start depends on which cluster comes first.
    Rng rng(seed);
    const auto alone = em(seed_variational(prior_of(x), gate, Points<double>(x), rng), x);
    reversed += alone.report.objective < -1181.7 ? 1 : 0;
    const auto fit = fit_variational_mixture(prior_of(x), gate, x, options);
    CHECK(fit.report.objective == Approx(-1181.162189028439).epsilon(1e-9));
    CHECK(fit.model.gate().count(0) > fit.model.gate().count(1));
  }
  CHECK(reversed > 0);
}

TEST_CASE("truncations are nested: one more stick at its prior costs nothing, and can only help") {
  const Eigen::MatrixXd x = reference::faithful();
  const Eigen::MatrixXd means = (Eigen::MatrixXd(2, 2) << 4.3, 2.0, 80, 54).finished();
  for (const double discount : {0.0, 0.3}) {
    const auto fit = fit_from(x, StickBreakingGate::pitman_yor(2, discount, 0.5), prior_of(x), means);
    const auto prior = StickBreakingGate::pitman_yor(3, discount, 0.5);
    const auto& two = fit.model.gate();
    const auto three = prior.with_posterior(Eigen::Vector3d(two.a()(0), two.a()(1), prior.a()(2)),
                                            Eigen::Vector3d(two.b()(0), two.b()(1), prior.b()(2)));
    const BayesianMixture<StickBreakingGate> more(
        three, Components<NormalWishart>({fit.model[0], fit.model[1], fit.model[0].prior().as_prior()}));
    CHECK(more.gate().offset() + more.bank().offset() ==
          Approx(two.offset() + fit.model.bank().offset()).epsilon(1e-12));
    CHECK(em(more, x, {.max_iterations = 0}).report.objective > fit.report.objective);
  }
}

TEST_CASE("given labels, the sticks' part of the bound is their evidence") {
  const Eigen::Vector3d labels(3, 5, 2);
  for (const double discount : {0.0, 0.3, 0.9}) {
    const auto prior = StickBreakingGate::pitman_yor(3, discount, 0.8);
    auto gate = prior;
    prior.maximize({labels}, gate);
    double part = gate.offset();
    for (Index k = 0; k < 3; ++k) part += labels(k) * gate.log_weight(k);
    CHECK(part == Approx(prior.log_evidence(labels)).epsilon(1e-12));
  }
}

TEST_CASE("an unknown concentration of a Dirichlet process has a Gamma posterior") {
  // Blei and Jordan (2006), appendix: q(c) = Gamma(shape + T, rate - sum E[log(1 - v)]), here found by quadrature; with
  // a free last stick all T of them count.
  const Eigen::MatrixXd x = reference::faithful();
  const Eigen::MatrixXd means = (Eigen::MatrixXd(2, 2) << 4.3, 2.0, 80, 54).finished();
  const auto fit =
      fit_from(x, StickBreakingGate::dirichlet_process(2, Concentration::gamma(2, 0.5)), prior_of(x), means);
  const auto& gate = fit.model.gate();
  double rate = 0.5;
  for (Index k = 0; k < 2; ++k) rate -= digamma(gate.b()(k)) - digamma(gate.a()(k) + gate.b()(k));
  CHECK(gate.concentration().mean() == Approx((2 + 2) / rate).epsilon(1e-10));
}

TEST_CASE("bound of one component equals the evidence for every structure and family") {
  const Eigen::MatrixXd x = reference::faithful();
  for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    CAPTURE(to_string(structure));
    const NormalWishart prior(Eigen::Vector2d(3, 60), 0.7, 3.5, 2.5 * Eigen::Matrix2d::Identity(), structure);
    const auto fit = em(BayesianMixture<>(DirichletGate(1), prior), x);
    CHECK(fit.report.objective == Approx(prior.log_evidence(prior.statistics(x))).epsilon(1e-11));
  }
}

TEST_CASE("yesterday's posterior is today's prior") {
  const Eigen::MatrixXd x = reference::faithful(), first = x.leftCols(100), second = x.rightCols(172);
  const NormalWishart prior = prior_of(x), yesterday = prior.updated(prior.statistics(first));
  const NormalWishart same(yesterday.mean(), yesterday.beta(), yesterday.nu(), yesterday.inverse_scale());
  const auto fit = em(BayesianMixture<>(DirichletGate(1), yesterday), second);
  CHECK(fit.report.objective == Approx(em(BayesianMixture<>(DirichletGate(1), same), second).report.objective));
  CHECK(fit.model[0].nu() == Approx(2 + 272));
  BayesianMixtureOptions options;
  options.components = 1;
  options.moves = 0;
  options.prior = yesterday;
  CHECK(fit_bayesian_mixture(second, options).report.objective == Approx(fit.report.objective));
}

TEST_CASE("a tied covariance counts once") {
  const Eigen::MatrixXd x = reference::faithful();
  const auto prior = weak_prior(Points<double>(x), Covariance::tied);
  CHECK(BayesianMixture<>(DirichletGate(3), prior).free_parameters() == 2 + 3 * 2 + 3);
}

TEST_CASE("one component of any concentration: a prior of any shape integrates to one") {
  const Eigen::MatrixXd x = reference::faithful();
  const NormalWishart prior = prior_of(x);
  for (const double shape : {1e-3, 0.02, 0.2, 1.0, 5.0, 1e4}) {
    for (const double rate : {1e-3, 1.0, 1e3}) {
      CAPTURE(shape, rate);
      const auto fit = em(BayesianMixture<>(DirichletGate(1, Concentration::gamma(shape, rate)), prior), x);
      CHECK(std::abs(fit.report.objective + 1303.897517794859) < 1e-8);
      CHECK(fit.model.gate().concentration().mean() == Approx(shape / rate).epsilon(1e-8));
    }
  }
  // Given sticks of a Dirichlet process the posterior is a Gamma distribution.
  for (const double shape : {1e-3, 0.05, 3.0}) {
    const Eigen::Vector3d a(60.5, 30.5, 10.5), b(42, 13, 2);
    const auto gate = StickBreakingGate::dirichlet_process(3, Concentration::gamma(shape, 2)).with_posterior(a, b);
    double rate = 2;
    for (Index k = 0; k < 3; ++k) rate -= digamma(b(k)) - digamma(a(k) + b(k));
    CHECK(gate.concentration().mean() == Approx((shape + 3) / rate).epsilon(1e-9));
  }
}

TEST_CASE("observations in rows, in float, with unit weights and on two threads: the same posterior") {
  const Eigen::MatrixXd x = reference::faithful(), transposed = x.transpose();
  const Eigen::MatrixXf single = x.cast<float>();
  const Eigen::VectorXd ones = Eigen::VectorXd::Ones(x.cols());
  const double bound = fit_bayesian_mixture(x, DirichletGate(4, 1.0)).report.objective;
  CHECK(fit_bayesian_mixture(rows(transposed), DirichletGate(4, 1.0)).report.objective == bound);
  CHECK(fit_bayesian_mixture(weighted(x, ones), DirichletGate(4, 1.0)).report.objective ==
        Approx(bound).epsilon(1e-12));
  CHECK(fit_bayesian_mixture(x, DirichletGate(4, 1.0), {.threads = 2}).report.objective == bound);
  const Eigen::MatrixXd rounded = single.cast<double>();
  CHECK(fit_bayesian_mixture(single, DirichletGate(4, 1.0)).report.objective ==
        Approx(fit_bayesian_mixture(rounded, DirichletGate(4, 1.0)).report.objective).epsilon(1e-9));
}

TEST_CASE("scale, offset and precision of the data change nothing") {
  const Eigen::MatrixXd x = reference::faithful();
  const auto plain = fit_bayesian_mixture(x);
  for (const double scale : {1e-200, 1e-10, 1e160, 1e200}) {
    CAPTURE(scale);
    const auto fit = fit_bayesian_mixture(Eigen::MatrixXd(x * scale));
    REQUIRE(fit.model.size() == 2);
    CHECK(fit.report.objective == Approx(plain.report.objective - 272 * 2 * std::log(scale)).epsilon(1e-9));
  }
  const Eigen::MatrixXf single = x.cast<float>();
  CHECK(fit_bayesian_mixture(single).report.objective == Approx(plain.report.objective).epsilon(1e-6));
}

TEST_CASE("the prior decides, no floor: exact evidence of repeated points") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Constant(3, 20, 2.5);
  for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    CAPTURE(to_string(structure));
    const NormalWishart prior(x.col(0), 1, 3, 1e-14 * Eigen::Matrix3d::Identity(), structure);
    const auto fit = em(BayesianMixture<>(DirichletGate(1), prior), x);
    CHECK(fit.report.status == Status::converged);
    // All means are the prior's, so that the scatter stays as it is.
    const double count = structure == Covariance::diagonal ? 3 : 1, own = is_diagonal(structure) ? 1 : 3;
    const double nu = 3 + 20 * (structure == Covariance::spherical ? 3 : 1), log_scale = count * own * std::log(1e-14);
    const double exact =
        -1.5 * std::log(21.0) + 0.5 * (nu - 3) * (count * own * std::log(2.0) - log_scale) +
        count * (log_multivariate_gamma(Index(own), nu / 2) - log_multivariate_gamma(Index(own), 1.5)) -
        30 * log_two_pi;
    CHECK(fit.report.objective == Approx(exact).epsilon(1e-10));
  }
  const auto event = [](const Report& report, EventKind kind) {
    return std::any_of(report.events.begin(), report.events.end(), [&](const Event& e) { return e.kind == kind; });
  };
  Eigen::MatrixXd wild = reference::faithful();
  wild(0, 0) = 1e15;
  CHECK(event(fit_bayesian_mixture(wild).report, EventKind::outlier));
  Eigen::MatrixXd flat = reference::faithful();
  flat.row(0).setConstant(3);
  CHECK(event(fit_bayesian_mixture(flat).report, EventKind::constant));
}

TEST_CASE("rare counts keep a finite bound") {
  const Eigen::MatrixXd x = (Eigen::MatrixXd(2, 3) << 1, 0, 2, 3, 0, 0).finished();
  for (const double shape : {1e-8, 1e-3}) {
    const PoissonGamma prior(Eigen::Vector2d(shape, shape), 0.5);
    double factorials = 0;
    for (const double value : x.reshaped()) factorials += log_factorial(value);
    const auto fit = em(VariationalMixture<Poisson>(DirichletGate(1), prior), x);
    CHECK(fit.report.objective == Approx(prior.log_evidence(prior.statistics(x)) - factorials).epsilon(1e-10));
    const Eigen::MatrixXd one = x.col(0);
    CHECK(std::isfinite(prior.expected_log_density(one)(0)));
  }
}

TEST_CASE("the predictive density is the mean of densities drawn from the posterior, and integrates to one") {
  const Eigen::MatrixXd x = reference::faithful().row(0).leftCols(25);
  const Eigen::RowVectorXd at = Eigen::RowVectorXd::LinSpaced(20'001, -200, 200);
  const auto integral = [&](const auto& model) { return model.log_density(at).array().exp().sum() * 0.02; };
  const auto fit = fit_bayesian_mixture(x, DirichletGate(2, 1.0), {.moves = 0});
  CHECK(integral(fit.model) == Approx(1).epsilon(1e-4));
  const Eigen::RowVectorXd few = (Eigen::RowVectorXd(3) << 2, 3.3, 4.5).finished();
  const Eigen::VectorXd predicted = fit.model.log_density(few).array().exp();
  Eigen::VectorXd mean = Eigen::VectorXd::Zero(3), square = mean;
  Rng rng(5);
  constexpr int draws = 20'000;
  for (int i = 0; i < draws; ++i) {
    const Eigen::VectorXd p = fit.model.sample_parameters(rng).log_density(few).array().exp();
    mean += p / draws, square += p.cwiseAbs2() / draws;
  }
  for (Index j = 0; j < 3; ++j) {
    CHECK(std::abs(mean(j) - predicted(j)) < 5 * std::sqrt((square(j) - mean(j) * mean(j)) / draws));
  }
  // What a process leaves to components not seen yet goes to the prior.
  const auto process = fit_bayesian_mixture(x, StickBreakingGate::pitman_yor(2, 0.4, 2.0), {.moves = 0}).model;
  CHECK(process.weights().sum() < 0.95);
  CHECK(process.predictive().size() == 3);
  CHECK(integral(process) == Approx(1).epsilon(1e-3));
  // Draws come from where the density says: a tail probability of both.
  const Eigen::MatrixXd drawn = fit.model.sample(20'000, rng);
  const double low = (drawn.array() < 3).cast<double>().mean();
  const double expected =
      fit.model.log_density(Eigen::RowVectorXd::LinSpaced(10'151, -200, 3)).array().exp().sum() * 0.02;
  CHECK(std::abs(low - expected) < 0.02);
}
