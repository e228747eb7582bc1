#include "emulsion/covariance/precision_factor.hpp"

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
  PrecisionFactor precision;
  Index held;
  MatrixXd covariance() const { return precision.factor() * precision.factor().transpose(); }
};

Estimate estimate(Covariance structure, const MatrixXd& scatter, double weight, const VectorXd& spread, double floor) {
  const Index d = scatter.rows();
  VectorXd kept(is_diagonal(structure) ? d : d * (d + 1) / 2);
  for (Index j = 0, at = 0; j < d; ++j) {
    for (Index i = j; i < (is_diagonal(structure) ? j + 1 : d); ++i) kept(at++) = scatter(i, j);
  }
  Estimate result{PrecisionFactor(structure, d), 0};
  EstimationSpace space{MatrixXd(d, d), {}};
  result.held = result.precision.estimate(kept, weight, spread, floor, space);
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

TEST_CASE("the M-step of a covariance is scatter / weight where the floor does not act") {
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
      CHECK((found.covariance() - wanted).norm() <= 1e-14 * wanted.norm());
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
      const MatrixXd s = found.covariance();
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

TEST_CASE("PrecisionFactor: products, quotients, factor, scale and chart agree with its matrix") {
  Rng rng(8);
  for (const Index d : {1, 2, 3, 4, 5, 7, 8, 9, 13}) {
    const MatrixXd a = normal_matrix(d, 2 * d, rng);
    for (const Covariance structure : structures) {
      CAPTURE(d, to_string(structure));
      const PrecisionFactor w = estimate(structure, a * a.transpose(), 3, VectorXd::Ones(d), 1e-12).precision;
      const MatrixXd dense = w.matrix();
      CHECK((dense * w.factor() - MatrixXd::Identity(d, d)).norm() < 1e-11);
      CHECK(w.log_determinant() == Approx(std::log(dense.diagonal().prod())).margin(1e-12));
      const VectorXd y = normal_matrix(d, 1, rng);
      VectorXd z(d), back(d);
      w.times(y.data(), z.data());
      w.divide(z.data(), back.data());
      CHECK((z - dense * y).norm() <= 1e-13 * z.norm());
      CHECK((back - y).norm() <= 1e-12 * y.norm());
      PrecisionFactor moved = w;
      const VectorXd ratio = VectorXd::Constant(d, 0.5);
      moved.rescale(ratio);
      CHECK((moved.factor() - 0.5 * w.factor()).norm() <= 1e-12 * w.factor().norm());
      PrecisionFactor other(structure, d);
      VectorXd v(w.parameters());
      Index at = 0;
      w.pack(v, at);
      CHECK(at == v.size());
      at = 0;
      other.unpack(v, at);
      CHECK(at == v.size());
      CHECK((other.matrix() - dense).norm() <= 1e-14 * dense.norm());
      other.set_from_factor(w.factor());
      CHECK((other.matrix() - dense).norm() <= 1e-11 * dense.norm());
    }
  }
}

TEST_CASE("a spherical covariance satisfies the floor of every dimension, however their spreads differ") {
  const MatrixXd scatter = MatrixXd::Zero(2, 2);
  const Eigen::Vector2d spread(1, 10);
  const Estimate found = estimate(Covariance::spherical, scatter, 1, spread, 0.01);
  CHECK(feasible(found.covariance(), spread, 0.01));
}

TEST_CASE("the M-step of a covariance counts what the floor holds up, and keeps tiny eigenvalues") {
  MatrixXd scatter = MatrixXd::Zero(3, 3);
  scatter(0, 0) = 4;
  const VectorXd spread = VectorXd::Ones(3);
  CHECK(estimate(Covariance::full, scatter, 1, spread, 1e-12).held == 2);
  CHECK(estimate(Covariance::diagonal, scatter, 1, spread, 1e-12).held == 2);
  CHECK(estimate(Covariance::spherical, scatter, 1, spread, 1e-12).held == 0);
  const Estimate floored = estimate(Covariance::full, scatter, 1, spread, 1e-12);
  const MatrixXd factor = floored.precision.factor();
  CHECK(factor(0, 0) == Approx(2).epsilon(1e-14));
  CHECK(factor(1, 1) == Approx(1e-6).epsilon(1e-12));
  CHECK(floored.precision(2, 2) == Approx(1e6).epsilon(1e-12));
  CHECK(factor == MatrixXd(factor.triangularView<Eigen::Lower>()));

  // One value 1e200 spreads away: nothing overflows, and the other dimension keeps its variance.
  scatter.setZero();
  scatter.diagonal() << 1e240, 1e-160, 1e-160;
  const Estimate wide = estimate(Covariance::full, scatter, 1, VectorXd::Constant(3, 1e-80), 1e-12);
  CHECK(wide.precision.factor()(0, 0) == Approx(1e120).epsilon(1e-12));
  CHECK(wide.precision.values().allFinite());
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
