#include "emulsion/inference/online_em.hpp"

#include "catch.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/gaussian_mixture.hpp"
#include "emulsion/inference/memoized_em.hpp"
#include "reference/values.hpp"

using namespace emulsion;

namespace {

Eigen::MatrixXd three_clusters(Index n, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(2, n);
  for (Index i = 0; i < n; ++i) {
    const double centre = 4.0 * static_cast<double>(rng.below(3));
    x(0, i) = centre + rng.normal();
    x(1, i) = 0.5 * x(0, i) + rng.normal();
  }
  return x;
}

/// Per observation, of all the data under the model.
template <class M>
double objective(const M& model, const Eigen::MatrixXd& x) {
  const auto fit = em(model, x, {.max_iterations = 0});
  return fit.report.objective / static_cast<double>(x.cols());
}

}  // namespace

TEST_CASE("a batch of all the data at step size one is an EM iteration") {
  const Eigen::MatrixXd x = three_clusters(500, 1);
  Rng rng(1);
  const GaussianMixture start = seed(Gaussian(2), 3, x, rng);
  OnlineEm online(start, {.delay = 0});
  online(x);
  const auto once = em(start, x, {.max_iterations = 1, .acceleration = Acceleration::none});
  for (Index k = 0; k < 3; ++k) {
    CHECK((online.model()[k].mean() - once.model[k].mean()).norm() < 1e-12);
    CHECK((online.model()[k].covariance() - once.model[k].covariance()).norm() < 1e-12);
  }
  CHECK(online.seen() == 500);
}

TEST_CASE("stepwise EM over a stream comes near the fit of all the data") {
  const Eigen::MatrixXd x = three_clusters(60'000, 2);
  Rng rng(1);
  const Eigen::MatrixXd first = x.leftCols(2000);
  const GaussianMixture start = seed(Gaussian(2), 3, first, rng);
  OnlineEm online(start, {.threads = 2});
  for (Index at = 0; at < x.cols(); at += 500) online(Points<double>(x.middleCols(at, 500)));
  const auto full = em(start, x);
  CHECK(objective(online.model(), x) > full.report.objective / 60'000 - 1e-3);
}

TEST_CASE("a variational model learns from a stream: stochastic variational inference") {
  const Eigen::MatrixXd x = three_clusters(60'000, 3);
  Rng rng(1);
  const Eigen::MatrixXd first = x.leftCols(2000);
  const NormalWishart prior = weak_prior(Points<double>(first));
  // Both go on from a fit of the first observations: what is compared is the stream, not the start.
  const auto start = em(seed_variational(prior, DirichletGate(6), first, rng), first, {.tolerance = 1e-6}).model;
  OnlineEm online(start, {.population = 60'000, .forgetting = 0.7, .delay = 10});
  for (int lap = 0; lap < 2; ++lap) {
    for (Index at = 0; at < x.cols(); at += 500) online(Points<double>(x.middleCols(at, 500)));
  }
  const auto full = em(start, x, {.tolerance = 1e-8});
  CHECK(std::abs(objective(online.model(), x) - full.report.objective / 60'000) <
        1e-3 * std::abs(full.report.objective / 60'000));
  CHECK(online.model().gate().posterior().sum() == Approx(60'000 + 1).epsilon(1e-10));
}

TEST_CASE("memoized EM has the fixed points of EM, on mixtures and on variational ones") {
  const Eigen::MatrixXd x = reference::faithful();
  Rng rng(1);
  const GaussianMixture start = seed(Gaussian(2), 2, x, rng);
  const auto full = em(start, x, {.tolerance = 1e-13});
  for (const Index batches : {1, 2, 7, 16}) {
    const auto memoized = memoized_em(start, Points<double>(x), {.batches = batches, .tolerance = 1e-15});
    CHECK(memoized.report.status == Status::converged);
    CHECK(memoized.report.objective == Approx(full.report.objective).epsilon(1e-12));
    for (Index k = 0; k < 2; ++k) CHECK((memoized.model[k].mean() - full.model[k].mean()).norm() < 1e-5);
  }
  const auto one = memoized_em(start, x, {.batches = 3}), two = memoized_em(start, x, {.batches = 3, .threads = 2});
  CHECK(one.report.trace == two.report.trace);
  const NormalWishart prior = weak_prior(Points<double>(x));
  const auto variational = seed_variational(prior, DirichletGate(3, 1.0), Points<double>(x), rng);
  const auto all = em(variational, x, {.tolerance = 1e-13});
  const auto memoized = memoized_em(variational, Points<double>(x), {.batches = 8, .tolerance = 1e-14});
  CHECK(memoized.report.objective == Approx(all.report.objective).epsilon(1e-10));
}

TEST_CASE("any leaf of a tree of statistics can be replaced") {
  for (const Index leaves : {1, 2, 3, 5, 8, 13}) {
    PoissonStatistics zero{0, Eigen::VectorXd::Zero(1)};
    StatisticsTree<PoissonStatistics> tree(leaves, zero);
    for (int round = 1; round < 3; ++round) {
      double sum = 0;
      for (Index i = 0; i < leaves; ++i) {
        tree.leaf(i) = {static_cast<double>(i * round), Eigen::VectorXd::Constant(1, 1)};
        tree.update(i);
        sum += static_cast<double>(i * round);
      }
      CHECK(tree.total().weight == sum);
      CHECK(tree.total().sums(0) == static_cast<double>(leaves));
    }
  }
}

TEST_CASE("until the warm-up is over, batches of any size are averaged by their weight") {
  const Eigen::MatrixXd x = three_clusters(150, 4);
  Rng rng(1);
  const GaussianMixture start = seed(Gaussian(2), 3, x, rng);
  OnlineEm parts(start, {.warm_up = 100}), whole(start);
  parts(x.leftCols(30)), parts(x.middleCols(30, 60));
  CHECK((parts.model()[0].mean() - start[0].mean()).norm() == 0);
  parts(x.rightCols(60));
  whole(x);
  for (Index k = 0; k < 3; ++k) CHECK((parts.model()[k].mean() - whole.model()[k].mean()).norm() < 1e-12);
}

TEST_CASE("options out of range are refused with a sentence") {
  const GaussianMixture start(Eigen::VectorXd::Ones(1), {Gaussian(1)});
  CHECK_THROWS_WITH(OnlineEm(start, {.forgetting = 0.5}), ContainsSubstring("(1/2, 1]"));
  CHECK_THROWS_WITH(OnlineEm(start, {.delay = -1}), ContainsSubstring("delay"));
  CHECK_THROWS_WITH(OnlineEm(start, {.population = -1}), ContainsSubstring("population"));
  OnlineEm online(start);
  CHECK_THROWS_WITH(online(Points<double>(Eigen::MatrixXd::Ones(2, 3))), ContainsSubstring("expected 1 dimensions"));
  const Eigen::MatrixXd x = Eigen::MatrixXd::Ones(1, 3);
  CHECK_THROWS_WITH(memoized_em(start, Points<double>(x), {.batches = 0}), ContainsSubstring("at least one batch"));
}
