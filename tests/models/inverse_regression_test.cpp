#include "emulsion/models/inverse_regression.hpp"

#include <Eigen/Cholesky>

#include "catch.hpp"
#include "emulsion/data/csv.hpp"
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

double log_normal(const VectorXd& x, const VectorXd& mean, const MatrixXd& s) {
  const Eigen::LLT<MatrixXd> llt(s);
  const VectorXd z = llt.matrixL().solve(x - mean);
  return -0.5 * z.squaredNorm() - MatrixXd(llt.matrixL()).diagonal().array().log().sum() -
         0.5 * static_cast<double>(x.size()) * std::log(2 * 3.141592653589793);
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
    VectorXd weights(2);
    MatrixXd means(p, 2), second = MatrixXd::Zero(p, p);
    std::vector<MatrixXd> v;
    for (Index k = 0; k < 2; ++k) {  // by the covariance of y, which the class never forms
      const VectorXd c = forward.gate()[k].mean(), b = forward[k].intercept();
      const MatrixXd g = forward.gate()[k].covariance(), a = forward[k].slopes();
      const MatrixXd s = forward[k].covariance() + a * g * a.transpose();
      const Eigen::LLT<MatrixXd> llt(s);
      weights(k) = std::log(forward.weights()(k)) + log_normal(y, a * c + b, s);
      means.col(k) = c + g * a.transpose() * llt.solve(y - a * c - b);
      v.push_back(g - g * a.transpose() * llt.solve(a * g));
    }
    const double log_density = log_sum_exp(weights);
    CHECK(answer.log_density == Approx(log_density).epsilon(1e-12));
    weights = (weights.array() - log_density).exp();
    CHECK((answer.weights - weights).cwiseAbs().maxCoeff() < 1e-12);
    CHECK((answer.means - means).cwiseAbs().maxCoeff() < 1e-11);
    const VectorXd mean = means * weights;
    CHECK((answer.mean - mean).cwiseAbs().maxCoeff() < 1e-11);
    for (Index k = 0; k < 2; ++k) {
      second +=
          weights(k) * (v[static_cast<std::size_t>(k)] + (means.col(k) - mean) * (means.col(k) - mean).transpose());
    }
    CHECK((answer.covariance - second).cwiseAbs().maxCoeff() < 1e-11);

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
  const InverseRegression inverse(fit.model);
  double square = 0, expected = 0;
  for (Index i = 0; i < n; ++i) {
    const auto answer = inverse(y.col(i));
    square += (answer.mean - x.col(i)).squaredNorm();
    expected += answer.covariance.trace();
  }
  CHECK(square == Approx(expected).epsilon(0.2));  // four standard errors
  const MatrixXd centred = x.colwise() - x.rowwise().mean();
  CHECK(square < 0.2 * centred.squaredNorm());
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
