// The predictor with known lines: exact posteriors, and why it is the one to use.
#include "emulsion/inference/exponential_weights.hpp"

#include <Eigen/QR>

#include "catch.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/experts/linear.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

MatrixXd normals(Index rows, Index columns, Rng& rng) {
  MatrixXd a(rows, columns);
  for (Index j = 0; j < columns; ++j) {
    for (Index i = 0; i < rows; ++i) a(i, j) = rng.normal();
  }
  return a;
}

}  // namespace

TEST_CASE("the weights are the posterior by enumeration, after every example") {
  Rng rng(1);
  const Index p = 4, m = 5;
  const double s = 0.7;
  const MatrixXd b = normals(p, m, rng);
  const VectorXd prior = (VectorXd(m) << 0.1, 0.3, 0.25, 0.2, 0.15).finished();
  ExponentialWeights known(b, s, prior);
  VectorXd joint = prior;  // P(z, examples), up to a factor
  CHECK((known.weights() - prior).cwiseAbs().maxCoeff() < 1e-15);
  for (int j = 0; j < 8; ++j) {
    const VectorXd x = normals(p, 1, rng);
    const double expected = x.dot(b * joint) / joint.sum();
    CHECK(known.predict(x) == Approx(expected).epsilon(1e-12));
    const double y = x.dot(b.col(2)) + s * rng.normal();
    known.push(x, y);
    for (Index i = 0; i < m; ++i) {
      const double error = y - x.dot(b.col(i));
      joint(i) *= std::exp(-error * error / (2 * s * s));
    }
    CHECK((known.weights() - joint / joint.sum()).cwiseAbs().maxCoeff() < 1e-13);
    CHECK(known.weights().sum() == Approx(1).epsilon(1e-14));
  }
  CHECK(known.examples() == 8);
  CHECK((known.coefficients() - b * joint / joint.sum()).cwiseAbs().maxCoeff() < 1e-12);
}

TEST_CASE("after one example they are the responsibilities of the mixture of regressions") {
  Rng rng(2);
  const MatrixXd b = normals(3, 4, rng);
  const VectorXd prior = (VectorXd(4) << 0.4, 0.3, 0.2, 0.1).finished();
  std::vector<LinearExpert> lines;
  for (Index i = 0; i < 4; ++i) {
    lines.emplace_back(VectorXd::Zero(1), MatrixXd(b.col(i).transpose()), MatrixXd::Constant(1, 1, 0.25));
  }
  const MixtureOfExperts<ConstantGate, LinearExpert> mixture{ConstantGate(prior), Components<LinearExpert>(lines)};
  for (int i = 0; i < 5; ++i) {
    const MatrixXd x = normals(3, 1, rng), y = normals(1, 1, rng);
    ExponentialWeights known(b, 0.5, prior);
    known.push(x.col(0), y(0, 0));
    const VectorXd r = mixture.responsibilities(Regression(x, y)).row(0);
    CHECK((known.weights() - r).cwiseAbs().maxCoeff() < 1e-13);
  }
}

TEST_CASE("fewer examples than covariates: better than the likeliest line and than least squares") {
  // 20 covariates, five lines, a deviation that hides them: mean squared errors, noise left out, over sequences.
  Rng rng(3);
  const Index p = 20, m = 5, examples = 19;
  const double s = 4;
  const int sequences = 4000;
  const MatrixXd b = normals(p, m, rng);
  VectorXd ours = VectorXd::Zero(examples + 1), likeliest = ours, ols = ours;
  for (int t = 0; t < sequences; ++t) {
    const VectorXd truth = b.col(static_cast<Index>(rng.below(m)));
    ExponentialWeights known(b, s);
    MatrixXd design(examples, p);
    VectorXd y(examples);
    for (Index k = 0; k <= examples; ++k) {
      const VectorXd x = normals(p, 1, rng);
      const double mean = x.dot(truth);
      Index best = 0;
      known.weights().maxCoeff(&best);
      const auto square = [&](double guess) { return (guess - mean) * (guess - mean) / sequences; };
      ours(k) += square(known.predict(x));
      likeliest(k) += square(x.dot(b.col(best)));
      if (k == 1 || k == 5 || k == examples) {
        const VectorXd least = design.topRows(k).completeOrthogonalDecomposition().solve(y.head(k));
        ols(k) += square(x.dot(least));
      }
      if (k == examples) continue;
      design.row(k) = x.transpose();
      y(k) = mean + s * rng.normal();
      known.push(x, y(k));
    }
  }
  for (Index k = 0; k <= 5; ++k) CHECK(ours(k) < 0.9 * likeliest(k));
  for (const Index k : {Index{1}, Index{5}, examples}) CHECK(ours(k) < 0.8 * ols(k));
  CHECK(ours(examples) < 0.2 * ours(0));
  // Before any example: E |x'(b_z - mean b)|^2 = tr Var(b_z), the variance of the prior.
  const VectorXd centre = b.rowwise().mean();
  const double variance = (b.colwise() - centre).colwise().squaredNorm().mean();
  CHECK(ours(0) == Approx(variance).epsilon(0.06));  // three standard errors of 4000 sequences
  CHECK(ExponentialWeights(b, s).coefficients().isApprox(centre, 1e-14));
}

TEST_CASE("far examples, lines without a prior and other extremes keep the weights a distribution") {
  const MatrixXd b = (MatrixXd(1, 3) << 1, 2, 3).finished();
  const auto at = [](double value) { return VectorXd::Constant(1, value); };
  ExponentialWeights known(b, 1e-3);
  known.push(at(1e299), 1e300);  // squares overflow; the steepest line is nearest
  CHECK(known.weights()(2) == 1);
  for (int i = 0; i < 3; ++i) known.push(at(1e299), -1e300);
  CHECK(known.weights().sum() == 1);
  CHECK(known.weights()(0) == 1);
  ExponentialWeights unlikely(b, 1e-3, (VectorXd(3) << 0.5, 0.5, 0).finished());
  unlikely.push(at(1), 3);  // only the line that cannot be
  CHECK(unlikely.weights()(1) == 1);
  CHECK(unlikely.weights()(2) == 0);
  ExponentialWeights same(MatrixXd::Ones(2, 4), 1.0);
  same.push(VectorXd::Ones(2), 100);
  CHECK((same.weights().array() - 0.25).abs().maxCoeff() < 1e-15);
}

TEST_CASE("misuse of exponential weights") {
  const MatrixXd b = MatrixXd::Ones(2, 3);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(ExponentialWeights(MatrixXd(2, 0), 1), ContainsSubstring("2 x 0"));
  CHECK_THROWS_WITH(ExponentialWeights(b, 0), ContainsSubstring("positive, got 0"));
  CHECK_THROWS_WITH(ExponentialWeights(MatrixXd::Constant(1, 1, nan), 1), ContainsSubstring("finite"));
  CHECK_THROWS_WITH(ExponentialWeights(b, 1, VectorXd::Ones(2)), ContainsSubstring("3 weights, one per line, got 2"));
  CHECK_THROWS_WITH(ExponentialWeights(b, 1, VectorXd::Ones(3)), ContainsSubstring("sum to 3"));
  ExponentialWeights known(b, 1);
  CHECK_THROWS_WITH(known.push(VectorXd::Ones(3), 1), ContainsSubstring("expected 2 covariates, got 3"));
  CHECK_THROWS_WITH(known.push(VectorXd::Ones(2), nan), ContainsSubstring("response"));
  CHECK_THROWS_WITH(known.predict(VectorXd::Ones(1)), ContainsSubstring("expected 2 covariates, got 1"));
  CHECK(known.examples() == 0);
}
