// Against Eigen's own factorisations, which the library does not include.
#include "emulsion/core/linear_algebra.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>

#include "catch.hpp"
#include "emulsion/core/random.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr Index dimensions[] = {1, 2, 3, 7, 40};

MatrixXd normal_matrix(Index rows, Index cols, Rng& rng) {
  MatrixXd a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}
MatrixXd positive(Index d, Rng& rng) {
  const MatrixXd a = normal_matrix(d, d + 2, rng);
  return a * a.transpose();
}
MatrixXd lower(MatrixXd a) {
  a.triangularView<Eigen::StrictlyUpper>().setZero();
  return a;
}
double relative(const MatrixXd& a, const MatrixXd& b) { return (a - b).norm() / b.norm(); }

}  // namespace

TEST_CASE("cholesky is Eigen's, in the lower triangle alone") {
  Rng rng(1);
  for (const Index d : dimensions) {
    const MatrixXd a = positive(d, rng);
    MatrixXd l = a;
    l.triangularView<Eigen::StrictlyUpper>().setConstant(99);
    REQUIRE(cholesky(l));
    CHECK(relative(lower(l), Eigen::LLT<MatrixXd>(a).matrixL()) < 1e-12);
    CHECK(relative(lower(l) * lower(l).transpose(), a) < 1e-14);
    if (d > 1) CHECK(l(0, d - 1) == 99);
  }
  MatrixXd singular = MatrixXd::Ones(2, 2), indefinite = -MatrixXd::Identity(3, 3), empty = MatrixXd::Zero(2, 2);
  CHECK_FALSE(cholesky(singular));
  CHECK_FALSE(cholesky(indefinite));
  CHECK_FALSE(cholesky(empty));
  MatrixXd broken = MatrixXd::Identity(2, 2);
  broken(1, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(cholesky(broken));
  broken(1, 1) = std::numeric_limits<double>::infinity();
  CHECK_FALSE(cholesky(broken));
}

TEST_CASE("triangles: inverse, product, square") {
  Rng rng(2);
  for (const Index d : dimensions) {
    const MatrixXd l = lower(positive(d, rng));
    MatrixXd inverse = l;
    inverse(0, d - 1) = d > 1 ? 99 : inverse(0, 0);  // above the diagonal: neither read nor written
    invert_lower(inverse);
    CHECK((d == 1 || inverse(0, d - 1) == 99));
    CHECK(relative(l * lower(inverse), MatrixXd::Identity(d, d)) < 1e-9);

    const VectorXd x = normal_matrix(d, 1, rng);
    VectorXd y(d);
    lower_times(l, x.data(), y.data());
    CHECK((y - l * x).norm() <= 1e-13 * (l * x).norm());

    MatrixXd a = MatrixXd::Identity(d, d);
    add_square(l, 0.25, a);
    CHECK(relative(lower(a), lower(MatrixXd::Identity(d, d) + 0.25 * l * l.transpose())) < 1e-14);
  }
}

TEST_CASE("factor_of_square is the triangle of Eigen's QR, and keeps what a square would lose") {
  Rng rng(3);
  for (const Index m : dimensions) {
    for (const Index n : {m, m + 5}) {
      const MatrixXd a = normal_matrix(m, n, rng);
      MatrixXd spoilt = a, l(m, m);
      factor_of_square(spoilt, l);
      MatrixXd r = Eigen::HouseholderQR<MatrixXd>(a.transpose()).matrixQR().topRows(m).triangularView<Eigen::Upper>();
      for (Index i = 0; i < m; ++i) {
        if (r(i, i) < 0) r.row(i) *= -1;
      }
      CHECK(relative(l, r.transpose()) < 1e-11);
      CHECK((l.diagonal().array() > 0).all());
    }
  }
  // Rows 1e10 apart in size, at an angle of 1e-7: the square of a has lost it.
  MatrixXd a(2, 2), l(2, 2);
  a << 1e10, 0, 1, 1e-7;
  factor_of_square(a, l);
  CHECK(l(0, 0) == 1e10);
  CHECK(l(1, 0) == Approx(1).epsilon(1e-15));
  CHECK(l(1, 1) == Approx(1e-7).epsilon(1e-8));
  a << 1e-200, 0, 3e200, 4e200;
  factor_of_square(a, l);
  CHECK(l(0, 0) == 1e-200);
  CHECK(l(1, 1) == Approx(4e200).epsilon(1e-14));
}

TEST_CASE("symmetric_eigen finds Eigen's eigenvalues and orthogonal vectors") {
  Rng rng(4);
  for (const Index d : dimensions) {
    const MatrixXd b = normal_matrix(d, d, rng), a = b + b.transpose();
    MatrixXd values = a, vectors(d, d);
    symmetric_eigen(values, vectors);
    VectorXd sorted = values.diagonal();
    std::sort(sorted.data(), sorted.data() + d);
    CHECK((sorted - Eigen::SelfAdjointEigenSolver<MatrixXd>(a).eigenvalues()).norm() < 1e-13 * a.norm() * 10);
    CHECK((vectors.transpose() * vectors - MatrixXd::Identity(d, d)).norm() < 1e-13 * static_cast<double>(d));
    const VectorXd diagonal = values.diagonal();
    CHECK(relative(vectors * diagonal.asDiagonal() * vectors.transpose(), a) < 1e-13);
  }
  // A graded matrix D C D, C well-conditioned: every eigenvalue to its own precision.
  MatrixXd graded(3, 3), vectors(3, 3);
  graded << 1e20, 1e9, 1e-1, 1e9, 1, 1e-11, 1e-1, 1e-11, 1e-20;
  symmetric_eigen(graded, vectors);
  VectorXd values = graded.diagonal();
  std::sort(values.data(), values.data() + 3);
  CHECK(values(2) == Approx(1e20).epsilon(1e-14));
  CHECK(values(1) == Approx(0.99).epsilon(1e-13));                 // 1 - 1e9^2 / 1e20
  CHECK(values(0) == Approx(9.8181818181818e-21).epsilon(1e-12));  // det C = 0.972 over that of its first two rows
}

TEST_CASE("the rest: finite, squares, distances") {
  MatrixXd a(2, 2);
  a << 1, 2, 3, 4;
  CHECK(all_finite(a));
  CHECK(sum_of_squares(a) == 30);
  CHECK(square_distance(a.data(), a.data() + 2, 2) == 2);
  a(1, 0) = std::numeric_limits<double>::infinity();
  CHECK_FALSE(all_finite(a));
}
