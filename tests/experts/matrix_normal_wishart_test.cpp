// The conjugate posterior of linear experts.
#include "emulsion/experts/matrix_normal_wishart.hpp"

#include <Eigen/Cholesky>
#include <Eigen/LU>

#include "emulsion/testing/posterior_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

struct Sampled {
  MatrixXd x, y;
};

/// Regressions of q responses on p covariates, correlated errors.
Sampled regressions(Index p, Index q, Index n, Rng& rng) {
  Sampled s{MatrixXd(p, n), MatrixXd(q, n)};
  for (Index i = 0; i < n; ++i) {
    const double common = rng.normal();
    for (Index j = 0; j < p; ++j) s.x(j, i) = 3 + static_cast<double>(1 + j) * rng.normal();
    for (Index r = 0; r < q; ++r) {
      s.y(r, i) = static_cast<double>(r) - 1 + 0.7 * common + 0.4 * rng.normal();
      for (Index j = 0; j < p; ++j) s.y(r, i) += (static_cast<double>(j) - 0.5) * s.x(j, i);
    }
  }
  return s;
}

/// A prior with nothing special about it.
MatrixNormalWishart prior_of(Index p, Index q, Covariance structure, Rng& rng) {
  MatrixXd m(q, 1 + p), a(1 + p, 1 + p), scale = MatrixXd::Identity(q, q) * (0.3 + 2 * rng.uniform());
  for (double& value : m.reshaped()) value = rng.normal();
  for (double& value : a.reshaped()) value = 0.5 * rng.normal();
  if (!is_diagonal(structure)) scale += 0.2 * MatrixXd::Ones(q, q);
  if (structure == Covariance::diagonal) scale(0, 0) *= 3;
  MatrixXd k = a * a.transpose() + (0.05 + rng.uniform()) * MatrixXd::Identity(1 + p, 1 + p);
  k = (0.5 * (k + k.transpose())).eval();
  return {m, k, static_cast<double>(q) - 0.8 + 4 * rng.uniform(), scale, structure};
}

double log_gamma_of(Index d, double a) {
  double sum = 0.25 * static_cast<double>(d * (d - 1)) * std::log(std::acos(-1.0));
  for (Index j = 0; j < d; ++j) sum += std::lgamma(a - 0.5 * static_cast<double>(j));
  return sum;
}

/// log p(Y | X) from the n x n matrix t density: Y' ~ T(nu - q + 1, X' M', I + X' K^-1 X, W^-1) (Gupta and Nagar, 1999,
/// ch. 4), which shares nothing with an update of moments.
double log_matrix_t(const MatrixXd& x, const MatrixXd& y, const MatrixXd& m, const MatrixXd& k, double nu,
                    const MatrixXd& scale) {
  const Index n = x.cols(), q = y.rows();
  MatrixXd design(1 + x.rows(), n);
  design << MatrixXd::Ones(1, n), x;
  const MatrixXd error = y - m * design;
  const MatrixXd rows = MatrixXd::Identity(n, n) + design.transpose() * k.inverse() * design;
  const auto number = static_cast<double>(n), wide = static_cast<double>(q);
  const MatrixXd all = MatrixXd::Identity(n, n) + rows.ldlt().solve(error.transpose() * scale.inverse() * error);
  return log_gamma_of(q, (nu + number) / 2) - log_gamma_of(q, nu / 2) -
         0.5 * number * wide * std::log(std::acos(-1.0)) - 0.5 * wide * std::log(rows.determinant()) -
         0.5 * number * std::log(scale.determinant()) - 0.5 * (nu + number) * std::log(all.determinant());
}

}  // namespace

TEST_CASE("the laws of a posterior: matrix-normal-Wishart") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      for (const Index p : {0, 1, 3}) {
        for (const Index q : {1, 2}) {
          const Sampled s = regressions(p, q, 40, rng);
          const Regression data(s.x, s.y);
          const MatrixNormalWishart prior = prior_of(p, q, structure, rng);
          CAPTURE(seed, p, q);
          const std::string name = "matrix-normal-Wishart " + std::string(to_string(structure));
          check_laws(name, testing::posterior_laws(prior, data, seed));
          check_laws(name + ", in a frame", testing::posterior_laws(prior.in(prior.frame_for(data)), data, seed));
        }
      }
    }
  }
}

TEST_CASE("the evidence is the matrix t density") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    for (const Index p : {1, 2}) {
      for (const Index q : {1, 3}) {
        const Sampled s = regressions(p, q, 12, rng);
        const Regression data(s.x, s.y);
        const MatrixNormalWishart prior = prior_of(p, q, Covariance::full, rng);
        const double exact =
            log_matrix_t(s.x, s.y, prior.coefficients(), prior.precision(), prior.nu(), prior.inverse_scale());
        CHECK(prior.log_evidence(prior.statistics(data)) == Approx(exact).epsilon(1e-10));
        const MatrixNormalWishart framed = prior.in(prior.frame_for(data));
        CHECK(framed.log_evidence(framed.statistics(data)) == Approx(exact).epsilon(1e-10));
      }
    }
  }
}

TEST_CASE("a posterior is the textbook's") {
  Rng rng(1);
  const Sampled s = regressions(2, 2, 30, rng);
  const Regression data(s.x, s.y);
  const MatrixNormalWishart prior = prior_of(2, 2, Covariance::full, rng);
  const MatrixNormalWishart framed = prior.in(prior.frame_for(data));
  MatrixXd design(3, 30);
  design << MatrixXd::Ones(1, 30), s.x;
  const MatrixXd k = prior.precision() + design * design.transpose();
  const MatrixXd m = k.ldlt().solve((prior.coefficients() * prior.precision() + s.y * design.transpose()).transpose());
  const MatrixXd scale = prior.inverse_scale() + s.y * s.y.transpose() +
                         prior.coefficients() * prior.precision() * prior.coefficients().transpose() -
                         m.transpose() * k * m;
  for (const auto* from : {&prior, &framed}) {
    const MatrixNormalWishart after = from->updated(from->statistics(data));
    CHECK((after.coefficients() - m.transpose()).norm() < 1e-10 * m.norm());
    CHECK((after.precision() - k).norm() < 1e-10 * k.norm());
    CHECK((after.inverse_scale() - scale).norm() < 1e-9 * scale.norm());
    CHECK(after.nu() == Approx(prior.nu() + 30).epsilon(1e-14));
  }
}

TEST_CASE("a bad prior of regressions is refused with a sentence") {
  const MatrixXd m = MatrixXd::Zero(1, 2), k = MatrixXd::Identity(2, 2), one = MatrixXd::Identity(1, 1);
  CHECK_THROWS_WITH(MatrixNormalWishart(m, MatrixXd::Identity(3, 3), 1, one), ContainsSubstring("precision of 3 x 3"));
  CHECK_THROWS_WITH(MatrixNormalWishart(m, -k, 1, one), ContainsSubstring("the precision of a matrix-normal-Wishart"));
  CHECK_THROWS_WITH(MatrixNormalWishart(m, k, 1, -one), ContainsSubstring("the inverse scale of a matrix"));
  CHECK_THROWS_WITH(MatrixNormalWishart(m, k, 0, one), ContainsSubstring("above 0, got 0"));
  CHECK_THROWS_WITH(MatrixNormalWishart(m, k, 1, MatrixXd::Identity(2, 2)), ContainsSubstring("1 x 1, got 2 x 2"));
}
