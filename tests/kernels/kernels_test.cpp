#include "emulsion/kernels/kernels.hpp"

#include <cmath>
#include <numbers>

#include "catch.hpp"
#include "emulsion/testing/kernel_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

Eigen::MatrixXd points(Index d, Index n, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
  x.col(n - 1) = x.col(0);  // a place visited twice
  return x;
}

Eigen::VectorXd one(double value) { return Eigen::VectorXd::Constant(1, value); }

Eigen::MatrixXd numbered_outputs(Index n, std::uint64_t seed) {
  Eigen::MatrixXd x = points(2, n, seed);
  for (Index i = 0; i < n; ++i) x(0, i) = static_cast<double>(i % 3);
  return x;
}

/// One row per kernel.
template <Kernel K>
void laws_of(const char* name, const K& kernel, Index d) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) { check_laws(name, testing::kernel_laws(kernel, points(d, 9, seed))); }
  check_laws(std::string("any ") + name, testing::kernel_laws(AnyKernel(kernel), points(d, 5, 7)));
}

}  // namespace

TEST_CASE("every kernel keeps the laws") {
  const Eigen::Vector3d lengths(0.5, 2, 1.3);
  laws_of("squared exponential", SquaredExponential(1.7, 1.3), 1);
  laws_of("squared exponential", SquaredExponential(1.7, lengths), 3);
  laws_of("Matern 1/2", Matern12(0.7, 0.4), 2);
  laws_of("Matern 1/2", Matern12(0.7, lengths), 3);
  laws_of("Matern 3/2", Matern32(0.7, 0.4), 1);
  laws_of("Matern 3/2", Matern32(1.2, lengths), 3);
  laws_of("Matern 5/2", Matern52(0.7, 0.4), 1);
  laws_of("Matern 5/2", Matern52(1.2, lengths), 3);
  laws_of("rational quadratic", RationalQuadratic(2, 0.8, 0.6), 1);
  laws_of("rational quadratic", RationalQuadratic(2, lengths, 3), 3);
  laws_of("periodic", Periodic(1.5, 0.9, 1.7), 1);
  laws_of("periodic", Periodic(1.5, 0.9, 1.7), 2);
  laws_of("linear", LinearKernel(0.8), 3);
  laws_of("polynomial", PolynomialKernel(3, 0.5, 2), 2);
  laws_of("constant", ConstantKernel(1.4), 2);
  laws_of("white noise", WhiteNoise(0.3), 2);
  laws_of("spectral mixture",
          SpectralMixture(Eigen::Vector2d(1, 0.4), Eigen::RowVector2d(0.3, 1.1), Eigen::RowVector2d(0.02, 0.2)), 1);
  laws_of("spectral mixture",
          SpectralMixture(Eigen::Vector2d(1, 0.4), (Eigen::Matrix2d() << 0.3, 1.1, 0.2, 0.5).finished(),
                          (Eigen::Matrix2d() << 0.02, 0.2, 0.1, 0.3).finished()),
          2);
  laws_of("change point", ChangePoint(SquaredExponential(1, 0.5), Matern32(2, 1), 0.2, 3), 1);
  laws_of("change point", ChangePoint(LinearKernel(), Periodic(), -0.4, 2, 1), 2);
  laws_of("sum", SquaredExponential(1, 2) + 0.3 * Periodic(1, 1, 0.7), 1);
  laws_of("product", on(SquaredExponential(1, 2), {1}) * on(Matern12(), {0}), 2);
  laws_of("sum of products", AnyKernel(SquaredExponential()) * LinearKernel() + AnyKernel(WhiteNoise(0.1)), 2);
  const Coregionalization outputs((Eigen::MatrixXd(3, 2) << 1, 0.2, -0.5, 0.7, 0.3, 0).finished(),
                                  Eigen::Vector3d(0.1, 0.4, 0.2));
  check_laws("coregionalization", testing::kernel_laws(on(outputs, {0}), numbered_outputs(9, 3)));
  check_laws("coregionalized process",
             testing::kernel_laws(on(outputs, {0}) * on(SquaredExponential(1, 0.8), {1}), numbered_outputs(9, 4)));
}

TEST_CASE("kernels at two points, by their formulas") {
  const Eigen::Vector2d a(0.3, -1), b(1.1, 0.5);
  const double r = (a - b).norm(), l = 1.3;
  CHECK(SquaredExponential(2, l)(a, b) == Approx(2 * std::exp(-r * r / (2 * l * l))).epsilon(1e-14));
  CHECK(Matern12(2, l)(a, b) == Approx(2 * std::exp(-r / l)).epsilon(1e-14));
  const double s3 = std::sqrt(3) * r / l, s5 = std::sqrt(5) * r / l;
  CHECK(Matern32(2, l)(a, b) == Approx(2 * (1 + s3) * std::exp(-s3)).epsilon(1e-14));
  CHECK(Matern52(2, l)(a, b) == Approx(2 * (1 + s5 + s5 * s5 / 3) * std::exp(-s5)).epsilon(1e-14));
  CHECK(RationalQuadratic(2, l, 0.7)(a, b) == Approx(2 * std::pow(1 + r * r / (2 * 0.7 * l * l), -0.7)).epsilon(1e-14));
  CHECK(LinearKernel(2)(a, b) == Approx(2 * a.dot(b)).epsilon(1e-14));
  CHECK(PolynomialKernel(3, 2, 0.5)(a, b) == Approx(2 * std::pow(0.5 + a.dot(b), 3)).epsilon(1e-14));
  const double sine0 = std::sin(std::numbers::pi * 0.8 / 1.9), sine1 = std::sin(std::numbers::pi * 1.5 / 1.9);
  CHECK(Periodic(2, l, 1.9)(a, b) ==
        Approx(2 * std::exp(-2 * (sine0 * sine0 + sine1 * sine1) / (l * l))).epsilon(1e-14));
  CHECK(Periodic(2, l, 0.8)(a.head(1), b.head(1)) == Approx(2).epsilon(1e-14));
  const double t = 0.8;
  CHECK(SpectralMixture(one(0.6), one(1.2), one(0.05))(a.head(1), b.head(1)) ==
        Approx(0.6 * std::exp(-0.5 * two_pi * two_pi * t * t * 0.05) * std::cos(two_pi * t * 1.2)).epsilon(1e-13));
  const double sa = 1 / (1 + std::exp(-2 * (a(1) - 0.1))), sb = 1 / (1 + std::exp(-2 * (b(1) - 0.1)));
  CHECK(ChangePoint(ConstantKernel(3), LinearKernel(), 0.1, 2, 1)(a, b) ==
        Approx((1 - sa) * 3 * (1 - sb) + sa * a.dot(b) * sb).epsilon(1e-14));
  // Far apart there is no covariance; far from the origin differences count.
  CHECK(SquaredExponential()(one(0.0), one(1e9)) == 0);
  CHECK(SquaredExponential()(one(1e9), one(1e9 + 1)) == Approx(std::exp(-0.5)));
}

TEST_CASE("misuse of kernels is one sentence") {
  CHECK_THROWS_WITH(SquaredExponential(-1), ContainsSubstring("the variance of a kernel must be positive and finite"));
  CHECK_THROWS_WITH(SquaredExponential(1, 0.0), ContainsSubstring("length scale"));
  CHECK_THROWS_WITH(SquaredExponential(1, Eigen::Vector2d(1, 1)).gram(points(3, 4, 0)),
                    ContainsSubstring("2 length scales, the inputs have 3 dimensions"));
  CHECK_THROWS_WITH(SquaredExponential().gram(points(3, 4, 0), points(2, 5, 0)), ContainsSubstring("3 x 4 and 2 x 5"));
  CHECK_THROWS_WITH(Periodic(1, 1, std::nan("")), ContainsSubstring("period"));
  CHECK_THROWS_WITH(PolynomialKernel(0), ContainsSubstring("degree"));
  CHECK_THROWS_WITH(on(LinearKernel(), {4}).gram(points(3, 4, 0)), ContainsSubstring("dimension 4"));
  CHECK_THROWS_WITH(SpectralMixture(one(1.0), Eigen::RowVector2d(1, 1), one(1.0)),
                    ContainsSubstring("1 x 2 and 1 x 1"));
  const Coregionalization outputs(Eigen::MatrixXd::Ones(2, 1), Eigen::Vector2d(1, 1));
  CHECK_THROWS_WITH(outputs.gram(one(2.0)), ContainsSubstring("a whole number from 0 to 1, got 2"));
}
