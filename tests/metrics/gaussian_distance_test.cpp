#include "emulsion/metrics/gaussian_distance.hpp"

#include "catch.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;
using Mixtures = MixtureOf<Gaussian>;

namespace {

Eigen::MatrixXd random_matrix(Index rows, Index cols, Rng& rng) {
  Eigen::MatrixXd a(rows, cols);
  for (Index j = 0; j < cols; ++j) {
    for (Index i = 0; i < rows; ++i) a(i, j) = rng.normal();
  }
  return a;
}
Eigen::MatrixXd random_covariance(Index d, Rng& rng) {
  const Eigen::MatrixXd a = random_matrix(d, d, rng);
  return a * a.transpose() + 0.1 * Eigen::MatrixXd::Identity(d, d);
}
Gaussian random_gaussian(Index d, Rng& rng) { return Gaussian(random_matrix(d, 1, rng), random_covariance(d, rng)); }
Mixtures random_mixture(Index d, Index k, Rng& rng) {
  std::vector<Gaussian> all;
  for (Index i = 0; i < k; ++i) all.push_back(random_gaussian(d, rng));
  return Mixtures(rng.dirichlet(Eigen::VectorXd::Constant(k, 3.0)), std::move(all));
}

/// The textbook form, by an eigendecomposition: the square root of a symmetric matrix.
Eigen::MatrixXd root(Eigen::MatrixXd a) {
  Eigen::MatrixXd v(a.rows(), a.rows());
  symmetric_eigen(a, v);
  return v * a.diagonal().cwiseMax(0).cwiseSqrt().asDiagonal() * v.transpose();
}
double textbook(const Gaussian& p, const Gaussian& q) {
  const Eigen::MatrixXd s = root(p.covariance());
  const double squared = (p.mean() - q.mean()).squaredNorm() + p.covariance().trace() + q.covariance().trace() -
                         2 * root(s * q.covariance() * s).trace();
  return std::sqrt(squared);
}

/// Integral of (p - q)^2 over a wide interval by the trapezoidal rule, exact to rounding for such functions.
double quadrature(const Mixtures& p, const Mixtures& q, double from, double to) {
  const Index n = 20001;
  const Eigen::MatrixXd x = Eigen::RowVectorXd::LinSpaced(n, from, to);
  const Eigen::ArrayXd gap = p.log_density(x).array().exp() - q.log_density(x).array().exp();
  return gap.square().sum() * (to - from) / static_cast<double>(n - 1);
}

}  // namespace

TEST_CASE("Bures-Wasserstein distance in closed cases") {
  const Eigen::Vector2d m(1, 2), n(4, 6);
  const Gaussian p(m, Eigen::Vector2d(4, 9).asDiagonal().toDenseMatrix(), Covariance::diagonal);
  const Gaussian q(n, Eigen::Vector2d(1, 25).asDiagonal().toDenseMatrix());
  CHECK(bures_wasserstein(p, q) == Approx(std::sqrt(25.0 + 1 + 4)).epsilon(1e-15));  // (2 - 1)^2 + (3 - 5)^2
  CHECK(bures_wasserstein(p, p) == 0);
  const Gaussian narrow(Eigen::Matrix<double, 1, 1>(3.0), Eigen::Matrix<double, 1, 1>(1e-300));
  const Gaussian wide(Eigen::Matrix<double, 1, 1>(3.0), Eigen::Matrix<double, 1, 1>(16.0));
  CHECK(bures_wasserstein(narrow, wide) == Approx(4).epsilon(1e-15));
}

TEST_CASE("Bures-Wasserstein distance agrees with the textbook form, is symmetric and obeys the triangle inequality") {
  Rng rng(3);
  for (const Index d : {1, 2, 3, 5, 8}) {
    for (int round = 0; round < 5; ++round) {
      const Gaussian p = random_gaussian(d, rng), q = random_gaussian(d, rng), r = random_gaussian(d, rng);
      const double distance = bures_wasserstein(p, q);
      CHECK(distance == Approx(textbook(p, q)).epsilon(1e-10));
      CHECK(distance == Approx(bures_wasserstein(q, p)).epsilon(1e-13));
      CHECK(distance <= bures_wasserstein(p, r) + bures_wasserstein(r, q) + 1e-12);
      CHECK(bures_wasserstein(p, p) < 1e-14 * p.factor().norm());
    }
  }
}

TEST_CASE("Bures-Wasserstein distance of nearby Gaussians keeps its digits") {
  // Spectra 1 and (1 + e)^2 along common axes: the distance is e, where the textbook form has only rounding left.
  Rng rng(4);
  const Eigen::MatrixXd l = random_gaussian(4, rng).factor();
  const double e = 1e-10;
  const Gaussian p = Gaussian::from_factor(Eigen::VectorXd::Zero(4), l);
  const Gaussian q = Gaussian::from_factor(Eigen::VectorXd::Zero(4), (1 + e) * l);
  CHECK(bures_wasserstein(p, q) == Approx(e * l.norm()).epsilon(1e-4));
}

TEST_CASE("Bures-Wasserstein distance scales with the data and ignores rotations and a common offset") {
  Rng rng(8);
  const Gaussian p = random_gaussian(3, rng), q = random_gaussian(3, rng);
  const double distance = bures_wasserstein(p, q);
  for (const double c : {1e-200, 1e-8, 1e100, 1e200, 1e300}) {
    const auto scaled = [c](const Gaussian& g) { return Gaussian::from_factor(c * g.mean(), c * g.factor()); };
    CHECK(bures_wasserstein(scaled(p), scaled(q)) / c == Approx(distance).epsilon(1e-13));
  }
  const auto shifted = [](const Gaussian& g) {
    return Gaussian(g.mean() + Eigen::VectorXd::Constant(3, 0x1p30), g.covariance());
  };
  CHECK(bures_wasserstein(shifted(p), shifted(q)) == Approx(distance).epsilon(1e-7));
  const double a = 0.7;
  Eigen::Matrix3d turn = Eigen::Matrix3d::Identity();
  turn.topLeftCorner<2, 2>() << std::cos(a), -std::sin(a), std::sin(a), std::cos(a);
  const auto turned = [&turn](const Gaussian& g) {
    Eigen::MatrixXd s = turn * g.covariance() * turn.transpose();
    s = (0.5 * (s + s.transpose())).eval();
    return Gaussian(turn * g.mean(), s);
  };
  CHECK(bures_wasserstein(turned(p), turned(q)) == Approx(distance).epsilon(1e-12));
  CHECK_THROWS_WITH(bures_wasserstein(p, Gaussian(2)), ContainsSubstring("got 3 and 2"));
}

TEST_CASE("squared L2 distance of two Gaussians in closed form") {
  // 2 N(0; 0, 2) - 2 N(1; 0, 2)
  const auto at = [](double m) {
    return Mixtures(Eigen::VectorXd::Ones(1), {Gaussian(Eigen::VectorXd::Constant(1, m), Eigen::MatrixXd::Ones(1, 1))});
  };
  const double pi = 3.14159265358979323846;
  CHECK(squared_l2_distance(at(0), at(1)) == Approx((1 - std::exp(-0.25)) / std::sqrt(pi)).epsilon(1e-14));
  CHECK(l2_distance(at(0), at(1)) == Approx(std::sqrt((1 - std::exp(-0.25)) / std::sqrt(pi))).epsilon(1e-14));
  CHECK(relative_l2_distance(at(0), at(1)) == Approx(std::sqrt(1 - std::exp(-0.25))).epsilon(1e-14));
  CHECK(relative_l2_distance(at(0), at(1e200)) == 1);
}

TEST_CASE("squared L2 distance agrees with quadrature") {
  Rng rng(12);
  for (int round = 0; round < 5; ++round) {
    const Mixtures p = random_mixture(1, 3, rng), q = random_mixture(1, 2, rng);
    CHECK(squared_l2_distance(p, q) == Approx(quadrature(p, q, -60, 60)).epsilon(1e-9));
  }
}

TEST_CASE("squared L2 distance agrees with Monte Carlo in three dimensions") {
  // E under p of p - q, minus that under q: each within five standard errors.
  Rng rng(13);
  const Mixtures p = random_mixture(3, 2, rng), q = random_mixture(3, 3, rng);
  const Index n = 20000;
  const auto gap = [&](const Eigen::MatrixXd& x) -> Eigen::ArrayXd {
    return p.log_density(x).array().exp() - q.log_density(x).array().exp();
  };
  const Eigen::ArrayXd under_p = gap(p.sample(n, rng)), under_q = gap(q.sample(n, rng));
  const double variance = (under_p - under_p.mean()).square().mean() + (under_q - under_q.mean()).square().mean();
  const double error = std::sqrt(variance / static_cast<double>(n));
  CHECK(std::abs(under_p.mean() - under_q.mean() - squared_l2_distance(p, q)) < 5 * error);
}

TEST_CASE("squared L2 distance is symmetric, never negative, and zero for equal mixtures") {
  Rng rng(14);
  for (const Index d : {1, 3}) {
    const Mixtures p = random_mixture(d, 4, rng), q = random_mixture(d, 3, rng);
    CHECK(squared_l2_distance(p, p) == 0);
    CHECK(relative_l2_distance(p, p) == 0);
    CHECK(squared_l2_distance(p, q) == Approx(squared_l2_distance(q, p)).epsilon(1e-12));
    std::vector<Gaussian> reversed;
    for (Index k = p.size(); k-- > 0;) reversed.push_back(p[k]);
    const Mixtures same(p.weights().reverse(), reversed);
    const double rounding = squared_l2_distance(p, same);
    CHECK(rounding >= 0);
    CHECK(rounding < 1e-14);
    CHECK(l2_distance(p, q) <= l2_distance(p, same) + l2_distance(same, q) + 1e-7);
  }
  CHECK_THROWS_WITH(squared_l2_distance(random_mixture(2, 1, rng), random_mixture(3, 1, rng)),
                    ContainsSubstring("got 2 and 3"));
}

TEST_CASE("relative L2 distance does not depend on units, however extreme") {
  Rng rng(15);
  const Mixtures p = random_mixture(2, 2, rng), q = random_mixture(2, 3, rng);
  const auto scaled = [](const Mixtures& m, double c) {
    std::vector<Gaussian> all;
    for (Index k = 0; k < m.size(); ++k) all.push_back(Gaussian::from_factor(c * m[k].mean(), c * m[k].factor()));
    return Mixtures(m.weights(), std::move(all));
  };
  const double distance = relative_l2_distance(p, q);
  CHECK(distance > 0.01);
  CHECK(distance < 1);
  for (const double c : {1e-200, 1e-8, 1e200}) {
    CHECK(relative_l2_distance(scaled(p, c), scaled(q, c)) == Approx(distance).epsilon(1e-12));
  }
  CHECK(squared_l2_distance(scaled(p, 0x1p-20), scaled(q, 0x1p-20)) ==
        Approx(squared_l2_distance(p, q) * 0x1p40).epsilon(1e-12));
}

TEST_CASE("distances of float and of fixed-size Gaussians") {
  const Eigen::Vector2d m(1, 2);
  const Eigen::Matrix2d s = Eigen::Matrix2d::Identity();
  const BasicGaussian<float, 2> p(m, s);
  const BasicGaussian<double, 2> q(m, 4 * s);
  CHECK(bures_wasserstein(p, q) == Approx(std::sqrt(2.0)).epsilon(1e-14));
  const MixtureOf<BasicGaussian<float, 2>> one(Eigen::VectorXd::Ones(1), {p});
  const MixtureOf<BasicGaussian<double, 2>> other(Eigen::VectorXd::Ones(1), {q});
  CHECK(relative_l2_distance(one, other) > 0.1);
}
