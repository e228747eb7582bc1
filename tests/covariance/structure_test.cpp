#include "emulsion/covariance/structure.hpp"

#include <Eigen/Cholesky>

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/models/mixture.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr Covariance structures[] = {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied};

MatrixXd normal_matrix(Index rows, Index cols, Rng& rng) {
  MatrixXd a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}

struct Estimate {
  MatrixXd factor, inverse;
  Index held;
  MatrixXd covariance(Covariance structure) const {
    if (is_diagonal(structure)) return factor.col(0).array().square().matrix().asDiagonal();
    return factor * factor.transpose();
  }
};

Estimate estimate(Covariance structure, const MatrixXd& scatter, double weight, const VectorXd& spread, double floor) {
  const Index d = scatter.rows();
  const MatrixXd kept = is_diagonal(structure) ? MatrixXd(scatter.diagonal()) : scatter;
  Estimate result{MatrixXd(d, kept.cols()), MatrixXd(d, kept.cols()), 0};
  result.held = estimate_factor(structure, kept, weight, spread, floor, result.factor, result.inverse);
  return result;
}

/// -weight / 2 (log |S| + tr(S^-1 scatter / weight))
double objective(const MatrixXd& s, const MatrixXd& scatter, double weight) {
  const Eigen::LLT<MatrixXd> llt(s);
  const MatrixXd l = llt.matrixL();
  return -0.5 * weight * 2 * l.diagonal().array().log().sum() - 0.5 * llt.solve(scatter).trace();
}

/// The least eigenvalue of S in coordinates divided by spread, against the floor.
bool feasible(const MatrixXd& s, const VectorXd& spread, double floor) {
  const MatrixXd bound = s - (1 - 1e-9) * floor * MatrixXd(spread.array().square().matrix().asDiagonal());
  return Eigen::LLT<MatrixXd>(bound).info() == Eigen::Success;
}

}  // namespace

TEST_CASE("estimate_factor is scatter / weight where the floor does not act") {
  Rng rng(1);
  for (const Index d : {1, 2, 5}) {
    const MatrixXd a = normal_matrix(d, 2 * d + 1, rng), scatter = a * a.transpose();
    const VectorXd spread = VectorXd::LinSpaced(d, 1, 2);
    for (const Covariance structure : structures) {
      const Estimate found = estimate(structure, scatter, 3, spread, 1e-12);
      MatrixXd wanted = scatter / 3;
      if (structure == Covariance::spherical)
        wanted = wanted.trace() / static_cast<double>(d) * MatrixXd::Identity(d, d);
      if (structure == Covariance::diagonal) wanted = wanted.diagonal().asDiagonal().toDenseMatrix();
      CHECK(found.held == 0);
      CHECK((found.covariance(structure) - wanted).norm() <= 1e-14 * wanted.norm());
      const MatrixXd one = is_diagonal(structure) ? MatrixXd(found.factor.cwiseProduct(found.inverse))
                                                  : MatrixXd(found.factor * found.inverse);
      CHECK((one - (is_diagonal(structure) ? MatrixXd(MatrixXd::Ones(d, 1)) : MatrixXd(MatrixXd::Identity(d, d))))
                .norm() < 1e-9);
    }
  }
}

TEST_CASE("under an active floor, no feasible covariance nearby is more likely") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    const Index d = 1 + static_cast<Index>(rng.below(4)), rank = 1 + static_cast<Index>(rng.below(4));
    const double floor = 0.05, weight = 5;
    const MatrixXd a = normal_matrix(d, rank, rng) * (seed % 3 == 0 ? 0.1 : 1), scatter = a * a.transpose();
    for (const Covariance structure : structures) {
      VectorXd spread(d);
      for (Index j = 0; j < d; ++j) spread(j) = structure == Covariance::spherical ? 1.5 : 0.5 + rng.uniform();
      CAPTURE(seed, d, rank, to_string(structure));
      const Estimate found = estimate(structure, scatter, weight, spread, floor);
      const MatrixXd s = found.covariance(structure);
      CHECK(feasible(s, spread, floor));
      CHECK(found.held >= 0);
      CHECK(found.held <= d);
      const double best = objective(s, scatter, weight);
      double worst_gain = -1e300;
      for (int repeat = 0; repeat < 200; ++repeat) {
        const double size = std::pow(10.0, -4 * rng.uniform());
        MatrixXd other;
        if (structure == Covariance::spherical) {
          other = s * std::exp(size * rng.normal());
        } else if (structure == Covariance::diagonal) {
          other = (s.diagonal().array() * (size * normal_matrix(d, 1, rng).array()).exp()).matrix().asDiagonal();
        } else {
          const MatrixXd step = MatrixXd::Identity(d, d) + size * normal_matrix(d, d, rng);
          other = step * s * step.transpose();
        }
        if (feasible(other, spread, floor)) worst_gain = std::max(worst_gain, objective(other, scatter, weight) - best);
      }
      CHECK(worst_gain <= 1e-9 * (1 + std::abs(best)));
      // And towards any other feasible matrix, which the feasible set, being convex, contains the way to.
      for (int repeat = 0; repeat < 50; ++repeat) {
        MatrixXd target = floor * MatrixXd(spread.array().square().matrix().asDiagonal());
        const MatrixXd b = normal_matrix(d, d, rng);
        if (structure == Covariance::spherical) target *= 1 + 10 * rng.uniform();
        else if (structure == Covariance::diagonal) target.diagonal() += b.col(0).array().square().matrix();
        else target += b * b.transpose();
        for (const double share : {1e-3, 0.1, 1.0}) {
          CHECK(objective(s + share * (target - s), scatter, weight) <= best + 1e-9 * (1 + std::abs(best)));
        }
      }
    }
  }
}

TEST_CASE("a spherical covariance satisfies the floor of every dimension, however their spreads differ") {
  const MatrixXd scatter = MatrixXd::Zero(2, 2);
  const Eigen::Vector2d spread(1, 10);
  const Estimate found = estimate(Covariance::spherical, scatter, 1, spread, 0.01);
  CHECK(feasible(found.covariance(Covariance::spherical), spread, 0.01));
}

TEST_CASE("estimate_factor counts what the floor holds up, and keeps tiny eigenvalues") {
  MatrixXd scatter = MatrixXd::Zero(3, 3);
  scatter(0, 0) = 4;
  const VectorXd spread = VectorXd::Ones(3);
  CHECK(estimate(Covariance::full, scatter, 1, spread, 1e-12).held == 2);
  CHECK(estimate(Covariance::diagonal, scatter, 1, spread, 1e-12).held == 2);
  CHECK(estimate(Covariance::spherical, scatter, 1, spread, 1e-12).held == 0);
  const Estimate floored = estimate(Covariance::full, scatter, 1, spread, 1e-12);
  CHECK(floored.factor(0, 0) == Approx(2).epsilon(1e-14));
  CHECK(floored.factor(1, 1) == Approx(1e-6).epsilon(1e-12));
  CHECK(floored.inverse(2, 2) == Approx(1e6).epsilon(1e-12));
  CHECK(floored.factor == MatrixXd(floored.factor.triangularView<Eigen::Lower>()));
}

TEST_CASE("EM under an active floor never lowers the likelihood") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Rng rng(seed);
    MatrixXd x = normal_matrix(3, 80, rng);
    x.row(2) = x.row(0) + x.row(1);
    x.rightCols(10).colwise() = Eigen::Vector3d(4, 4, 4);
    for (const Covariance structure : structures) {
      for (const double floor : {1e-12, 1e-3, 0.3}) {
        const Gaussian prototype(3, structure, floor);
        std::vector<Gaussian> components(2, prototype);
        MixtureOf<Gaussian> start(Eigen::Vector2d(0.5, 0.5), components);
        start.follow(x);
        Workers workers(1);
        Fold<MixtureOf<Gaussian>, Points<double>> fold(start, x, workers);
        MixtureOf<Gaussian> split = start;
        start.maximize(fold(start, RandomResponsibilities{rng}), split);
        const auto fit = em(split, x, {.max_iterations = 400});
        CAPTURE(seed, to_string(structure), floor);
        CHECK(fit.report.status != Status::objective_fell);
        bool falls = false;
        for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
          const double before = fit.report.trace[i - 1];
          falls = falls || fit.report.trace[i] < before - 1e-12 * (std::abs(before) + 80);
        }
        CHECK_FALSE(falls);
      }
    }
  }
}
