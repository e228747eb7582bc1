// The law suites on a few small families, as tests/mutation.sh compiles them against spoilt headers: quick to compile,
// unoptimised, no test framework. Prints the first broken law of every suite; fails if there is one. PART chooses.
#include <cstdio>

#include "emulsion/testing/laws.hpp"

using namespace emulsion;

namespace {

int failures = 0;

void report(const char* subject, const std::vector<std::string>& broken) {
  for (const std::string& sentence : broken) {
    if (failures++ == 0) std::printf("%s: %s\n", subject, sentence.substr(8, sentence.find(" (") - 8).c_str());
  }
}

/// d x n points in two correlated clouds.
[[maybe_unused]] Eigen::MatrixXd clouds(Index d, Index n, Rng& rng) {
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) {
    const double common = rng.normal(), cloud = rng.below(2) == 0 ? 0 : 3;
    for (Index j = 0; j < d; ++j) x(j, i) = 5 + static_cast<double>(j + 1) * (common + 0.8 * rng.normal() + cloud);
  }
  return x;
}
[[maybe_unused]] Eigen::MatrixXd integers(Index d, Index n, std::uint64_t below, Rng& rng) {
  Eigen::MatrixXd x(d, n);
  for (Index i = 0; i < n; ++i) {
    const std::uint64_t most = rng.below(2) == 0 ? below : 2;
    for (Index j = 0; j < d; ++j) x(j, i) = static_cast<double>(rng.below(most));
  }
  return x;
}

}  // namespace

#if defined(PART_gaussian)
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/testing/component_laws.hpp"
void run(std::uint64_t seed) {
  for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical}) {
    const auto generate = [](Index n, Rng& rng) { return clouds(2, n, rng); };
    report("component", testing::component_laws(Gaussian(2, structure), generate, seed));
    const auto wide = [](Index n, Rng& rng) { return clouds(9, n, rng); };
    report("component", testing::component_laws(Gaussian(9, structure), wide, seed));
    report("component", testing::component_laws(Gaussian(2, structure, 0.6), generate, seed, {.interior = false}));
  }
}
#elif defined(PART_discrete)
#include "emulsion/distributions/categorical.hpp"
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/testing/component_laws.hpp"
void run(std::uint64_t seed) {
  const testing::ComponentLaws options{.support = testing::Support::counts};
  report("component", testing::component_laws(
                          Poisson(1), [](Index n, Rng& rng) { return integers(1, n, 9, rng); }, seed, options));
  const auto answers = [](Index n, Rng& rng) { return integers(2, n, 3, rng); };
  report("component", testing::component_laws(Categorical(std::vector<Index>{3, 3}), answers, seed, options));
}
#elif defined(PART_factors)
#include "emulsion/distributions/block_gaussian.hpp"
#include "emulsion/distributions/factor_gaussian.hpp"
#include "emulsion/testing/component_laws.hpp"
void run(std::uint64_t seed) {
  const auto points = [](Index d) { return [d](Index n, Rng& rng) { return clouds(d, n, rng); }; };
  const testing::ComponentLaws options{.observations = 40};
  report("component", testing::component_laws(BlockGaussian(Partition({{0, 2}, {1}})), points(3), seed, options));
  report("component", testing::component_laws(FactorGaussian(3, 1, Covariance::spherical), points(3), seed, options));
  report("component",
         testing::component_laws(FactorGaussian(2, 1), points(2), seed, {.observations = 40, .exact_maximize = false}));
}
#elif defined(PART_term)
#include "emulsion/distributions/gaussian.hpp"
#include "emulsion/gates/constant.hpp"
#include "emulsion/models/components.hpp"
#include "emulsion/testing/term_laws.hpp"
void run(std::uint64_t seed) {
  Rng rng(seed);
  const Eigen::MatrixXd x = clouds(2, 60, rng);
  const Points<> view(x);
  report("term", testing::term_laws(ConstantGate(3), view, seed, {.gate = true}));
  for (const auto structure : {Covariance::tied, Covariance::full}) {
    report("term",
           testing::term_laws(Components<Gaussian>(std::vector<Gaussian>(3, Gaussian(2, structure))), view, seed));
  }
}
#elif defined(PART_model)
#include "emulsion/distributions/poisson.hpp"
#include "emulsion/models/mixture.hpp"
#include "emulsion/testing/em_laws.hpp"
#include "emulsion/testing/model_laws.hpp"
void run(std::uint64_t seed) {
  Rng rng(seed);
  const Eigen::MatrixXd x = integers(1, 400, 12, rng);
  const auto one = [](double rate) { return Poisson(Eigen::VectorXd(Eigen::VectorXd::Constant(1, rate))); };
  const MixtureOf<Poisson> start(Eigen::Vector2d(0.4, 0.6), {one(1), one(7)});
  report("model", testing::model_laws(start, x, seed, {.block = 4, .far = false}));
  report("driver", testing::em_laws(start, x, seed));
  // Two Poisson components with nearby rates: EM is slow.
  const MixtureOf<Poisson> slow(Eigen::Vector2d(0.5, 0.5), {one(1), one(1.2)});
  const Eigen::MatrixXd near = integers(1, 130, 4, rng);
  report("driver", testing::em_laws(slow, near, seed));
  report("driver", testing::em_laws(slow, near, seed, {.acceleration = Acceleration::none}));
}
#elif defined(PART_posterior)
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/categorical_dirichlet.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "emulsion/testing/posterior_laws.hpp"
template <class Gate>
void ascent(const Gate& gate, const Eigen::MatrixXd& x, Rng& rng) {
  const auto start = seed_variational(weak_prior(Points<>(x)), gate, Points<>(x), rng, {.width = 1});
  const auto fit = em(start, x, {.max_iterations = 40});
  if (fit.report.status == Status::objective_fell) report("bound", {"broken: the bound never falls ("});
}
void run(std::uint64_t seed) {
  Rng rng(seed);
  const Eigen::MatrixXd x = clouds(2, 30, rng), y = integers(1, 30, 9, rng), z = integers(2, 30, 3, rng);
  for (const auto structure : {Covariance::full, Covariance::diagonal, Covariance::spherical}) {
    const NormalWishart prior(Eigen::Vector2d(4, 9), 0.6, 2.5, 3 * Eigen::Matrix2d::Identity(), structure);
    report("posterior", testing::posterior_laws(prior, x, seed));
    const Eigen::MatrixXd few = x.leftCols(4);  // of few observations, draws tell more of the degrees of freedom
    report("posterior", testing::posterior_laws(prior, few, seed));
  }
  report("posterior", testing::posterior_laws(PoissonGamma(Eigen::VectorXd::Constant(1, 1.5), 0.4), y, seed));
  const CategoricalDirichlet shares({Eigen::Vector3d(0.5, 1, 2), Eigen::Vector3d(1, 1, 1)});
  report("posterior", testing::posterior_laws(shares, z, seed));
  // With one component the bound is the evidence, of the sticks but for that of the labels.
  const NormalWishart prior = weak_prior(Points<>(x));
  const double exact = prior.log_evidence(prior.statistics(Points<>(x)));
  const auto same = [&](double bound, double expected) {
    if (!(std::abs(bound - expected) < 1e-8)) report("bound", {"broken: the bound of one component is the evidence ("});
  };
  same(em(BayesianMixture<>(DirichletGate(1), prior), x).report.objective, exact);
  same(em(BayesianMixture<>(DirichletGate(1, Concentration::gamma(2, 3)), prior), x).report.objective, exact);
  const auto sticks = StickBreakingGate::pitman_yor(1, 0.3, 0.8);
  same(em(BayesianMixture<StickBreakingGate>(sticks, prior), x).report.objective,
       exact + log_beta(0.7 + 30, 1.1) - log_beta(0.7, 1.1));
  // Given labels, the sticks' part of the bound is their evidence.
  const Eigen::Vector3d labels(3, 5, 2);
  const auto three = StickBreakingGate::pitman_yor(3, 0.3, 0.8);
  auto learnt = three;
  three.maximize({labels}, learnt);
  double part = learnt.offset();
  for (Index k = 0; k < 3; ++k) part += labels(k) * learnt.log_weight(k);
  same(part, three.log_evidence(labels));
  ascent(DirichletGate(3, 0.4), x, rng);
  ascent(DirichletGate(3, Concentration::gamma(1, 1)), x, rng);
  ascent(StickBreakingGate::pitman_yor(3, 0.3, Concentration::gamma(1, 1)), x, rng);
}
#elif defined(PART_experts)
#include "emulsion/experts/linear.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/inference/seed_regression.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "emulsion/testing/recentring_laws.hpp"
void run(std::uint64_t seed) {
  Rng rng(seed);
  const Index n = 150;
  Eigen::MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), 50 + 8 * rng.normal();
    const bool first = rng.uniform() < 1 / (1 + std::exp(-0.3 - 1.5 * x(0, i)));
    y(0, i) = 1000 + 40 * ((first ? 3 + x(0, i) : -2 - 0.05 * x(1, i)) + 0.7 * rng.normal());
  }
  using Model = MixtureOfExperts<SoftmaxGate, LinearExpert>;
  const Model start(SoftmaxGate(2, 2), Components<LinearExpert>(std::vector<LinearExpert>(2, LinearExpert(2))));
  report("experts", testing::expert_laws(start, Regression(x, y), seed, {.exact_gate = false}));
  Model moved = emulsion::seed(start, Regression(x, y), rng);
  moved.follow(Regression(x, y));
  moved = em(moved, Regression(x, y), {.max_iterations = 2, .acceleration = Acceleration::none}).model;
  report("recentring", testing::recentring_laws(moved, Regression(x, y), seed));
}
#elif defined(PART_penalised)
#include "emulsion/experts/lasso.hpp"
#include "emulsion/gates/softmax.hpp"
#include "emulsion/inference/em.hpp"
#include "emulsion/inference/seed.hpp"
#include "emulsion/inference/seed_regression.hpp"
#include "emulsion/models/mixture_of_experts.hpp"
constexpr double gate_lasso = 3, gate_ridge = 2, lambda = 8, alpha = 0.6;
using Model = MixtureOfExperts<SoftmaxGate, LassoExpert>;
struct Parameters {
  Eigen::VectorXd gate;                // 1 + p
  std::vector<Eigen::VectorXd> lines;  // 1 + p
  std::vector<double> variances;
};
/// The log-likelihood less the penalties, by their formulas.
double value(const Parameters& at, const Eigen::MatrixXd& x, const Eigen::MatrixXd& y) {
  double sum = -gate_lasso * at.gate.tail(2).lpNorm<1>() - gate_ridge / 2 * at.gate.tail(2).squaredNorm();
  for (const Eigen::VectorXd& line : at.lines) {
    sum -= lambda * (alpha * line.tail(2).lpNorm<1>() + (1 - alpha) / 2 * line.tail(2).squaredNorm());
  }
  for (Index i = 0; i < x.cols(); ++i) {
    const double odds = at.gate(0) + at.gate.tail(2).dot(x.col(i));
    double density = 0;
    for (std::size_t k = 0; k < 2; ++k) {
      const double error = y(0, i) - at.lines[k](0) - at.lines[k].tail(2).dot(x.col(i)), v = at.variances[k];
      density += std::exp(-0.5 * error * error / v) / std::sqrt(two_pi * v) / (1 + std::exp(k == 0 ? -odds : odds));
    }
    sum += std::log(density);
  }
  return sum;
}
void run(std::uint64_t seed_of) {
  Rng rng(seed_of);
  const Index n = 120;
  Eigen::MatrixXd x(2, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << rng.normal(), 1 + rng.normal();
    const bool first = rng.uniform() < 1 / (1 + std::exp(-0.3 - 1.5 * x(0, i)));
    y(0, i) = (first ? 3 + 2 * x(0, i) : -2 - x(1, i)) + 0.7 * rng.normal();
  }
  const Model prototype(SoftmaxGate(2, 2, {.ridge = gate_ridge, .lasso = gate_lasso}),
                        Components<LassoExpert>(std::vector<LassoExpert>(2, LassoExpert(2, {lambda, alpha}))));
  const Regression data(x, y);
  const auto fit = em(emulsion::seed(prototype, data, rng), data, {.tolerance = 1e-13});
  const auto parameters = [](const Model& m) {
    Parameters found{m.gate().coefficients().col(0), {}, {}};
    for (Index k = 0; k < 2; ++k) {
      Eigen::VectorXd line(3);
      line << m[k].intercept(), m[k].slopes().transpose();
      found.lines.push_back(line), found.variances.push_back(m[k].covariance()(0, 0));
    }
    return found;
  };
  const Parameters found = parameters(fit.model);
  const double highest = value(found, x, y);
  const auto check = [](bool holds, const char* law) {
    if (!holds) report("penalised", {std::string("seed 0: ") + law + " ("});
  };
  check(std::abs(highest - fit.report.objective) < 1e-9 * std::abs(highest), "the objective is the penalised one");
  for (const double away : {-1e-3, 1e-3}) {
    for (Index j = 0; j < 3; ++j) {
      Parameters other = found;
      other.gate(j) += away;
      check(value(other, x, y) <= highest, "the gate is at a maximum");
      for (std::size_t k = 0; k < 2; ++k) {
        other = found;
        other.lines[k](j) += away;
        check(value(other, x, y) <= highest, "the lines are at a maximum");
      }
    }
  }
}
#elif defined(PART_expert_posterior)
#include "emulsion/experts/matrix_normal_wishart.hpp"
#include "emulsion/gates/bayesian_softmax.hpp"
#include "emulsion/testing/gate_posterior_laws.hpp"
#include "emulsion/testing/posterior_laws.hpp"
void run(std::uint64_t seed) {
  Rng rng(seed);
  const Index n = 25;
  Eigen::MatrixXd x(2, n), y(2, n);
  for (Index i = 0; i < n; ++i) {
    x.col(i) << 3 + rng.normal(), 2 * rng.normal();
    y.col(i) << 1 + x(0, i) + rng.normal(), x(1, i) - 0.5 * x(0, i) + rng.normal();
  }
  const Regression data(x, y);
  Eigen::MatrixXd k(3, 3);
  k << 0.6, 0.4, 0, 0.4, 1, -0.2, 0, -0.2, 0.5;
  for (const auto structure : {Covariance::full, Covariance::spherical}) {
    const MatrixNormalWishart prior(Eigen::MatrixXd::Ones(2, 3), k, 2.5, 2 * Eigen::Matrix2d::Identity(), structure);
    report("posterior", testing::posterior_laws(prior.in(prior.frame_for(data)), data, seed));
  }
  report("gate", testing::gate_posterior_laws(BayesianSoftmaxGate(3, 2, {.intercept = 2, .slope = 1}), data, seed));
}
#elif defined(PART_mixture)
#include "emulsion/testing/gaussian_laws.hpp"
#include "emulsion/testing/model_laws.hpp"
void run(std::uint64_t seed) {
  Rng rng(seed);
  const Eigen::MatrixXd x = clouds(2, 80, rng);
  const Points<> view(x);
  const auto start = emulsion::seed(Gaussian(2), 2, view, rng);
  report("model", testing::model_laws(start, view, seed));
  report("chain rule", testing::chain_laws(start, {1}, view, seed));
  const Eigen::Matrix2d a = (Eigen::Matrix2d() << 2, 0.5, -1, 3).finished();
  report("affine", testing::affine_laws(Gaussian(2), 2, view, a, Eigen::Vector2d(3, -7), std::log(6.5), seed));
}
#elif defined(PART_process)
#include "emulsion/kernels/kernels.hpp"
#include "emulsion/processes/gaussian_process.hpp"
#include "emulsion/testing/kernel_laws.hpp"
#include "emulsion/testing/process_laws.hpp"
void run(std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(2, 70), y(1, 70);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
  for (Index i = 0; i < y.size(); ++i) y(0, i) = 1 + x(0, i) + 0.5 * rng.normal();
  const AnyKernel ard = SquaredExponential(1.3, Eigen::Vector2d(0.8, 2));
  const Eigen::MatrixXd few = x.leftCols(7);
  report("kernel", testing::kernel_laws(ard, few));
  report("kernel", testing::kernel_laws(ard * AnyKernel(Matern32(0.7, 0.6)) + AnyKernel(Periodic(1, 0.8, 1.5)), few));
  report("kernel", testing::kernel_laws(AnyKernel(RationalQuadratic(0.7, 0.6, 1.5)), few));
  report("kernel", testing::kernel_laws(AnyKernel(ChangePoint(ard, AnyKernel(LinearKernel()), 0.2, 2, 1)), few));
  report("process", testing::process_laws(GaussianProcess<AnyKernel, ConstantMean>(ard, 0.3, ConstantMean(2)), x, y));
}
#elif defined(PART_approximate)
#include "emulsion/kernels/combined.hpp"
#include "emulsion/kernels/matern.hpp"
#include "emulsion/kernels/periodic.hpp"
#include "emulsion/processes/gaussian_process.hpp"
#include "emulsion/processes/markov_process.hpp"
#include "emulsion/processes/sparse_evidence.hpp"
/// A sparse process beside the exact one, and its gradient beside differences.
std::vector<std::string> sparse_laws(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y) {
  testing::Findings laws(0);
  const Matern32 kernel(1.3, 0.9);
  const Regression data(x, y);
  const auto exact = GaussianProcess(kernel, 0.2).condition(data);
  const auto bound = [&](const SparseProcess<Matern32>& p) {
    const InducingStatistics s = p.learn(data);
    SparseProcess<Matern32> next = p;
    p.maximize(s, next);
    return next.objective(s);
  };
  for (const SparseBound kind : {SparseBound::titsias, SparseBound::fitc}) {
    const SparseProcess<Matern32> all(InducingBasis<Matern32>(kernel, x), 0.2, kind);
    laws.expect_near(bound(all), exact.log_marginal_likelihood(), 1e-6, "with all inputs the bound is the likelihood");
    laws.expect_near(all.condition(data).predict(x.leftCols(1)).variance()(0),
                     exact.predict(x.leftCols(1)).variance()(0), 1e-6, "with all inputs the variance is the exact one");
    const SparseProcess<Matern32> few(InducingBasis<Matern32>(kernel, x.leftCols(4)), 0.2, kind);
    const Eigen::VectorXd v = hyperparameters(few), g = sparse_evidence(few, data).gradient;
    if (kind == SparseBound::titsias) {
      laws.expect_at_most(bound(few), exact.log_marginal_likelihood(), 0, "a bound below the likelihood");
    }
    const Eigen::MatrixXd far = Eigen::MatrixXd::Constant(1, 1, 50);
    laws.expect_near(few.condition(data).predict(far).variance()(0), 1.3, 1e-9, "far away the variance is the prior's");
    for (Index p = 0; p < v.size(); ++p) {
      const auto at = [&](double step) {
        Eigen::VectorXd u = v;
        u(p) += step;
        SparseProcess<Matern32> moved = few;
        Index first = 0;
        moved.unpack(u, first);
        return bound(moved);
      };
      laws.expect_near(g(p), (at(1e-5) - at(-1e-5)) / 2e-5, 1e-4, "the gradient of a bound is that of differences");
    }
  }
  return std::move(laws).broken();
}
/// A Markov process beside the exact process of the same kernel.
template <class K>
std::vector<std::string> markov_laws(const K& kernel, const Eigen::MatrixXd& t, const Eigen::MatrixXd& y) {
  testing::Findings laws(0);
  const Regression data(t, y);
  const auto exact = GaussianProcess<K>(kernel, 0.2).condition(data);
  const auto markov = MarkovProcess<K>(kernel, 0.2, {.harmonic_error = 1e-12}).condition(data);
  laws.expect_near(markov.log_marginal_likelihood(), exact.log_marginal_likelihood(), 1e-7, "the exact likelihood");
  const Eigen::VectorXd a = markov.gradient(), b = exact.gradient();
  for (Index p = 0; p < b.size(); ++p) laws.expect_near(a(p), b(p), 1e-5, "the exact gradient");
  Eigen::MatrixXd at(1, 5);
  at << -1, t(0, 0), t(0, 1) + 0.1, 0.5, 30;
  const auto found = markov.predict(at);
  const auto told = exact.predict(at);
  for (Index i = 0; i < at.cols(); ++i) {
    laws.expect_near(found.mean()(i), told.mean()(i), 1e-7, "the exact mean");
    laws.expect_near(found.variance()(i), told.variance()(i), 1e-7, "the exact variance");
  }
  return std::move(laws).broken();
}
void run(std::uint64_t seed) {
  Rng rng(seed);
  Eigen::MatrixXd x(1, 14), y(1, 14);
  for (Index i = 0; i < x.size(); ++i) {
    x(0, i) = 6 * rng.uniform();
    y(0, i) = x(0, i) - 3 + 0.5 * rng.normal();
  }
  report("sparse", sparse_laws(x, y));
  report("markov", markov_laws(Matern52(0.9, 1.4), x, y));
  report("markov", markov_laws(Periodic(1.1, 1.5, 1.9) * Matern12(1, 9), x, y));
}
#endif

int main() {
  try {
    for (std::uint64_t seed = 0; seed < 2 && failures == 0; ++seed) run(seed);
  } catch (const std::exception& error) {
    std::printf("an exception: %s\n", error.what());
    return 1;
  }
  return failures == 0 ? 0 : 1;
}
