// Penalised experts and gates: conditions of the maximum computed anew from responsibilities, brute force, and paths.
#include "emulsion/experts/lasso.hpp"

#include <Eigen/LU>

#include "catch.hpp"
#include "emulsion/inference/lasso_path.hpp"
#include "emulsion/testing/term_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

using Model = MixtureOfExperts<SoftmaxGate, LassoExpert>;

/// Two experts and a gate, of six covariates: ten of eighteen slopes are zero.
struct Sparse {
  MatrixXd gate = (MatrixXd(7, 2) << 0.5, 0, 2, 0, 0, 0, 0, 0, -1.5, 0, 0, 0, 0, 0).finished();
  MatrixXd lines = (MatrixXd(7, 2) << 1, -1, 0, 1, 2, -2, 0, 0, 0, 0, 0, 2, 1.5, 0).finished();
  double deviation = 0.6;
  Regression draw(Index n, Rng& rng) const {
    MatrixXd x(6, n), y(1, n);
    VectorXd design(7);
    for (Index i = 0; i < n; ++i) {
      design(0) = 1;
      for (Index j = 0; j < 6; ++j) design(1 + j) = x(j, i) = rng.normal();
      const VectorXd odds = (gate.transpose() * design).array().exp();
      y(0, i) = lines.col(rng.categorical(odds)).dot(design) + deviation * rng.normal();
    }
    return {std::move(x), std::move(y)};
  }
};

/// The largest violation of the conditions of a maximum, by plain sums over the observations.
double violation(const Model& model, const Regression& data) {
  const MatrixXd r = model.responsibilities(data), w = gate_probabilities(model.gate(), data.covariates());
  const MatrixXd gate = model.gate().coefficients();
  double largest = 0;
  const auto note = [&](double slope, double value, double lasso, double ridge) {
    slope -= ridge * value;
    largest = std::max(
        largest, value != 0 ? std::abs(slope - std::copysign(lasso, value)) : std::max(0.0, std::abs(slope) - lasso));
  };
  for (Index k = 0; k < model.size(); ++k) {
    const VectorXd b = model[k].slopes().transpose();
    const double a = model[k].intercept()(0), v = model[k].covariance()(0, 0);
    const ElasticNet& penalty = model[k].penalty();
    VectorXd line = VectorXd::Zero(1 + b.size()), odds = line;
    double square = 0, weight = 0;
    for (Index i = 0; i < data.size(); ++i) {
      double error = data.y()(0, i) - a;
      for (Index j = 0; j < b.size(); ++j) error -= b(j) * data.x()(j, i);
      const double mass = data.weight(i) * r(i, k), surplus = data.weight(i) * (r(i, k) - w(i, k));
      weight += mass, square += mass * error * error;
      line(0) += mass * error / v, odds(0) += surplus;
      for (Index j = 0; j < b.size(); ++j) {
        line(1 + j) += mass * error * data.x()(j, i) / v;
        odds(1 + j) += surplus * data.x()(j, i);
      }
    }
    note(line(0), 0, 0, 0), note(0.5 * (square / v - weight), 0, 0, 0);
    for (Index j = 0; j < b.size(); ++j) {
      note(line(1 + j), b(j), penalty.lambda * penalty.alpha, penalty.lambda * (1 - penalty.alpha));
    }
    if (k + 1 == model.size()) continue;
    note(odds(0), 0, 0, 0);
    for (Index j = 0; j < b.size(); ++j) note(odds(1 + j), gate(1 + j, k), model.gate().lasso(), model.gate().ridge());
  }
  return largest;
}

Index slopes_of(const Model& model) {
  Index count = 0;
  for (Index k = 0; k < model.size(); ++k) count += (model[k].slopes().array() != 0).count();
  return count + (model.gate().coefficients().bottomRows(model[0].covariates()).array() != 0).count();
}

/// The maximum of -n/2 log 2 pi v - RSS / 2 v - lambda (alpha |b|_1 + (1 - alpha)/2 |b|^2) over b for given v: every
/// pattern of signs is tried.
double best_for(double v, const MatrixXd& gram, const VectorXd& right, double square, double n, const ElasticNet& net,
                VectorXd& best) {
  const Index p = right.size();
  double highest = -1e300;
  for (int pattern = 0, patterns = static_cast<int>(std::pow(3, p)); pattern < patterns; ++pattern) {
    std::vector<Index> active;
    VectorXd sign = VectorXd::Zero(p), b = sign;
    for (Index j = 0, rest = pattern; j < p; ++j, rest /= 3) {
      sign(j) = static_cast<double>(rest % 3) - 1;
      if (sign(j) != 0) active.push_back(j);
    }
    if (!active.empty()) {
      MatrixXd system = gram(active, active);
      system.diagonal().array() += net.lambda * (1 - net.alpha) * v;
      const VectorXd found = system.fullPivLu().solve(right(active) - net.lambda * net.alpha * v * sign(active));
      for (std::size_t i = 0; i < active.size(); ++i) b(active[i]) = found(static_cast<Index>(i));
    }
    if ((b.array() * sign.array() < 0).any()) continue;
    const double rss = square - 2 * b.dot(right) + b.dot(gram * b);
    const double value = -0.5 * n * std::log(2 * 3.14159265358979323846 * v) - 0.5 * rss / v -
                         net.lambda * (net.alpha * b.cwiseAbs().sum() + 0.5 * (1 - net.alpha) * b.squaredNorm());
    if (value > highest) highest = value, best = b;
  }
  return highest;
}

}  // namespace

TEST_CASE("one expert is the lasso that brute force finds, for every penalty and mixing share") {
  Rng rng(1);
  const Index n = 80, p = 4;
  MatrixXd x(p, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < p; ++j) x(j, i) = rng.normal() + (j > 0 ? 0.6 * x(j - 1, i) : 5.0);
    y(0, i) = 100 + 1.2 * x(0, i) - 0.5 * x(2, i) + rng.normal();
  }
  const MatrixXd centred = x.colwise() - x.rowwise().mean();
  const VectorXd response = (y.array() - y.mean()).matrix().row(0);
  const MatrixXd gram = centred * centred.transpose();
  const VectorXd right = centred * response;
  for (const double alpha : {1.0, 0.5, 0.0}) {
    for (const double lambda : {0.5, 5.0, 20.0, 60.0}) {
      const ElasticNet net{lambda, alpha};
      const auto fit = fit_experts(ConstantGate(1), LassoExpert(p, net), Regression(x, y), {.tolerance = 1e-13});
      VectorXd b;
      const auto profile = [&](double log_v) {
        return best_for(std::exp(log_v), gram, right, response.squaredNorm(), static_cast<double>(n), net, b);
      };
      double low = -3, high = 3;
      for (int step = 0; step < 90; ++step) {
        const double third = (high - low) / 3;
        (profile(low + third) < profile(high - third) ? low : high) =
            profile(low + third) < profile(high - third) ? low + third : high - third;
      }
      const double best = profile(0.5 * (low + high));
      CHECK(fit.report.objective == Approx(best).epsilon(1e-12));
      CHECK((fit.model[0].slopes().transpose() - b).cwiseAbs().maxCoeff() < 1e-6);
      CHECK(fit.model[0].intercept()(0) == Approx(y.mean() - b.dot(x.rowwise().mean())).epsilon(1e-8));
      for (Index j = 0; j < p; ++j) CHECK((fit.model[0].slopes()(0, j) == 0) == (b(j) == 0));
      CHECK(fit.model.free_parameters() == 2 + (b.array() != 0).count());
    }
  }
}

TEST_CASE("without a penalty the experts are linear experts, and the gate is the softmax gate") {
  Rng rng(2);
  const Regression data = Sparse().draw(400, rng);
  const auto plain = fit_experts(SoftmaxGate(2, 6), LinearExpert(6), data, {.restarts = 6});
  const auto lasso = fit_experts(SoftmaxGate(2, 6), LassoExpert(6), data, {.restarts = 6, .tolerance = 1e-11});
  CHECK(lasso.report.objective == Approx(plain.report.objective).epsilon(1e-8));
  const auto slight = fit_experts(SoftmaxGate(2, 6, {.lasso = 1e-9}), LassoExpert(6, {1e-9, 1}), data,
                                  {.restarts = 6, .tolerance = 1e-11});
  CHECK(slight.report.objective == Approx(plain.report.objective).epsilon(1e-8));
  CHECK(slight.model.free_parameters() == plain.model.free_parameters());
}

TEST_CASE("EM under penalties never falls, from any start, and ends where the conditions of a maximum hold") {
  Rng rng(3);
  const Regression data = Sparse().draw(300, rng);
  VectorXd w(300);
  for (Index i = 0; i < 300; ++i) w(i) = static_cast<double>(i % 3);
  const auto shown = weighted(data, w);
  const auto never_falls = [](const Report& report) {
    for (std::size_t i = 1; i < report.trace.size(); ++i) {
      CHECK(report.trace[i] >= report.trace[i - 1] - 1e-11 * std::abs(report.trace[i]));
    }
  };
  for (int trial = 0; trial < 6; ++trial) {
    const double lambda = std::pow(3.0, trial % 3);
    CAPTURE(trial, lambda);
    const SoftmaxOptions options{.ridge = trial % 2 == 0 ? 0.0 : 0.5, .lasso = lambda};
    const LassoExpert expert(6, {lambda, 0.8});
    const Model three(SoftmaxGate(3, 6, options), Components<LassoExpert>(std::vector<LassoExpert>(3, expert)));
    Rng draws = rng.fork(static_cast<std::uint64_t>(trial));
    const Model start = seed(three, shown, draws, {.start = Start::random_responsibilities});
    never_falls(em(start, shown, {.max_iterations = 5000, .tolerance = 1e-12}).report);
    const auto fit = fit_experts(SoftmaxGate(2, 6, options), expert, shown, {.restarts = 8, .tolerance = 1e-14});
    never_falls(fit.report);
    CHECK(fit.report.status == Status::converged);
    CHECK(violation(fit.model, shown) < 1e-3);
  }
}

TEST_CASE("the laws of a term, of penalised experts and gates") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Regression data = Sparse().draw(90, rng);
    const Model prototype(SoftmaxGate(3, 6, {.lasso = 2}),
                          Components<LassoExpert>(std::vector<LassoExpert>(3, LassoExpert(6, {4, 0.7}))));
    const Model start = emulsion::seed(prototype, data, rng);
    check_laws("lasso experts", testing::term_laws(start.bank(), data, seed, {.exact_maximize = false}));
    check_laws("lasso gate", testing::term_laws(start.gate(), data, seed,
                                                {.gate = true, .exact_maximize = false, .interior = false}));
  }
}

TEST_CASE("the lasso on a gate alone: zero from some size on, and finite where the classes separate") {
  Rng rng(4);
  const Index n = 200;
  MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), rng.normal();
    y(0, i) = (x(0, i) > 0 ? 10 : -10) + rng.normal();
  }
  const Regression data(x, y);
  const auto free = fit_experts(SoftmaxGate(2, 2), LinearExpert(2), data, {.restarts = 4});
  CHECK(std::any_of(free.report.events.begin(), free.report.events.end(),
                    [](const Event& e) { return e.kind == EventKind::separated_gate; }));
  double before = 1e300;
  for (const double lasso : {0.1, 1.0, 10.0, 1000.0}) {
    const auto fit = fit_experts(SoftmaxGate(2, 2, {.lasso = lasso}), LinearExpert(2), data, {.restarts = 4});
    CHECK(fit.report.status == Status::converged);
    for (const Event& e : fit.report.events) CHECK(e.kind != EventKind::separated_gate);
    const MatrixXd gate = fit.model.gate().coefficients();
    CHECK(std::abs(gate(1, 0)) < before);
    before = std::abs(gate(1, 0));
    if (lasso >= 10) CHECK(gate(2, 0) == 0);
    if (lasso >= 1000) CHECK(gate(1, 0) == 0);
    CHECK(fit.model.gate().free_parameters() == 1 + (gate.bottomRows(2).array() != 0).count());
    CHECK(fit.model.gate().offset() == Approx(-lasso * gate.bottomRows(2).cwiseAbs().sum()));
  }
}

TEST_CASE("a path: from no slopes, with the conditions of a maximum at every point, the objective never falling") {
  Rng rng(5);
  const Regression data = Sparse().draw(300, rng);
  const auto path = lasso_path(SoftmaxGate(2, 6), data, {.points = 15, .ratio = 0.01, .restarts = 8});
  REQUIRE(path.size() == 15);
  const double largest = path.front().lambda;
  CHECK(slopes_of(path.front().model) == 0);
  CHECK(path.front().model.free_parameters() == 5);
  CHECK(slopes_of(path.back().model) > 8);
  CHECK(path.back().lambda == Approx(0.01 * largest).epsilon(1e-12));
  for (std::size_t i = 0; i < path.size(); ++i) {
    CAPTURE(i, path[i].lambda);
    CHECK(path[i].regular);
    CHECK(path[i].kkt_residual < 1e-6);
    CHECK(violation(path[i].model, data) < 1e-6 * largest);
    CHECK(path[i].log_likelihood + path[i].model.gate().offset() + path[i].model.bank().offset() ==
          Approx(path[i].objective).epsilon(1e-12));
    CHECK(path[i].bic ==
          Approx(-2 * path[i].log_likelihood + static_cast<double>(5 + slopes_of(path[i].model)) * std::log(300.0)));
    if (i > 0) CHECK(path[i].objective >= path[i - 1].objective);
  }
  // The largest penalty is the smallest that does it: the fit without slopes stays above, and moves below.
  const auto moved = [&](double lambda) {
    const Model& null = path.front().model;
    const Model start(null.gate().penalised(lambda),
                      Components<LassoExpert>({null[0].penalised({lambda, 1}), null[1].penalised({lambda, 1})}));
    return slopes_of(em(start, data, {.max_iterations = 2000, .tolerance = 1e-12}).model);
  };
  CHECK(moved(largest) == 0);
  CHECK(moved(1.001 * largest) == 0);
  CHECK(moved(0.999 * largest) > 0);
}

TEST_CASE("paths of other gates, of the elastic net, and of one expert") {
  Rng rng(6);
  const Regression data = Sparse().draw(300, rng);
  const LassoPathOptions options{.points = 6, .ratio = 0.05, .alpha = 0.7, .restarts = 4};
  const auto constant = lasso_path(ConstantGate(2), data, options);
  const auto gaussian = lasso_path(GaussianGate(2, 6), data, options);
  const auto one = lasso_path(SoftmaxGate(1, 6), data, options);
  const auto check = [&](const auto& path) {
    for (std::size_t i = 0; i < path.size(); ++i) {
      CHECK(path[i].kkt_residual < 1e-6);
      if (i > 0) CHECK(path[i].objective >= path[i - 1].objective);
      for (Index k = 0; k < path[i].model.size() && i == 0; ++k) CHECK(path[i].model[k].slopes().isZero(0));
    }
    CHECK_FALSE(path.back().model[0].slopes().isZero(0));
  };
  check(constant), check(gaussian), check(one);
}

TEST_CASE("the point of the best BIC finds the slopes that are there, and most that are not") {
  const Sparse truth;
  double found = 0, spared = 0, there = 0, absent = 0;
  for (int trial = 0; trial < 6; ++trial) {
    Rng rng = Rng(60).fork(static_cast<std::uint64_t>(trial));
    const auto path =
        lasso_path(SoftmaxGate(2, 6), truth.draw(300, rng), {.points = 20, .ratio = 0.01, .gate = 0.3, .restarts = 8});
    const auto best =
        std::min_element(path.begin(), path.end(), [](const auto& a, const auto& b) { return a.bic < b.bic; });
    const bool turned = best->model[0].slopes()(0, 1) < 0;  // the second line first
    for (Index k = 0; k < 2; ++k) {
      const VectorXd slopes = best->model[turned ? 1 - k : k].slopes().transpose();
      for (Index j = 0; j < 6; ++j) {
        const bool is = truth.lines(1 + j, k) != 0;
        (is ? there : absent) += 1;
        if (is) found += slopes(j) * truth.lines(1 + j, k) > 0 ? 1 : 0;
        else spared += slopes(j) == 0 ? 1 : 0;
      }
    }
    const MatrixXd gate = best->model.gate().coefficients();
    for (Index j = 0; j < 6; ++j) {
      const bool is = truth.gate(1 + j, 0) != 0;
      (is ? there : absent) += 1;
      if (is) found += (turned ? -1 : 1) * gate(1 + j, 0) * truth.gate(1 + j, 0) > 0 ? 1 : 0;
      else spared += gate(1 + j, 0) == 0 ? 1 : 0;
    }
  }
  CAPTURE(found / there, spared / absent);
  CHECK(found / there > 0.97);
  CHECK(spared / absent > 0.6);
}

TEST_CASE("misuse of the lasso") {
  CHECK_THROWS_WITH(LassoExpert(2, {-1, 1}), ContainsSubstring("negative, got -1"));
  CHECK_THROWS_WITH(LassoExpert(2, {1, 1.5}), ContainsSubstring("[0, 1], got 1.5"));
  CHECK_THROWS_WITH(LassoExpert(LinearExpert(2, 2), {1, 1}), ContainsSubstring("one response, got 2"));
  CHECK_THROWS_WITH(SoftmaxGate(2, 2, {.lasso = -1}), ContainsSubstring("lasso"));
  CHECK_THROWS_WITH(Components<LassoExpert>({LassoExpert(2, {1, 1}), LassoExpert(2, {2, 1})}),
                    ContainsSubstring("one form"));
  const MatrixXd x = MatrixXd::Random(2, 30), y = MatrixXd::Random(1, 30);
  const Regression data(x, y);
  CHECK_THROWS_WITH(lasso_path(SoftmaxGate(2, 2), Regression(x, x)), ContainsSubstring("one response, got 2"));
  CHECK_THROWS_WITH(lasso_path(SoftmaxGate(2, 2), data, {.points = 0}), ContainsSubstring("got 0"));
  CHECK_THROWS_WITH(lasso_path(SoftmaxGate(2, 2), data, {.ratio = 1}), ContainsSubstring("(0, 1)"));
  CHECK_THROWS_WITH(lasso_path(SoftmaxGate(2, 2), data, {.alpha = 0}), ContainsSubstring("(0, 1]"));
  CHECK_THROWS_WITH(lasso_path(SoftmaxGate(2, 2), data, {.gate = -1}), ContainsSubstring("negative"));
  const MatrixXd constant = MatrixXd::Constant(2, 30, 3.0);
  CHECK_THROWS_WITH(lasso_path(SoftmaxGate(1, 2), Regression(constant, y)), ContainsSubstring("no path"));
}
