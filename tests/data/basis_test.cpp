#include "emulsion/data/basis.hpp"

#include <Eigen/QR>

#include "catch.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

TEST_CASE("powers, covariate by covariate") {
  const MatrixXd x = (MatrixXd(2, 3) << 1, -2, 3, 0.5, 0, -1).finished();
  const MatrixXd expected =
      (MatrixXd(6, 3) << 1, -2, 3, 1, 4, 9, 1, -8, 27, 0.5, 0, -1, 0.25, 0, 1, 0.125, 0, -1).finished();
  CHECK(polynomial(x, 3) == expected);
  CHECK(polynomial(x, 1) == x);
  CHECK(polynomial(rows(x.transpose().eval()), 3) == expected);
  CHECK(polynomial(MatrixXd(0, 4), 2).rows() == 0);
  CHECK_THROWS_WITH(polynomial(x, 0), "the degree of a polynomial must be at least 1, got 0");
  CHECK_THROWS_AS(polynomial(1e200 * x, 2), InvalidArgument);
  CHECK_THROWS_AS(polynomial(x / 0.0, 2), InvalidArgument);
}

TEST_CASE("B-splines: partition of unity, local support, not negative") {
  const std::vector<double> knots = {-1, 0.5, 0.75, 2, 7};
  const auto m = static_cast<Index>(knots.size());
  MatrixXd x(1, 500);
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = -1 + 8 * static_cast<double>(i) / static_cast<double>(x.cols() - 1);
  x(0, 7) = 0.5, x(0, 8) = 2;
  for (const Index degree : {0, 1, 2, 3, 5}) {
    const MatrixXd basis = b_spline(x, knots, degree);
    REQUIRE(basis.rows() == m - 1 + degree);
    CHECK((basis.colwise().sum().array() - 1).abs().maxCoeff() < 1e-14);
    CHECK(basis.minCoeff() >= 0);
    for (Index j = 0; j < basis.rows(); ++j) {
      const auto low = knots[static_cast<std::size_t>(std::max<Index>(0, j - degree))];
      const auto high = knots[static_cast<std::size_t>(std::min<Index>(m - 1, j + 1))];
      for (Index i = 0; i < x.cols(); ++i) {
        if (x(0, i) < low || x(0, i) > high) CHECK(basis(j, i) == 0);
        if (x(0, i) > low && x(0, i) < high) CHECK(basis(j, i) > 0);
      }
    }
    CHECK(basis(0, 0) == 1);
    CHECK(basis(basis.rows() - 1, x.cols() - 1) == 1);
  }
}

TEST_CASE("B-splines: polynomials up to their degree are reproduced, a piecewise one at its knots too, no other") {
  Rng rng(1);
  MatrixXd x(1, 200);
  for (Index i = 0; i < x.cols(); ++i) x(0, i) = 4 * rng.uniform() - 1;
  const std::vector<double> knots = {-1, 0, 0.3, 2, 3};
  const auto misfit = [&](Index degree, const auto& f) {
    const MatrixXd design = b_spline(x, knots, degree).transpose();
    const VectorXd y = x.row(0).transpose().unaryExpr(f);
    return (design * design.colPivHouseholderQr().solve(y) - y).cwiseAbs().maxCoeff();
  };
  for (const Index degree : {0, 1, 2, 3, 4}) {
    const auto power = [](Index exponent) {
      return [=](double at) { return std::pow(at - 0.7, static_cast<double>(exponent)); };
    };
    for (Index exponent = 0; exponent <= degree; ++exponent) CHECK(misfit(degree, power(exponent)) < 1e-11);
    CHECK(misfit(degree, power(degree + 1)) > 1e-3);
  }
  const auto cubed_beyond = [](double knot) {
    return [=](double at) { return at > knot ? std::pow(at - knot, 3) : 0.0; };
  };
  CHECK(misfit(3, cubed_beyond(0.3)) < 1e-11);
  CHECK(misfit(3, cubed_beyond(1.0)) > 1e-3);
}

TEST_CASE("B-splines: values by hand, and misuse is one sentence") {
  const MatrixXd at = (MatrixXd(1, 3) << 0, 0.5, 2).finished();
  // Quadratic with knots 0, 1, 2: (1 - x)^2, x (1 - x) + x (2 - x) / 2, x^2 / 2 before 1.
  const MatrixXd expected = (MatrixXd(4, 3) << 1, 0.25, 0, 0, 0.625, 0, 0, 0.125, 0, 0, 0, 1).finished();
  CHECK((b_spline(at, {0, 1, 2}, 2) - expected).cwiseAbs().maxCoeff() < 1e-15);
  CHECK_THROWS_WITH(b_spline(at, {0, 1}, 1), "observation 2, 2, lies outside the knots, 0 to 1");
  CHECK_THROWS_WITH(b_spline(at, {0, 2, 2}, 1), "the knots of a spline must be finite and increase; knot 2 is 2");
  CHECK_THROWS_WITH(b_spline(at, {0}, 1), "a spline needs at least two knots, got 1");
  CHECK_THROWS_WITH(b_spline(at, {0, 2}, -1), "the degree of a spline must not be negative, got -1");
  CHECK_THROWS_AS(b_spline(MatrixXd(at.transpose()), {0, 2}, 1), InvalidArgument);
  CHECK_THROWS_AS(b_spline(at / 0.0, {0, 2}, 1), InvalidArgument);
}
