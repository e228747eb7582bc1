// The posterior of a softmax gate.
#include "emulsion/gates/bayesian_softmax.hpp"

#include "catch.hpp"
#include "emulsion/models/mixture_of_experts.hpp"
#include "emulsion/testing/gate_posterior_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

TEST_CASE("the laws of a gate's posterior") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    MatrixXd z(2, 60);
    for (Index i = 0; i < 60; ++i) z.col(i) << 3 + rng.normal(), 0.1 * rng.normal();
    const Regression data(z, MatrixXd(MatrixXd::Zero(1, 60)));
    for (const Index components : {2, 3, 4}) {
      check_laws(
          "softmax about zero",
          testing::gate_posterior_laws(BayesianSoftmaxGate(components, 2, {.intercept = 1, .slope = 2}), data, seed));
      check_laws(
          "softmax about the data",
          testing::gate_posterior_laws(BayesianSoftmaxGate::about(components, data.z(), {.slope = 3}), data, seed));
    }
  }
}

TEST_CASE("the gate's scores are a bound on E[log w], and tight where the posterior is narrow") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Rng rng(seed);
    const Index classes = 2 + static_cast<Index>(seed % 3);
    MatrixXd z(2, 5), mean(3, classes), a(3, 3);
    for (double& value : z.reshaped()) value = 3 + 2 * rng.normal();
    for (double& value : mean.reshaped()) value = rng.normal();
    for (double& value : a.reshaped()) value = 0.4 * rng.normal();
    MatrixXd covariance = a * a.transpose() + 0.01 * MatrixXd::Identity(3, 3);
    covariance = (0.5 * (covariance + covariance.transpose())).eval();
    const Covariates given{Points<>(z)};
    const auto scores_of = [&](const BayesianSoftmaxGate& gate) {
      MatrixXd scores = MatrixXd::Zero(5, classes);
      auto scratch = gate.scratch(5);
      gate.score(given, scratch, scores);
      return scores;
    };
    auto gate = BayesianSoftmaxGate(classes, 2).with_posterior(mean, covariance);
    CHECK((gate.covariance() - covariance).norm() < 1e-13);
    const MatrixXd bound = scores_of(gate);
    gate.follow(given);
    CHECK((gate.covariance() - covariance).norm() < 1e-12);
    CHECK((scores_of(gate) - bound).norm() < 1e-11);
    constexpr int draws = 20'000;
    MatrixXd sum = MatrixXd::Zero(5, classes), square = sum;
    for (int s = 0; s < draws; ++s) {
      const MatrixXd logs = gate_probabilities(gate.sample_gate(rng), given).array().log();
      sum += logs / draws;
      square += logs.cwiseAbs2() / draws;
    }
    for (Index i = 0; i < 5; ++i) {
      for (Index k = 0; k < classes; ++k) {
        const double error = std::sqrt((square(i, k) - sum(i, k) * sum(i, k)) / draws);
        CAPTURE(seed, i, k);
        CHECK(bound(i, k) < sum(i, k) + 4 * error);
      }
    }
    // As the covariance vanishes, by its first order: a gap of tr((A - H) S) / 2, H the curvature.
    for (const double scale : {1e-3, 1e-5}) {
      const MatrixXd narrow = scores_of(gate.with_posterior(mean, scale * covariance));
      const MatrixXd plug_in = gate_probabilities(gate.expected(), given).array().log();
      CHECK((narrow - plug_in).maxCoeff() < 0);
      CHECK((narrow - plug_in - scale * (bound - plug_in)).cwiseAbs().maxCoeff() < 1e-12);
    }
  }
}

TEST_CASE("a gate that starts anew after a move goes on from where it was") {
  Rng rng(3);
  MatrixXd z(1, 200), mean(2, 2);
  for (double& value : z.reshaped()) value = rng.normal();
  mean << 0.5, -0.5, 1.5, -1.5;
  const Covariates given{Points<>(z)};
  const auto weights_of = [&](const BayesianSoftmaxGate& gate) { return gate_probabilities(gate.expected(), given); };
  auto gate = BayesianSoftmaxGate(2, 1).with_posterior(mean, 0.01 * MatrixXd::Identity(2, 2));
  gate.follow(given);
  const MatrixXd r = weights_of(gate);
  auto s = gate.statistics();
  auto scratch = gate.scratch(200);
  MatrixXd scores = MatrixXd::Zero(200, 2);
  gate.score(given, scratch, scores);
  gate.accumulate(given, r, scratch, s);
  auto next = gate;
  gate.maximize(s, next);
  const MatrixXd before = weights_of(next);
  CHECK(next.count(0) == Approx(s.counts(0)));
  // Splitting the second into a quarter and three quarters shares its weight out.
  VectorXd split(3);
  split << next.count(0), 0.25 * next.count(1), 0.75 * next.count(1);
  const MatrixXd after = weights_of(next.rearranged({0, 1, 1}, split));
  CHECK((after.col(0) - before.col(0)).cwiseAbs().maxCoeff() < 0.01);
  CHECK((after.col(1) / 0.25 - before.col(1)).cwiseAbs().maxCoeff() < 0.02);
  // The other order is the other labels.
  VectorXd turned(2);
  turned << next.count(1), next.count(0);
  CHECK((weights_of(next.rearranged({1, 0}, turned)).col(0) - before.col(1)).cwiseAbs().maxCoeff() < 1e-12);
  // Dropping one leaves all to the other.
  auto alone = next;
  alone.drop(0);
  CHECK(alone.size() == 1);
  CHECK(weights_of(alone).isOnes(0));
  // Renewing leaves the others' differences.
  auto renewed = next;
  renewed.renew(0, gate.resized(2));
  CHECK(renewed.mean().col(0).norm() < next.mean().col(0).norm());
}
