#include <Eigen/Cholesky>

#include "catch.hpp"
#include "emulsion/experts/factor_linear.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Two lines of q responses in p covariates, whose errors have a common factor.
Regression correlated(Index p, Index q, Index n, Rng& rng) {
  MatrixXd x(p, n), y(q, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < p; ++j) x(j, i) = 2 + rng.normal();
    const double line = rng.uniform() < 0.4 ? 6 : -6, common = rng.normal();
    for (Index r = 0; r < q; ++r) {
      y(r, i) = line + (r % 2 == 0 ? 1 : -1) * (common + (line > 0 ? x(0, i) : 0.5 * x(p - 1, i))) + 0.7 * rng.normal();
    }
  }
  return Regression(std::move(x), std::move(y));
}
MixtureOfExperts<ConstantGate, FactorLinearExpert> experts(Index size, const FactorLinearExpert& prototype) {
  return MixtureOfExperts<ConstantGate, FactorLinearExpert>(
      ConstantGate(size),
      Components<FactorLinearExpert>(std::vector<FactorLinearExpert>(static_cast<std::size_t>(size), prototype)));
}

}  // namespace

TEST_CASE("the laws of a mixture of experts: errors with factors") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const auto noise : {Covariance::diagonal, Covariance::spherical}) {
      check_laws("expert with a factor, noise " + std::string(to_string(noise)),
                 testing::expert_laws(experts(2, FactorLinearExpert(2, 4, 1, noise)), correlated(2, 4, 250, rng), seed,
                                      {.exact_maximize = noise == Covariance::spherical}));
    }
  }
}

TEST_CASE("errors with factors: the density is that of the dense covariance") {
  Rng rng(3);
  const Index p = 2, q = 7, n = 50;
  const Regression data = correlated(p, q, n, rng);
  MatrixXd loadings(q, 3), slopes(q, p);
  VectorXd noise(q), intercept(q);
  for (Index i = 0; i < loadings.size(); ++i) loadings.data()[i] = rng.normal();
  for (Index i = 0; i < slopes.size(); ++i) slopes.data()[i] = rng.normal();
  for (Index r = 0; r < q; ++r) noise(r) = 0.05 + rng.uniform(), intercept(r) = rng.normal();
  const FactorLinearExpert expert(intercept, slopes, loadings, noise);
  MatrixXd s = loadings * loadings.transpose();
  s.diagonal() += noise;
  CHECK((expert.covariance() - s).cwiseAbs().maxCoeff() < 1e-12);
  CHECK((expert.in(expert.frame_for(data)).covariance() - s).cwiseAbs().maxCoeff() < 1e-12);
  const LinearExpert dense(intercept, slopes, MatrixXd(0.5 * (s + s.transpose())));
  const VectorXd expected = testing::log_density(dense, data);
  CHECK((testing::log_density(expert, data) - expected).cwiseAbs().maxCoeff() < 1e-10);
  CHECK((testing::log_density(expert.in(expert.frame_for(data)), data) - expected).cwiseAbs().maxCoeff() < 1e-10);
  for (Index i = 0; i < n; ++i)
    CHECK(expert.log_distance(data, i) == Approx(dense.log_distance(data, i)).epsilon(1e-11));
  CHECK(expert.free_parameters() == q * (p + 1) + q * 3 - 3 + q);
}

TEST_CASE("one expert with factors: least squares, and factor analysis of the residuals") {
  Rng rng(5);
  const Regression data = correlated(2, 6, 400, rng);
  const auto fit = em(seed(experts(1, FactorLinearExpert(2, 6, 2)), data, rng), data);
  CHECK(fit.report.status == Status::converged);
  const auto line = em(seed(MixtureOfExperts<ConstantGate, LinearExpert>(
                                ConstantGate(1), Components<LinearExpert>({LinearExpert(2, 6)})),
                            data, rng),
                       data);
  CHECK((fit.model[0].slopes() - line.model[0].slopes()).cwiseAbs().maxCoeff() < 1e-7);
  CHECK((fit.model[0].intercept() - line.model[0].intercept()).cwiseAbs().maxCoeff() < 1e-7);
  CHECK(fit.report.objective <= line.report.objective + 1e-9);
  // At a stationary point of factor analysis the diagonals agree (Lawley and Maxwell, 1971).
  CHECK((fit.model[0].covariance() - line.model[0].covariance()).diagonal().cwiseAbs().maxCoeff() < 1e-4);
}

TEST_CASE("misuse of experts with factors is one sentence with both shapes") {
  CHECK_THROWS_WITH(FactorLinearExpert(1, 3, 3), ContainsSubstring("must lie in [1, 2], got 3"));
  CHECK_THROWS_WITH(FactorLinearExpert(1, 3, 0), ContainsSubstring("must lie in [1, 2], got 0"));
  CHECK_THROWS_WITH(FactorLinearExpert(1, 1, 1), ContainsSubstring("at least two responses, got 1"));
  CHECK_THROWS_WITH(FactorLinearExpert(1, 3, 1, Covariance::full),
                    ContainsSubstring("diagonal or spherical, got full"));
  CHECK_THROWS_WITH(
      FactorLinearExpert(VectorXd::Zero(3), MatrixXd::Zero(3, 1), MatrixXd::Zero(2, 1), VectorXd::Ones(3)),
      ContainsSubstring("loadings of 3 x r, got 2 x 1"));
}
