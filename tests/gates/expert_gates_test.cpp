// Gates on covariates: values at fixed parameters, the laws of every mixture of experts, and what is theirs alone.
#include "catch.hpp"
#include "emulsion/gates/activation.hpp"
#include "emulsion/gates/gumbel.hpp"
#include "emulsion/gates/hierarchical.hpp"
#include "emulsion/gates/probit.hpp"
#include "emulsion/gates/top_k.hpp"
#include "emulsion/gates/transformed.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "reference/experts.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Three planes; which one an observation is on depends on both covariates.
Regression planes(Index n, Rng& rng) {
  MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), 5 + 2 * rng.normal();
    const double second = (x(1, i) - 5) / 2;
    if (rng.uniform() < 1 / (1 + std::exp(-0.3 - 1.5 * x(0, i)))) y(0, i) = 6 + second;
    else if (rng.uniform() < 1 / (1 + std::exp(-1.2 * second))) y(0, i) = -x(0, i);
    else y(0, i) = -6 + x(0, i) - second;
    y(0, i) += 0.6 * rng.normal();
  }
  return Regression(std::move(x), std::move(y));
}

/// Two planes, of which a smooth function of the first covariate chooses.
Regression two_planes(Index n, Rng& rng) {
  MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), rng.normal();
    const bool first = rng.uniform() < 1 / (1 + std::exp(0.3 - 2 * std::tanh(x(0, i))));
    y(0, i) = (first ? 4 + x(1, i) : -4 - x(0, i)) + 0.8 * rng.normal();
  }
  return Regression(std::move(x), std::move(y));
}

template <class Gate>
MixtureOfExperts<Gate, LinearExpert> start(const Gate& gate) {
  const std::vector<LinearExpert> all(static_cast<std::size_t>(gate.size()), LinearExpert(2));
  return MixtureOfExperts<Gate, LinearExpert>(gate, Components<LinearExpert>(all));
}
template <class Gate>
void laws(const char* name, const Gate& gate, testing::ExpertLaws options = {}) {
  options.exact_gate = false;
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    check_laws(name, testing::expert_laws(start(gate), gate.size() == 2 ? two_planes(250, rng) : planes(250, rng), seed,
                                          options));
  }
}
template <class Gate>
Fit<MixtureOfExperts<Gate, LinearExpert>> fit(const Gate& gate, const Regression& data,
                                              const FitOptions& options = {}) {
  return fit_experts(gate, LinearExpert(data.x().dimension()), data, options);
}

}  // namespace

TEST_CASE("E1k: a probit stick-breaking gate at fixed parameters") {
  const MatrixXd x = reference::e1_x(), y = reference::e1_y();
  const auto line = [](double a, double b, double s) {
    return LinearExpert(VectorXd::Constant(1, a), MatrixXd::Constant(1, 1, b), MatrixXd::Constant(1, 1, s * s));
  };
  MixtureOfExperts<ProbitGate, LinearExpert> model(ProbitGate((MatrixXd(2, 1) << .5, -1).finished()),
                                                   Components<LinearExpert>({line(.8, 1.7, .3), line(2.9, -.8, .4)}));
  const Regression data(x, y);
  for (int moved = 0; moved < 2; ++moved) {
    CHECK(model.log_likelihood(data) == Approx(-2.851250498625735).epsilon(1e-13));
    const VectorXd expected = reference::e1k();
    const MatrixXd r = model.responsibilities(data);
    for (Index i = 0; i < 12; ++i) CHECK(r(i, 0) == Approx(expected(i)).epsilon(1e-12));
    model.follow(data);
  }
}

TEST_CASE("the laws of a mixture of experts: a ridge, and a temperature") {
  laws("softmax gate with a ridge", SoftmaxGate(3, 2, {.ridge = 0.5, .temperature = 0.7}), {.likelihood = false});
}
TEST_CASE("the laws of a mixture of experts: hierarchical gate") { laws("hierarchical gate", HierarchicalGate(3, 2)); }
TEST_CASE("the laws of a mixture of experts: probit gate") { laws("probit gate", ProbitGate(2, 2)); }
TEST_CASE("the laws of a mixture of experts: transformed gate") {
  laws("transformed gate", TransformedGate(SoftmaxGate(2, 2), HyperbolicTangent(), 2));
}

TEST_CASE("the temperature of a linear gate cannot be told from its slopes, that of a curved one can") {
  Rng rng(1);
  const Regression data = planes(300, rng);
  const auto fitted = fit(SoftmaxGate(3, 2), data, {.restarts = 10}).model;
  const double expected = fitted.log_likelihood(data);
  for (const double temperature : {0.2, 3.0}) {
    const SoftmaxGate gate(temperature * fitted.gate().coefficients(), {.temperature = temperature});
    const MixtureOfExperts<SoftmaxGate, LinearExpert> same(gate, fitted.bank());
    CHECK(same.log_likelihood(data) == Approx(expected).epsilon(1e-12));
  }
  const MatrixXd slopes = (MatrixXd(2, 3) << 2, -1, 0, .3, .1, 0).finished();
  const VectorXd offsets = (VectorXd(3) << .2, -.4, 0).finished();
  VectorXd profile(3);
  for (Index i = 0; i < 3; ++i) {
    const double t = 0.5 * std::pow(2.0, static_cast<double>(i));
    const MixtureOfExperts<ActivationGate<>, LinearExpert> curved(ActivationGate<>(t * slopes, t * offsets, t),
                                                                  fitted.bank());
    profile(i) = curved.log_likelihood(data);
  }
  CHECK(std::abs(profile(0) - profile(1)) > 0.1);
  CHECK(std::abs(profile(2) - profile(1)) > 0.1);
}

TEST_CASE("a gate with an activation and a temperature finds its own parameters") {
  Rng rng(8);
  const Index n = 4000;
  const ActivationGate<> truth((MatrixXd(1, 2) << 4, -3).finished(), (VectorXd(2) << 0.3, 0).finished(), 0.25);
  MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) x(0, i) = 3 * rng.normal();
  const MatrixXd w = gate_probabilities(truth, Covariates(x));
  for (Index i = 0; i < n; ++i) y(0, i) = (rng.uniform() < w(i, 0) ? 3 + x(0, i) : -3 - x(0, i)) + 0.5 * rng.normal();
  const Regression data(x, y);
  const auto found = fit(ActivationGate<>(2, 1, 1, true), data, {.restarts = 5});
  CHECK(found.report.status == Status::converged);
  const MixtureOfExperts<ActivationGate<>, LinearExpert> true_model(
      truth,
      Components<LinearExpert>(
          {LinearExpert(VectorXd::Constant(1, 3), MatrixXd::Constant(1, 1, 1), MatrixXd::Constant(1, 1, .25)),
           LinearExpert(VectorXd::Constant(1, -3), MatrixXd::Constant(1, 1, -1), MatrixXd::Constant(1, 1, .25))}));
  const double excess = found.report.objective - true_model.log_likelihood(data);
  CHECK(excess > 0);
  CHECK(excess < 15);  // half a chi-square of ten parameters
  CHECK((gate_probabilities(found.model.gate(), Covariates(x)).rowwise().sum().array() - 1).abs().maxCoeff() < 1e-12);
  VectorXd gradient;
  found.model.pack(gradient);
  Workers workers(1);
  Fold<std::decay_t<decltype(found.model)>, Regression> fold(found.model, data, workers);
  found.model.gradient(fold(found.model, Soft{}), gradient);
  CHECK(gradient.cwiseAbs().maxCoeff() < 1e-4 * static_cast<double>(n));
  for (std::size_t i = 1; i < found.report.trace.size(); ++i)
    CHECK(found.report.trace[i] >= found.report.trace[i - 1] - 1e-9);
}

TEST_CASE("a top-k gate keeps k weights, and all of them is a softmax gate") {
  Rng rng(3);
  const Regression data = planes(200, rng);
  const MatrixXd c = (MatrixXd(3, 3) << .1, -.2, 0, 1, -1, 0, .2, .3, 0).finished();
  const MatrixXd soft = gate_probabilities(SoftmaxGate(c), data.covariates());
  const MatrixXd all = gate_probabilities(TopKGate(c, {}, LargestOnly(3)), data.covariates());
  const MatrixXd two = gate_probabilities(TopKGate(c, {}, LargestOnly(2)), data.covariates());
  CHECK((soft - all).cwiseAbs().maxCoeff() == 0);
  for (Index i = 0; i < data.size(); ++i) {
    Index least = 0;
    soft.row(i).minCoeff(&least);
    CHECK(two(i, least) == 0);
    CHECK(two.row(i).sum() == Approx(1).epsilon(1e-14));
    const Index other = (least + 1) % 3, third = (least + 2) % 3;
    CHECK(two(i, other) * soft(i, third) == Approx(two(i, third) * soft(i, other)).epsilon(1e-12));
  }
  // From the dense gate to the sparse one: the objective does not fall, and says so where it would.
  const auto dense = fit(SoftmaxGate(3, 2), data, {.restarts = 10});
  const MixtureOfExperts<TopKGate, LinearExpert> sparse(TopKGate(dense.model.gate().coefficients(), {}, LargestOnly(2)),
                                                        dense.model.bank());
  const auto found = em(sparse, data);
  CHECK(found.report.objective >= sparse.log_likelihood(data));
  CHECK((found.report.status == Status::converged || found.report.status == Status::objective_fell));
}

TEST_CASE("a Gumbel gate averages its draws, and a fit keeps one") {
  Rng rng(4);
  const Regression data = planes(300, rng);
  const GumbelGate gate((MatrixXd(3, 2) << .5, 0, 1, 0, .2, 0).finished(), {.temperature = 0.8}, GumbelNoise(3, 4000));
  const Covariates few = data.slice(0, 3).covariates();
  const MatrixXd found = gate_probabilities(gate, few);
  for (Index i = 0; i < 3; ++i) {  // the difference of two Gumbels is logistic: quadrature over its quantiles
    const double eta = .5 + few.z()(0, i) + .2 * few.z()(1, i);
    double expected = 0;
    const int nodes = 20000;
    for (int q = 0; q < nodes; ++q) {
      const double u = (q + 0.5) / nodes;
      expected += 1 / (1 + std::exp(-(eta + std::log(u / (1 - u))) / 0.8)) / nodes;
    }
    CHECK(found(i, 0) == Approx(expected).margin(4 * 0.5 / std::sqrt(4000.0)));
  }
  const auto one = fit(GumbelGate(3, 2, {}, GumbelNoise(5)), data, {.restarts = 4, .threads = 1});
  const auto two = fit(GumbelGate(3, 2, {}, GumbelNoise(5)), data, {.restarts = 4, .threads = 2});
  CHECK(one.report.objective == two.report.objective);
  for (std::size_t i = 1; i < one.report.trace.size(); ++i)
    CHECK(one.report.trace[i] >= one.report.trace[i - 1] - 1e-9);
}

TEST_CASE("covariates that separate the experts: the report says so, and a ridge keeps the gate finite") {
  Rng rng(6);
  const Index n = 300;
  MatrixXd x(1, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = 4 * rng.uniform() - 2;
    x(0, i) += x(0, i) > 0 ? 0.1 : -0.1;
    y(0, i) = x(0, i) > 0 ? 30 + 2 * x(0, i) + 0.1 * rng.normal() : -20 - x(0, i) + 0.2 * rng.normal();
  }
  const Regression data(x, y);
  double supremum = 0;  // a hard split
  for (const bool right : {false, true}) {
    VectorXd w(n);
    for (Index i = 0; i < n; ++i) w(i) = (x(0, i) > 0) == right ? 1 : 0;
    supremum += fit(ConstantGate(1), weighted(data, w)).report.objective;
  }
  const auto hard = fit(SoftmaxGate(2, 1), data);
  const auto says = [](const Report& report) {
    return std::any_of(report.events.begin(), report.events.end(),
                       [](const Event& e) { return e.kind == EventKind::separated_gate; });
  };
  CHECK(says(hard.report));
  CHECK(hard.report.status == Status::converged);
  CHECK(hard.report.objective < supremum);
  CHECK(hard.report.objective == Approx(supremum).margin(1e-5));
  for (std::size_t i = 1; i < hard.report.trace.size(); ++i)
    CHECK(hard.report.trace[i] >= hard.report.trace[i - 1] - 1e-9);
  const auto finite = fit(SoftmaxGate(2, 1, {.ridge = 0.01}), data);
  CHECK_FALSE(says(finite.report));
  CHECK(finite.report.status == Status::converged);
  const double slope = finite.model.gate().coefficients()(1, 0);
  CHECK(std::abs(slope) < 40);
  CHECK(finite.report.objective == Approx(finite.model.log_likelihood(data) - 0.005 * slope * slope).epsilon(1e-12));
}

TEST_CASE("misuse of gates is one sentence with both shapes") {
  CHECK_THROWS_WITH(SoftmaxGate(0, 1), ContainsSubstring("at least one component"));
  CHECK_THROWS_WITH(SoftmaxGate(2, 1, {.temperature = 0}),
                    ContainsSubstring("temperature of a gate must be positive, got 0"));
  CHECK_THROWS_WITH(SoftmaxGate(2, 1, {.ridge = -1}), ContainsSubstring("must not be negative, got -1"));
  CHECK_THROWS_WITH(HierarchicalGate(3, 1, 1), ContainsSubstring("at least two branches, got 1"));
  CHECK_THROWS_WITH(TransformedGate(SoftmaxGate(2, 3), HyperbolicTangent(), 2),
                    ContainsSubstring("gives 2 features; the gate has 3 covariates"));
  Rng rng(1);
  const Regression data = planes(20, rng);
  CHECK_THROWS_WITH(fit(SoftmaxGate(2, 1), data), ContainsSubstring("expected 1 gate covariates, got 2 (z is 2 x 20"));
  CHECK_THROWS_WITH(fit(ProbitGate(2, 3), data), ContainsSubstring("expected 3 gate covariates, got 2"));
  CHECK_THROWS_WITH(gate_probabilities(SoftmaxGate(2, 3), data.covariates()),
                    ContainsSubstring("expected 3 gate covariates"));
}
