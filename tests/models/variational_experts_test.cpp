// Variational mixtures of experts: the bound is a bound, complete, and never falls.
#include <Eigen/LU>

#include "catch.hpp"
#include "emulsion/bayesian_experts.hpp"
#include "emulsion/core/gauss_rule.hpp"
#include "emulsion/core/log_sum_exp.hpp"
#include "emulsion/metrics/adjusted_rand.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/term_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Two planes of q responses, of which a smooth function of the first covariate chooses; units of their own.
Regression planes(Index n, Index q, Rng& rng) {
  MatrixXd x(2, n), y(q, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << 50 + 10 * rng.normal(), rng.normal();
    const double first = (x(0, i) - 50) / 10, common = rng.normal();
    const bool high = rng.uniform() < 1 / (1 + std::exp(0.3 - 2 * first));
    for (Index r = 0; r < q; ++r) {
      y(r, i) = (high ? 4 + x(1, i) : -2 - first) + 0.4 * common + 0.6 * rng.normal();
      y(r, i) *= std::pow(10, r);
    }
  }
  return Regression(std::move(x), std::move(y));
}

template <class Gate>
BayesianExperts<Gate> start_of(const Gate& gate, const MatrixNormalWishart& prior, const Regression& data,
                               std::uint64_t seed) {
  Rng rng(seed);
  return seed_variational(prior, gate, data, rng, {.start = Start::random_regressions, .width = 1});
}

template <class Report>
void check_rise(const Report& report) {
  for (std::size_t i = 1; i < report.trace.size(); ++i) {
    const double before = report.trace[i - 1];
    if (report.trace[i] >= before - 1e-10 * std::abs(before)) continue;
    CAPTURE(i, before, report.trace[i]);
    FAIL("the bound fell");
  }
  CHECK(report.status != Status::objective_fell);
}

template <class Gate>
void laws(const char* name, const Gate& gate, Covariance structure, Index q, std::uint64_t seed) {
  CAPTURE(name, to_string(structure), q, seed);
  Rng rng(seed);
  const Index n = 90;
  const Regression data = planes(n, q, rng);
  const MatrixNormalWishart prior = weak_prior(data, structure);
  const auto start = start_of(gate, prior, data, seed);
  const auto one = em(start, data, {.max_iterations = 40, .block = 16});
  check_rise(one.report);
  CHECK(one.model.elbo(data) == Approx(one.report.objective).epsilon(1e-12));
  for (const int threads : {2, 7}) {
    CHECK(em(start, data, {.max_iterations = 40, .threads = threads, .block = 16}).report.trace == one.report.trace);
  }
  CHECK(em(start, data, {.max_iterations = 40, .block = 90}).report.objective ==
        Approx(one.report.objective).epsilon(1e-10));
  // A weight of two is the observation twice, a weight of zero leaves no trace; order does not matter.
  VectorXd w(n);
  std::vector<Index> repeated, reversed;
  for (Index i = 0; i < n; ++i) {
    w(i) = static_cast<double>(i % 3);
    for (Index c = 0; c < i % 3; ++c) repeated.push_back(i);
    reversed.push_back(n - 1 - i);
  }
  const auto after = [&](const Regression& given) { return em(start, given, {.max_iterations = 6}).report.objective; };
  CHECK(after(weighted(data, w)) == Approx(after(data.gather(repeated))).epsilon(1e-10));
  CHECK(after(data.gather(reversed)) == Approx(after(data)).epsilon(1e-10));
}

void laws_of_gates(Covariance structure, Index q, std::uint64_t seed) {
  Rng rng(seed);
  const Regression data = planes(90, q, rng);
  laws("softmax", BayesianSoftmaxGate::about(3, data.z()), structure, q, seed);
  laws("softmax about zero", BayesianSoftmaxGate(2, 2, {.intercept = 2, .slope = 0.3}), structure, q, seed);
  laws("Dirichlet", DirichletGate(3), structure, q, seed);
  laws("sticks", StickBreakingGate::pitman_yor(3, 0.2, Concentration::gamma(1, 1)), structure, q, seed);
}

}  // namespace

TEST_CASE("the laws of variational mixtures of experts") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    laws_of_gates(Covariance::full, 1, seed);
    laws_of_gates(Covariance::full, 2, seed);
    if (seed >= 3) continue;
    for (const auto structure : {Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      laws_of_gates(structure, 2, seed);
    }
  }
}

TEST_CASE("the laws of a term: posteriors of experts, and of a softmax gate") {
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    const Regression data = planes(90, 2, rng);
    for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical, Covariance::tied}) {
      const auto start = start_of(BayesianSoftmaxGate::about(3, data.z()), weak_prior(data, structure), data, seed);
      const std::string name = "experts " + std::string(to_string(structure));
      check_laws(name, testing::term_laws(start.bank(), data, seed));
      if (structure == Covariance::full) {
        check_laws("softmax posterior", testing::term_laws(start.gate(), data, seed, {.exact_maximize = false}));
      }
    }
  }
}

TEST_CASE("with one expert the bound is the exact evidence") {
  for (const Index q : {1, 2}) {
    Rng rng(7);
    const Regression data = planes(60, q, rng);
    MatrixXd k(3, 3);
    k << 2, 0.3, 0, 0.3, 1, -0.2, 0, -0.2, 0.5;
    const MatrixNormalWishart prior(MatrixXd::Ones(q, 3), k, 3.5, 2 * MatrixXd::Identity(q, q));
    const double exact = prior.log_evidence(prior.statistics(data));
    const auto check = [&](const auto& gate) {
      const auto fit = fit_bayesian_experts(gate, data, {.prior = prior, .moves = 0});
      CHECK(fit.report.objective == Approx(exact).epsilon(1e-10));
      CHECK(fit.report.status == Status::converged);
    };
    check(BayesianSoftmaxGate(1, 2));
    check(DirichletGate(1));
  }
}

namespace {

/// log p(y of those observations | x), parameters integrated out.
double evidence_of(const MatrixNormalWishart& prior, const Regression& data, unsigned labels, bool set) {
  std::vector<Index> own;
  for (Index i = 0; i < data.size(); ++i) {
    if (((labels >> i & 1U) == 1U) == set) own.push_back(i);
  }
  if (own.empty()) return 0;
  return prior.log_evidence(prior.statistics(data.gather(own)));
}

/// log p(y | x) by the sum over all labels, given the logarithms of their probabilities.
template <class F>
double exact_evidence(const MatrixNormalWishart& prior, const Regression& data, const F& log_probability) {
  const unsigned count = 1U << static_cast<unsigned>(data.size());
  VectorXd terms(count);
  for (unsigned labels = 0; labels < count; ++labels) {
    terms(labels) =
        evidence_of(prior, data, labels, true) + evidence_of(prior, data, labels, false) + log_probability(labels);
  }
  return log_sum_exp(terms);
}

double log_logistic(double t) { return t > 0 ? -std::log1p(std::exp(-t)) : t - std::log1p(std::exp(t)); }

}  // namespace

TEST_CASE("the bound lies below the log marginal likelihood, of a sum over all labels and a quadrature over gates") {
  const GaussRule rule = GaussRule::hermite(40);
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Rng rng(seed);
    MatrixXd x(1, 6), y(1, 6);
    for (Index i = 0; i < 6; ++i) {
      x(0, i) = -2 + 0.8 * static_cast<double>(i);
      y(0, i) = (x(0, i) > 0 ? 2 + x(0, i) : -1.0) + 0.3 * rng.normal();
    }
    const Regression data(x, y);
    const MatrixNormalWishart prior(MatrixXd::Zero(1, 2), 0.3 * MatrixXd::Identity(2, 2), 3,
                                    MatrixXd::Constant(1, 1, 0.5));
    CAPTURE(seed);
    const SoftmaxPrior deviations{.intercept = 0.8, .slope = 1.2};
    // The difference of two components has twice the variance.
    const double gated = exact_evidence(prior, data, [&](unsigned labels) {
      VectorXd terms(rule.nodes.size() * rule.nodes.size());
      Index at = 0;
      for (Index a = 0; a < rule.nodes.size(); ++a) {
        for (Index b = 0; b < rule.nodes.size(); ++b) {
          double sum = std::log(rule.weights(a)) + std::log(rule.weights(b));
          for (Index i = 0; i < 6; ++i) {
            const double t =
                std::sqrt(2.0) * (deviations.intercept * rule.nodes(a) + deviations.slope * rule.nodes(b) * x(0, i));
            sum += log_logistic((labels >> i & 1U) == 1U ? t : -t);
          }
          terms(at++) = sum;
        }
      }
      return log_sum_exp(terms);
    });
    const auto softmax =
        fit_bayesian_experts(BayesianSoftmaxGate(2, 1, deviations), data, {.prior = prior, .moves = 0});
    CAPTURE(gated, softmax.report.objective);
    CHECK(softmax.report.objective < gated);
    CHECK(softmax.report.objective > gated - 2.5);
    for (const double c : {0.5, 1.0}) {
      const double constant = exact_evidence(prior, data, [&](unsigned labels) {
        double first = 0;
        for (unsigned i = 0; i < 6; ++i) first += labels >> i & 1U;
        return log_beta(c + first, c + 6 - first) - log_beta(c, c);
      });
      const auto dirichlet = fit_bayesian_experts(DirichletGate(2, c), data, {.prior = prior, .moves = 0});
      CAPTURE(constant, dirichlet.report.objective);
      CHECK(dirichlet.report.objective < constant);
      CHECK(dirichlet.report.objective > constant - 2.5);
    }
  }
}

TEST_CASE("relabelling the experts permutes the posterior") {
  Rng rng(2);
  const Regression data = planes(120, 1, rng);
  const auto start = start_of(BayesianSoftmaxGate::about(3, data.z()), weak_prior(data), data, 5);
  const std::vector<MatrixNormalWishart> turned{start[2], start[0], start[1]};
  MatrixXd mean(3, 3);
  mean << start.gate().mean().col(2), start.gate().mean().col(0), start.gate().mean().col(1);
  const BayesianExperts<> other(start.gate().with_posterior(mean, start.gate().covariance()),
                                Components<MatrixNormalWishart>(turned));
  const auto one = em(start, data, {.max_iterations = 30}), two = em(other, data, {.max_iterations = 30});
  CHECK(two.report.objective == Approx(one.report.objective).epsilon(1e-10));
  CHECK((two.model.gate().mean().col(0) - one.model.gate().mean().col(2)).norm() < 1e-8);
  CHECK((two.model.responsibilities(data).col(1) - one.model.responsibilities(data).col(0)).norm() < 1e-8);
}

TEST_CASE("units do not matter to priors from the data") {
  Rng rng(4);
  const Regression data = planes(150, 1, rng);
  MatrixXd x(2, 150), y(1, 150);
  for (Index i = 0; i < 150; ++i) {
    x.col(i) << 1e-6 * data.x()(0, i) + 3, 1e5 * data.x()(1, i);
    y(0, i) = 4096 * data.y()(0, i) - 1e7;
  }
  const Regression other(x, y);
  const auto a = fit_bayesian_experts(data, {.components = 2, .moves = 0, .tolerance = 1e-12});
  const auto b = fit_bayesian_experts(other, {.components = 2, .moves = 0, .tolerance = 1e-12});
  CHECK(b.report.objective == Approx(a.report.objective - 150 * std::log(4096.0)).epsilon(1e-6));
}

TEST_CASE("data replicated c times approach EM like 1 / c") {
  Rng rng(3);
  const Regression data = planes(200, 1, rng);
  const auto ml = fit_experts(SoftmaxGate(2, 2), LinearExpert(2), data, {.tolerance = 1e-13});
  const Index low = ml.model[0].intercept()(0) < ml.model[1].intercept()(0) ? 0 : 1;
  const MatrixXd w = gate_probabilities(ml.model.gate(), data.covariates());
  double before = 0, before_of_gate = 0;
  const MatrixNormalWishart prior = weak_prior(data);
  for (const double c : {10.0, 100.0, 1000.0}) {
    const VectorXd copies = VectorXd::Constant(200, c);
    const auto fit = fit_bayesian_experts(BayesianSoftmaxGate::about(2, data.z()), weighted(data, copies),
                                          {.prior = prior, .moves = 0, .tolerance = 1e-15});
    const Index own = fit.model[0].expected().intercept()(0) < fit.model[1].expected().intercept()(0) ? 0 : 1;
    const double distance = (fit.model[own].expected().slopes() - ml.model[low].slopes()).norm() +
                            (fit.model[own].expected().covariance() - ml.model[low].covariance()).norm();
    const double of_gate =
        (gate_probabilities(fit.model.gate().expected(), data.covariates()).col(own) - w.col(low)).norm();
    CAPTURE(c, distance, of_gate);
    if (before > 0) CHECK(before / distance == Approx(10).epsilon(0.2));
    if (before > 0) CHECK(before_of_gate / of_gate == Approx(10).epsilon(0.2));
    before = distance, before_of_gate = of_gate;
  }
  CHECK(before < 0.01);
}

TEST_CASE("superfluous experts empty out or are removed", "[long]") {
  Rng rng(6);
  const Index n = 300;
  MatrixXd x(1, n), y(1, n);
  Labels truth(n);
  for (Index i = 0; i < n; ++i) {
    x(0, i) = 10 * rng.uniform();
    truth(i) = rng.below(2) == 0 ? 0 : 1;
    y(0, i) = (truth(i) == 0 ? 20 - 2 * x(0, i) : 1 + 1.5 * x(0, i)) + 0.3 * rng.normal();
  }
  const Regression data(x, y);
  // Without moves they stay, but hold nothing.
  const auto dirichlet = fit_bayesian_experts(DirichletGate(6, 1e-3), data, {.moves = 0});
  CHECK(dirichlet.model.size() == 6);
  CHECK(dirichlet.model.in_use() == 2);
  const auto sticks = fit_bayesian_experts(StickBreakingGate::dirichlet_process(6, 0.1), data, {.moves = 0});
  CHECK(sticks.model.in_use() == 2);
  // With moves, from any number.
  for (const Index components : {1, 2, 8}) {
    CAPTURE(components);
    const auto moved = fit_bayesian_experts(DirichletGate(components), data);
    CHECK(moved.model.size() == 2);
    CHECK(adjusted_rand_index(moved.model.classify(data), truth) > 0.8);
    const auto gated = fit_bayesian_experts(data, {.components = components});
    CHECK(gated.model.size() == 2);
    CHECK(gated.report.status == Status::converged);
    check_rise(gated.report);
  }
}

TEST_CASE("the gradient of the bound vanishes at the fixed point") {
  Rng rng(9);
  const Regression data = planes(150, 2, rng);
  const MatrixNormalWishart prior = weak_prior(data);
  const auto gate = BayesianSoftmaxGate::about(2, data.z(), {.intercept = 2, .slope = 2});
  const auto model = em(start_of(gate, prior, data, 1), data, {.tolerance = 1e-15}).model;
  const double here = model.elbo(data);
  const auto flat = [&](const auto& at) {
    const double h = 1e-3, up = at(h), down = at(-h);
    CAPTURE(here, up, down);
    CHECK(up < here);
    CHECK(down < here);
    CHECK(std::abs(up - down) < 0.03 * (2 * here - up - down) + 1e-8);
  };
  const std::vector<MatrixNormalWishart> all{model[0], model[1]};
  const MatrixXd mean = model.gate().mean(), covariance = model.gate().covariance();
  for (Index j = 0; j < 3; ++j) {
    flat([&](double h) {
      MatrixXd moved = mean;
      moved(j, 0) += h * std::sqrt(covariance(j, j));
      return BayesianExperts<>(model.gate().with_posterior(moved, covariance), model.bank()).elbo(data);
    });
    for (Index i = 0; i <= j; ++i) {  // C -> (I + E) C (I + E)'
      flat([&](double h) {
        MatrixXd change = MatrixXd::Identity(3, 3);
        change(j, i) += h * std::sqrt(covariance(j, j) / covariance(i, i));
        MatrixXd moved = change * covariance * change.transpose();
        moved = (0.5 * (moved + moved.transpose())).eval();
        return BayesianExperts<>(model.gate().with_posterior(mean, moved), model.bank()).elbo(data);
      });
    }
  }
  for (std::size_t k = 0; k < 2; ++k) {
    const MatrixXd m = all[k].coefficients(), precision = all[k].precision(), scale = all[k].inverse_scale();
    const MatrixXd inverse = precision.inverse();
    const auto with = [&](const MatrixXd& c, const MatrixXd& p, double nu, const MatrixXd& w) {
      auto changed = all;
      changed[k] = MatrixNormalWishart(c, 0.5 * (p + p.transpose()), nu, 0.5 * (w + w.transpose())).with_prior(prior);
      return BayesianExperts<>(model.gate(), Components<MatrixNormalWishart>(changed)).elbo(data);
    };
    const double nu = all[k].nu();
    CHECK(with(m, precision, nu, scale) == Approx(here).epsilon(1e-10));
    for (Index r = 0; r < 2; ++r) {
      for (Index j = 0; j < 3; ++j) {
        flat([&](double h) {
          MatrixXd moved = m;
          moved(r, j) += h * std::sqrt(inverse(j, j) * scale(r, r) / nu);
          return with(moved, precision, nu, scale);
        });
      }
      flat([&](double h) {
        MatrixXd moved = scale;
        moved.row(r) *= 1 + h, moved.col(r) *= 1 + h;
        return with(m, precision, nu, moved);
      });
    }
    flat([&](double h) { return with(m, precision, nu * (1 + h), scale); });
    for (Index j = 0; j < 3; ++j) {
      for (Index i = 0; i <= j; ++i) {
        flat([&](double h) {
          MatrixXd change = MatrixXd::Identity(3, 3);
          change(j, i) += h * std::sqrt(precision(j, j) / precision(i, i));
          return with(m, change * precision * change.transpose(), nu, scale);
        });
      }
    }
  }
}

TEST_CASE("predictions integrate the parameters out") {
  Rng rng(11);
  const Regression data = planes(60, 1, rng);
  const auto check = [&](const auto& gate, const auto& plain) {
    const auto model = fit_bayesian_experts(gate, data, {.moves = 0}).model;
    const Index grid = 4001;
    for (const double at : {40.0, 55.0, 120.0}) {
      MatrixXd x(2, grid), y(1, grid);
      for (Index i = 0; i < grid; ++i) {
        x.col(i) << at, 0.7;
        y(0, i) = 60 * std::sinh(-4 + 8 * static_cast<double>(i) / static_cast<double>(grid - 1));
      }
      const Regression queries(x, y);
      const VectorXd p = model.log_density(queries).array().exp();
      double total = 0;
      for (Index i = 1; i < grid; ++i) total += 0.5 * (p(i) + p(i - 1)) * (y(0, i) - y(0, i - 1));
      CHECK(total == Approx(1).epsilon(2e-3));
    }
    // The mean density of mixtures drawn from the posterior, within five standard errors.
    const Regression few = data.slice(0, 6);
    constexpr int draws = 4000;
    VectorXd sum = VectorXd::Zero(6), square = sum;
    for (int s = 0; s < draws; ++s) {
      const VectorXd p = model.sample_parameters(rng).log_density(few).array().exp();
      sum += p / draws;
      square += p.cwiseAbs2() / draws;
    }
    const VectorXd exact = model.log_density(few).array().exp();
    for (Index i = 0; i < 6; ++i) {
      const double error = std::sqrt((square(i) - sum(i) * sum(i)) / draws);
      CHECK(std::abs(exact(i) - sum(i)) < 5 * error + 5e-3 * exact(i));  // the gate predicts by 256 draws
    }
    CHECK(conditional_log_likelihood(model, data) == Approx(model.log_likelihood(data)).epsilon(1e-10));
    const auto found = predict(model, data.x());
    CHECK(found.weights().rowwise().sum().isOnes(1e-12));
    const MatrixXd ml = predict(fit_experts(plain, LinearExpert(2), data).model, data.x()).mean();
    CHECK((found.mean() - ml).norm() < 0.1 * ml.norm());
    const VectorXd low = found.quantile(0.05), high = found.quantile(0.95);
    Index inside = 0;
    for (Index i = 0; i < data.size(); ++i) inside += low(i) < data.y()(0, i) && data.y()(0, i) < high(i) ? 1 : 0;
    CHECK(inside >= 50);
    Labels labels;
    CHECK(found.sample(rng, &labels).allFinite());
    CHECK(labels.size() == data.size());
  };
  check(BayesianSoftmaxGate::about(2, data.z()), SoftmaxGate(2, 2));
  check(DirichletGate(2), ConstantGate(2));
  check(StickBreakingGate::dirichlet_process(2), ConstantGate(2));
}

TEST_CASE("degenerate data end with a finite bound") {
  Rng rng(8);
  const auto check = [&](const char* name, const MatrixXd& x, const MatrixXd& y) {
    CAPTURE(name);
    const Regression data(x, y);
    const auto finite = [&](const auto& fit) {
      CHECK(std::isfinite(fit.report.objective));
      CHECK(fit.report.status != Status::failed);
      check_rise(fit.report);
      CHECK(fit.model.log_density(data).allFinite());
      CHECK(predict(fit.model, data.x()).mean().allFinite());
    };
    finite(fit_bayesian_experts(data, {.components = 2, .restarts = 2, .moves = 4}));
    finite(fit_bayesian_experts(DirichletGate(2), data, {.restarts = 2, .moves = 4}));
  };
  const Index n = 40;
  MatrixXd x(2, n), y(2, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), rng.normal();
    y.col(i) << x(0, i) + 0.1 * rng.normal(), rng.normal();
  }
  check("one observation", x.leftCols(1), y.leftCols(1));
  check("two observations", x.leftCols(2), y.leftCols(2));
  check("all equal", MatrixXd::Constant(2, n, 3.1), MatrixXd::Constant(2, n, -0.7));
  MatrixXd twins = x;
  twins.row(1) = 2 * x.row(0);
  check("collinear covariates", twins, y);
  check("no covariates", MatrixXd(0, n), y);
  check("exact lines", x, MatrixXd(2 * x));
  MatrixXd wild = y;
  wild(0, 3) = 1e12;
  check("a wild response", x, wild);
  wild = x;
  wild(0, 3) = 1e12;
  check("a wild covariate", wild, y);
  // Separated by the gate covariates: its slopes stay finite.
  MatrixXd apart = y;
  for (Index i = 0; i < n; ++i) apart(0, i) += x(1, i) > 0 ? 50 : -50;
  check("separated", x, apart);
  // Queries far from all data.
  const auto model = fit_bayesian_experts(Regression(x, apart), {.components = 2, .moves = 0}).model;
  for (const double far : {1e8, 1e100, 1e200}) {
    const MatrixXd there = MatrixXd::Constant(2, 1, far);
    CHECK(model.log_density(Regression(there, y.leftCols(1))).allFinite());
    CHECK(gate_probabilities(model.predictive().gate(), Covariates{Points<>(there)}).sum() == Approx(1));
  }
}

TEST_CASE("bad input to a Bayesian mixture of experts is refused with a sentence") {
  Rng rng(1);
  const Regression data = planes(20, 1, rng);
  CHECK_THROWS_WITH(fit_bayesian_experts(BayesianSoftmaxGate(2, 3), data), ContainsSubstring("expected 3 gate"));
  CHECK_THROWS_WITH(BayesianSoftmaxGate(2, 1, {.slope = 0}), ContainsSubstring("positive, finite standard"));
  CHECK_THROWS_WITH(BayesianSoftmaxGate(0, 1), ContainsSubstring("at least one component"));
  CHECK_THROWS_WITH(fit_bayesian_experts(data, {.components = 0}), ContainsSubstring("at least one component"));
  CHECK_THROWS_WITH(fit_bayesian_experts(data, {.restarts = 0}), ContainsSubstring("at least one start"));
  CHECK_THROWS_WITH(weak_prior(data, Covariance::full, {.noise = 0}), ContainsSubstring("a positive noise"));
  const MatrixNormalWishart other(MatrixXd::Zero(1, 2), MatrixXd::Identity(2, 2), 1, MatrixXd::Identity(1, 1));
  CHECK_THROWS_WITH(fit_bayesian_experts(DirichletGate(2), data, {.prior = other}),
                    ContainsSubstring("expected 1 covariates, got 2"));
  MatrixXd x = MatrixXd::Zero(1, 3), y = MatrixXd::Zero(1, 3);
  y(0, 1) = std::nan("");
  CHECK_THROWS_AS(fit_bayesian_experts(Regression(x, y)), InvalidArgument);
  CHECK_THROWS_WITH(fit_bayesian_experts(DirichletGate(1), Regression(MatrixXd(1, 0), MatrixXd(1, 0))),
                    ContainsSubstring("at least one observation"));
}
