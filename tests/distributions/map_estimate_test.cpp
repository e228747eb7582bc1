#include "emulsion/distributions/map_estimate.hpp"

#include "catch.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/categorical_dirichlet.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "emulsion/inference/fit_mixture.hpp"
#include "reference/values.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

/// EM never lowers log likelihood plus log prior, which is what the report says it is.
template <class Conjugate>
auto fit(const Conjugate& prior, const Eigen::MatrixXd& x, Index components) {
  auto fit = fit_mixture(MapEstimate(prior), x, {.components = components, .restarts = 4});
  for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
    CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-10 * std::abs(fit.report.trace[i]));
  }
  double log_prior = 0;
  for (Index k = 0; k < components; ++k) {
    if constexpr (requires { prior.log_density_of(fit.model[k].estimate(), true); }) {
      log_prior += prior.log_density_of(fit.model[k].estimate(), k == 0);
    } else {
      log_prior += prior.log_density_of(fit.model[k].estimate());
    }
  }
  CHECK(fit.report.objective == Approx(fit.model.log_likelihood(x) + log_prior).epsilon(1e-10));
  return fit;
}

}  // namespace

TEST_CASE("maximum a posteriori fits of every family") {
  const Eigen::MatrixXd x = reference::faithful();
  for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    CAPTURE(to_string(structure));
    fit(weak_prior(Points<double>(x), structure), x, 2);
    fit(weak_prior(Points<double>(x), structure), x, 1);
  }
  Rng rng(1);
  fit(PoissonGamma(Eigen::Vector2d(1, 3), 0.5), counts<double>(2, 100, rng), 2);
  fit(CategoricalDirichlet({Eigen::Vector2d(1, 2), Eigen::Vector3d(2, 1.5, 1)}), answers<double>(2, 100, rng), 2);
}

TEST_CASE("the mode is where the posterior density is highest") {
  const Eigen::MatrixXd x = reference::faithful().leftCols(30);
  for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    CAPTURE(to_string(structure));
    const NormalWishart prior(Eigen::Vector2d(3, 60), 0.7, 3.5, 4 * Eigen::Matrix2d::Identity(), structure);
    const NormalWishart posterior = prior.updated(prior.statistics(x));
    const Gaussian mode = posterior.mode();
    const double top = posterior.log_density_of(mode);
    const auto lower = [&](const Eigen::VectorXd& mean, const Eigen::MatrixXd& covariance) {
      CHECK(posterior.log_density_of(Gaussian(mean, covariance, structure)) < top);
    };
    for (const double h : {-0.02, 0.02}) {
      lower(mode.mean() * (1 + h), mode.covariance());
      lower(mode.mean(), mode.covariance() * (1 + h));
    }
    // The posterior density is the likelihood times the prior's, over the evidence.
    double likelihood = 0;
    for (Index i = 0; i < x.cols(); ++i) likelihood += mode.log_density_at(&x(0, i));
    CHECK(top ==
          Approx(likelihood + prior.log_density_of(mode) - prior.log_evidence(prior.statistics(x))).epsilon(1e-10));
  }
}

TEST_CASE("a prior keeps a component on a repeated point from collapsing") {
  Eigen::MatrixXd x = Eigen::MatrixXd::Random(2, 60);
  x.leftCols(20).colwise() = Eigen::Vector2d(3, 3);
  const auto fit = fit_mixture(MapEstimate(weak_prior(Points<double>(x))), x, {.components = 2});
  for (Index k = 0; k < 2; ++k) CHECK(fit.model[k].estimate().at_floor() == 0);
}

TEST_CASE("unbounded priors are refused with a sentence") {
  CHECK_THROWS_WITH(MapEstimate(PoissonGamma(Eigen::Vector2d(0.5, 3), 1)), ContainsSubstring("bounded density"));
}
