// Gaussian gates of every family: laws, and blocks found from data (BLoME).
#include "catch.hpp"
#include "emulsion/distributions/block_gaussian.hpp"
#include "emulsion/distributions/factor_gaussian.hpp"
#include "emulsion/inference/select_blocks.hpp"
#include "emulsion/mixture_of_experts.hpp"
#include "emulsion/testing/expert_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// Two planes in three covariates with a common factor.
Regression planes(Index n, Rng& rng) {
  MatrixXd x(3, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    const bool first = rng.uniform() < 0.4;
    const double common = rng.normal();
    x.col(i) << common + 0.5 * rng.normal() + (first ? 3 : 0), -common + 0.6 * rng.normal(),
        5 + 1.5 * common + rng.normal() + (first ? 3 : 0);
    y(0, i) = (first ? 6 + x(1, i) : -6 + x(0, i) - x(2, i)) + 0.6 * rng.normal();
  }
  return Regression(std::move(x), std::move(y));
}
template <class Gate>
void laws(const char* name, const Gate& gate, testing::ExpertLaws options) {
  options.conditional = false;
  const std::vector<LinearExpert> all(static_cast<std::size_t>(gate.size()), LinearExpert(3));
  const MixtureOfExperts<Gate, LinearExpert> start(gate, Components<LinearExpert>(all));
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    Rng rng(seed);
    check_laws(name, testing::expert_laws(start, planes(250, rng), seed, options));
  }
}

/// A BLoME: two experts in six covariates, in blocks {0, 3}, {1, 2, 5} and {4} for both.
const Partition blocks({{0, 3}, {1, 2, 5}, {4}});
Regression blome(Index n, Rng& rng) {
  const Index p = 6;
  std::vector<BlockGaussian> gate;
  for (int k = 0; k < 2; ++k) {
    MatrixXd s = MatrixXd::Identity(p, p);
    const double sign = k == 0 ? 1 : -1;
    s(0, 3) = s(3, 0) = 0.6 * sign;
    s(1, 2) = s(2, 1) = 0.5, s(1, 5) = s(5, 1) = -0.6 * sign, s(2, 5) = s(5, 2) = -0.3 * sign;
    gate.emplace_back(VectorXd::Constant(p, 2.0 * k), s, blocks);
  }
  MatrixXd x(p, n), y(1, n);
  for (Index i = 0; i < n; ++i) {
    const Index k = rng.uniform() < 0.4 ? 0 : 1;
    x.col(i) = gate[static_cast<std::size_t>(k)].sample(rng);
    y(0, i) = (k == 0 ? 1 + x(0, i) - x(4, i) : -2 + 0.5 * x(2, i)) + 0.5 * rng.normal();
  }
  return Regression(std::move(x), std::move(y));
}

}  // namespace

TEST_CASE("the laws of a mixture of experts: a gate of blocks") {
  laws("blocks", BasicGaussianGate(2, BlockGaussian(Partition({{0, 1}, {2}}))), {});
}
TEST_CASE("the laws of a mixture of experts: a gate of low rank") {
  laws("factors", BasicGaussianGate(2, FactorGaussian(3, 1)), {.exact_gate = false});
  laws("factors, spherical", BasicGaussianGate(2, FactorGaussian(3, 1, Covariance::spherical)), {});
}

TEST_CASE("gates of one block and of d blocks are the full and the diagonal one") {
  Rng rng(1);
  const Regression data = planes(400, rng);
  const FitOptions options{.restarts = 6, .seed = 5};
  const auto compare = [&](const Partition& partition, Covariance structure) {
    const auto gate = fit_experts(BasicGaussianGate(2, BlockGaussian(partition)), LinearExpert(3), data, options);
    const auto plain = fit_experts(GaussianGate(2, 3, structure), LinearExpert(3), data, options);
    CHECK(gate.report.objective == Approx(plain.report.objective).epsilon(1e-12));
    CHECK(gate.model.free_parameters() == plain.model.free_parameters());
    CHECK(testing::largest_difference(predict(gate.model, data.x()).mean(), predict(plain.model, data.x()).mean()) <
          1e-8);
    CHECK(conditional_log_likelihood(gate.model, data) ==
          Approx(conditional_log_likelihood(plain.model, data)).epsilon(1e-10));
  };
  compare(Partition::coarsest(3), Covariance::full);
  compare(Partition::finest(3), Covariance::diagonal);
}

TEST_CASE("a gate of low rank says of its covariates what its dense covariances say") {
  Rng rng(2);
  const Regression data = planes(300, rng);
  const auto fit = fit_experts(BasicGaussianGate(2, FactorGaussian(3, 1)), LinearExpert(3), data, {.restarts = 4});
  CHECK((fit.report.status == Status::converged || fit.report.status == Status::sublinear));
  for (std::size_t i = 1; i < fit.report.trace.size(); ++i)
    CHECK(fit.report.trace[i] >= fit.report.trace[i - 1] - 1e-9);
  const GaussianGate dense(fit.model.gate().weights(), {fit.model.gate()[0].dense(), fit.model.gate()[1].dense()});
  const MatrixXd w = gate_probabilities(fit.model.gate(), data.covariates());
  CHECK((w - gate_probabilities(dense, data.covariates())).cwiseAbs().maxCoeff() < 1e-10);
  const MatrixXd far = (MatrixXd(3, 1) << 1e200, -1e200, 1e180).finished();
  CHECK(gate_probabilities(fit.model.gate(), Covariates(far)).sum() == 1);
}

TEST_CASE("BLoME: thresholded correlations and the slope heuristic find the blocks") {
  int jump = 0, slope = 0, on_path = 0;
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    Rng rng(100 + trial);
    const Regression data = blome(600, rng);
    const FitOptions options{.restarts = 4, .seed = trial};
    const auto full = fit_experts(GaussianGate(2, 6), LinearExpert(6), data, options);
    const auto found = select_blocks(largest_correlations(full.model.gate()), [&](const Partition& partition) {
      return fit_experts(BasicGaussianGate(2, BlockGaussian(partition)), LinearExpert(6), data, options);
    });
    std::vector<FittedSize> sizes;
    bool there = false;
    for (std::size_t m = 0; m < found.path.size(); ++m) {
      sizes.push_back({found.fits[m].report.objective, found.fits[m].model.free_parameters()});
      there = there || found.path[m].blocks == blocks;
    }
    on_path += there ? 1 : 0;
    jump += found.partition() == blocks ? 1 : 0;
    const Index by_slope = select_by_slope(sizes).chosen;
    slope += found.path[static_cast<std::size_t>(by_slope)].blocks == blocks ? 1 : 0;
    CHECK(found.fit().report.objective <= full.report.objective + 1e-6);
  }
  CAPTURE(on_path, jump, slope);
  CHECK(on_path == 10);
  CHECK(jump >= 8);
  CHECK(slope >= 8);
}

TEST_CASE("misuse of gates of every family is one sentence with both shapes") {
  Rng rng(1);
  const Regression data = planes(20, rng);
  CHECK_THROWS_WITH(fit_experts(BasicGaussianGate(2, BlockGaussian(blocks)), LinearExpert(3), data),
                    ContainsSubstring("expected 6 gate covariates, got 3"));
  CHECK_THROWS_WITH(fit_experts(BasicGaussianGate(2, FactorGaussian(4, 1)), LinearExpert(3), data),
                    ContainsSubstring("expected 4 gate covariates, got 3"));
  CHECK_THROWS_WITH(BasicGaussianGate(0, FactorGaussian(4, 1)), ContainsSubstring("at least one component"));
  CHECK_THROWS_WITH(BasicGaussianGate<FactorGaussian>(VectorXd::Constant(2, 0.5), {FactorGaussian(4, 1)}),
                    ContainsSubstring("a gate of 2 weights needs as many Gaussians, got 1"));
  CHECK_THROWS_WITH(select_blocks(MatrixXd::Identity(4, 4),
                                  [](const Partition& p) {
                                    return Fit<BlockGaussian>{BlockGaussian(p), {}};
                                  }),
                    ContainsSubstring("at least three partitions, and thresholds of these correlations give 1"));
}
