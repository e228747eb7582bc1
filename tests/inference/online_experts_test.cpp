// Drivers that keep statistics over M-steps, on models whose statistics are local: gates and experts of linear
// predictors.
#include "catch.hpp"
#include "emulsion/experts/linear.hpp"
#include "emulsion/experts/location_scale.hpp"
#include "emulsion/experts/logistic.hpp"
#include "emulsion/experts/poisson.hpp"
#include "emulsion/gates/hierarchical.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/memoized_em.hpp"
#include "emulsion/inference/online_em.hpp"
#include "emulsion/models/mixture_of_experts.hpp"

using namespace emulsion;

namespace {

template <class Gate, class Expert>
MixtureOfExperts<Gate, Expert> model_of(const Gate& gate, const std::vector<Expert>& experts) {
  return MixtureOfExperts<Gate, Expert>(gate, Components<Expert>(experts));
}
LinearExpert line(double intercept, double slope, double variance) {
  return {Eigen::VectorXd::Constant(1, intercept), Eigen::MatrixXd::Constant(1, 1, slope),
          Eigen::MatrixXd::Constant(1, 1, variance)};
}
PoissonExpert counts(double intercept, double slope) { return {intercept, Eigen::VectorXd::Constant(1, slope)}; }
Eigen::MatrixXd gate_coefficients(double a, double b) {
  Eigen::MatrixXd result(2, 2);
  result << a, 0, b, 0;
  return result;
}

template <class M>
Regression draw(const M& truth, Index n, std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(1, n);
  for (Index i = 0; i < n; ++i) x(0, i) = rng.normal();
  Eigen::MatrixXd y = predict(truth, Points<>(x)).sample(rng);
  if (y.rows() > 1) {  // indicators of classes 1, 2, ...
    Eigen::MatrixXd labels = Eigen::MatrixXd::Zero(1, n);
    for (Index c = 0; c < y.rows(); ++c) labels += static_cast<double>(c + 1) * y.row(c);
    y = labels;
  }
  return Regression(std::move(x), std::move(y));
}

/// A stream in batches of 500 ends near the optimum of all of it.
template <class M>
void check_stream(const M& truth, M start) {
  const Index n = 200'000;
  const Regression data = draw(truth, n, 1), fresh = draw(truth, 50'000, 2);
  start.follow(data.slice(0, 2000));
  OnlineEm online(start, {.forgetting = 0.7, .delay = 5});
  for (Index at = 0; at < n; at += 500) online(data.slice(at, 500));
  const auto full = em(start, data, {.max_iterations = 300, .tolerance = 1e-9});
  REQUIRE(full.report.status == Status::converged);
  const double excess = 2 * (full.model.log_likelihood(data) - online.model().log_likelihood(data));
  const double loss = (full.model.log_likelihood(fresh) - online.model().log_likelihood(fresh)) / 50'000;
  CAPTURE(excess, loss, start.free_parameters());
  // Twice the difference of log-likelihoods is the squared distance in standard errors: three of each parameter.
  CHECK(excess < 9 * static_cast<double>(start.free_parameters()));
  CHECK(excess > -1e-2);
  CHECK(std::abs(loss) < 1e-3);
}

template <class M>
Eigen::VectorXd packed(const M& model) {
  Eigen::VectorXd v;
  model.pack(v);
  return v;
}

/// All the data as one batch at step size one: again and again an iteration of em.
template <class M>
void check_iterations(M start, const Regression& data) {
  start.follow(data);
  OnlineEm online(start, {.delay = 0});
  online(data);
  const auto once = em(start, data, {.max_iterations = 1, .acceleration = Acceleration::none});
  CHECK((packed(online.model()) - packed(once.model)).cwiseAbs().maxCoeff() < 1e-12);
}

const auto softmax = SoftmaxGate(gate_coefficients(0.3, 1.2));

}  // namespace

TEST_CASE("a stream for a softmax gate and linear experts") {
  const auto truth = model_of(softmax, std::vector<LinearExpert>{line(1, 2, 0.5), line(-2, -1, 1)});
  const auto start = model_of(SoftmaxGate(2, 1), std::vector<LinearExpert>{line(0.5, 1, 1), line(-1, -0.2, 1)});
  check_stream(truth, start);
  check_iterations(start, draw(truth, 2000, 3));
}
TEST_CASE("a stream for a softmax gate and Poisson experts") {
  const auto truth = model_of(softmax, std::vector<PoissonExpert>{counts(2.5, 0.5), counts(0.7, -0.4)});
  const auto start = model_of(SoftmaxGate(2, 1), std::vector<PoissonExpert>{counts(1.5, 0), counts(0, 0)});
  check_stream(truth, start);
  check_iterations(start, draw(truth, 2000, 3));
}
TEST_CASE("a stream for a constant gate and logistic experts") {
  // Labels of two classes do not identify a mixture; of four they do. The first expert prefers classes 0 and 1.
  Eigen::MatrixXd up(3, 1), down(3, 1);
  up << 1.5, 0.5, 0;
  down << 0, 1, -1;
  const Eigen::Vector3d first(0.5, -3, -3), second(-1, 3, 3);
  const auto truth = model_of(ConstantGate(Eigen::Vector2d(0.6, 0.4)),
                              std::vector<LogisticExpert>{LogisticExpert(first, up), LogisticExpert(second, down)});
  const auto start = model_of(ConstantGate(2), std::vector<LogisticExpert>{LogisticExpert(0.5 * first, 0 * up),
                                                                           LogisticExpert(0.5 * second, 0 * down)});
  check_stream(truth, start);
  check_iterations(start, draw(truth, 2000, 3));
}
TEST_CASE("a stream for a hierarchical gate and linear experts") {
  const std::vector<LinearExpert> lines{line(3, 2, 0.5), line(-2, -1, 1), line(0, 0.5, 0.3)};
  HierarchicalGate gate(3, 1);
  Eigen::VectorXd v(4);
  v << 0.3, 1.2, -0.5, -0.8;
  Index at = 0;
  REQUIRE(gate.unpack(v, at));
  const auto truth = model_of(gate, lines);
  const auto start =
      model_of(HierarchicalGate(3, 1), std::vector<LinearExpert>{line(2, 1, 1), line(-2, -0.5, 1), line(0, 0, 1)});
  check_stream(truth, start);
  check_iterations(start, draw(truth, 2000, 3));
}

TEST_CASE("a stream for a softmax gate and location-scale experts") {
  const Eigen::RowVectorXd up = Eigen::RowVectorXd::Constant(1, 2), down = Eigen::RowVectorXd::Constant(1, -1);
  const auto truth = model_of(softmax, std::vector<LocationScaleExpert>{LocationScaleExpert(1, up, -0.7, -0.4 * down),
                                                                        LocationScaleExpert(-2, down, 0.2, -0.1 * up)});
  const auto start =
      model_of(SoftmaxGate(2, 1), std::vector<LocationScaleExpert>{LocationScaleExpert(0.5, 0.5 * up, 0, 0 * up),
                                                                   LocationScaleExpert(-1, 0.2 * down, 0, 0 * up)});
  check_stream(truth, start);
  check_iterations(start, draw(truth, 2000, 3));
}

TEST_CASE("counts of a thousand from a prototype, in a stream") {
  const auto truth = model_of(ConstantGate(1), std::vector<PoissonExpert>{counts(7, 0.8)});
  const auto start = model_of(ConstantGate(1), std::vector<PoissonExpert>{PoissonExpert(1)});
  check_stream(truth, start);
}

TEST_CASE("memoized EM has the fixed points of EM on local models") {
  const auto truth = model_of(softmax, std::vector<PoissonExpert>{counts(2.5, 0.5), counts(0.7, -0.4)});
  const auto start = model_of(SoftmaxGate(2, 1), std::vector<PoissonExpert>{counts(1.5, 0), counts(0, 0)});
  const Regression data = draw(truth, 1000, 4);
  const auto full = em(start, data, {.tolerance = 1e-13});
  for (const Index batches : {1, 3, 16}) {
    const auto memoized = memoized_em(start, data, {.batches = batches, .tolerance = 1e-12});
    CHECK(memoized.report.status == Status::converged);
    CHECK(memoized.report.objective == Approx(full.report.objective).epsilon(1e-9));
    CHECK((packed(memoized.model) - packed(full.model)).cwiseAbs().maxCoeff() < 1e-3);
  }
}

TEST_CASE("statistics of two streams about one model are those of both together") {
  const auto truth = model_of(softmax, std::vector<LinearExpert>{line(1, 2, 0.5), line(-2, -1, 1)});
  const Regression data = draw(truth, 2000, 5);
  // No M-step yet: each has seen its half with the same model.
  OnlineEm first(truth, {.warm_up = 5000}), second(truth, {.warm_up = 5000}), both(truth, {.warm_up = 5000});
  first(data.slice(0, 700)), second(data.slice(700, 1300)), both(data);
  auto merged = first.statistics();
  merged += second.statistics();
  auto one = truth, other = truth;
  truth.maximize(merged, one);
  truth.maximize(both.statistics(), other);
  CHECK((packed(one) - packed(other)).cwiseAbs().maxCoeff() < 1e-12);
}
