#pragma once
// What the tests of single families of experts share. Data, and laws that need a whole model.
#include <cmath>
#include <utility>

#include "catch.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/component_laws.hpp"
#include "emulsion/testing/em_laws.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "reference/experts.hpp"

namespace checks {

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

inline VectorXd one(double value) { return VectorXd::Constant(1, value); }
inline MatrixXd single(double value) { return MatrixXd::Constant(1, 1, value); }
inline MatrixXd e1_gate() { return (MatrixXd(2, 2) << .5, 0, -1, 0).finished(); }

/// The softmax gate of E1 with two experts: total log-likelihood and responsibilities of the first, in the frame of the
/// data too.
template <class Expert>
void check_e1(const Expert& first, const Expert& second, double log_likelihood, const VectorXd& expected) {
  const MatrixXd x = reference::e1_x(), y = reference::e1_y();
  const Regression data(x, y);
  MixtureOfExperts<SoftmaxGate, Expert> model(SoftmaxGate(e1_gate()), Components<Expert>({first, second}));
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(model.log_likelihood(data) == Approx(log_likelihood).epsilon(1e-12));
    const MatrixXd r = model.responsibilities(data);
    for (Index i = 0; i < data.size(); ++i) CHECK(r(i, 0) == Approx(expected(i)).epsilon(1e-12));
    model.follow(data);
  }
}

/// Covariates (p x n) of different scales, far from zero.
inline MatrixXd covariates(Index p, Index n, Rng& rng) {
  MatrixXd x(p, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < p; ++j) x(j, i) = 3.0 * static_cast<double>(j) + (1 + static_cast<double>(j)) * rng.normal();
  }
  return x;
}
/// Responses (q x n) that the expert draws at x.
template <class Expert>
MatrixXd responses(const Expert& expert, const MatrixXd& x, Rng& rng) {
  const MatrixXd location = response_locations(expert, x);
  const MatrixXd scale = expert.scale(x);
  MatrixXd y(expert.dimension(), x.cols());
  for (Index i = 0; i < x.cols(); ++i) y.col(i) = expert.sample(location.col(i), scale.col(i), rng);
  return y;
}

/// Of log p by the parameters of the chart: central differences, by Richardson's extrapolation.
template <class Model>
VectorXd numerical_gradient(const Model& model, const Regression& data) {
  VectorXd v;
  model.pack(v);
  VectorXd result(v.size());
  for (Index j = 0; j < v.size(); ++j) {
    const auto slope = [&](double h) {
      double values[2] = {};
      for (int side = 0; side < 2; ++side) {
        VectorXd u = v;
        u(j) += side == 0 ? -h : h;
        Model other = model;
        REQUIRE(other.unpack(u));
        values[side] = other.log_likelihood(data);
      }
      return (values[1] - values[0]) / (2 * h);
    };
    const double h = 1e-3;
    result(j) = (4 * slope(h / 2) - slope(h)) / 3;
  }
  return result;
}

template <class Model>
typename Model::Statistics folded(const Model& model, const Regression& data) {
  Workers workers(1);
  Fold<Model, Regression> fold(model, data, workers);
  return fold(model, Soft{});
}

/// Fisher's identity: the gradient that the statistics know is that of the log-likelihood.
template <class Model>
void check_gradient(Model model, const Regression& data) {
  model.follow(data);
  const VectorXd expected = numerical_gradient(model, data);
  VectorXd found(expected.size());
  model.gradient(folded(model, data), found);
  const double size = 1 + expected.cwiseAbs().maxCoeff();
  for (Index j = 0; j < found.size(); ++j) {
    INFO("parameter " << j << " of " << found.size());
    CHECK(std::abs(found(j) - expected(j)) < 1e-8 * size);
  }
}
/// At a maximum it vanishes: to 1e-5 of the sum of the observations' weights.
template <class Model>
void check_stationary(const Model& model, const Regression& data) {
  const VectorXd slope = numerical_gradient(model, data);
  for (Index j = 0; j < slope.size(); ++j) {
    INFO("parameter " << j << " of " << slope.size());
    CHECK(std::abs(slope(j)) < 1e-5 * data.total_weight());
  }
}

/// Fits from random responsibilities never fall, whatever the seed; with and without acceleration.
template <class Expert, class Make>
void check_traces(const Expert& prototype, const Make& data_of) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Rng rng(seed);
    const auto kept = data_of(rng);
    const Regression data(kept.first, kept.second);
    const MixtureOfExperts<SoftmaxGate, Expert> start =
        emulsion::seed(MixtureOfExperts<SoftmaxGate, Expert>(SoftmaxGate(2, kept.first.rows()),
                                                             Components<Expert>(std::vector<Expert>(2, prototype))),
                       data, rng, {.start = Start::random_responsibilities});
    for (const Acceleration acceleration : {Acceleration::none, Acceleration::automatic}) {
      const auto fit = em(start, data, {.max_iterations = 150, .acceleration = acceleration});
      INFO("seed " << seed << ": " << fit.report);
      CHECK(fit.report.status != Status::objective_fell);
      CHECK(fit.report.status != Status::failed);
      double worst = 0;
      for (std::size_t i = 1; i < fit.report.trace.size(); ++i) {
        worst = std::max(worst, fit.report.trace[i - 1] - fit.report.trace[i]);
      }
      CHECK(worst < 1e-12 * (1 + std::abs(fit.report.objective)));
    }
  }
}

/// Mean, variance and distribution function at x are those of the density, which is integrated from `low` to `high`,
/// beyond which there is nothing; the draws follow it.
template <class Expert>
void check_prediction(const Expert& expert, double x, double low, double high) {
  const Index n = 100'000;
  const double step = (high - low) / static_cast<double>(n);
  MatrixXd y(1, n + 1);
  VectorXd weight(n + 1);  // Simpson's
  for (Index i = 0; i <= n; ++i) {
    y(0, i) = i < n ? low + static_cast<double>(i) * step : high;
    weight(i) = (i == 0 || i == n ? 1 : (i % 2 == 1 ? 4 : 2)) * step / 3;
  }
  const Regression points(MatrixXd(MatrixXd::Constant(1, n + 1, x)), y);
  const VectorXd density = emulsion::testing::log_density(expert, points).array().exp();
  const VectorXd p = weight.cwiseProduct(density);
  const double mean = p.dot(y.row(0).transpose());
  const double variance = (p.array() * (y.row(0).transpose().array() - mean).square()).sum();
  CHECK(p.sum() == Approx(1).epsilon(1e-10));
  const double location = response_locations(expert, single(x))(0, 0), scale = expert.scale(single(x))(0, 0);
  CHECK(expert.mean(single(x))(0, 0) == Approx(mean).epsilon(1e-9).margin(1e-9 * scale));
  CHECK(expert.variance(location, scale) == Approx(variance).epsilon(1e-8));
  for (Index i = n / 10; i < n; i += n / 10) {
    const double below = p.head(i).sum() + density(i) * step / 3;
    CHECK(expert.cumulative(y(0, i), location, scale) == Approx(below).margin(1e-10));
  }
  Rng rng(9);
  const Index draws = 40'000;
  const MatrixXd drawn = responses(expert, MatrixXd::Constant(1, draws, x), rng);
  const double deviation = std::sqrt(variance / static_cast<double>(draws));
  CHECK(std::abs(drawn.mean() - mean) < 4.5 * deviation);
  for (const double z : {-1.0, 0.0, 1.5}) {
    const double at = mean + z * std::sqrt(variance), below = expert.cumulative(at, location, scale);
    const double share = static_cast<double>((drawn.array() <= at).count()) / static_cast<double>(draws);
    CHECK(std::abs(share - below) < 4.5 * std::sqrt(below * (1 - below) / static_cast<double>(draws)) + 1e-12);
  }
}

inline void check_laws(const std::vector<std::string>& broken) {
  for (const std::string& sentence : broken) FAIL_CHECK(sentence);
}

}  // namespace checks
