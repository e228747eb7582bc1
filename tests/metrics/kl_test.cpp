#include "emulsion/metrics/kl.hpp"

#include "catch.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;
using Mixtures = MixtureOf<Gaussian>;

namespace {

Gaussian normal(double mean, double sd) {
  return Gaussian(Eigen::VectorXd::Constant(1, mean), Eigen::MatrixXd::Constant(1, 1, sd * sd));
}
Gaussian random_gaussian(Index d, Rng& rng) {
  Eigen::VectorXd mean(d);
  Eigen::MatrixXd a(d, d);
  for (Index j = 0; j < d; ++j) {
    mean(j) = rng.normal();
    for (Index i = 0; i < d; ++i) a(i, j) = rng.normal();
  }
  return Gaussian(mean, a * a.transpose() + 0.2 * Eigen::MatrixXd::Identity(d, d));
}
Mixtures alone(const Gaussian& g) { return Mixtures(Eigen::VectorXd::Ones(1), {g}); }

}  // namespace

TEST_CASE("KL divergence of two normals in closed form") {
  // log(s2 / s1) + (s1^2 + (m1 - m2)^2) / (2 s2^2) - 1/2
  CHECK(kl_divergence(normal(1, 2), normal(3, 5)) == Approx(std::log(2.5) + 8.0 / 50 - 0.5).epsilon(1e-14));
  CHECK(kl_divergence(normal(1, 2), normal(1, 2)) == 0);
  const double e = 1e-6;  // near equality: e^2 to leading order
  CHECK(kl_divergence(normal(0, 1 + e), normal(0, 1)) == Approx(e * e).epsilon(1e-4));
  CHECK_THROWS_WITH(kl_divergence(normal(0, 1), Gaussian(2)), ContainsSubstring("got 1 and 2"));
}

TEST_CASE("KL divergence of Gaussians: Monte Carlo agrees, and affine maps change nothing") {
  Rng rng(2);
  for (const Index d : {1, 2, 4}) {
    const Gaussian p = random_gaussian(d, rng), q = random_gaussian(d, rng);
    const double exact = kl_divergence(p, q);
    const MonteCarloEstimate found = kl_divergence(alone(p), alone(q), 20000, rng);
    CHECK(found.standard_error > 0);
    CHECK(std::abs(found.value - exact) < 5 * found.standard_error);
    for (const double c : {1e-200, 1e-8, 1e200}) {
      const auto scaled = [c](const Gaussian& g) { return Gaussian::from_factor(c * g.mean(), c * g.factor()); };
      CHECK(kl_divergence(scaled(p), scaled(q)) == Approx(exact).epsilon(1e-11));
    }
    CHECK(kl_divergence(p, p) == Approx(0).margin(1e-15));
  }
}

TEST_CASE("KL divergence of the four structures of covariance is one formula") {
  const Eigen::Vector2d m(1, -1), n(0, 2);
  const Eigen::Matrix2d s = 4 * Eigen::Matrix2d::Identity(), t = 9 * Eigen::Matrix2d::Identity();
  const double wanted = kl_divergence(Gaussian(m, s), Gaussian(n, t));
  for (const Covariance one : {Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
    CHECK(kl_divergence(Gaussian(m, s, one), Gaussian(n, t)) == Approx(wanted).epsilon(1e-14));
    CHECK(kl_divergence(Gaussian(m, s), Gaussian(n, t, one)) == Approx(wanted).epsilon(1e-14));
  }
}

TEST_CASE("KL divergence of mixtures agrees with quadrature") {
  const Mixtures p(Eigen::Vector2d(0.3, 0.7), {normal(-2, 0.7), normal(1, 1.2)});
  const Mixtures q(Eigen::Vector2d(0.5, 0.5), {normal(-1, 1.5), normal(2, 1.0)});
  const Index n = 20001;
  const Eigen::MatrixXd x = Eigen::RowVectorXd::LinSpaced(n, -30, 30);
  const Eigen::ArrayXd log_p = p.log_density(x), log_q = q.log_density(x);
  const double exact = (log_p.exp() * (log_p - log_q)).sum() * 60 / static_cast<double>(n - 1);
  Rng rng(7);
  const MonteCarloEstimate found = kl_divergence(p, q, 50000, rng);
  CHECK(std::abs(found.value - exact) < 5 * found.standard_error);
  CHECK(found.standard_error < 0.01);
}

TEST_CASE("the standard error of a Monte-Carlo divergence is what replicates show") {
  const Mixtures p = alone(normal(0, 1)), q = alone(normal(1, 1.5));
  const double exact = kl_divergence(normal(0, 1), normal(1, 1.5));
  double squares = 0, claimed = 0;
  const int replicates = 200;
  for (int i = 0; i < replicates; ++i) {
    Rng rng = Rng(11).fork(static_cast<std::uint64_t>(i));
    const MonteCarloEstimate found = kl_divergence(p, q, 500, rng);
    squares += std::pow((found.value - exact) / found.standard_error, 2);
    claimed += found.standard_error / replicates;
  }
  CHECK(squares / replicates == Approx(1).margin(5 * std::sqrt(2.0 / replicates)));
  CHECK(claimed > 0);
}

TEST_CASE(
    "a Monte-Carlo divergence is zero from a model to itself, the same for a seed, and infinite where q has no mass") {
  const Mixtures p = alone(normal(0, 1)), q = alone(normal(1, 1));
  Rng one(1), same(1);
  CHECK(kl_divergence(p, p, 3000, one).value == 0);
  Rng again(1);
  CHECK(kl_divergence(p, q, 3000, again).value == kl_divergence(p, q, 3000, same).value);
  const Gaussian narrow = Gaussian::from_factor(Eigen::VectorXd::Zero(1), Eigen::MatrixXd::Constant(1, 1, 1e-200));
  const MonteCarloEstimate apart = kl_divergence(p, alone(narrow), 10, one);
  CHECK(std::isinf(apart.value));
  CHECK(std::isinf(apart.standard_error));
  CHECK_THROWS_WITH(kl_divergence(p, q, 1, one), ContainsSubstring("at least 2 draws"));
  CHECK_THROWS_WITH(kl_divergence(p, alone(Gaussian(2)), 10, one), ContainsSubstring("got 1 and 2"));
}
