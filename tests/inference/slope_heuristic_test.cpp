// The slope heuristic on constructed log-likelihoods, whose slopes and jumps are known.
#include "emulsion/inference/slope_heuristic.hpp"

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;

namespace {

/// D = 5, 11, 17, ... (6 K - 1): a bias that ends with model `right`, then 1.5 nats per parameter of noise.
std::vector<FittedSize> ladder(Index count, Index right, double noise = 1.5) {
  std::vector<FittedSize> models;
  for (Index k = 0; k < count; ++k) {
    const double bias = k < right ? -400.0 * static_cast<double>(right - k) : 0.0;
    models.push_back({-1000 + bias + noise * static_cast<double>(6 * k + 5), 6 * k + 5});
  }
  return models;
}

}  // namespace

TEST_CASE("an exact slope is found by both, with the model where the bias ends") {
  const std::vector<FittedSize> models = ladder(20, 3);
  const SlopeChoice jump = select_by_jump(models), slope = select_by_slope(models);
  CHECK(jump.chosen == 3);
  CHECK(jump.kappa == Approx(1.5).epsilon(1e-12));
  CHECK(jump.supported);
  CHECK_THAT(jump.why, ContainsSubstring("from 119 to 23 parameters"));
  CHECK(slope.chosen == 3);
  CHECK(slope.kappa == Approx(1.5).epsilon(1e-12));
  CHECK(slope.supported);
}

TEST_CASE("the jump is where the chosen size falls most, computed by hand") {
  // Hull of (D, L): slopes 1 from 10 to 4, 3 from 4 to 3, 5 from 3 to 1. Jumps of 6, 1 and 2 parameters.
  const std::vector<FittedSize> models = {{0, 1}, {10, 3}, {13, 4}, {19, 10}, {15.5, 7}};
  const SlopeChoice found = select_by_jump(models);
  CHECK(found.kappa == Approx(1));
  CHECK(found.chosen == 2);  // at 2: -0 + 2, -10 + 6, -13 + 8, -19 + 20, -15.5 + 14
  // Two jumps of the same length: the larger penalty.
  const SlopeChoice tie = select_by_jump({{0, 1}, {8, 3}, {10, 5}});
  CHECK(tie.kappa == Approx(4));
  CHECK(tie.chosen == 0);
}

TEST_CASE("noise about the slope, and one fit that went wrong, change neither choice") {
  Rng rng(4);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<FittedSize> models = ladder(20, 2);
    for (FittedSize& model : models) model.log_likelihood += rng.normal();
    models[15].log_likelihood -= 60;  // a poor local optimum
    const SlopeChoice slope = select_by_slope(models);
    CHECK(select_by_jump(models).chosen == 2);
    CHECK(slope.chosen == 2);
    CHECK(slope.kappa == Approx(1.5).margin(0.1));
  }
}

TEST_CASE("a robust slope ignores a point far off, where least squares do not") {
  std::vector<double> x, y;
  for (int i = 0; i < 12; ++i) x.push_back(i), y.push_back(3 + 2.0 * i + 0.01 * ((i * 7) % 5));
  const double before = robust_slope(x, y);
  y[11] += 100;
  CHECK(before == Approx(2).margin(0.002));
  CHECK(robust_slope(x, y) == Approx(before).margin(0.002));
}

TEST_CASE("order, and poorer models of the same size, do not matter") {
  std::vector<FittedSize> models = ladder(12, 2);
  const SlopeChoice jump = select_by_jump(models), slope = select_by_slope(models);
  std::reverse(models.begin(), models.end());
  CHECK(select_by_jump(models).chosen == 11 - jump.chosen);
  CHECK(select_by_slope(models).chosen == 11 - slope.chosen);
  for (Index k = 0; k < 12; ++k) {
    FittedSize worse = models[static_cast<std::size_t>(k)];
    worse.log_likelihood -= 300;
    models.push_back(worse);
  }
  CHECK(select_by_jump(models).chosen == 11 - jump.chosen);
  CHECK(select_by_jump(models).kappa == jump.kappa);
  CHECK(select_by_slope(models).chosen == 11 - slope.chosen);
}

TEST_CASE("what does not support a choice is said") {
  // Every size gains less than the one before: each fit chooses another model.
  std::vector<FittedSize> curved;
  for (Index d = 1; d <= 40; ++d) curved.push_back({1e4 * std::sqrt(static_cast<double>(d)), d});
  CHECK_FALSE(select_by_slope(curved, 0.5).supported);
  CHECK_THAT(select_by_slope(curved, 0.5).why, ContainsSubstring("no plateau"));
  const SlopeChoice falling = select_by_jump({{5, 1}, {4, 2}, {3, 3}});
  CHECK(falling.chosen == 0);
  CHECK_FALSE(falling.supported);
  CHECK_FALSE(select_by_slope({{5, 1}, {4, 2}, {3, 3}}).supported);
}

TEST_CASE("misuse of the slope heuristic") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(select_by_jump({}), ContainsSubstring("three sizes, got 0"));
  CHECK_THROWS_WITH(select_by_slope({{1, 2}, {2, 2}, {3, 4}}), ContainsSubstring("three sizes, got 2"));
  CHECK_THROWS_WITH(select_by_jump({{1, 2}, {nan, 3}, {3, 4}}), ContainsSubstring("model 1"));
  CHECK_THROWS_WITH(select_by_jump({{1, 2}, {2, -3}, {3, 4}}), ContainsSubstring("negative, got -3"));
  CHECK_THROWS_WITH(select_by_slope({{1, 2}, {2, 3}, {3, 4}}, 0), ContainsSubstring("(0, 1)"));
}

TEST_CASE("criteria read regression data: BIC and ICL of mixtures of experts") {
  Rng rng(8);
  const Index n = 700;  // two blocks
  Eigen::MatrixXd x(1, n), y(1, n);
  Eigen::VectorXd w(n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = rng.normal();
    y(0, i) = (i % 2 == 0 ? 1 + 2 * x(0, i) : -1 - x(0, i)) + 0.4 * rng.normal();
    w(i) = static_cast<double>(i % 3);
  }
  const auto data = weighted(Regression(x, y), w);
  const auto two = fit_experts(SoftmaxGate(2, 1), LinearExpert(1), data, {.restarts = 4}).model;
  const Eigen::ArrayXXd r = two.responsibilities(data);
  const double entropy = -(w.array() * (r.max(1e-300) * r.max(1e-300).log()).rowwise().sum()).sum();
  const double expected = -2 * two.log_likelihood(data) + 8 * std::log(w.sum());
  CHECK(two.free_parameters() == 8);
  CHECK(bic(two, data) == Approx(expected).epsilon(1e-13));
  CHECK(icl(two, data) == Approx(expected + 2 * entropy).epsilon(1e-12));
  const auto joint = fit_experts(GaussianGate(2, 1), LinearExpert(1), data, {.restarts = 4}).model;
  CHECK(joint.free_parameters() == 11);
  CHECK(bic(joint, data) == Approx(-2 * joint.log_likelihood(data) + 11 * std::log(w.sum())).epsilon(1e-13));
  const auto one = fit_experts(SoftmaxGate(1, 1), LinearExpert(1), data).model;
  CHECK(bic(two, data) < bic(one, data));
  CHECK_THROWS_AS(bic(two, Regression(y, x, Eigen::MatrixXd(Eigen::MatrixXd::Zero(2, n)))), InvalidArgument);
}
