// Mixtures of experts at fixed parameters, one exact EM step, and special cases with a known answer.
#include "emulsion/mixture_of_experts.hpp"

#include <Eigen/Cholesky>

#include "catch.hpp"
#include "emulsion/data/csv.hpp"
#include "reference/experts.hpp"

using namespace emulsion;

namespace {

using Eigen::MatrixXd;
using Eigen::VectorXd;

LinearExpert line(double intercept, double slope, double deviation) {
  return LinearExpert(VectorXd::Constant(1, intercept), MatrixXd::Constant(1, 1, slope),
                      MatrixXd::Constant(1, 1, deviation * deviation));
}
Components<LinearExpert> e1_experts() { return Components<LinearExpert>({line(.8, 1.7, .3), line(2.9, -.8, .4)}); }
MatrixXd e1_gate() { return (MatrixXd(2, 2) << .5, 0, -1, 0).finished(); }

template <class Model>
void check_at(const Model& model, const Regression& data, double log_likelihood, const VectorXd& first) {
  CHECK(model.log_likelihood(data) == Approx(log_likelihood).epsilon(1e-13));
  const MatrixXd r = model.responsibilities(data);
  for (Index i = 0; i < data.size(); ++i) CHECK(r(i, 0) == Approx(first(i)).epsilon(1e-12));
}

template <class Model>
typename Model::Statistics folded(const Model& model, const Regression& data, int threads = 1, Index block = 0) {
  Workers workers(threads);
  Fold<Model, Regression> fold(model, data, workers, block);
  return fold(model, Soft{});
}

}  // namespace

TEST_CASE("E1: softmax and Gaussian gates at fixed parameters") {
  const MatrixXd x = reference::e1_x(), y = reference::e1_y();
  const Regression data(x, y);
  using Softmax = MixtureOfExperts<SoftmaxGate, LinearExpert>;
  check_at(Softmax(SoftmaxGate(e1_gate()), e1_experts()), data, -3.8442487783171226, reference::e1a());
  check_at(Softmax(SoftmaxGate(e1_gate(), {.temperature = 0.5}), e1_experts()), data, -2.565559182005028,
           reference::e1b());
  const GaussianGate gate((VectorXd(2) << .4, .6).finished(),
                          {Gaussian(VectorXd::Constant(1, -.6), MatrixXd::Constant(1, 1, .5)),
                           Gaussian(VectorXd::Constant(1, .8), MatrixXd::Constant(1, 1, .7))});
  const MixtureOfExperts<GaussianGate, LinearExpert> joint(gate, e1_experts());
  check_at(joint, data, -17.83395092494477, reference::e1e());
  CHECK(conditional_log_likelihood(joint, data) == Approx(-2.3574973988149885).epsilon(1e-13));
  // The same after the model has moved into the coordinates of the data.
  auto moved = joint;
  moved.follow(data);
  CHECK(moved.log_likelihood(data) == Approx(-17.83395092494477).epsilon(1e-13));
  Softmax softmax(SoftmaxGate(e1_gate()), e1_experts());
  softmax.follow(data);
  check_at(softmax, data, -3.8442487783171226, reference::e1a());
  CHECK((softmax.gate().coefficients() - e1_gate()).cwiseAbs().maxCoeff() < 1e-14);
}

TEST_CASE("E1a: one exact EM step, the gate iterated at fixed responsibilities") {
  const MatrixXd x = reference::e1_x(), y = reference::e1_y();
  const Regression data(x, y);
  using Model = MixtureOfExperts<SoftmaxGate, LinearExpert>;
  Model model(SoftmaxGate(e1_gate()), e1_experts());
  model.follow(data);
  const MatrixXd r = model.responsibilities(data);
  Model next = model;
  model.maximize(folded(model, data), next);  // the first step of the gate
  const Model once = next;
  Workers workers(1);
  for (int i = 0; i < 40; ++i) {
    Fold<Model, Regression> fold(next, data, workers);
    Model better = next;
    next.maximize(fold(next, Given{r}), better);
    next = better;
  }
  const MatrixXd slopes =
      (MatrixXd(2, 2) << 0.8951472693430895, 1.86814013047826, 2.9629358041743843, -0.9918641828180557).finished();
  // The gate's Newton step, of which as much is taken as is certain to climb: log(1 + m) / m of it, m = 1.5 or so.
  const VectorXd newton = (VectorXd(2) << 0.69458 - 0.5, -2.25872 + 1).finished();
  const VectorXd step = once.gate().coefficients().col(0) - e1_gate().col(0);
  CHECK(step(0) / newton(0) == Approx(step(1) / newton(1)).epsilon(1e-4));
  CHECK(step(0) / newton(0) > 0.5);
  const VectorXd deviations = (VectorXd(2) << 0.16869214696700488, 0.07021672573242636).finished();
  for (const Model* found : std::initializer_list<const Model*>{&once, &next}) {
    for (Index k = 0; k < 2; ++k) {
      CHECK((*found)[k].intercept()(0) == Approx(slopes(k, 0)).epsilon(1e-9));
      CHECK((*found)[k].slopes()(0, 0) == Approx(slopes(k, 1)).epsilon(1e-9));
      CHECK(std::sqrt((*found)[k].covariance()(0, 0)) == Approx(deviations(k)).epsilon(1e-9));
    }
  }
  CHECK(next.gate().coefficients()(0, 0) == Approx(1.1791176279204392).epsilon(1e-9));
  CHECK(next.gate().coefficients()(1, 0) == Approx(-3.929906625167291).epsilon(1e-9));
  CHECK(next.log_likelihood(data) == Approx(9.300444379938215).epsilon(1e-9));
  const MatrixXd after = next.responsibilities(data);
  for (Index i = 0; i < 12; ++i) CHECK(after(i, 0) == Approx(reference::e1a_after()(i)).epsilon(1e-7));
}

TEST_CASE("a gate without covariates is a mixture; one expert is a regression") {
  Rng rng(3);
  const Index n = 200;
  MatrixXd x(2, n), y(2, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), 3 + 2 * rng.normal();
    const double sign = rng.uniform() < 0.4 ? 1 : -1;
    y.col(i) << sign * (1 + x(0, i)) + 0.3 * rng.normal(), x(1, i) + 0.5 * rng.normal();
  }
  const Regression data(x, y, MatrixXd(MatrixXd::Zero(0, n)));
  const Regression plain(x, y);
  const auto mixture = fit_experts(ConstantGate(2), LinearExpert(2, 2), plain);
  const auto gated = fit_experts(SoftmaxGate(2, 0), LinearExpert(2, 2), data);
  CHECK(mixture.report.status == Status::converged);
  CHECK(gated.report.status == Status::converged);
  CHECK(gated.report.objective == Approx(mixture.report.objective).epsilon(1e-9));
  CHECK(gated.model.weights().maxCoeff() == Approx(mixture.model.weights().maxCoeff()).epsilon(1e-4));

  const auto one = fit_experts(SoftmaxGate(1, 2), LinearExpert(2, 2), plain);
  MatrixXd design(3, n);
  design << MatrixXd::Ones(1, n), x;
  const MatrixXd b = (design * design.transpose()).ldlt().solve(design * y.transpose()).transpose();
  const MatrixXd residual = y - b * design;
  const MatrixXd covariance = residual * residual.transpose() / static_cast<double>(n);
  CHECK((one.model[0].intercept() - b.col(0)).cwiseAbs().maxCoeff() < 1e-10);
  CHECK((one.model[0].slopes() - b.rightCols(2)).cwiseAbs().maxCoeff() < 1e-10);
  CHECK((one.model[0].covariance() - covariance).cwiseAbs().maxCoeff() < 1e-10);
  CHECK(one.model.free_parameters() == 6 + 3);
  CHECK(gated.model.free_parameters() == 1 + 2 * 9);
}

TEST_CASE("E4: a Gaussian gate with linear experts is the joint Gaussian mixture") {
  const MatrixXd faithful = read_csv("examples/data/faithful.csv").matrix();
  const auto fit = fit_experts(GaussianGate(2, 1), LinearExpert(1), Regression(faithful.row(1), faithful.row(0)),
                               {.tolerance = 1e-13});
  CHECK(fit.report.status == Status::converged);
  CHECK(fit.report.objective == Approx(-1130.2639601847436).epsilon(1e-11));
  const Regression data(faithful.row(1), faithful.row(0));
  CHECK(conditional_log_likelihood(fit.model, data) == Approx(-96.1906603179973).epsilon(1e-7));
  const Index low = fit.model[0].intercept()(0) < fit.model[1].intercept()(0) ? 0 : 1;
  CHECK(fit.model[low].slopes()(0, 0) == Approx(0.01291403156454637).epsilon(1e-6));
  CHECK(fit.model[low].intercept()(0) == Approx(1.3328511906475).epsilon(1e-6));
  CHECK(fit.model[low].covariance()(0, 0) == Approx(0.06354791683981442).epsilon(1e-6));
  CHECK(fit.model[1 - low].slopes()(0, 0) == Approx(0.026094535266510597).epsilon(1e-6));
  CHECK(fit.model[1 - low].intercept()(0) == Approx(2.2029311827076477).epsilon(1e-6));
  CHECK(fit.model[1 - low].covariance()(0, 0) == Approx(0.14542365879891606).epsilon(1e-6));
  CHECK(fit.model.weights()(low) == Approx(0.35587286471306095).epsilon(1e-6));
  CHECK(fit.model.gate()[low].mean()(0) == Approx(54.4785165631895).epsilon(1e-7));
  CHECK(fit.model.gate()[low].covariance()(0, 0) == Approx(33.69728311799006).epsilon(1e-6));
  CHECK(fit.model.gate()[1 - low].mean()(0) == Approx(79.96811537201151).epsilon(1e-7));
  CHECK(fit.model.gate()[1 - low].covariance()(0, 0) == Approx(36.04620833916091).epsilon(1e-6));
  const auto at = predict(fit.model, MatrixXd::Constant(1, 1, 70));
  CHECK(at.weights()(0, low) == Approx(0.05974478207387084).epsilon(1e-6));
  CHECK(at.mean()(0, 0) == Approx(3.9224432693600817).epsilon(1e-7));
  CHECK(at.variance(Noise::included)(0, 0) == Approx(0.3210698993870338).epsilon(1e-6));
  CHECK(at.variance(Noise::excluded)(0, 0) < 0.3210698993870338 - 0.06);
  for (const double p : {0.01, 0.5, 0.9}) { CHECK(at.cumulative(at.quantile(p)(0))(0) == Approx(p).epsilon(1e-12)); }
}
