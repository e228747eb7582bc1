#include "emulsion/distributions/block_gaussian.hpp"

#include "emulsion/inference/fit_mixture.hpp"
#include "emulsion/testing/component_laws.hpp"
#include "testing/laws.hpp"

using namespace emulsion;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

MatrixXd normal(Index rows, Index cols, Rng& rng) {
  MatrixXd a(rows, cols);
  for (Index i = 0; i < a.size(); ++i) a.data()[i] = rng.normal();
  return a;
}
MatrixXd random_covariance(Index d, Rng& rng) {
  const MatrixXd a = normal(d, d, rng), s = a * a.transpose() + MatrixXd::Identity(d, d);
  return 0.5 * (s + s.transpose());
}
MatrixXd zero_between(const MatrixXd& s, const Partition& partition) {
  MatrixXd result = MatrixXd::Zero(s.rows(), s.cols());
  for (const auto& block : partition.blocks()) result(block, block) = s(block, block);
  return result;
}
const Partition crossed({{3, 1}, {0, 4}, {2}});

}  // namespace

TEST_CASE("the laws of a component: block-diagonal covariances") {
  for (const Partition& p : {crossed, Partition::finest(3), Partition::coarsest(3), Partition({{1}, {0, 2, 3}})}) {
    const auto generate = [&](Index n, Rng& rng) { return clouds<double>(p.dimension(), n, rng); };
    for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
      for (const double floor : {1e-12, 0.6}) {
        check_laws(std::to_string(p.blocks().size()) + " blocks",
                   testing::component_laws(BlockGaussian(p, floor), generate, seed, {.interior = floor < 0.1}));
      }
    }
  }
  for (std::uint64_t seed = 0; seed < law_seeds; ++seed) {
    const auto generate = [](Index n, Rng& rng) { return clouds<float>(5, n, rng); };
    check_laws("blocks, float", testing::component_laws(BasicBlockGaussian<float>(crossed), generate, seed));
  }
}

TEST_CASE("blocks: the density is that of a full covariance with zeros") {
  Rng rng(1);
  const MatrixXd s = zero_between(random_covariance(5, rng), crossed), x = 3 * normal(5, 41, rng);
  const VectorXd mean = normal(5, 1, rng).col(0);
  const BlockGaussian g(mean, s, crossed);
  const Gaussian full(mean, s);
  const VectorXd expected = testing::log_density(full, Points<>(x));
  CHECK(testing::largest_difference(testing::log_density(g, Points<>(x)), expected) < 1e-12);
  CHECK(testing::largest_difference(testing::log_density(g, rows(MatrixXd(x.transpose()))), expected) < 1e-12);
  CHECK((g.covariance() - s).cwiseAbs().maxCoeff() < 1e-13);
  CHECK((g.factor() - full.factor()).cwiseAbs().maxCoeff() < 1e-13);
  CHECK((g.mean() - mean).cwiseAbs().maxCoeff() < 1e-15);
  CHECK(g.free_parameters() == 5 + 3 + 3 + 1);
  for (Index i = 0; i < 41; ++i) {
    CHECK(g.log_distance(Points<>(x), i) == Approx(full.log_distance(Points<>(x), i)).margin(1e-12));
  }
  const MatrixXd far = (MatrixXd(5, 1) << 1e308, 0, -1e308, 1e200, 1).finished();
  CHECK(g.log_distance(Points<>(far), 0) == Approx(full.log_distance(Points<>(far), 0)).epsilon(1e-12));
  const MatrixXd centre = mean;
  CHECK(g.log_distance(Points<>(centre), 0) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("one block is a full Gaussian, d blocks a diagonal one: the same fits") {
  Rng rng(2);
  const MatrixXd x = clouds<double>(4, 400, rng);
  const FitOptions options{.components = 3, .restarts = 6, .seed = 3};
  const auto full = fit_mixture(Gaussian(4), x, options);
  const auto one = fit_mixture(BlockGaussian(Partition::coarsest(4)), x, options);
  CHECK(one.report.objective == Approx(full.report.objective).epsilon(1e-12));
  CHECK(testing::largest_difference(one.model.log_density(x), full.model.log_density(x)) < 1e-10);
  CHECK(one.model.free_parameters() == full.model.free_parameters());
  const auto diagonal = fit_mixture(Gaussian(4, Covariance::diagonal), x, options);
  const auto each = fit_mixture(BlockGaussian(Partition::finest(4)), x, options);
  CHECK(each.report.objective == Approx(diagonal.report.objective).epsilon(1e-12));
  CHECK(testing::largest_difference(each.model.log_density(x), diagonal.model.log_density(x)) < 1e-10);
  CHECK(each.model.free_parameters() == diagonal.model.free_parameters());
}

TEST_CASE("the fit of one component is the covariance of the sample with zeros between blocks") {
  Rng rng(3);
  const MatrixXd x = random_covariance(5, rng) * normal(5, 300, rng);
  const auto fit = fit_mixture(BlockGaussian(crossed), x, {.components = 1});
  const MatrixXd centred = x.colwise() - x.rowwise().mean();
  const MatrixXd sample = centred * centred.transpose() / 300.0;
  CHECK((fit.model[0].covariance() - zero_between(sample, crossed)).cwiseAbs().maxCoeff() < 1e-12 * sample.norm());
}

TEST_CASE("blocks of awkward data: constants, a block larger than the data") {
  Rng rng(4);
  MatrixXd x = normal(5, 60, rng);
  x.row(2).setConstant(3), x.row(4).setConstant(0);
  const auto fit = fit_mixture(BlockGaussian(crossed), x, {.components = 2, .restarts = 3});
  CHECK(std::isfinite(fit.report.objective));
  CHECK(fit.model[0].at_floor() == 2);
  const auto few = fit_mixture(BlockGaussian(Partition({{0, 1, 3}, {2}, {4}})), MatrixXd(x.leftCols(2)));
  CHECK(std::isfinite(few.report.objective));
  CHECK(std::any_of(few.report.events.begin(), few.report.events.end(),
                    [](const Event& e) { return e.kind == EventKind::few_observations; }));
}

TEST_CASE("misuse of blocks is one sentence with both shapes") {
  CHECK_THROWS_WITH(BlockGaussian(VectorXd::Zero(4), MatrixXd::Identity(4, 4), crossed),
                    ContainsSubstring("a partition of 5 dimensions needs a mean of 5 and a covariance of 5 x 5, got 4 "
                                      "and 4 x 4"));
  CHECK_THROWS_WITH(BlockGaussian(VectorXd::Zero(5), MatrixXd::Ones(5, 5) + MatrixXd::Identity(5, 5), crossed),
                    ContainsSubstring("not zero between the blocks: an element is 1"));
  CHECK_THROWS_WITH(BlockGaussian(crossed, 2.0), ContainsSubstring("[1e-15, 1), got 2"));
  const MatrixXd x = MatrixXd::Zero(4, 10);
  CHECK_THROWS_WITH(fit_mixture(BlockGaussian(crossed), x), ContainsSubstring("expected 5 dimensions, got 4"));
  CHECK_THROWS_WITH(MixtureOf<BlockGaussian>(VectorXd::Constant(2, 0.5), {BlockGaussian(Partition::finest(2)),
                                                                          BlockGaussian(Partition::coarsest(2))}),
                    ContainsSubstring("of one form"));
}
