#include "emulsion/models/inverse_regression.hpp"

#include <Eigen/Cholesky>

#include "catch.hpp"
#include "emulsion/data/csv.hpp"
#include "emulsion/distributions/block_gaussian.hpp"
#include "emulsion/experts/factor_linear.hpp"
#include "emulsion/mixture_of_experts.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

MatrixXd random_covariance(Index d, Rng& rng) {
  MatrixXd a(d, d);
  for (Index i = 0; i < d * d; ++i) a.data()[i] = rng.normal();
  const MatrixXd s = a * a.transpose() + MatrixXd::Identity(d, d);
  return 0.5 * (s + s.transpose());
}
MatrixXd random_matrix(Index rows, Index cols, Rng& rng) {
  MatrixXd a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}

/// Two components, p covariates, q responses.
MixtureOfExperts<GaussianGate, LinearExpert> model(Index p, Index q, Covariance structure, Rng& rng) {
  std::vector<Gaussian> gate;
  std::vector<LinearExpert> experts;
  for (int k = 0; k < 2; ++k) {
    gate.emplace_back(3 * random_matrix(p, 1, rng).col(0), random_covariance(p, rng));
    MatrixXd noise = random_covariance(q, rng);
    if (structure == Covariance::diagonal) noise = MatrixXd(noise.diagonal().asDiagonal());
    experts.emplace_back(random_matrix(q, 1, rng).col(0), random_matrix(q, p, rng), noise, structure);
  }
  return MixtureOfExperts<GaussianGate, LinearExpert>(GaussianGate((VectorXd(2) << 0.3, 0.7).finished(), gate),
                                                      Components<LinearExpert>(experts));
}

/// As p(x, y) of a mixture has it, by covariances of q x q: weights, means and covariance of x, log p(y).
template <class Forward>
struct Bayes {
  VectorXd weights, mean;
  MatrixXd means, covariance;
  double log_density = 0;
  Bayes(const Forward& forward, const VectorXd& y);
};

double log_normal(const VectorXd& x, const VectorXd& mean, const MatrixXd& s) {
  const Eigen::LLT<MatrixXd> llt(s);
  const VectorXd z = llt.matrixL().solve(x - mean);
  return -0.5 * z.squaredNorm() - MatrixXd(llt.matrixL()).diagonal().array().log().sum() -
         0.5 * static_cast<double>(x.size()) * std::log(2 * 3.141592653589793);
}

template <class Forward>
Bayes<Forward>::Bayes(const Forward& forward, const VectorXd& y)
    : weights(forward.size()), means(forward.gate().covariates(), forward.size()) {
  const Index p = means.rows();
  std::vector<MatrixXd> v;
  for (Index k = 0; k < forward.size(); ++k) {
    const VectorXd c = forward.gate()[k].mean(), b = forward[k].intercept();
    const MatrixXd g = forward.gate()[k].covariance(), a = forward[k].slopes();
    const MatrixXd s = forward[k].covariance() + a * g * a.transpose();
    const Eigen::LLT<MatrixXd> llt(s);
    weights(k) = std::log(forward.weights()(k)) + log_normal(y, a * c + b, s);
    means.col(k) = c + g * a.transpose() * llt.solve(y - a * c - b);
    v.push_back(g - g * a.transpose() * llt.solve(a * g));
  }
  log_density = log_sum_exp(weights);
  weights = (weights.array() - log_density).exp();
  mean = means * weights;
  covariance = MatrixXd::Zero(p, p);
  for (Index k = 0; k < forward.size(); ++k) {
    covariance +=
        weights(k) * (v[static_cast<std::size_t>(k)] + (means.col(k) - mean) * (means.col(k) - mean).transpose());
  }
}

/// Two components with p = 3 covariates, q = 6 responses, errors of two factors.
template <class Family, class Make>
MixtureOfExperts<BasicGaussianGate<Family>, FactorLinearExpert> factor_model(const Make& make, Rng& rng) {
  std::vector<Family> gate;
  std::vector<FactorLinearExpert> experts;
  for (int k = 0; k < 2; ++k) {
    gate.push_back(make());
    VectorXd noise(6);
    for (Index r = 0; r < 6; ++r) noise(r) = 0.1 + rng.uniform();
    experts.emplace_back(random_matrix(6, 1, rng).col(0), random_matrix(6, 3, rng), random_matrix(6, 2, rng), noise);
  }
  return MixtureOfExperts<BasicGaussianGate<Family>, FactorLinearExpert>(
      BasicGaussianGate<Family>((VectorXd(2) << 0.3, 0.7).finished(), gate), Components<FactorLinearExpert>(experts));
}

template <class Forward>
void check_inverse(const Forward& forward, Rng& rng) {
  const Index q = forward.dimension();
  const InverseRegression inverse(forward);
  const MatrixXd queries = 2 * random_matrix(q, 20, rng), x = random_matrix(forward.gate().covariates(), 20, rng);
  const auto backward = inverse.model();
  const auto factors = inverse.factor_model();
  for (Index i = 0; i < queries.cols(); ++i) {
    const auto answer = inverse(queries.col(i));
    const Bayes<Forward> expected(forward, queries.col(i));
    CHECK(answer.log_density == Approx(expected.log_density).epsilon(1e-12));
    CHECK((answer.weights - expected.weights).cwiseAbs().maxCoeff() < 1e-11);
    CHECK((answer.means - expected.means).cwiseAbs().maxCoeff() < 1e-11);
    CHECK((answer.covariance - expected.covariance).cwiseAbs().maxCoeff() < 1e-11);
    const MatrixXd query = queries.col(i);
    CHECK((predict(factors, query).mean().col(0) - answer.mean).cwiseAbs().maxCoeff() < 1e-10);
    CHECK((predict(factors, query).weights().row(0).transpose() - answer.weights).cwiseAbs().maxCoeff() < 1e-11);
  }
  const VectorXd joint = forward.log_density(Regression(x, queries));
  CHECK((joint - backward.log_density(Regression(queries, x))).cwiseAbs().maxCoeff() < 1e-9);
  CHECK((joint - factors.log_density(Regression(queries, x))).cwiseAbs().maxCoeff() < 1e-9);
}

}  // namespace

TEST_CASE("what y says of x is Bayes' theorem in the joint Gaussian mixture") {
  Rng rng(11);
  for (const auto structure : {Covariance::full, Covariance::diagonal}) {
    const Index p = 2, q = 4;
    const auto forward = model(p, q, structure, rng);
    const InverseRegression inverse(forward);
    const VectorXd y = 2 * random_matrix(q, 1, rng).col(0);
    const auto answer = inverse(y);
    const Bayes<std::decay_t<decltype(forward)>> expected(forward, y);  // by the covariance of y
    CHECK(answer.log_density == Approx(expected.log_density).epsilon(1e-12));
    CHECK((answer.weights - expected.weights).cwiseAbs().maxCoeff() < 1e-12);
    CHECK((answer.means - expected.means).cwiseAbs().maxCoeff() < 1e-11);
    CHECK((answer.mean - expected.mean).cwiseAbs().maxCoeff() < 1e-11);
    CHECK((answer.covariance - expected.covariance).cwiseAbs().maxCoeff() < 1e-11);

    // The model turned round says the same, and turned round again is the first.
    const auto backward = inverse.model();
    const auto at = predict(backward, y);
    CHECK((at.mean().col(0) - answer.mean).cwiseAbs().maxCoeff() < 1e-10);
    CHECK((at.weights().row(0).transpose() - answer.weights).cwiseAbs().maxCoeff() < 1e-11);
    const MatrixXd x = random_matrix(p, 20, rng), many = random_matrix(q, 20, rng);
    CHECK((forward.log_density(Regression(x, many)) - backward.log_density(Regression(many, x))).cwiseAbs().maxCoeff() <
          1e-9);
    const auto again = InverseRegression(backward).model();
    CHECK((again[1].slopes() - forward[1].slopes()).cwiseAbs().maxCoeff() < 1e-9);
  }
}

TEST_CASE("errors with factors and gates of every family are turned round") {
  Rng rng(7);
  check_inverse(
      factor_model<Gaussian>([&] { return Gaussian(random_matrix(3, 1, rng).col(0), random_covariance(3, rng)); }, rng),
      rng);
  const Partition blocks({{0, 2}, {1}});
  check_inverse(factor_model<BlockGaussian>(
                    [&] {
                      MatrixXd s = random_covariance(3, rng);
                      s(0, 1) = s(1, 0) = s(1, 2) = s(2, 1) = 0;
                      return BlockGaussian(random_matrix(3, 1, rng).col(0), s, blocks);
                    },
                    rng),
                rng);
  check_inverse(factor_model<FactorGaussian>(
                    [&] {
                      return FactorGaussian(random_matrix(3, 1, rng).col(0), random_matrix(3, 1, rng),
                                            VectorXd::Constant(3, 0.3));
                    },
                    rng),
                rng);
  const auto diagonal = model(2, 4, Covariance::diagonal, rng);
  check_inverse(diagonal, rng);
  CHECK_THROWS_WITH(InverseRegression(model(2, 4, Covariance::full, rng)).factor_model(),
                    ContainsSubstring("errors with a full covariance have no noise of their own"));
  CHECK_THROWS_WITH(InverseRegression(model(2, 2, Covariance::diagonal, rng)).factor_model(),
                    ContainsSubstring("the rank of a Gaussian in 2 dimensions must lie in [1, 1], got 2"));
}

TEST_CASE("many responses predict a few covariates") {
  Rng rng(4);
  const Index n = 400, p = 2, q = 60;
  const auto truth = model(p, q, Covariance::diagonal, rng);
  MatrixXd x(p, n);
  for (Index i = 0; i < n; ++i) x.col(i) = truth.gate()[rng.uniform() < 0.3 ? 0 : 1].sample(rng);
  const MatrixXd y = predict(truth, x).sample(rng);
  const auto fit =
      fit_experts(GaussianGate(2, p), LinearExpert(p, q, Covariance::diagonal), Regression(x, y), {.restarts = 5});
  CHECK(fit.report.status == Status::converged);
  const InverseRegression inverse(fit.model), best(truth);
  double square = 0, expected = 0, least = 0;
  for (Index i = 0; i < n; ++i) {
    const auto answer = inverse(y.col(i));
    square += (answer.mean - x.col(i)).squaredNorm();
    expected += answer.covariance.trace();
    least += (best(y.col(i)).mean - x.col(i)).squaredNorm();
  }
  CHECK(square == Approx(expected).epsilon(0.2));  // four standard errors
  CHECK(square < 1.1 * least);                     // no predictor has a smaller expected square than the truth's mean
  const MatrixXd centred = x.colwise() - x.rowwise().mean();
  CHECK(least < 0.5 * centred.squaredNorm());
}

TEST_CASE("inversion refuses what it cannot do, and survives far queries") {
  Rng rng(2);
  const auto forward = model(2, 3, Covariance::full, rng);
  const InverseRegression inverse(forward);
  CHECK_THROWS_WITH(inverse(VectorXd::Zero(2)), ContainsSubstring("expected 3 values, got 2"));
  CHECK_THROWS_WITH(inverse(VectorXd::Constant(3, std::nan(""))), ContainsSubstring("finite"));
  const auto far = inverse(VectorXd::Constant(3, 1e200));
  CHECK(far.weights.sum() == Approx(1));
  CHECK(far.mean.allFinite());
  const MixtureOfExperts<GaussianGate, LinearExpert> other(
      GaussianGate(1, 1), Components<LinearExpert>(std::vector<LinearExpert>(1, LinearExpert(2))));
  CHECK_THROWS_WITH(InverseRegression(other), ContainsSubstring("the gate has 1 and the experts 2"));
}
