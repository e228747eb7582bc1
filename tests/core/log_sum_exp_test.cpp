#include "emulsion/core/log_sum_exp.hpp"

#include "catch.hpp"

using emulsion::log_sum_exp;

TEST_CASE("log_sum_exp neither overflows nor underflows") {
  CHECK(log_sum_exp(Eigen::Vector2d(1000, 1000)) == Approx(1000 + std::log(2.0)).epsilon(1e-15));
  CHECK(log_sum_exp(Eigen::Vector2d(-1000, -1001)) == Approx(-1000 + std::log1p(std::exp(-1.0))).epsilon(1e-15));
  CHECK(log_sum_exp(Eigen::Vector3d(0, -800, -900)) == 0);
}

TEST_CASE("log_sum_exp of infinities and NaN") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(log_sum_exp(Eigen::VectorXd()) == -inf);
  CHECK(log_sum_exp(Eigen::Vector2d(-inf, -inf)) == -inf);
  CHECK(log_sum_exp(Eigen::Vector2d(-inf, 3)) == 3);
  CHECK(log_sum_exp(Eigen::Vector2d(inf, 3)) == inf);
  CHECK(std::isnan(log_sum_exp(Eigen::Vector2d(std::nan(""), 3))));
}
