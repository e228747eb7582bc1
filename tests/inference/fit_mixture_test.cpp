#include "emulsion/inference/fit_mixture.hpp"

#include <barrier>
#include <thread>

#include "catch.hpp"
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/gaussian_mixture.hpp"

using namespace emulsion;

namespace {

/// Three clusters that overlap little.
Eigen::MatrixXd three_clusters(Index n, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(2, n);
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<double>(i % 3);
    x(0, i) = 4 * k + rng.normal();
    x(1, i) = (k == 1 ? 5 : 0) + rng.normal();
  }
  return x;
}

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const InvalidArgument& error) { return error.what(); }
  return "(nothing was thrown)";
}

}  // namespace

TEST_CASE("fit_mixture: where restarts see a part of the data, only objectives of all of them are compared") {
  const Eigen::MatrixXd x = three_clusters(20'000, 1);
  const auto fit = fit_gaussian_mixture(x, {.components = 3, .seed = 5});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.events.empty());
  CHECK(fit.report.restarts.size() >= 8);
  CHECK(fit.report.best_reached >= 2);
  CHECK(fit.report.best_reached <= static_cast<Index>(fit.report.restarts.size()) / 6);  // the others saw samples
  CHECK(fit.report.objective == Approx(fit.model.log_likelihood(x)).epsilon(1e-12));
}

TEST_CASE("fit_mixture: a bad value is found before any work, whatever part of the data restarts see") {
  Eigen::MatrixXd x = three_clusters(10'000, 2);
  x(1, 7777) = std::numeric_limits<double>::quiet_NaN();
  bool called = false;
  const auto fit = [&] {
    fit_gaussian_mixture(x, {.components = 3, .progress = [&](const Report&) { return called = true; }});
  };
  CHECK_THAT(message_of(fit), Catch::Matchers::StartsWith("dimension 1 of observation 7777 is"));
  CHECK(!called);
}

TEST_CASE("fit_mixture: given responsibilities belong to the observations of a slice") {
  const Eigen::MatrixXd all = three_clusters(150, 3);
  const auto part = columns(all).slice(100, 50);
  Eigen::MatrixXd r = Eigen::MatrixXd::Zero(50, 3);
  for (Index i = 0; i < 50; ++i) r(i, (100 + i) % 3) = 1;
  const GaussianMixtureOptions options{.components = 3, .start = Start::responsibilities, .responsibilities = r};
  const auto fit = fit_gaussian_mixture(part, options);
  const Eigen::MatrixXd copy = all.middleCols(100, 50);
  const auto same = fit_gaussian_mixture(copy, options);
  CHECK(fit.report.objective == same.report.objective);
  for (Index k = 0; k < 3; ++k) CHECK(fit.model[k].mean()(0) == Approx(4.0 * static_cast<double>(k)).margin(1));
}

TEST_CASE("fit_gaussian_mixture: every option reaches the fit") {
  const Eigen::MatrixXd x = three_clusters(600, 4);
  const auto objective = [&](const GaussianMixtureOptions& options) {
    return fit_gaussian_mixture(x, options).report.objective;
  };
  CHECK(fit_gaussian_mixture(x, {.components = 2}).model.size() == 2);
  CHECK(fit_gaussian_mixture(x, {.covariance = Covariance::spherical}).model[0].structure() == Covariance::spherical);
  CHECK(fit_gaussian_mixture(x, {.components = 2, .restarts = 9}).report.restarts.size() == 9);
  const GaussianMixtureOptions one{.components = 5, .restarts = 1, .max_iterations = 3};
  GaussianMixtureOptions other = one;
  other.seed = 1;
  CHECK(objective(one) == objective(one));
  CHECK(objective(one) != objective(other));
  CHECK_THROWS_WITH(objective({.threads = 0}), "threads must lie between 1 and 4096, got 0");
  const auto iterations = [&](const GaussianMixtureOptions& options) {
    return fit_gaussian_mixture(x, options).report.iterations;
  };
  CHECK(iterations({.components = 5, .restarts = 1, .tolerance = 1e-2}) <
        iterations({.components = 5, .restarts = 1, .tolerance = 1e-9}));
  CHECK(iterations(one) == 3);
  Eigen::MatrixXd means(2, 3);
  means << 0, 4, 8, 0, 5, 0;
  CHECK(fit_gaussian_mixture(x, {.components = 3, .start = Start::means, .means = means}).report.restarts.size() == 1);
  CHECK_THROWS_WITH(objective({.components = 3, .start = Start::responsibilities, .responsibilities = means}),
                    Catch::Matchers::StartsWith("expected starting responsibilities of 600 x 3"));
  CHECK(fit_gaussian_mixture(x, {.floor = 1e-3}).model[0].floor() == 1e-3);
  CHECK_THROWS_WITH(objective({.least_regularity = 1}), Catch::Matchers::Contains("[0, 1)"));
  Eigen::MatrixXd twins = x;
  twins.leftCols(2).setZero();
  Eigen::MatrixXd shares = Eigen::MatrixXd::Zero(600, 2);
  for (Index i = 0; i < 600; ++i) shares(i, i < 2 ? 0 : 1) = 1;
  const GaussianMixtureOptions collapse{
      .components = 2, .start = Start::responsibilities, .responsibilities = shares, .degenerate = Degenerate::drop};
  CHECK(fit_gaussian_mixture(twins, collapse).model.size() == 1);
  CHECK(iterations({.components = 5, .restarts = 1, .acceleration = Acceleration::none}) !=
        iterations({.components = 5, .restarts = 1}));
  CHECK(fit_gaussian_mixture(x, {.progress = [](const Report&) { return false; }}).report.status == Status::stopped);
  std::stop_source stop;
  stop.request_stop();
  CHECK(fit_gaussian_mixture(x, {.stop = stop.get_token()}).report.status == Status::stopped);
}

TEST_CASE("select_gaussian_mixture: observations of weight zero do not count, and a stop ends it") {
  const Eigen::MatrixXd x = three_clusters(40, 6);
  Eigen::VectorXd w = Eigen::VectorXd::Zero(40);
  w.head(4).setOnes();
  const auto selection = select_gaussian_mixture(weighted(x, w), {.covariances = {Covariance::spherical}});
  CHECK(selection.table.size() == 4);  // 1 to 4 components

  Index calls = 0;
  SelectionOptions options;
  options.fit.progress = [&](const Report&) { return ++calls < 3; };
  CHECK(select_gaussian_mixture(x, options).table.size() < 5);
  options = {};
  options.fit.start = Start::means;
  CHECK_THROWS_WITH(select_gaussian_mixture(x, options),
                    Catch::Matchers::Contains("for one number of components, not for 1 to 9"));
}

TEST_CASE("Degenerate: a constant dimension is the fault of no component") {
  Eigen::MatrixXd x(3, 600);
  x.topRows(2) = three_clusters(600, 7);
  x.row(2).setConstant(2.5);
  for (const Degenerate policy : {Degenerate::floor, Degenerate::drop, Degenerate::reseed, Degenerate::fail}) {
    const auto fit = fit_gaussian_mixture(x, {.components = 3, .degenerate = policy});
    CHECK(fit.report.status == Status::converged);
    CHECK(fit.model.size() == 3);
  }
}

TEST_CASE("Degenerate::drop: every component dropped is named by its number in the start") {
  const Eigen::MatrixXd x = three_clusters(300, 8);
  Eigen::MatrixXd y(2, 306);
  y << x, Eigen::MatrixXd::Constant(2, 3, 30), Eigen::MatrixXd::Constant(2, 3, -30);  // two stacks of equal points
  Eigen::MatrixXd r = Eigen::MatrixXd::Zero(306, 3);
  for (Index i = 0; i < 306; ++i) r(i, i < 300 ? 1 : i < 303 ? 0 : 2) = 1;
  const auto fit = fit_gaussian_mixture(
      y, {.components = 3, .start = Start::responsibilities, .responsibilities = r, .degenerate = Degenerate::drop});
  CHECK(fit.model.size() == 1);
  std::vector<Index> dropped;
  for (const Event& event : fit.report.events) {
    if (event.kind == EventKind::dropped) dropped.push_back(event.component);
  }
  CHECK(dropped == std::vector<Index>{0, 2});
}

TEST_CASE("Hard: what no component allows counts nothing at weight zero") {
  Eigen::VectorXd never(2), often(2);
  never << 1, 0;
  often << 0.5, 0.5;
  const Categorical one(std::vector<Eigen::VectorXd>{never});
  const MixtureOf<Categorical> model(Eigen::VectorXd::Ones(1), {one});
  Eigen::MatrixXd x(1, 3);
  x << 0, 0, 1;
  Eigen::VectorXd w(3);
  w << 1, 1, 0;
  const auto fit = em(model, weighted(x, w), {}, Hard{});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.objective == 0);
}

TEST_CASE("a parameter on the border of its range is reported") {
  Eigen::MatrixXd x(1, 20);
  for (Index i = 0; i < 20; ++i) x(0, i) = i % 2 == 0 ? 0 : 2;  // category 1 is never seen
  const auto fit = fit_mixture(Categorical(std::vector<Index>{3}), x);
  REQUIRE(fit.report.events.size() == 1);
  CHECK(fit.report.events[0].kind == EventKind::at_bound);
  CHECK(fit.report.events[0].component == 0);
}

namespace {

/// Two processes have n observations between them, the first of them `share`.
template <class Scalar>
void fit_in_shares(Index n, Index share) {
  using Model = BasicGaussianMixture<Scalar>;
  using Statistics = typename Model::Statistics;
  const Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> x = three_clusters(n, 9).cast<Scalar>();
  Rng rng(3);
  Model start = seed(BasicGaussian<Scalar>(2), 3, x, rng, {.start = Start::random_means});
  start.follow(x);
  Statistics parts[2] = {start.statistics(), start.statistics()};
  std::barrier all_here(2);
  std::vector<Fit<Model>> found(2, {start, {}});
  const auto process = [&](int rank) {
    const auto reduce = [&](Statistics& s) {
      parts[rank] = s;
      all_here.arrive_and_wait();
      s = parts[0];
      s += parts[1];
      all_here.arrive_and_wait();
    };
    const auto part = columns(x).slice(rank == 0 ? 0 : share, rank == 0 ? share : n - share);
    found[static_cast<std::size_t>(rank)] = em(start, part, {}, Soft{}, reduce);
  };
  std::thread other(process, 1);
  process(0);
  other.join();
  const auto whole = em(start, x);
  CHECK(found[0].report.trace == found[1].report.trace);
  CHECK(found[0].report.status == Status::converged);
  CHECK(found[0].report.objective == Approx(whole.report.objective).epsilon(1e-10));
  CHECK(found[0].report.distance <= 1e-9);
}

}  // namespace

TEST_CASE("em with a reduce: processes that share the data out take the steps of one that has them all") {
  fit_in_shares<double>(4000, 1000);
  fit_in_shares<float>(160'000, 120'000);  // one share alone would be worked on in float
}
