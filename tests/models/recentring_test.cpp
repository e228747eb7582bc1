// Statistics of one value of the parameters, told about another: what drivers do that keep local statistics.
#include "catch.hpp"
#include "emulsion/experts/linear.hpp"
#include "emulsion/experts/location_scale.hpp"
#include "emulsion/experts/logistic.hpp"
#include "emulsion/experts/poisson.hpp"
#include "emulsion/experts/student_t.hpp"
#include "emulsion/experts/zero_inflated_poisson.hpp"
#include "emulsion/gates/activation.hpp"
#include "emulsion/gates/bayesian_softmax.hpp"
#include "emulsion/gates/hierarchical.hpp"
#include "emulsion/gates/probit.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/gates/transformed.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/models/mixture_of_experts.hpp"
#include "emulsion/testing/recentring_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;

namespace {

enum class Kind { real, counts, labels };

Regression responses(Kind kind, std::uint64_t seed) {
  Rng rng(seed);
  const Index n = 200;
  Eigen::MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), 50 + 8 * rng.normal();
    const bool first = rng.uniform() < 1 / (1 + std::exp(-0.3 - 1.5 * x(0, i)));
    const double line = first ? 1 + 0.5 * x(0, i) : -1 - 0.3 * x(0, i);
    if (kind == Kind::real) y(0, i) = line + 0.5 * rng.normal();
    else if (kind == Kind::counts) y(0, i) = draw_poisson(std::exp(1 + line), rng);
    else y(0, i) = static_cast<double>((rng.uniform() < 1 / (1 + std::exp(-line)) ? 1 : 0) + (first ? 1 : 0));
  }
  return Regression(std::move(x), std::move(y));
}

template <class Gate, class Expert>
MixtureOfExperts<Gate, Expert> model_of(const Gate& gate, const std::vector<Expert>& experts) {
  return MixtureOfExperts<Gate, Expert>(gate, Components<Expert>(experts));
}
std::vector<LinearExpert> lines() {
  std::vector<LinearExpert> result;
  for (const double sign : {1.0, -1.0, 0.2}) {
    result.emplace_back(Eigen::VectorXd::Constant(1, sign), Eigen::RowVector2d(0.4 * sign, 0.0),
                        Eigen::MatrixXd::Constant(1, 1, 0.5));
  }
  return result;
}

template <class M>
void laws(const char* name, M model, Kind kind, const testing::RecentringLaws& options = {}) {
  for (std::uint64_t seed = 1; seed <= law_seeds; ++seed) {
    const Regression data = responses(kind, seed);
    M start = model;
    start.follow(data);
    // off the start, where weights and gradients are not of one size
    start = em(start, data, {.max_iterations = 2, .acceleration = Acceleration::none}).model;
    check_laws(name, testing::recentring_laws(start, data, seed, options));
  }
}

}  // namespace

TEST_CASE("the laws of recentring: softmax gate, linear experts") {
  laws("softmax", model_of(SoftmaxGate(3, 2), lines()), Kind::real);
  laws("softmax with a ridge", model_of(SoftmaxGate(3, 2, {.ridge = 2}), lines()), Kind::real);
}
TEST_CASE("the laws of recentring: hierarchical and transformed gates") {
  laws("hierarchical", model_of(HierarchicalGate(3, 2), lines()), Kind::real);
  laws("transformed", model_of(TransformedGate(SoftmaxGate(3, 2), HyperbolicTangent(), 2), lines()), Kind::real);
}
TEST_CASE("the laws of recentring: gates whose curvature is a bound or an expectation") {
  laws("probit", model_of(ProbitGate(3, 2), lines()), Kind::real, {.exact = false});
  const Eigen::MatrixXd slopes = Eigen::MatrixXd::Identity(2, 3) * 0.02;
  laws("activation", model_of(ActivationGate<>(slopes, Eigen::Vector3d(0.1, -0.2, 0), 0.8, true), lines()), Kind::real,
       {.exact = false});
}
TEST_CASE("the laws of recentring: Poisson experts, with and without structural zeros") {
  const Eigen::Vector2d up(0.3, 0.001), down(-0.2, 0.0);
  laws("Poisson",
       model_of(SoftmaxGate(2, 2), std::vector<PoissonExpert>{PoissonExpert(1.5, up), PoissonExpert(0.2, down)}),
       Kind::counts);
  laws("zero-inflated",
       model_of(SoftmaxGate(2, 2), std::vector<ZeroInflatedPoissonExpert>{ZeroInflatedPoissonExpert(1.5, up, 0.2),
                                                                          ZeroInflatedPoissonExpert(0.2, down, 0.1)}),
       Kind::counts, {.exact = false});
}
TEST_CASE("the laws of recentring: logistic experts") {
  const Eigen::MatrixXd slopes = Eigen::MatrixXd::Identity(2, 2) * 0.05;
  laws("logistic",
       model_of(ConstantGate(2), std::vector<LogisticExpert>{LogisticExpert(Eigen::Vector2d(0.3, -0.4), slopes),
                                                             LogisticExpert(Eigen::Vector2d(-0.5, 0.2), -slopes)}),
       Kind::labels);
}
TEST_CASE("the laws of recentring: location-scale and Student t experts") {
  const Eigen::RowVector2d up(0.4, 0.0), down(-0.2, 0.001);
  laws("location-scale",
       model_of(SoftmaxGate(2, 2), std::vector<LocationScaleExpert>{LocationScaleExpert(1, up, -0.5, down),
                                                                    LocationScaleExpert(-1, down, -0.3, up)}),
       Kind::real);
  const Eigen::MatrixXd scale = Eigen::MatrixXd::Constant(1, 1, 0.5);
  laws("Student t",
       model_of(SoftmaxGate(2, 2),
                std::vector<StudentTExpert>{StudentTExpert(Eigen::VectorXd::Constant(1, 1), up, scale, 6),
                                            StudentTExpert(Eigen::VectorXd::Constant(1, -1), down, scale, 4)}),
       Kind::real, {.exact = false});
}

TEST_CASE("a posterior of a softmax gate is recentred by the bound on its curvature") {
  Rng rng(1);
  const BayesianSoftmaxGate start(3, 2);
  auto s = start.statistics();
  for (Index i = 0; i < s.gradient.size(); ++i) s.gradient.data()[i] = rng.normal();
  s.counts.setConstant(10);
  s.second << 30, 1, 2, 20, 3, 25;  // lower triangle of (1, z)(1, z)'
  Eigen::Matrix3d second;
  second << 30, 1, 2, 1, 20, 3, 2, 3, 25;
  BayesianSoftmaxGate next = start;
  start.maximize(s, next);
  auto told = s;
  next.recentre(told, start);
  Eigen::MatrixXd step = next.expected().coefficients() - start.expected().coefficients();
  step.colwise() -= step.rowwise().mean().eval();
  CHECK((told.gradient - (s.gradient - 0.5 * second * step)).norm() < 1e-12);
  start.recentre(told, next);
  CHECK((told.gradient - s.gradient).norm() < 1e-12);
}

TEST_CASE("what has no local statistics has nothing to recentre") {
  CHECK(!Recentred<MixtureOfExperts<ConstantGate, LinearExpert>>);
  CHECK(Recentred<MixtureOfExperts<ConstantGate, PoissonExpert>>);
  CHECK(Recentred<MixtureOfExperts<SoftmaxGate, LinearExpert>>);
}

TEST_CASE("what has local statistics says so, and drivers that keep them refuse it without recentre()") {
  CHECK(!LocalMStep<MixtureOfExperts<ConstantGate, LinearExpert>>);
  CHECK(LocalMStep<MixtureOfExperts<SoftmaxGate, LinearExpert>>);
  CHECK(LocalMStep<MixtureOfExperts<ConstantGate, PoissonExpert>>);
  CHECK(LocalMStep<MixtureOfExperts<ConstantGate, ZeroInflatedPoissonExpert>>);
  CHECK(LocalMStep<MixtureOfExperts<ConstantGate, LogisticExpert>>);
  CHECK(LocalMStep<MixtureOfExperts<ConstantGate, LocationScaleExpert>>);
}
