// Variational mixtures: the evidence bound against exact evidence and reference values, what is known of its limits.
#include <numeric>

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
