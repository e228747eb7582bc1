#include "emulsion/processes/gaussian_process.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "emulsion/inference/fit_gaussian_process.hpp"
#include "emulsion/kernels/kernels.hpp"
#include "emulsion/testing/process_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

using Process = GaussianProcess<AnyKernel>;

/// "DATA A" of the reference values: made by scikit-learn 1.2.1, see reference/README.md.
struct DataA {
  Eigen::RowVectorXd x = Eigen::RowVectorXd::LinSpaced(10, 0, 4.5);
  Eigen::RowVectorXd y =
      (Eigen::RowVectorXd(10) << 0.1, 0.3857798698751233, 0.916861210242227, 0.9499412938044551, 0.922971148646465,
       0.6204161404251024, 0.08634708203744038, -0.27014227829839443, -0.853063081939285, -0.8778833269093846)
          .finished();
  Eigen::RowVectorXd test = (Eigen::RowVectorXd(4) << 0.25, 1.9, 3.3, 6).finished();
  Regression view() const { return {x, y}; }
};

void check_close(const Eigen::VectorXd& a, const Eigen::VectorXd& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  for (Index i = 0; i < a.size(); ++i) CHECK(a(i) == Approx(b(i)).epsilon(tolerance).margin(1e-14));
}

struct Draws {
  Eigen::MatrixXd x, y;
  Eigen::VectorXd noises, weights;
};
Draws draws(Index d, Index n, std::uint64_t seed) {
  Rng rng(seed);
  Draws result{Eigen::MatrixXd(d, n), Eigen::MatrixXd(1, n), Eigen::VectorXd(n), Eigen::VectorXd(n)};
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < d; ++j) result.x(j, i) = 2 * rng.normal();
    result.y(0, i) = 3 + std::sin(result.x(0, i)) + 0.3 * rng.normal();
    result.noises(i) = 0.2 * rng.uniform();
    result.weights(i) = 0.5 + rng.uniform();
  }
  return result;
}

/// log N(y; m, A) by the formula, from a determinant and an inverse.
double log_normal(const Eigen::VectorXd& y, const Eigen::MatrixXd& a) {
  const DenseCholesky factor(a);
  return -0.5 * (y.dot(factor.solve(y)) + factor.log_determinant() + static_cast<double>(y.size()) * log_two_pi);
}

}  // namespace

TEST_CASE("exact processes meet the reference values") {
  const DataA data;
  const auto row = [&](const AnyKernel& kernel, double likelihood, const Eigen::Vector3d& gradient,
                       const Eigen::Vector4d& mean, const Eigen::Vector4d& variance) {
    const auto posterior = Process(kernel, 0.01).condition(data.view());
    CHECK(posterior.log_marginal_likelihood() == Approx(likelihood).epsilon(1e-11));
    check_close(posterior.gradient(), gradient, 1e-9);
    check_close(posterior.predict(data.test).mean(), mean, 1e-11);
    check_close(posterior.predict(data.test).variance(), variance, 1e-9);
    CHECK(posterior.jitter() == 0);
  };
  row(SquaredExponential(1.7, 1.3), -2.021521502510156, {-2.0975508805408953, 5.628701128284434, -0.18977310379505458},
      {0.2596591590893419, 0.9529887832143045, -0.16912894953862612, -0.1885406278324271},
      {0.00538306991640082, 0.00470946750598934, 0.00473619412513694, 0.8202390567214345});
  row(Matern12(1.7, 1.3), -9.919551349549737, {-4.126949061351049, 2.6921183458281357, -0.06933605913879021},
      {0.24000283266244427, 0.9147366464070559, -0.12604630839775355, -0.2758749059154721},
      {0.3277424786326504, 0.21418890144992564, 0.31516442426553426, 1.5318501847606483});
  row(Matern52(1.7, 1.3), -4.534214595650347, {-3.1625933788213216, 6.6734429233464585, -0.4274825603877146},
      {0.21108659188136666, 0.9363343534233017, -0.1269642565383351, -0.236862758863859},
      {0.01095805375179305, 0.00874423931132662, 0.00962558452500263, 1.2442924935215558});
  CHECK(Process(SquaredExponential(1.7, 1.3), 0.01).condition(data.view()).leave_one_out().log_density.sum() ==
        Approx(4.504336283785185).epsilon(1e-10));
}

TEST_CASE("more kernels, beside scikit-learn 1.2.1") {
  const DataA data;
  const auto row = [&](const AnyKernel& kernel, double likelihood, const Eigen::VectorXd& gradient) {
    const auto posterior = Process(kernel, 0.01).condition(data.view());
    CHECK(posterior.log_marginal_likelihood() == Approx(likelihood).epsilon(1e-11));
    check_close(posterior.gradient(), gradient, 1e-7);  // printed with eight decimals
  };
  row(Matern32(1.7, 1.3), -6.286250972194575, Eigen::Vector3d(-3.79254211, 6.3277602, -0.25782817));
  row(RationalQuadratic(1.7, 1.3, 0.7), -3.4756688117332164,
      Eigen::Vector4d(-2.39686648, 5.18075446, 0.56627349, -0.33942341));
  row(Periodic(1.7, 1.3, 6), -2.926180100044669, Eigen::Vector4d(-2.35390007, 5.91666929, 4.752193, -0.10538056));
}

TEST_CASE("the optimum of the hyperparameters is the reference's") {
  const DataA data;
  const auto fit = fit_gaussian_process(GaussianProcess(SquaredExponential(1.7, 1.3), 0.01), data.view());
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.objective == Approx(-0.09415289167194629).epsilon(1e-7));
  const auto& prior = fit.model.prior();
  CHECK(prior.kernel().variance() == Approx(0.6498794429390244).epsilon(1e-3));
  CHECK(prior.kernel().length_scales()(0) == Approx(1.5966408780629673).epsilon(1e-3));
  CHECK(prior.noise() == Approx(0.00851016235170117).epsilon(1e-3));
  CHECK(fit.model.gradient().norm() < 1e-2);
  CHECK(fit.report.restarts.front() == fit.report.objective);
  CHECK(fit.report.best_reached >= 1);
  CHECK(fit.report.distance < 1e-7);
  CHECK(fit.report.distance > -1e-12);
}

TEST_CASE("the gradient is that of finite differences, with weights, own noises and a mean") {
  const Draws d = draws(2, 90, 1);  // more than one strip
  const Regression data = weighted(Regression(d.x, d.y), d.weights);
  const GaussianProcess<AnyKernel, LinearMean> process(
      SquaredExponential(1.3, Eigen::Vector2d(0.8, 2)) + Matern32(0.4, 1), 0.2,
      LinearMean(0.5, Eigen::Vector2d(0.1, -0.2)));
  const Eigen::VectorXd v = hyperparameters(process), g = process.condition(data, d.noises).gradient();
  REQUIRE(v.size() == 3 + 2 + 1 + 3);
  const auto value = [&](const Eigen::VectorXd& u) {
    auto moved = process;
    Index at = 0;
    REQUIRE(moved.unpack(u, at));
    return moved.condition(data, d.noises).log_marginal_likelihood();
  };
  for (Index p = 0; p < v.size(); ++p) {
    Eigen::VectorXd up = v, down = v;
    up(p) += 1e-5, down(p) -= 1e-5;
    INFO("hyperparameter " << p);
    CHECK(g(p) == Approx((value(up) - value(down)) / 2e-5).epsilon(1e-6).margin(1e-5));
  }
}

TEST_CASE("exact processes keep the laws") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Draws d = draws(2, 70, seed);
    const auto laws = [&](const AnyKernel& kernel) {
      check_laws("zero mean", testing::process_laws(Process(kernel, 0.3), d.x, d.y));
      check_laws(
          "constant mean",
          testing::process_laws(GaussianProcess<AnyKernel, ConstantMean>(kernel, 0.3, ConstantMean(2)), d.x, d.y));
    };
    laws(SquaredExponential(1.3, Eigen::Vector2d(0.8, 2)));
    laws(AnyKernel(Matern32(0.4, 1)) * AnyKernel(RationalQuadratic(1, 3, 2)) + AnyKernel(LinearKernel(0.1)));
    laws(ChangePoint(Matern52(1, 2), Periodic(0.5, 1, 3), 0.1, 2, 1));
  }
}

TEST_CASE("a process is the normal distribution of its formula") {
  const Draws d = draws(2, 40, 2);
  const SquaredExponential kernel(1.3, 0.9);
  const GaussianProcess<SquaredExponential, ConstantMean> process(kernel, 0.2, ConstantMean(2.5));
  Eigen::MatrixXd a = kernel.gram(d.x);
  a.diagonal().array() += 0.2 + d.noises.array();
  const Eigen::VectorXd rest = d.y.transpose().array() - 2.5;
  const auto posterior = process.condition(Regression(d.x, d.y), d.noises);
  CHECK(posterior.log_marginal_likelihood() == Approx(log_normal(rest, a)).epsilon(1e-12));

  // log p(y) = log p(y of the first 30) + log p(y of the last 10 | first 30).
  const Regression first = Regression(d.x, d.y).slice(0, 30);
  const auto early = process.condition(first, d.noises.head(30));
  const auto later = early.predict(d.x.rightCols(10).eval());
  Eigen::MatrixXd joint = later.joint();
  joint.diagonal() += d.noises.tail(10) + Eigen::VectorXd::Constant(10, 0.2);
  const Eigen::VectorXd surprise = d.y.rightCols(10).transpose() - later.mean();
  CHECK(early.log_marginal_likelihood() + log_normal(surprise, joint) ==
        Approx(posterior.log_marginal_likelihood()).epsilon(1e-12));
  check_close(later.joint().diagonal(), later.variance(), 1e-12);
  check_close(later.joint_with_noise().diagonal(), later.variance_with_noise(), 1e-12);
  check_close(later.variance_with_noise() - later.variance(), Eigen::VectorXd::Constant(10, 0.2), 1e-12);

  // Leaving one out is a process without it.
  const auto without = posterior.leave_one_out();
  Eigen::MatrixXd x = d.x.rightCols(39), y = d.y.rightCols(39);
  const auto others = process.condition(Regression(x, y), d.noises.tail(39));
  const auto left_out = others.predict(d.x.leftCols(1).eval());
  CHECK(without.mean(0) == Approx(left_out.mean()(0)).epsilon(1e-10));
  CHECK(without.variance_with_noise(0) == Approx(left_out.variance_with_noise()(0) + d.noises(0)).epsilon(1e-10));
}

TEST_CASE("an observation of weight two is two observations, of weight zero none") {
  const Draws d = draws(1, 20, 3);
  Eigen::VectorXd w = Eigen::VectorXd::Ones(20);
  w(3) = 2, w(7) = 0;
  const GaussianProcess process(Matern52(1, 0.7), 0.3);
  const auto one = process.condition(weighted(Regression(d.x, d.y), w));
  Eigen::MatrixXd x(1, 20), y(1, 20);
  for (Index i = 0; i < 20; ++i) x(0, i) = d.x(0, i == 7 ? 3 : i), y(0, i) = d.y(0, i == 7 ? 3 : i);
  const auto other = process.condition(Regression(x, y));
  CHECK(one.size() == 19);
  CHECK(one.log_marginal_likelihood() == Approx(other.log_marginal_likelihood()).epsilon(1e-12));
  check_close(one.gradient(), other.gradient(), 1e-10);
  const Eigen::RowVectorXd at = Eigen::RowVectorXd::LinSpaced(9, -4, 4);
  check_close(one.predict(at).mean(), other.predict(at).mean(), 1e-11);
  check_close(one.predict(at).variance(), other.predict(at).variance(), 1e-10);
}

TEST_CASE("draws have the covariance of the process") {
  Rng rng(5);
  const Eigen::RowVectorXd x = Eigen::RowVectorXd::LinSpaced(4, 0, 1.5);
  const GaussianProcess process(SquaredExponential(2, 0.6), 0.1);
  const Eigen::MatrixXd f = process.sample(x, 20000, rng);
  const Eigen::MatrixXd found = f * f.transpose() / 20000;
  CHECK((found - process.kernel().gram(x)).cwiseAbs().maxCoeff() < 0.1);  // standard error of a variance: 0.02
  const Eigen::RowVectorXd at = Eigen::RowVectorXd::Constant(1, 0.75);
  const auto posterior = process.condition(Regression(x, Eigen::RowVectorXd(f.col(0))));
  const Eigen::MatrixXd y = posterior.predict(at).sample_with_noise(20000, rng);
  const double mean = y.mean(), variance = (y.array() - mean).square().mean();
  CHECK(mean == Approx(posterior.predict(at).mean()(0)).margin(0.02));
  CHECK(variance == Approx(posterior.predict(at).variance_with_noise()(0)).epsilon(0.05));
}

TEST_CASE("priors pull, and hold") {
  const DataA data;
  const double infinity = std::numeric_limits<double>::infinity();
  const GaussianProcess process(SquaredExponential(1.7, 1.3), 0.01);
  const Eigen::Vector3d v = hyperparameters(process);
  HyperparameterOptions options{.restarts = 2};
  options.prior = {v, Eigen::Vector3d(0, infinity, 0)};
  const auto held = fit_gaussian_process(process, data.view(), options);
  CHECK(held.model.prior().kernel().variance() == Approx(1.7).epsilon(1e-14));
  CHECK(held.model.prior().noise() == Approx(0.01).epsilon(1e-14));
  CHECK(std::abs(held.model.gradient()(1)) < 1e-3);
  options.prior = {v, Eigen::Vector3d(0.1, 0.1, 0.1)};
  const auto pulled = fit_gaussian_process(process, data.view(), options);
  const Eigen::VectorXd found = hyperparameters(pulled.model.prior());
  // The gradient of the likelihood balances that of the prior.
  check_close(pulled.model.gradient(), (found - v) / 0.01, 1e-2);
  CHECK(pulled.report.objective < pulled.model.log_marginal_likelihood() + 3 * 1.4);
}

TEST_CASE("duplicated inputs, no noise, one observation, too many of them") {
  Eigen::RowVectorXd x(6), y(6);
  x << 0, 0, 0, 1, 1, 2;
  y << 1, 1.1, 0.9, 2, 2.1, 3;
  const auto exact = GaussianProcess(SquaredExponential(1, 1)).condition(Regression(x, y));
  CHECK(exact.jitter() >= 1e-10);
  CHECK(exact.jitter() <= 1e-5);
  CHECK(std::isfinite(exact.log_marginal_likelihood()));
  CHECK(exact.predict(x).mean()(0) == Approx(1).epsilon(0.02));
  const auto tiny = GaussianProcess(SquaredExponential(1, 1), 1e-18).condition(Regression(x, y));
  CHECK(tiny.jitter() > 0);
  const auto fit = fit_gaussian_process(GaussianProcess(SquaredExponential(1, 1), 0.01), Regression(x, y));
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.model.jitter() == 0);

  const auto one = GaussianProcess(SquaredExponential(2, 1), 0.5).condition(Regression(x.head(1), y.head(1)));
  CHECK(one.predict(x.head(1).eval()).mean()(0) == Approx(2 / 2.5).epsilon(1e-14));
  CHECK(one.log_marginal_likelihood() == Approx(-0.5 * (1 / 2.5 + std::log(2.5) + log_two_pi)).epsilon(1e-14));

  // Exact observations of a smooth function: the noise goes to its bound, and the report says so.
  const Eigen::RowVectorXd many = Eigen::RowVectorXd::LinSpaced(12, 0, 6), smooth = many.array().sin();
  const auto noiseless = fit_gaussian_process(GaussianProcess(SquaredExponential(1, 1), 0.1), Regression(many, smooth));
  CHECK(std::isfinite(noiseless.report.objective));
  CHECK(noiseless.model.prior().noise() < 1e-6);

  const Eigen::RowVectorXd large = Eigen::RowVectorXd::LinSpaced(100'000, 0, 1);
  if (physical_memory() < 160e9) {
    CHECK_THROWS_WITH(GaussianProcess(SquaredExponential(), 1).condition(Regression(large, large)),
                      ContainsSubstring("100000 observations needs 160 GB") && ContainsSubstring("SparseProcess"));
  }
}

TEST_CASE("misuse of a process is one sentence") {
  const Draws d = draws(2, 8, 4);
  const GaussianProcess process(SquaredExponential(1, 1), 0.1);
  const Regression data(d.x, d.y);
  CHECK_THROWS_WITH(GaussianProcess(SquaredExponential(), -1), ContainsSubstring("the noise variance"));
  CHECK_THROWS_WITH(process.condition(Regression(d.x, d.x)), ContainsSubstring("expected 1 responses, got 2"));
  CHECK_THROWS_WITH(process.condition(data, Eigen::VectorXd::Ones(3)),
                    ContainsSubstring("a noise variance for each of 8 observations, got 3"));
  CHECK_THROWS_WITH(process.condition(data, Eigen::VectorXd::Constant(8, -1)), ContainsSubstring("number 0 is -1"));
  CHECK_THROWS_WITH(process.condition(data.slice(0, 0)), ContainsSubstring("at least one observation"));
  CHECK_THROWS_WITH(process.condition(data).predict(Eigen::MatrixXd::Zero(3, 5)),
                    ContainsSubstring("inputs of dimension 2, got 3 x 5"));
  const Eigen::VectorXd twice = Eigen::VectorXd::Constant(8, 2);
  Eigen::MatrixXd y = d.y;
  y(0, 2) = std::nan("");
  CHECK_THROWS_WITH(process.condition(Regression(d.x, y)), ContainsSubstring("response 0 of observation 2 is nan"));
  CHECK_THROWS_WITH(GaussianProcess(SquaredExponential(1, Eigen::Vector3d::Ones()), 1.0).condition(data),
                    ContainsSubstring("3 length scales, the inputs have 2 dimensions"));
  CHECK_THROWS_WITH(fit_gaussian_process(process, data, {.restarts = 0}), ContainsSubstring("at least one restart"));
  CHECK_THROWS_WITH(GaussianProcess(SquaredExponential()).condition(weighted(data, twice)),
                    ContainsSubstring("no noise"));
}
