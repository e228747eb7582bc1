#include "emulsion/distributions/factor_gaussian.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <limits>

#include "emulsion/inference/fit_mixture.hpp"
#include "emulsion/testing/component_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

MatrixXd normal(Index rows, Index cols, Rng& rng) {
  MatrixXd a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}
VectorXd positive(Index size, Rng& rng) {
  VectorXd a(size);
  for (Index i = 0; i < size; ++i) a(i) = 0.2 + rng.uniform();
  return a;
}
/// n points with factors and diagonal noise.
MatrixXd with_factors(Index d, Index r, Index n, Rng& rng) {
  const FactorGaussian truth(3 * normal(d, 1, rng).col(0), normal(d, r, rng), positive(d, rng));
  MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) x.col(i) = truth.sample(rng);
  return x;
}
MatrixXd covariance_of(const MatrixXd& x) {
  const MatrixXd centred = x.colwise() - x.rowwise().mean();
  return centred * centred.transpose() / static_cast<double>(x.cols());
}
/// Of n points with that covariance about their mean, under N(mean, s): by a dense Cholesky factor.
double log_likelihood(const MatrixXd& s, const MatrixXd& sample, double n) {
  const Eigen::LLT<MatrixXd> llt(s);
  const double log_determinant = 2 * MatrixXd(llt.matrixL()).diagonal().array().log().sum();
  return -0.5 * n *
         (static_cast<double>(s.rows()) * std::log(2 * 3.141592653589793) + log_determinant +
          llt.solve(sample).trace());
}
Fit<MixtureOf<FactorGaussian>> fit_one(const FactorGaussian& prototype, const MatrixXd& x) {
  Rng rng(1);
  return em(seed(prototype, 1, x, rng), x);
}

}  // namespace

TEST_CASE("the laws of a component: factors and diagonal noise") {
  for (const Index d : {2, 3, 6}) {
    const auto generate = [&](Index n, Rng& rng) { return clouds<double>(d, n, rng); };
    for (const Index r : {Index(1), d - 1}) {
      for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
        for (const double floor : {1e-12, 0.6}) {
          check_laws("factors d = " + std::to_string(d) + ", r = " + std::to_string(r),
                     testing::component_laws(FactorGaussian(d, r, Covariance::diagonal, floor), generate, seed,
                                             {.exact_maximize = false, .interior = floor < 0.1}));
        }
      }
    }
  }
}

TEST_CASE("the laws of a component: factors and spherical noise, float data too") {
  for (const Index d : {2, 3, 6}) {
    const auto generate = [&](Index n, Rng& rng) {  // in one unit: noise is what all dimensions have in common
      MatrixXd x = normal(d, n, rng);
      for (Index i = 0; i < n; ++i) {
        const double first = rng.normal(), second = rng.normal();
        for (Index j = 0; j < d; ++j) {
          const auto angle = static_cast<double>(j);
          x(j, i) += 5 + 1.5 * std::cos(angle) * first + std::sin(2 * angle) * second;
        }
      }
      return x;
    };
    for (const Index r : {Index(1), d - 1}) {
      for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
        for (const double floor : {1e-12, 0.2}) {
          check_laws("factors, spherical, d = " + std::to_string(d) + ", r = " + std::to_string(r),
                     testing::component_laws(FactorGaussian(d, r, Covariance::spherical, floor), generate, seed,
                                             {.interior = floor < 0.1}));
        }
      }
    }
  }
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    const auto generate = [](Index n, Rng& rng) { return clouds<float>(3, n, rng); };
    check_laws("factors, float",
               testing::component_laws(BasicFactorGaussian<float>(3, 1), generate, seed, {.exact_maximize = false}));
  }
}

TEST_CASE("factors: the density is that of the dense covariance") {
  Rng rng(2);
  for (const Index d : {2, 5, 17}) {
    for (const Index r : {Index(1), d - 1}) {
      const VectorXd mean = 10 * normal(d, 1, rng).col(0), noise = positive(d, rng);
      const MatrixXd loadings = normal(d, r, rng), x = normal(d, 37, rng).colwise() + mean;
      const FactorGaussian g(mean, loadings, noise);
      MatrixXd s = loadings * loadings.transpose();
      s.diagonal() += noise;
      const Eigen::LLT<MatrixXd> llt(s);
      const double peak = -0.5 * static_cast<double>(d) * std::log(2 * 3.141592653589793) -
                          MatrixXd(llt.matrixL()).diagonal().array().log().sum();
      const VectorXd found = testing::log_density(g, Points<>(x));
      for (Index i = 0; i < x.cols(); ++i) {
        const VectorXd e = llt.matrixL().solve(x.col(i) - mean);
        CHECK(found(i) == Approx(peak - 0.5 * e.squaredNorm()).epsilon(1e-11));
        CHECK(g.log_distance(Points<>(x), i) == Approx(std::log(e.norm())).margin(1e-11));
      }
      CHECK((g.covariance() - s).cwiseAbs().maxCoeff() < 1e-11);
      CHECK((g.factor() - MatrixXd(llt.matrixL())).cwiseAbs().maxCoeff() < 1e-10);
      CHECK((g.loadings() - loadings).cwiseAbs().maxCoeff() < 1e-14);
      CHECK((g.noise_variances() - noise).cwiseAbs().maxCoeff() < 1e-14);
      CHECK(g.free_parameters() == d + std::min(d * r - r * (r - 1) / 2 + d, d * (d + 1) / 2));
    }
  }
  const FactorGaussian g(VectorXd::Zero(3), MatrixXd::Ones(3, 1), VectorXd::Ones(3));
  const MatrixXd far = (MatrixXd(3, 3) << 1e308, 1e200, 0, -1e308, 1e200, 0, 1e308, 0, 0).finished();
  const VectorXd found = testing::log_density(g, Points<>(far));
  CHECK(found(0) == -std::numeric_limits<double>::infinity());
  CHECK(found(1) == -std::numeric_limits<double>::infinity());
  CHECK(g.log_distance(Points<>(far), 0) > g.log_distance(Points<>(far), 1));
  CHECK(std::isfinite(g.log_distance(Points<>(far), 0)));
}

TEST_CASE("a noise far below the loadings keeps the digits of distances") {
  // Along the factors and across: S^-1 is known in closed form, 1 / (1 + |l|^2 / p) of a single factor.
  for (const double noise : {1e-4, 1e-8, 1e-12}) {
    const VectorXd l = (VectorXd(3) << 1, 2, -2).finished();  // |l| = 3
    const FactorGaussian g(VectorXd::Zero(3), l, VectorXd::Constant(3, noise));
    const VectorXd across = (VectorXd(3) << 2, -1, 0).finished() * std::sqrt(noise);  // l'across = 0
    const MatrixXd x = l + across;
    const double square = 9.0 / (9 + noise) + 5;
    const double expected =
        -1.5 * std::log(2 * 3.141592653589793) - std::log(noise) - 0.5 * std::log(noise + 9) - 0.5 * square;
    CHECK(testing::log_density(g, Points<>(x))(0) == Approx(expected).epsilon(1e-14 / std::sqrt(noise)));
  }
}

TEST_CASE("spherical noise: the eigenvectors of the sample, the noise the mean of what is left") {
  Rng rng(3);
  const Index d = 6, r = 2, n = 500;
  const MatrixXd x = with_factors(d, 3, n, rng);
  const auto fit = fit_one(FactorGaussian(d, r, Covariance::spherical), x);
  const FactorGaussian& g = fit.model[0];
  const MatrixXd sample = covariance_of(x);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> eigen(sample);
  const double noise = eigen.eigenvalues().head(d - r).mean();
  const MatrixXd axes = eigen.eigenvectors().rightCols(r);
  const VectorXd own = eigen.eigenvalues().tail(r).array() - noise;
  CHECK((g.noise_variances().array() - noise).abs().maxCoeff() < 1e-12 * sample.trace());
  CHECK((g.loadings() * g.loadings().transpose() - axes * own.asDiagonal() * axes.transpose()).cwiseAbs().maxCoeff() <
        1e-12 * sample.trace());
  CHECK((g.mean() - x.rowwise().mean()).cwiseAbs().maxCoeff() < 1e-12 * x.cwiseAbs().maxCoeff());
  CHECK(fit.report.objective == Approx(log_likelihood(g.covariance(), sample, n)).epsilon(1e-12));
  CHECK(g.free_parameters() == d + d * r - 1 + 1);
}

TEST_CASE("diagonal noise: EM never falls, and ends where the gradient of the dense likelihood is zero") {
  Rng rng(4);
  const Index d = 6, r = 2, n = 800;
  const MatrixXd x = with_factors(d, r, n, rng), sample = covariance_of(x);
  const auto fit = fit_one(FactorGaussian(d, r), x);
  CHECK(fit.report.status == Status::converged);
  for (std::size_t i = 1; i < fit.report.trace.size(); ++i)
    CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-9);
  const FactorGaussian& g = fit.model[0];
  const MatrixXd loadings = g.loadings();
  const VectorXd noise = g.noise_variances();
  const auto dense = [&](const MatrixXd& l, const VectorXd& p) {
    MatrixXd s = l * l.transpose();
    s.diagonal() += p;
    return log_likelihood(s, sample, n);
  };
  CHECK(fit.report.objective == Approx(dense(loadings, noise)).epsilon(1e-12));
  const double h = 1e-5;
  for (Index j = 0; j < d; ++j) {
    VectorXd up = noise, down = noise;
    up(j) *= 1 + h, down(j) *= 1 - h;
    CHECK(std::abs(dense(loadings, up) - dense(loadings, down)) / (2 * h) < 1e-2);
    for (Index c = 0; c < r; ++c) {
      MatrixXd more = loadings, less = loadings;
      more(j, c) += h, less(j, c) -= h;
      CHECK(std::abs(dense(more, noise) - dense(less, noise)) / (2 * h) < 1e-2);
    }
  }
  // No start finds more: the reference is plain EM on the dense sample covariance, from random loadings.
  for (int start = 0; start < 3; ++start) {
    MatrixXd l = normal(d, r, rng);
    VectorXd p = VectorXd::Ones(d);
    for (int step = 0; step < 3000; ++step) {
      MatrixXd s = l * l.transpose();
      s.diagonal() += p;
      const MatrixXd b = s.llt().solve(l).transpose();
      const MatrixXd second = MatrixXd::Identity(r, r) - b * l + b * sample * b.transpose();
      l = second.llt().solve(b * sample).transpose();
      p = (sample - l * b * sample).diagonal();
    }
    CHECK(dense(l, p) <= fit.report.objective + 1e-6);
  }
}

TEST_CASE("the gradient of a Gaussian with factors is that of the log-likelihood") {
  Rng rng(6);
  for (const auto noise : {Covariance::diagonal, Covariance::spherical}) {
    const Index d = 5, n = 40;
    const MatrixXd x = with_factors(d, 2, n, rng);
    const VectorXd w = positive(n, rng);
    FactorGaussian g(normal(d, 1, rng).col(0), normal(d, 2, rng), VectorXd::Constant(d, 0.7), noise);
    auto s = g.statistics();
    testing::read(g, Points<>(x), [&](auto& block) { g.accumulate(block, w, s); });
    VectorXd v(g.parameters()), gradient(g.parameters());
    Index at = 0;
    g.pack(v, at);
    at = 0;
    g.gradient(s, gradient, at);
    for (Index i = 0; i < v.size(); ++i) {
      const auto value = [&](double h) {
        VectorXd u = v;
        u(i) += h;
        FactorGaussian moved = g;
        Index from = 0;
        REQUIRE(moved.unpack(u, from));
        return testing::log_density(moved, Points<>(x)).dot(w);
      };
      CHECK(gradient(i) == Approx((value(1e-5) - value(-1e-5)) / 2e-5).margin(1e-4).epsilon(1e-6));
    }
  }
}

TEST_CASE("r = d - 1 factors are as good as a full covariance") {
  Rng rng(8);
  const MatrixXd x = with_factors(4, 2, 300, rng);
  const double full = log_likelihood(covariance_of(x), covariance_of(x), 300);
  CHECK(fit_one(FactorGaussian(4, 3, Covariance::spherical), x).report.objective == Approx(full).epsilon(1e-12));
  const auto fit = fit_one(FactorGaussian(4, 3), x);
  CHECK(fit.report.objective <= full + 1e-9);
  CHECK(fit.report.objective > full - 1e-3);
  CHECK(fit.model[0].free_parameters() == 4 + 10);
}

TEST_CASE("a mixture of factor analysers finds its components") {
  Rng rng(9);
  const Index d = 8, n = 1500;
  const FactorGaussian first(VectorXd::Zero(d), 1.5 * normal(d, 2, rng), positive(d, rng));
  const FactorGaussian second(VectorXd::Constant(d, 2), 1.5 * normal(d, 2, rng), positive(d, rng));
  const MixtureOf<FactorGaussian> truth((VectorXd(2) << 0.4, 0.6).finished(), {first, second});
  const MatrixXd x = truth.sample(n, rng);
  const auto fit = fit_mixture(FactorGaussian(d, 2), x, {.components = 2, .restarts = 4});
  CHECK(fit.report.status == Status::converged);
  const double excess = fit.report.objective - truth.log_likelihood(x);  // half a chi-square of the parameters
  CHECK(excess > 0);
  CHECK(excess < 60);
  CHECK(fit.model.free_parameters() == 1 + 2 * (8 + 16 - 1 + 8));
  const Index k = fit.model.weights()(0) < 0.5 ? 0 : 1;
  CHECK(fit.model.weights()(k) == Approx(0.4).margin(0.05));
  CHECK((fit.model[k].covariance() - first.covariance()).norm() < 0.25 * first.covariance().norm());
}

TEST_CASE("factors of awkward data: constants, planes, fewer points than factors") {
  Rng rng(10);
  MatrixXd x = with_factors(5, 2, 200, rng);
  x.row(3).setConstant(7);
  for (const auto noise : {Covariance::diagonal, Covariance::spherical}) {
    const auto fit = fit_mixture(FactorGaussian(5, 2, noise), x, {.components = 2, .restarts = 4});
    CHECK(std::isfinite(fit.report.objective));
    CHECK(fit.model[0].covariance().allFinite());
    for (std::size_t i = 1; i < fit.report.trace.size(); ++i)
      CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-6);
    const auto few = fit_one(FactorGaussian(5, 4, noise), x.leftCols(3));
    CHECK(std::isfinite(few.report.objective));
    CHECK(few.model[0].at_floor() > 0);
  }
  const auto constant = fit_one(FactorGaussian(5, 2), x);
  CHECK(constant.model[0].at_floor() == 1);  // a Heywood case by construction
  MatrixXd plane(4, 100);
  for (Index i = 0; i < 100; ++i) {
    const double a = rng.normal(), b = rng.normal();
    plane.col(i) << a, b, a + b, a - b;
  }
  const auto flat = fit_one(FactorGaussian(4, 2, Covariance::spherical), plane);
  CHECK(flat.model[0].at_floor() == 2);
  CHECK(std::isfinite(flat.report.objective));
  const auto says = fit_mixture(FactorGaussian(5, 4), MatrixXd(x.leftCols(4)), {.components = 1}).report.events;
  CHECK(std::any_of(says.begin(), says.end(), [](const Event& e) { return e.kind == EventKind::few_observations; }));
}

TEST_CASE("misuse of factors is one sentence with both shapes") {
  CHECK_THROWS_WITH(FactorGaussian(3, 3),
                    ContainsSubstring("rank of a Gaussian in 3 dimensions must lie in [1, 2], got 3"));
  CHECK_THROWS_WITH(FactorGaussian(3, 0), ContainsSubstring("must lie in [1, 2], got 0"));
  CHECK_THROWS_WITH(FactorGaussian(1, 1), ContainsSubstring("at least two dimensions, got 1"));
  CHECK_THROWS_WITH(FactorGaussian(0, 1), ContainsSubstring("at least two dimensions, got 0"));
  CHECK_THROWS_WITH(FactorGaussian(3, 1, Covariance::tied), ContainsSubstring("diagonal or spherical, got tied"));
  CHECK_THROWS_WITH(FactorGaussian(3, 1, Covariance::diagonal, 2), ContainsSubstring("[1e-15, 1), got 2"));
  CHECK_THROWS_WITH(FactorGaussian(VectorXd::Zero(3), MatrixXd::Zero(2, 1), VectorXd::Ones(3)),
                    ContainsSubstring("got 2 x 1 and 3"));
  CHECK_THROWS_WITH(FactorGaussian(VectorXd::Zero(3), MatrixXd::Zero(3, 1), VectorXd::Zero(3)),
                    ContainsSubstring("must be positive; that of dimension 0 is 0"));
  CHECK_THROWS_WITH(
      FactorGaussian(VectorXd::Zero(2), MatrixXd::Zero(2, 1), VectorXd::LinSpaced(2, 1, 2), Covariance::spherical),
      ContainsSubstring("spherical noise must be equal"));
  CHECK_THROWS_WITH(MixtureOf<FactorGaussian>(VectorXd::Constant(2, 0.5), {FactorGaussian(4, 1), FactorGaussian(4, 2)}),
                    ContainsSubstring("of one form"));
}
