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

/// Two experts and a gate, of six covariates: eleven of eighteen slopes are zero.
struct Sparse {
  MatrixXd gate = (MatrixXd(7, 2) << 0.5, 0, 2, 0, 0, 0, 0, 0, -1.5, 0, 0, 0, 0, 0).finished();
  MatrixXd lines = (MatrixXd(7, 2) << 1, -1, 0, 1, 2, -2, 0, 0, 0, 0, 0, 2, 1.5, 0).finished();
  double deviation = 0.6;
  Regression draw(Index n, Rng& rng, std::vector<Index>* labels = nullptr) const {
    MatrixXd x(6, n), y(1, n);
    VectorXd design(7);
    for (Index i = 0; i < n; ++i) {
      design(0) = 1;
      for (Index j = 0; j < 6; ++j) design(1 + j) = x(j, i) = rng.normal();
      const VectorXd odds = (gate.transpose() * design).array().exp();
      const Index own = rng.categorical(odds);
      if (labels) labels->push_back(own);
      y(0, i) = lines.col(own).dot(design) + deviation * rng.normal();
    }
    return {std::move(x), std::move(y)};
  }
};

/// The largest violation of the conditions of a maximum, by plain sums over the observations; of a variance at its
/// floor, which may not fall, only what would raise it counts.
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
    const double by_variance = 0.5 * (square / v - weight);
    note(line(0), 0, 0, 0), note(model[k].at_floor() > 0 ? std::max(0.0, by_variance) : by_variance, 0, 0, 0);
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

/// What one who sees the labels would find: which of the slopes of the two lines and of the gate (p x 3) are zero at
/// the least BIC of the complete data along the same penalties, by proximal gradient and coordinate ascent written
/// here.
MatrixXd with_labels(const Regression& data, const std::vector<Index>& labels, double share,
                     const std::vector<double>& lambdas) {
  const Index n = data.size(), p = 6;
  MatrixXd design(1 + p, n);
  for (Index i = 0; i < n; ++i) {
    design(0, i) = 1;
    for (Index j = 0; j < p; ++j) design(1 + j, i) = data.x()(j, i);
  }
  const auto shrunk = [](double g, double t) { return std::copysign(std::max(0.0, std::abs(g) - t), g); };
  MatrixXd now = MatrixXd::Zero(1 + p, 3), best = now;
  VectorXd v = VectorXd::Ones(2);
  const double step = 4 / (design * design.transpose()).trace();  // below the reciprocal of the curvature
  double least = 1e300;
  for (const double lambda : lambdas) {
    double log_likelihood = 0;
    for (Index k = 0; k < 2; ++k) {
      std::vector<Index> own;
      for (Index i = 0; i < n; ++i) {
        if (labels[static_cast<std::size_t>(i)] == k) own.push_back(i);
      }
      const MatrixXd z = design(Eigen::all, own);
      VectorXd y(z.cols());
      for (Index i = 0; i < z.cols(); ++i) y(i) = data.y()(0, own[static_cast<std::size_t>(i)]);
      const auto count = static_cast<double>(z.cols());
      for (int sweep = 0; sweep < 200; ++sweep) {
        for (Index j = 0; j <= p; ++j) {
          now(j, k) = 0;
          const double drawn = z.row(j).dot(y - z.transpose() * now.col(k));
          now(j, k) = shrunk(drawn, j == 0 ? 0 : lambda * v(k)) / z.row(j).squaredNorm();
        }
        v(k) = (y - z.transpose() * now.col(k)).squaredNorm() / count;
      }
      log_likelihood -= 0.5 * count * (std::log(2 * 3.14159265358979323846 * v(k)) + 1);
    }
    for (int round = 0; round < 500; ++round) {
      VectorXd slope = VectorXd::Zero(1 + p);
      for (Index i = 0; i < n; ++i) {
        const double first = 1 / (1 + std::exp(-now.col(2).dot(design.col(i))));
        slope += ((labels[static_cast<std::size_t>(i)] == 0 ? 1 : 0) - first) * design.col(i);
      }
      for (Index j = 0; j <= p; ++j)
        now(j, 2) = shrunk(now(j, 2) + step * slope(j), j == 0 ? 0 : step * share * lambda);
    }
    for (Index i = 0; i < n; ++i) {
      const double odds = now.col(2).dot(design.col(i));
      log_likelihood -= std::log1p(std::exp(labels[static_cast<std::size_t>(i)] == 0 ? -odds : odds));
    }
    const auto count = static_cast<double>((now.bottomRows(p).array() != 0).count());
    const double bic = -2 * log_likelihood + (5 + count) * std::log(static_cast<double>(n));
    if (bic < least) least = bic, best = now;
  }
  return best.bottomRows(p);
}

/// Slopes of the lines and of the gate (p x 3), in the order of the truth.
MatrixXd ordered_slopes(const Model& model) {
  const bool turned = model[0].slopes()(0, 1) < 0;  // the second line first
  MatrixXd result(6, 3);
  for (Index k = 0; k < 2; ++k) result.col(k) = model[turned ? 1 - k : k].slopes().transpose();
  result.col(2) = (turned ? -1 : 1) * model.gate().coefficients().col(0).tail(6);
  return result;
}

struct Recovery {
  double found = 0, there = 0, spared = 0, absent = 0;
  void add(const MatrixXd& slopes, const MatrixXd& truth) {
    for (Index i = 0; i < slopes.size(); ++i) {
      const double is = truth.data()[i], got = slopes.data()[i];
      (is != 0 ? there : absent) += 1;
      if (is != 0) found += got * is > 0 ? 1 : 0;
      else spared += got == 0 ? 1 : 0;
    }
  }
};

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
  Model little(SoftmaxGate(2, 6), Components<LassoExpert>(std::vector<LassoExpert>(2, LassoExpert(6))));
  for (int trial = 0; trial < 6; ++trial) {
    const double lambda = std::pow(3.0, trial);
    CAPTURE(trial, lambda);
    const SoftmaxOptions options{.ridge = trial % 2 == 0 ? 0.0 : 0.5, .lasso = lambda};
    const LassoExpert expert(6, {lambda, 0.8});
    const Model three(SoftmaxGate(3, 6, options), Components<LassoExpert>(std::vector<LassoExpert>(3, expert)));
    Rng draws = rng.fork(static_cast<std::uint64_t>(trial));
    const Model start = seed(three, shown, draws, {.start = Start::random_responsibilities});
    const auto fit = em(start, shown, {.max_iterations = 20'000, .tolerance = 1e-14});
    never_falls(fit.report);
    // Without slopes three normals are fitted to one hump: gains drown in the rounding of the objective (734 x 1e-15)
    // at a rate of 0.998, which the status says.
    CHECK((fit.report.status == Status::converged || (lambda > 27 && fit.report.status == Status::sublinear)));
    CHECK(violation(fit.model, shown) < 1e-3);
    if (lambda >= 81) CHECK(slopes_of(fit.model) == 0);
    if (lambda > 27) continue;  // no regular maximum from any of 8 starts: two normals of one hump
    // Under 27, 8 starts end with an expert on seven observations; 48 find what a fit under 3 leads to.
    const auto best =
        fit_experts(SoftmaxGate(2, 6, options), expert, shown, {.restarts = lambda < 27 ? 8 : 48, .tolerance = 1e-14});
    never_falls(best.report);
    CHECK(best.report.status == Status::converged);
    CHECK(violation(best.model, shown) < 1e-3);
    CHECK(kind_of(best.model.regularity(1e-3), 1e-3, 1, 200) == FitKind::regular);
    if (lambda == 3) little = best.model;
    if (lambda < 27) continue;
    const LassoExpert first = little[0].penalised(expert.penalty()), second = little[1].penalised(expert.penalty());
    const auto warm = em(Model(SoftmaxGate(little.gate()).penalised(lambda), Components<LassoExpert>({first, second})),
                         shown, {.max_iterations = 5000, .tolerance = 1e-12});
    CHECK(best.report.objective == Approx(warm.report.objective).epsilon(1e-9));
  }
}

TEST_CASE("experts that coincide are a better fit than one that collapsed, and a worse one than a regular fit") {
  const auto kind = [](double eigenvalue, double support, Index twin, bool alike = false) {
    return kind_of({.eigenvalue = eigenvalue, .support = support, .twin = twin, .alike = alike}, 1e-3, 1, 200);
  };
  CHECK(kind(0.5, 1, -1) == FitKind::regular);
  CHECK(kind(1e-6, 0.2, -1) == FitKind::supported);
  CHECK(kind(1e-6, 0.2, -1, true) == FitKind::regular);
  CHECK(kind(1e-6, 0.2, 1, true) == FitKind::coincident);
  CHECK(kind(1e-6, 0.03, -1, true) == FitKind::spurious);
  CHECK(kind(0.5, 1, 1) == FitKind::coincident);
  CHECK(kind(1e-6, 0.2, 1) == FitKind::coincident);
  CHECK(kind(1e-6, 0.03, -1) == FitKind::spurious);
  CHECK(kind(1e-6, 0.03, 1) == FitKind::spurious);
  CHECK(FitKind::coincident < FitKind::spurious);
  CHECK(FitKind::supported < FitKind::coincident);
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

// That six of ten zeros be found was asked of this once, and is not true of the method: the penalty that BIC chooses is
// small, since it shrinks the slopes that matter too. Who sees the labels finds no more; that is the measure.
TEST_CASE("the point of the best BIC finds the slopes that are there, and as many zeros as one who sees the labels",
          "[long]") {
  const Sparse truth;
  MatrixXd slopes(6, 3);
  slopes << truth.lines.bottomRows(6), truth.gate.col(0).tail(6);
  for (const double share : {1.0, 0.3}) {
    Recovery blind, seeing;
    for (int trial = 0; trial < 10; ++trial) {
      Rng rng = Rng(60).fork(static_cast<std::uint64_t>(trial));
      std::vector<Index> labels;
      const Regression data = truth.draw(300, rng, &labels);
      const auto path =
          lasso_path(SoftmaxGate(2, 6), data, {.points = 15, .ratio = 0.01, .gate = share, .restarts = 8});
      const auto best =
          std::min_element(path.begin(), path.end(), [](const auto& a, const auto& b) { return a.bic < b.bic; });
      blind.add(ordered_slopes(best->model), slopes);
      std::vector<double> lambdas;
      for (const auto& point : path) lambdas.push_back(point.lambda);
      seeing.add(with_labels(data, labels, share, lambdas), slopes);
    }
    CAPTURE(share, blind.spared / blind.absent, seeing.spared / seeing.absent);
    CHECK(blind.found / blind.there > 0.97);
    CHECK(blind.spared / blind.absent > seeing.spared / seeing.absent - 0.1);
    if (share < 1) CHECK(blind.spared / blind.absent > 0.6);
  }
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
