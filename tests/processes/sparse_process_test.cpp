#include "emulsion/processes/sparse_process.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/fit_sparse_process.hpp"
#include "emulsion/inference/online_em.hpp"
#include "emulsion/kernels/squared_exponential.hpp"
#include "emulsion/processes/inducing_points.hpp"
#include "emulsion/processes/kmeans_inducing_points.hpp"
#include "emulsion/processes/sparse_evidence.hpp"

using namespace emulsion;

namespace {

using Sparse = SparseProcess<SquaredExponential>;

struct Curve {
  Eigen::MatrixXd x{1, 10}, y{1, 10};
  Curve() {
    for (Index i = 0; i < 10; ++i) {
      x(0, i) = 0.5 * static_cast<double>(i);
      y(0, i) = std::sin(x(0, i)) + 0.1 * std::cos(7 * x(0, i));
    }
  }
};
const SquaredExponential kernel(1.7, 1.3);

Sparse process(const Eigen::MatrixXd& z, SparseBound bound = SparseBound::titsias) {
  return {InducingBasis<SquaredExponential>(kernel, z), 0.01, bound};
}
Eigen::MatrixXd three() { return Eigen::RowVector3d(0.4, 2.2, 4.1); }
double evidence(const Sparse& p, const Regression& data) {
  const InducingStatistics s = p.learn(data);
  Sparse next = p;
  p.maximize(s, next);
  return next.objective(s);
}
void require_close(const Eigen::VectorXd& a, const Eigen::VectorXd& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (Index i = 0; i < a.size(); ++i) {
    INFO(i << ": " << a(i) << " and " << b(i));
    REQUIRE(std::abs(a(i) - b(i)) <= tolerance * (1 + std::abs(b(i))));
  }
}

}  // namespace

TEST_CASE("a sparse process has the bounds and predictions of the formulas written out densely") {
  const Curve data;
  const Regression all(data.x, data.y);
  const Sparse p = process(three());
  const InducingStatistics s = p.learn(all);
  REQUIRE(p.basis().jitter() == 0);
  REQUIRE(std::abs(s.rest - 0.8802385521542766) < 1e-9);
  REQUIRE(std::abs(evidence(p, all) + s.rest / (2 * p.noise()) + 0.6211297760399956) < 1e-8);  // without the trace
  REQUIRE(std::abs(evidence(p, all) + 44.63305738375382) < 44.6 * 1e-9);
  REQUIRE(std::abs(evidence(process(three(), SparseBound::fitc), all) + 4.0548134241827505) < 4e-9);
  const auto predicted = p.condition(all).predict(Eigen::RowVector4d(0.25, 1.9, 3.3, 6.0));
  const Eigen::Vector4d mean(0.32448195919766326, 0.9465948976691027, -0.142918245495691, -0.4264565171772963);
  const Eigen::Vector4d variance(0.01951406457723365, 0.04001049622952195, 0.18249506247608657, 1.4759480938504401);
  require_close(predicted.mean(), mean, 1e-9);
  require_close(predicted.variance(), variance, 1e-9);
  require_close(predicted.joint().diagonal(), variance, 1e-9);
  require_close(predicted.joint_with_noise().diagonal(), predicted.variance_with_noise(), 1e-12);
}

TEST_CASE("with an inducing input at every input a sparse process is the exact one, with fewer its bound is lower") {
  const Curve data;
  const Regression all(data.x, data.y);
  Eigen::MatrixXd covariance = kernel.gram(data.x);
  covariance.diagonal().array() += 0.01;
  const DenseCholesky factor(covariance);
  const Eigen::VectorXd y = data.y.row(0).transpose(), solved = factor.solve(y);
  const double exact = -0.5 * (y.dot(solved) + factor.log_determinant() + 10 * std::log(2 * std::numbers::pi));
  // Rounding of the smallest eigenvalues of k(Z, Z) is what both tolerances hold.
  REQUIRE(std::abs(exact + 2.021521502510156) < 1e-9);
  for (const SparseBound bound : {SparseBound::titsias, SparseBound::fitc}) {
    REQUIRE(std::abs(evidence(process(data.x, bound), all) - exact) < 1e-6);
  }
  const Eigen::MatrixXd at = Eigen::RowVector3d(0.3, 2.7, 7.0);
  const Eigen::VectorXd mean = kernel.gram(at, data.x) * solved;
  require_close(process(data.x).condition(all).predict(at).mean(), mean, 1e-6);
  double before = -1e300;
  for (Index m = 1; m <= 10; ++m) {
    const double bound = evidence(process(data.x.leftCols(m)), all);
    REQUIRE(bound <= exact + 1e-6);
    REQUIRE(bound >= before - 1e-6);
    before = bound;
  }
}

TEST_CASE("statistics merge, whoever collects them") {
  Eigen::MatrixXd x(1, 3000), y(1, 3000);
  Eigen::VectorXd w = Eigen::VectorXd::Ones(3000);
  for (Index i = 0; i < 3000; ++i) {
    x(0, i) = 0.0015 * static_cast<double>(i);
    y(0, i) = std::sin(3 * x(0, i));
  }
  const Regression all(x, y);
  for (const SparseBound bound : {SparseBound::titsias, SparseBound::fitc}) {
    const Sparse p = process(three(), bound);
    const InducingStatistics whole = p.learn(all);
    const InducingStatistics two = p.learn(all, 2);
    REQUIRE(whole.gram == two.gram);
    REQUIRE(whole.projection == two.projection);
    REQUIRE(whole.square == two.square);
    for (const Index cut : {1, 777, 2999}) {
      InducingStatistics parts = p.learn(all.slice(cut, 3000 - cut));
      parts += p.learn(all.slice(0, cut));
      require_close(parts.gram.reshaped(), whole.gram.reshaped(), 1e-12);
      require_close(parts.projection, whole.projection, 1e-11);
      REQUIRE(std::abs(parts.log_variance - whole.log_variance) <= 1e-11 * (1 + std::abs(whole.log_variance)));
    }
    w(5) = 2;
    InducingStatistics twice = whole;
    twice += p.learn(all.slice(5, 1));
    const InducingStatistics heavy = p.learn(all.with_weights(w.data(), 3000));
    require_close(heavy.gram.reshaped(), twice.gram.reshaped(), 1e-12);
    require_close(heavy.projection, twice.projection, 1e-11);
    REQUIRE(heavy.weight == 3001);
  }
}

TEST_CASE("one online step on all observations is the exact posterior, and another q has a lower bound") {
  const Curve data;
  const Regression all(data.x, data.y);
  const Sparse p = process(three());
  OnlineEm<Sparse> online(p);
  online(all);
  const Sparse batch = p.condition(all);
  require_close(online.model().posterior_mean(), batch.posterior_mean(), 1e-12);
  const InducingStatistics s = p.learn(all);
  REQUIRE(std::abs(online.objective() - batch.objective(s)) < 1e-9);
  REQUIRE(p.objective(s) < batch.objective(s));
  REQUIRE(p.condition(all.slice(0, 7)).objective(s) < batch.objective(s));
}

TEST_CASE("a stream of batches leads to the posterior of all of them, and em() does too") {
  Rng rng(3);
  constexpr Index n = 20'000, batch = 500;
  Eigen::MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = 10 * rng.uniform();
    y(0, i) = std::sin(x(0, i)) + 0.3 * rng.normal();
  }
  const Regression all(x, y);
  const Sparse start(
      InducingBasis(SquaredExponential(1, 1.5), Eigen::MatrixXd(Eigen::RowVectorXd::LinSpaced(8, 0, 10))), 0.09);
  const InducingStatistics s = start.learn(all);
  const double best = start.condition(all).objective(s);
  OnlineEm<Sparse> online(start, {.population = static_cast<double>(n)});
  for (int lap = 0; lap < 3; ++lap) {
    for (Index first = 0; first < n; first += batch) online(all.slice(first, batch));
  }
  // Eight inducing values known to 1 / sqrt(n): a few nats, of 4,000 between the prior and the posterior.
  REQUIRE(start.objective(s) < best - 1000);
  REQUIRE(online.model().objective(s) > best - 2);
  REQUIRE(online.model().objective(s) <= best + 1e-6);

  const auto fit = em(start, all, {.threads = 2});
  REQUIRE(fit.report.status == Status::converged);
  REQUIRE(std::abs(fit.report.objective - best) < 1e-7 * std::abs(best));
}

TEST_CASE("a sparse process refuses what it cannot learn from") {
  const Curve data;
  const Sparse p = process(three());
  REQUIRE_THROWS_AS(Sparse(p.basis(), 0.0), InvalidArgument);
  REQUIRE_THROWS_AS(process(Eigen::MatrixXd(1, 0)), InvalidArgument);
  REQUIRE_THROWS_AS(p.predict(Eigen::MatrixXd::Zero(2, 3)), InvalidArgument);
  REQUIRE_THROWS_AS(p.learn(Regression(Eigen::MatrixXd::Zero(2, 10), data.y)), InvalidArgument);
  REQUIRE_THROWS_AS(p.learn(Regression(data.x, Eigen::MatrixXd::Zero(2, 10))), InvalidArgument);
  Eigen::MatrixXd y = data.y;
  y(0, 3) = std::nan("");
  REQUIRE_THROWS_AS(p.learn(Regression(data.x, y)), InvalidArgument);
}

TEST_CASE("the gradients of both bounds are those of finite differences, weighted too") {
  const Curve data;
  const Eigen::VectorXd w = Eigen::VectorXd::LinSpaced(10, 0.5, 2.5);
  for (const bool weighted : {false, true}) {
    const Regression plain(data.x, data.y);
    const Regression all = weighted ? plain.with_weights(w.data(), 10) : plain;
    for (const SparseBound bound : {SparseBound::titsias, SparseBound::fitc}) {
      const Sparse p = process(three(), bound);
      const SparseEvidence found = sparse_evidence(p, all, 2);
      REQUIRE(std::abs(found.value - evidence(p, all)) < 1e-10);
      const Eigen::VectorXd theta = hyperparameters(p);
      REQUIRE(found.gradient.size() == theta.size());
      for (Index j = 0; j < theta.size(); ++j) {
        const auto moved = [&](double by) {
          Eigen::VectorXd u = theta;
          u(j) += by;
          Sparse q = p;
          Index at = 0;
          REQUIRE(q.unpack(u, at));
          return evidence(q, all);
        };
        // Central differences of fourth order: error about 1e-12 of the fifth derivative, rounding 1e-11.
        const double h = 1e-3;
        const double slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
        INFO(j << ": " << found.gradient(j) << " and " << slope);
        REQUIRE(std::abs(found.gradient(j) - slope) < 1e-7 * (1 + std::abs(slope)));
      }
    }
  }
}

TEST_CASE("greedy inducing points are those of most conditional variance, and none is chosen twice") {
  Eigen::MatrixXd x(1, 6);
  x << 0, 0, 1, 5, 5, 2.5;
  const Eigen::MatrixXd z = greedy_inducing_points(kernel, x, 6);
  REQUIRE(z.cols() == 4);
  for (Index k = 0; k < 4; ++k) {
    Eigen::MatrixXd before = z.leftCols(k);
    double most = 0, mine = 0;
    for (Index i = 0; i < 6; ++i) {
      double rest = 1.7;
      if (k > 0) {
        const Eigen::VectorXd c = kernel.gram(before, x.col(i));
        rest -= c.dot(DenseCholesky(kernel.gram(before)).solve(c));
      }
      most = std::max(most, rest);
      if (x(0, i) == z(0, k)) mine = std::max(mine, rest);
    }
    REQUIRE(mine >= most - 1e-12);
  }
  REQUIRE_THROWS_AS(greedy_inducing_points(kernel, x, 7), InvalidArgument);
  REQUIRE_THROWS_AS(greedy_inducing_points(kernel, x, 0), InvalidArgument);
}

TEST_CASE("hyperparameters of a sparse process with an inducing input everywhere are those of the exact one") {
  const Curve data;
  const Regression all(data.x, data.y);
  const auto fit = fit_sparse_process(process(data.x), all, {.search = {.restarts = 2, .spread = 0.3}});
  REQUIRE(fit.report.status == Status::converged);
  // Known to the jitter of k(Z, Z) and the tolerance of the search.
  REQUIRE(std::abs(fit.report.objective + 0.09415289167194629) < 1e-5);
  REQUIRE(std::abs(fit.report.objective - fit.report.restarts.front()) < 1e-9);
  REQUIRE(std::abs(fit.model.noise() - 0.00851016235170117) < 1e-4);
  const auto fewer = fit_sparse_process(process(three()), all, {.search = {.restarts = 1, .seed = 3}, .subsample = 8});
  REQUIRE(fewer.report.objective < fit.report.objective + 1e-5);
  const auto three_fit = fit_sparse_process(process(three()), all, {.search = {.restarts = 1}});
  REQUIRE(sparse_evidence(three_fit.model, all).gradient.norm() < 1e-2);
  REQUIRE(three_fit.report.objective >= fewer.report.objective - 1e-6);
  REQUIRE_THROWS_AS(fit_sparse_process(process(three()), all, {.search = {.restarts = 0}}), InvalidArgument);
  HyperparameterOptions held{.restarts = 1};
  held.prior = {Eigen::Vector3d(0, 0, std::log(0.02)), Eigen::Vector3d(10, 10, 0)};
  REQUIRE(std::abs(fit_sparse_process(process(three()), all, {.search = held}).model.noise() - 0.02) < 1e-12);
  REQUIRE_THROWS_AS(fit_sparse_process(process(three()), all, {.subsample = 11}), InvalidArgument);
}

TEST_CASE("inducing points by k-means are centres of the inputs, in their units") {
  Eigen::MatrixXd x(2, 6);
  x << 0, 0.1, 100, 100.1, 0, 100, 1, 1, 1, 1, 1, 1;
  const Eigen::MatrixXd z = kmeans_inducing_points(Points<>(x), 2, 5);
  REQUIRE(z.rows() == 2);
  REQUIRE(std::abs(z.row(0).minCoeff() - 0.1 / 3) < 1e-9);
  REQUIRE(std::abs(z.row(0).maxCoeff() - 300.1 / 3) < 1e-9);
  REQUIRE(std::abs(z(1, 0) - 1) < 1e-12);
  REQUIRE_THROWS_AS(kmeans_inducing_points(Points<>(x), 7, 5), InvalidArgument);
}
