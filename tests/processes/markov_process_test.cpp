#include "emulsion/inference/fit_markov_process.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "emulsion/core/dense_cholesky.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/kernels/squared_exponential.hpp"
#include "emulsion/processes/sample_state_space.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

// Kernels without a finite state are refused when compiled; so are products whose state would be another one's.
static_assert(MarkovKernel<SumKernel<Matern52, ProductKernel<ProductKernel<ConstantKernel, Periodic>, Matern12>>>);
static_assert(!MarkovKernel<SquaredExponential> && !MarkovKernel<SumKernel<Matern12, SquaredExponential>>);
static_assert(!MarkovKernel<ProductKernel<Matern12, Matern12>> && !MarkovKernel<ProductKernel<Periodic, Periodic>>);

namespace {

template <MarkovKernel K>
ConditionedMarkovProcess<K> conditioned(const K& kernel, double noise, const Eigen::MatrixXd& t,
                                        const Eigen::VectorXd& y, const StateSpaceOptions& options = {},
                                        const Eigen::VectorXd& extra = {}) {
  return MarkovProcess<K>(kernel, noise, options).condition(Regression(t, y.transpose()), extra);
}

/// Irregular times in no order, with a repeated one, tiny and huge gaps.
Eigen::RowVectorXd times(Index n, std::uint64_t seed, double gap = 400) {
  Rng rng(seed);
  Eigen::RowVectorXd t(n);
  double now = -3;
  for (Index i = 0; i < n; ++i) t(i) = now += i % 7 == 3 ? 1e-7 : i % 7 == 5 ? 0 : 0.4 * rng.exponential();
  t.tail(n / 3).array() += gap;
  for (Index i = n - 1; i > 0; --i)
    std::swap(t(i), t(static_cast<Index>(rng.below(static_cast<std::uint64_t>(i + 1)))));
  return t;
}
Eigen::VectorXd values(const Eigen::RowVectorXd& t, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::VectorXd y(t.size());
  for (Index i = 0; i < t.size(); ++i) y(i) = std::sin(t(i)) + 0.3 * rng.normal();
  return y;
}
Eigen::RowVectorXd queries(const Eigen::RowVectorXd& t) {
  Eigen::RowVectorXd q(t.size() + 12);
  q << t.array() + 0.03, t(0), t(1), -50, -3.2, 200, 399, 1e4, t(2) - 1e-9, t(2) + 1e-9, 0, 1, 402;
  return q;
}

struct Dense {
  double log_likelihood;
  Eigen::VectorXd mean, variance;
};
/// By the formulas of the dense process, with covariances k(tau).
Dense dense(const StateSpace& space, double noise, const Eigen::VectorXd& extra, const Eigen::RowVectorXd& t,
            const Eigen::VectorXd& y, const Eigen::RowVectorXd& q) {
  Eigen::MatrixXd gram = space.gram(t.transpose(), t.transpose());
  gram.diagonal().array() += noise;
  if (extra.size() > 0) gram.diagonal() += extra;
  const DenseCholesky factor(gram);
  REQUIRE(factor.jitter() == 0);
  Eigen::VectorXd white = y;
  factor.whiten(white);
  Eigen::MatrixXd cross = space.gram(t.transpose(), q.transpose());
  Dense result;
  factor.whiten(cross);
  result.mean = cross.transpose() * white;
  result.variance = space.variance() - cross.colwise().squaredNorm().transpose().array();
  result.log_likelihood =
      -0.5 * (white.squaredNorm() + factor.log_determinant() + static_cast<double>(y.size()) * log_two_pi);
  return result;
}

template <MarkovKernel K>
void equals_dense(const char* name, const K& kernel, double noise, const Eigen::RowVectorXd& t,
                  const Eigen::VectorXd& extra = {}) {
  INFO(name);
  const Eigen::VectorXd y = values(t, 5);
  const auto process = conditioned(kernel, noise, t, y, {}, extra);
  const Eigen::RowVectorXd q = queries(t);
  const Dense expected = dense(process.state_space(), noise, extra, t, y, q);
  const auto found = process.predict(q);
  CHECK(process.floored() == 0);
  CHECK(std::abs(process.log_marginal_likelihood() - expected.log_likelihood) <
        1e-8 * std::max(1.0, std::abs(expected.log_likelihood)));
  CHECK((found.mean() - expected.mean).cwiseAbs().maxCoeff() < 1e-8);
  CHECK((found.variance() - expected.variance).cwiseAbs().maxCoeff() < 1e-8);
  CHECK((found.variance_with_noise() - expected.variance).array().isApproxToConstant(noise, 1e-4));
}

template <MarkovKernel K>
void gradient_is_slope(const char* name, const K& kernel, const StateSpaceOptions& options = {.harmonics = 4}) {
  INFO(name);
  const Eigen::RowVectorXd t = times(400, 3, 5);  // more than one segment
  const Eigen::VectorXd y = values(t, 6);
  const Eigen::VectorXd extra = Eigen::VectorXd::LinSpaced(y.size(), 0, 0.2);
  const double noise = 0.1;
  const Eigen::VectorXd found = conditioned(kernel, noise, t, y, options, extra).gradient();
  const Eigen::VectorXd v = hyperparameters(kernel);
  for (Index p = 0; p <= v.size(); ++p) {
    const auto at = [&](double step) {
      Eigen::VectorXd u = v;
      K moved = kernel;
      if (p < v.size()) u(p) += step;
      Index first = 0;
      REQUIRE(moved.unpack(u, first));
      return conditioned(moved, p < v.size() ? noise : noise * std::exp(step), t, y, options, extra)
          .log_marginal_likelihood();
    };
    const double h = 5e-5;  // fourth order: error h^4, rounding 1e-13 / h
    const double slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
    INFO("hyperparameter " << p);
    CHECK(std::abs(found(p) - slope) < 1e-6 * std::max(1.0, std::abs(slope)));
  }
}

}  // namespace

TEST_CASE("a Markov process equals the dense one") {
  for (const std::uint64_t seed : {1U, 2U}) {
    const Eigen::RowVectorXd t = times(120, seed);
    const Eigen::VectorXd extra = Eigen::VectorXd::LinSpaced(t.size(), 0.001, 0.5);
    for (const double noise : {0.2, 1e-3}) {
      equals_dense("Matern 1/2", Matern12(1.7, 1.3), noise, t);
      equals_dense("Matern 3/2", Matern32(1.7, 0.8), noise, t);
      equals_dense("Matern 5/2", Matern52(0.6, 1.3), noise, t);
      // At noise 1e-3 their means differ by 6e-9: too near the tolerance for every compiler.
      equals_dense("periodic", Periodic(1.2, 0.9, 2.3), std::max(noise, 0.05), t);
      equals_dense("sum", Matern12(0.4, 0.5) + Matern52(2, 30.0), noise, t);
      equals_dense("quasi-periodic", Periodic(1.0, 0.8, 1.9) * Matern32(1.4, 5.0), noise, t);
      equals_dense("quasi-periodic", Matern12(1.0, 9.0) * Periodic(1.1, 1.5, 1.9), noise, t);
      equals_dense("all", 0.5 * Periodic(1.0, 1.2, 1.9) * Matern52(1.4, 5.0) + Matern32(1, 40.0) + ConstantKernel(2),
                   noise, t);
      equals_dense("noise of their own", Matern32(1.7, 0.8), noise, t, extra);
    }
  }
}

TEST_CASE("a long Markov process equals the dense one") {  // several stretches between the states that are kept
  const Eigen::RowVectorXd t = times(600, 4);
  equals_dense("Matern 5/2", Matern52(0.6, 1.3), 0.05, t);
  equals_dense("quasi-periodic", Periodic(1.0, 0.8, 1.9) * Matern12(1.4, 5.0) + Matern32(1, 40.0), 0.05, t);
}

TEST_CASE("the truncated kernel is the kernel within the error asked for") {
  for (const double length : {0.3, 0.9, 2.5, 40.0}) {
    for (const double error : {1e-3, 1e-6, 1e-12}) {
      const auto kernel = Periodic(1.3, length, 1.7) * Matern32(0.8, 3.0);
      const StateSpace space(kernel, {.harmonic_error = error});
      const Eigen::RowVectorXd t = Eigen::RowVectorXd::LinSpaced(200, 0, 5);
      const Eigen::MatrixXd exact = kernel.gram(t.leftCols(1), t);
      const Eigen::MatrixXd close = space.gram(t.leftCols(1).transpose(), t.transpose());
      CHECK((exact - close).cwiseAbs().maxCoeff() <= 1.3 * 0.8 * error + 1e-14);
      // and with no more harmonics than needed: one fewer is too few
      const auto terms = static_cast<Index>(space.terms().size());
      if (terms > 1) {
        const StateSpace fewer(kernel, {.harmonics = terms - 2});
        CHECK(fewer.variance() < 1.3 * 0.8 * (1 - error) + 1e-14);
      }
    }
  }
  CHECK(StateSpace(Matern52(2, 3.0)).covariance(1.1) ==
        Approx(Matern52(2, 3.0)(Eigen::VectorXd::Zero(1), Eigen::VectorXd::Constant(1, 1.1))).epsilon(1e-14));
}

TEST_CASE("a Markov process: reference values") {
  const Eigen::RowVectorXd t = Eigen::RowVectorXd::LinSpaced(10, 0, 4.5);
  const Eigen::VectorXd y = t.transpose().array().sin() + 0.1 * (7 * t.transpose().array()).cos();
  const Eigen::RowVector4d at(0.25, 1.9, 3.3, 6);
  const auto check = [&](const auto& process, double likelihood, const Eigen::Vector3d& gradient,
                         const Eigen::Vector4d& mean, const Eigen::Vector4d& variance) {
    CHECK(process.log_marginal_likelihood() == Approx(likelihood).epsilon(1e-10));
    const Eigen::VectorXd by = process.gradient();
    for (Index i = 0; i < 3; ++i) CHECK(by(i) == Approx(gradient(i)).epsilon(1e-10));
    const auto found = process.predict(at);
    for (Index i = 0; i < 4; ++i) {
      CHECK(found.mean()(i) == Approx(mean(i)).epsilon(1e-10));
      CHECK(found.variance()(i) == Approx(variance(i)).epsilon(1e-10));
    }
  };
  check(conditioned(Matern12(1.7, 1.3), 0.01, t, y), -9.919551349549737,
        {-4.126949061351049, 2.6921183458281357, -0.06933605913879021},
        {0.24000283266244427, 0.9147366464070559, -0.12604630839775355, -0.2758749059154721},
        {0.3277424786326504, 0.21418890144992564, 0.31516442426553426, 1.5318501847606483});
  check(conditioned(Matern52(1.7, 1.3), 0.01, t, y), -4.534214595650347,
        {-3.1625933788213216, 6.6734429233464585, -0.4274825603877146},
        {0.21108659188136666, 0.9363343534233017, -0.1269642565383351, -0.236862758863859},
        {0.01095805375179305, 0.00874423931132662, 0.00962558452500263, 1.2442924935215558});
}

TEST_CASE("the gradient of a Markov process is the slope of its log marginal likelihood") {
  gradient_is_slope("Matern 1/2", Matern12(1.7, 1.3));
  gradient_is_slope("Matern 3/2", Matern32(1.7, 0.8));
  gradient_is_slope("Matern 5/2", Matern52(0.6, 1.3));
  gradient_is_slope("periodic", Periodic(1.2, 0.9, 2.3));
  gradient_is_slope("quasi-periodic", Matern52(1.0, 9.0) * Periodic(1.1, 1.5, 1.9));
  gradient_is_slope("all", 0.5 * Periodic(1.0, 1.2, 1.9) * Matern12(1.4, 5.0) + Matern32(1, 40.0) + ConstantKernel(2));
}

TEST_CASE("a step without cancellation") {
  // Q of the value to leading order: the process is rate^(2 nu) |tau|^(2 nu) rough.
  for (const double u : {1e-3, 1e-6, 1e-12}) {
    CHECK(MaternStep(1, u).noise(0, 0) == Approx(2 * u).epsilon(2 * u));
    CHECK(MaternStep(2, u).noise(0, 0) == Approx(4.0 / 3 * u * u * u).epsilon(3 * u));
    CHECK(MaternStep(3, u).noise(0, 0) == Approx(4.0 / 15 * std::pow(u, 5)).epsilon(4 * u));
  }
  // Two steps are one, on both sides of where the formula changes, and far beyond.
  for (const Index order : {1, 2, 3}) {
    for (const double u : {1e-9, 0.02, 0.5, 0.99, 1.01, 3.0, 800.0}) {
      const MaternStep half(order, u), whole(order, 2 * u);
      const Eigen::Matrix3d noise = half.transition * half.noise * half.transition.transpose() + half.noise;
      CHECK((half.transition * half.transition - whole.transition).cwiseAbs().maxCoeff() < 1e-14);
      CHECK((noise - whole.noise).cwiseAbs().maxCoeff() < 1e-14);
      CHECK((whole.transition * whole.stationary * whole.transition.transpose() + whole.noise - whole.stationary)
                .cwiseAbs()
                .maxCoeff() < 1e-14);
    }
  }
}

TEST_CASE("a Markov process of no, one, and noiseless observations") {
  const Eigen::RowVector2d at(0.5, 9);
  const auto none = conditioned(Matern32(2, 1.0), 0.1, Eigen::RowVectorXd(0), Eigen::VectorXd(0));
  CHECK(none.log_marginal_likelihood() == 0);
  CHECK(none.gradient().isZero(0));
  CHECK(none.predict(at).mean().isZero(0));
  CHECK(none.predict(at).variance().isApproxToConstant(2));

  const auto one =
      conditioned(Matern32(2, 1.0), 0.1, Eigen::RowVectorXd::Constant(1, 0.5), Eigen::VectorXd::Constant(1, 3));
  CHECK(one.log_marginal_likelihood() == Approx(-0.5 * (log_two_pi + std::log(2.1) + 9 / 2.1)).epsilon(1e-14));
  CHECK(one.predict(at).mean()(0) == Approx(3 * 2 / 2.1).epsilon(1e-14));
  CHECK(one.predict(at).variance()(0) == Approx(2 - 4 / 2.1).epsilon(1e-13));
  CHECK(one.predict(Eigen::RowVectorXd(0)).mean().size() == 0);

  const Eigen::RowVectorXd t = Eigen::RowVectorXd::LinSpaced(30, 0, 20);
  const Eigen::VectorXd y = t.transpose().array().sin();
  const auto exact = conditioned(Matern52(1, 2.0), 0, t, y);
  const Dense expected = dense(exact.state_space(), 0, {}, t, y, queries(t));
  CHECK(exact.log_marginal_likelihood() == Approx(expected.log_likelihood).epsilon(1e-10));
  CHECK((exact.predict(queries(t)).mean() - expected.mean).cwiseAbs().maxCoeff() < 1e-8);
  CHECK((exact.predict(queries(t)).variance() - expected.variance).cwiseAbs().maxCoeff() < 1e-8);
  CHECK((exact.predict(t).mean() - y).cwiseAbs().maxCoeff() < 1e-13);
  CHECK(exact.predict(t).variance().maxCoeff() < 1e-13);

  // Closer than rounding can tell apart: finite, and said.
  Eigen::RowVectorXd close(3);
  close << 0, 1e-9, 2e-9;
  const auto tight = conditioned(Matern52(1, 2.0), 0, close, Eigen::Vector3d(1, 1, 1));
  CHECK(tight.floored() > 0);
  CHECK(std::isfinite(tight.log_marginal_likelihood()));
  CHECK(tight.gradient().allFinite());
  CHECK(tight.predict(at).mean()(1) == Approx(0).margin(0.1));
  CHECK(tight.predict(at).variance().maxCoeff() <= 1);
}

TEST_CASE("draws have the covariances of the kernel") {
  const Eigen::RowVectorXd t = (Eigen::RowVectorXd(5) << 0, 0.3, 0.3, 0.35, 2).finished();
  const auto check = [&](const StateSpace& space) {
    constexpr int draws = 20'000;
    Rng rng(1);
    Eigen::MatrixXd found = Eigen::MatrixXd::Zero(5, 5);
    for (int i = 0; i < draws; ++i) {
      const Eigen::VectorXd f = sample(space, t, rng);
      REQUIRE(f(1) == f(2));
      found += f * f.transpose() / draws;
    }
    // Five standard deviations of such a mean.
    const double reach = 5 * std::sqrt(2.0 / draws) * space.variance();
    CHECK((found - space.gram(t.transpose(), t.transpose())).cwiseAbs().maxCoeff() < reach);
  };
  check(StateSpace(Matern12(2, 1.0)));
  check(StateSpace(Matern52(2, 1.0)));
  check(StateSpace(Matern32(2, 3.0) + Periodic(1, 1, 1.5) * Matern52(1, 2.0), {.harmonic_error = 0.01}));
  Rng rng(1);
  CHECK_THROWS_WITH(sample(StateSpace(Matern12()), Eigen::RowVector2d(1, 0), rng), ContainsSubstring("ascending"));
}

TEST_CASE("misuse of a Markov process is one sentence") {
  const Eigen::RowVector3d t(0, 1, 2);
  const Eigen::Vector3d y(1, 2, 3);
  const Regression data(t, y.transpose());
  const Eigen::Vector3d twice(1, 2, 1);
  CHECK_THROWS_WITH(MarkovProcess(Matern12(), 1).condition(weighted(data, twice)), ContainsSubstring("number 1 is 2"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0.1, Eigen::MatrixXd::Ones(2, 3), y),
                    ContainsSubstring("one dimension, 1 x n, got 2 x 3"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0.1, t, Eigen::Vector2d(1, 2)),
                    ContainsSubstring("each of 3 observations, got 2"));
  CHECK_THROWS_WITH(conditioned(Matern12(1, Eigen::Vector2d(1, 1)), 0.1, t, y), ContainsSubstring("2 length scales"));
  CHECK_THROWS_WITH(conditioned(Matern12(), -0.1, t, y), ContainsSubstring("not negative, got -0.1"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0.1, t, Eigen::Vector3d(1, std::nan(""), 2)),
                    ContainsSubstring("values must be finite"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0.1, Eigen::RowVector3d(1, std::nan(""), 2), y),
                    ContainsSubstring("times must be finite"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0, Eigen::RowVector3d(1, 2, 1), y),
                    ContainsSubstring("two observations at time 1 without noise"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0.1, t, y, {}, Eigen::Vector2d(1, 1)),
                    ContainsSubstring("each of 3 observations, got 2"));
  CHECK_THROWS_WITH(conditioned(Matern12(), 0.1, t, y).predict(Eigen::MatrixXd::Ones(3, 1)),
                    ContainsSubstring("got 3 x 1"));
  CHECK_THROWS_WITH(fit_markov_process(MarkovProcess(Matern12()), data),
                    ContainsSubstring("must start at a positive one"));
  CHECK_THROWS_WITH(fit_markov_process(MarkovProcess(Matern12(), 1), data, {.restarts = 0}),
                    ContainsSubstring("at least one start"));
  CHECK_THROWS_WITH(StateSpace(Periodic(1, 0.00001, 1)), ContainsSubstring("at least 0.0001"));
  CHECK_THROWS_WITH(StateSpace(Periodic(1, 0.03, 1)), ContainsSubstring("max_harmonics = 64"));
}

TEST_CASE("a fit reaches the optimum that the dense likelihood has") {
  Rng rng(4);
  Eigen::RowVectorXd t(150);
  double now = 0;
  for (double& one : t) one = now += 0.3 * rng.exponential();
  Eigen::VectorXd y = values(t, 8);
  const auto fit = fit_markov_process(MarkovProcess(Matern32(1, 0.5), 0.5), Regression(t, y.transpose()),
                                      {.restarts = 3, .seed = 2});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.objective == fit.model.log_marginal_likelihood());
  CHECK(fit.report.best_reached >= 2);
  CHECK(fit.model.gradient().cwiseAbs().maxCoeff() < 1e-2);

  // The dense likelihood and its gradient.
  const auto likelihood = [&](const Eigen::VectorXd& u, Eigen::VectorXd& slope) {
    Matern32 kernel;
    Index at = 0;
    kernel.unpack(u, at);
    const double noise = std::exp(u(2));
    Eigen::MatrixXd gram = kernel.gram(t);
    gram.diagonal().array() += noise;
    const DenseCholesky factor(gram);
    Eigen::MatrixXd inverse = Eigen::MatrixXd::Identity(150, 150);
    factor.whiten(inverse);
    inverse = (inverse.transpose() * inverse).eval();
    const Eigen::VectorXd weights = inverse * y;
    const Eigen::MatrixXd by = 0.5 * (weights * weights.transpose() - inverse);
    slope.setZero(3);
    kernel.add_gradient(t, t, by, slope.head(2));
    slope(2) = noise * by.trace();
    return -0.5 * (y.dot(weights) + factor.log_determinant() + 150 * log_two_pi);
  };
  const Maximum dense_optimum = maximize_by_lbfgs(likelihood, Eigen::Vector3d(0, std::log(0.5), std::log(0.5)));
  CHECK(fit.report.objective == Approx(dense_optimum.value).epsilon(1e-8));
  Eigen::VectorXd found(3);
  Index at = 0;
  fit.model.prior().pack(found, at);
  CHECK((found - dense_optimum.at).cwiseAbs().maxCoeff() < 1e-3);  // the tolerance is on the value, flat at its top

  // With a part of the series first.
  const auto piloted =
      fit_markov_process(MarkovProcess(Matern32(1, 0.5), 0.5), Regression(t, y.transpose()), {.pilot = 60});
  CHECK(piloted.report.objective == Approx(dense_optimum.value).epsilon(1e-8));

  const auto fixed =
      fit_markov_process(MarkovProcess(Matern32(1, 0.5), 0.5), Regression(t, y.transpose()), {.fixed_noise = true});
  CHECK(fixed.model.noise() == 0.5);
  CHECK(fixed.report.objective < fit.report.objective);
}

TEST_CASE("a quasi-periodic fit keeps the error of its harmonics") {
  Rng rng(9);
  Eigen::RowVectorXd t(150);
  double now = 0;
  for (double& one : t) one = now += 0.2 * rng.exponential();
  Eigen::VectorXd y(t.size());
  for (Index i = 0; i < t.size(); ++i) y(i) = std::exp(std::sin(2 * t(i)) * 2) / 3 + 0.1 * rng.normal();
  const auto start = Periodic(1.0, 3.0, 3.1) * Matern12(1.0, 30.0);
  const auto fit = fit_markov_process(MarkovProcess(start, 0.1), Regression(t, y.transpose()));
  CHECK(fit.report.status != Status::failed);
  CHECK(fit.model.kernel().first().period() == Approx(3.14159265).epsilon(2e-3));
  CHECK(fit.model.kernel().first().length_scale() < 2);  // shorter than at the start: more harmonics
  CHECK(fit.model.prior().options().harmonics > static_cast<Index>(StateSpace(start).terms().size()) - 1);
  const double left_out = 1 - fit.model.state_space().variance() / fit.model.kernel()(t.leftCols(1), t.leftCols(1));
  CHECK(left_out <= 1e-6);
  // Too few allowed: said.
  const auto few = fit_markov_process(MarkovProcess(start, 0.1, {.max_harmonics = 4}), Regression(t, y.transpose()));
  CHECK(few.report.events.size() == 1);
  CHECK(few.report.objective < fit.report.objective);
}
