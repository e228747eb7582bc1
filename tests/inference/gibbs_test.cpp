#include "emulsion/inference/gibbs.hpp"

#include <map>
#include <thread>

#include "catch.hpp"
#include "emulsion/bayesian_mixture.hpp"
#include "emulsion/distributions/categorical_dirichlet.hpp"
#include "emulsion/distributions/poisson_gamma.hpp"
#include "reference/values.hpp"

using namespace emulsion;

namespace {

/// Every partition of a few observations, as the labels in order of appearance, with its posterior probability.
template <class Posterior>
std::map<std::vector<Index>, double> exact(const Posterior& prior, const PartitionPrior& partitions,
                                           const typename Posterior::Data& x) {
  std::map<std::vector<Index>, double> result;
  std::vector<Index> labels(static_cast<std::size_t>(x.size()), 0);
  const auto visit = [&](auto& self, Index i, Index groups) -> void {
    if (i < x.size()) {
      for (Index k = 0; k <= groups; ++k) {
        labels[static_cast<std::size_t>(i)] = k;
        self(self, i + 1, std::max(groups, k + 1));
      }
      return;
    }
    double sum = 0;
    std::vector<double> counts;
    for (Index k = 0; k < groups; ++k) {
      auto s = prior.statistics();
      double count = 0;
      for (Index l = 0; l < x.size(); ++l) {
        if (labels[static_cast<std::size_t>(l)] == k) s += prior.statistics(x.slice(l, 1)), ++count;
      }
      counts.push_back(count);
      sum += prior.log_evidence(s);
    }
    result[labels] = sum + partitions.log_probability(counts);
  };
  visit(visit, 0, 0);
  double largest = -1e300, total = 0;
  for (const auto& [key, value] : result) largest = std::max(largest, value);
  for (auto& [key, value] : result) total += value = std::exp(value - largest);
  for (auto& [key, value] : result) value /= total;
  return result;
}

std::vector<Index> in_order_of_appearance(const Labels& labels) {
  std::map<Index, Index> names;
  std::vector<Index> result;
  for (const Index label : labels) {
    const auto next = static_cast<Index>(names.size());
    result.push_back(names.emplace(label, next).first->second);
  }
  return result;
}

/// The sampler of `data` visits partitions of its observations, `each` as often as it counts, as often as they are
/// probable: total variation from the exact posterior.
template <class Posterior>
double distance(const Posterior& prior, const PartitionPrior& partitions, const typename Posterior::Data& data,
                const typename Posterior::Data& each, bool gibbs, bool split_merge) {
  GibbsSampler<Posterior> sampler(prior, partitions, data, 3);
  std::map<std::vector<Index>, double> seen;
  constexpr int draws = 40'000;
  for (int i = 0; i < draws; ++i) {
    if (gibbs) sampler.sweep();
    if (split_merge) sampler.split_merge(2);
    seen[in_order_of_appearance(sampler.labels())] += 1.0 / draws;
  }
  double sum = 0;
  for (const auto& [labels, p] : exact(prior, partitions, each)) sum += std::abs(p - seen[labels]) / 2;
  return sum;
}
template <class Posterior>
double distance(const Posterior& prior, const PartitionPrior& partitions, const Eigen::MatrixXd& x, bool gibbs,
                bool split_merge) {
  return distance(prior, partitions, typename Posterior::Data(x), typename Posterior::Data(x), gibbs, split_merge);
}

}  // namespace

TEST_CASE("a sampler visits every partition of five observations as often as it is probable", "[long]") {
  const Eigen::MatrixXd x = (Eigen::MatrixXd(1, 5) << -1.2, -0.9, 0.3, 1.4, 1.9).finished();
  const NormalWishart gaussian(Eigen::VectorXd::Zero(1), 0.5, 3, Eigen::MatrixXd::Constant(1, 1, 0.6));
  for (const auto& partitions :
       {PartitionPrior::dirichlet_process(0.8), PartitionPrior::pitman_yor(0.3, 0.5), PartitionPrior::finite(3, 0.7)}) {
    CHECK(distance(gaussian, partitions, x, true, false) < 0.02);
    CHECK(distance(gaussian, partitions, x, false, true) < 0.03);
    CHECK(distance(gaussian, partitions, x, true, true) < 0.02);
  }
  const Eigen::MatrixXd counts = (Eigen::MatrixXd(1, 5) << 0, 1, 1, 7, 9).finished();
  const PoissonGamma poisson(Eigen::VectorXd::Constant(1, 0.8), 0.3);
  CHECK(distance(poisson, PartitionPrior::dirichlet_process(1), counts, true, true) < 0.02);
  const Eigen::MatrixXd answers = (Eigen::MatrixXd(2, 5) << 0, 1, 1, 2, 2, 0, 0, 1, 1, 1).finished();
  const CategoricalDirichlet items({Eigen::VectorXd::Constant(3, 0.5), Eigen::VectorXd::Constant(2, 0.5)});
  CHECK(distance(items, PartitionPrior::dirichlet_process(1), answers, true, true) < 0.02);
}

TEST_CASE("variational standard deviations of means are at most 1.02 times the sampler's", "[long]") {
  const auto check = [](const Eigen::MatrixXd& x) {
    const NormalWishart prior = weak_prior(Points<double>(x));
    const auto fit = fit_bayesian_mixture(x, DirichletGate(2, 1.0), {.moves = 0});
    GibbsSampler<NormalWishart> sampler(prior, PartitionPrior::finite(2, 1), Points<double>(x), 5);
    Rng rng(7);
    const Index d = x.rows();
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(d, 2), square = sum;
    double draws = 0;
    for (int i = 0; i < 4000; ++i) {
      sampler.sweep();
      if (i % 5 == 0) sampler.split_merge();
      if (i < 200 || sampler.size() != 2) continue;
      // Components as in the fit: by the nearest mean.
      for (Index k = 0; k < 2; ++k) {
        const Eigen::VectorXd mean = sampler.posterior(k).sample(rng).mean();
        const Index own =
            (mean - fit.model[0].mean()).squaredNorm() < (mean - fit.model[1].mean()).squaredNorm() ? 0 : 1;
        sum.col(own) += mean;
        square.col(own) += mean.cwiseAbs2();
      }
      ++draws;
    }
    REQUIRE(draws > 3000);
    for (Index k = 0; k < 2; ++k) {
      const auto& q = fit.model[k];
      for (Index j = 0; j < d; ++j) {
        const double mean = sum(j, k) / draws, variance = square(j, k) / draws - mean * mean;
        // The marginal of a mean is a Student t: variance W^-1 / (beta (nu - d - 1)).
        const double own = q.inverse_scale()(j, j) / (q.beta() * (q.nu() - static_cast<double>(d) - 1));
        CAPTURE(k, j, std::sqrt(own), std::sqrt(variance));
        CHECK(std::sqrt(own) <= 1.02 * std::sqrt(variance) * (1 + 2 / std::sqrt(2 * draws)));
      }
    }
  };
  check(reference::faithful());
  Rng rng(11);
  Eigen::MatrixXd x(2, 200);
  for (Index i = 0; i < x.cols(); ++i) {
    for (Index j = 0; j < 2; ++j) x(j, i) = rng.normal() + (i % 3 == 0 ? 2.5 : 0);
  }
  check(x);
}

TEST_CASE("simulation-based calibration: ranks of the truth among draws are uniform", "[long]") {
  // Talts, Betancourt, Simpson, Vehtari and Gelman (2018): parameters from the prior, data from them, draws from the
  // posterior; the rank of the true number of groups among those of the draws, ties broken at random, must be uniform.
  const NormalWishart prior(Eigen::VectorXd::Zero(1), 0.3, 4, Eigen::MatrixXd::Constant(1, 1, 1));
  const auto partitions = PartitionPrior::dirichlet_process(1);
  constexpr int simulations = 400, draws = 19;
  std::vector<int> bins(5, 0);
  for (int s = 0; s < simulations; ++s) {
    Rng rng = Rng(17).fork(static_cast<std::uint64_t>(s));
    constexpr Index n = 12;
    std::vector<double> counts;
    std::vector<Gaussian> members;
    Eigen::MatrixXd x(1, n);
    for (Index i = 0; i < n; ++i) {
      Eigen::VectorXd weights(counts.size() + 1);
      for (std::size_t k = 0; k < counts.size(); ++k) weights(static_cast<Index>(k)) = partitions.of_group(counts[k]);
      weights(static_cast<Index>(counts.size())) = partitions.of_new(static_cast<Index>(counts.size()));
      const auto k = static_cast<std::size_t>(rng.categorical(weights));
      if (k == counts.size()) counts.push_back(0), members.push_back(prior.sample(rng));
      ++counts[k];
      x(0, i) = members[k].sample(rng)(0);
    }
    GibbsSampler<NormalWishart> sampler(prior, partitions, Points<double>(x), static_cast<std::uint64_t>(s));
    const double truth = static_cast<double>(counts.size()) + 0.5 * rng.uniform();
    for (int i = 0; i < 30; ++i) sampler.sweep(), sampler.split_merge();
    int rank = 0;
    for (int i = 0; i < draws; ++i) {
      for (int thin = 0; thin < 8; ++thin) sampler.sweep();
      sampler.split_merge();
      rank += static_cast<double>(sampler.size()) + 0.5 * rng.uniform() < truth ? 1 : 0;
    }
    ++bins[static_cast<std::size_t>(rank * 5 / (draws + 1))];
  }
  double chi = 0;
  for (const int count : bins) chi += std::pow(count - simulations / 5.0, 2) / (simulations / 5.0);
  CAPTURE(bins);
  CHECK(chi < 18.5);  // the 0.999 quantile with four degrees of freedom
}

TEST_CASE("data and priors that do not fit are refused before any work") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(1, 3);
  const Eigen::Matrix2d unit = Eigen::Matrix2d::Identity();
  const auto process = PartitionPrior::dirichlet_process(1);
  CHECK_THROWS_WITH(GibbsSampler<NormalWishart>(NormalWishart(Eigen::Vector2d(0, 0), 1, 3, unit), process, x),
                    ContainsSubstring("expected 2 dimensions, got 1"));
  const NormalWishart tied(Eigen::Vector2d(0, 0), 1, 3, unit, Covariance::tied);
  const Eigen::MatrixXd y = Eigen::MatrixXd::Random(2, 3);
  CHECK_THROWS_WITH(GibbsSampler<NormalWishart>(tied, process, y), ContainsSubstring("tied"));
}

TEST_CASE("a weight of two is the observation twice, a weight of zero leaves no trace") {
  const Eigen::MatrixXd x = (Eigen::MatrixXd(1, 4) << -2, 0.3, 9e9, 1.7).finished();
  const Eigen::MatrixXd repeated = (Eigen::MatrixXd(1, 4) << -2, -2, 0.3, 1.7).finished();
  const Eigen::Vector4d w(2, 1, 0, 1);
  const NormalWishart prior(Eigen::VectorXd::Zero(1), 0.5, 2, Eigen::MatrixXd::Ones(1, 1));
  const auto process = PartitionPrior::dirichlet_process(1);
  CHECK(GibbsSampler<NormalWishart>(prior, process, weighted(x, w)).observations() == std::vector<Index>{0, 0, 1, 3});
  CHECK(distance(prior, process, weighted(x, w), Points<double>(repeated), true, false) < 0.02);
  CHECK(distance(prior, process, weighted(x, w), Points<double>(repeated), true, true) < 0.02);
}

TEST_CASE("weights that are no whole numbers are refused with a sentence") {
  const Eigen::MatrixXd x = Eigen::MatrixXd::Random(1, 3);
  const Eigen::Vector3d w(1, 2.5, 1);
  const NormalWishart prior(Eigen::VectorXd::Zero(1), 1, 1, Eigen::MatrixXd::Ones(1, 1));
  CHECK_THROWS_WITH(GibbsSampler<NormalWishart>(prior, PartitionPrior::dirichlet_process(1), weighted(x, w)),
                    ContainsSubstring("weights must be whole numbers; weight 1 is 2.5"));
}

TEST_CASE("chains in threads are those that run alone") {
  Rng rng(2);
  Eigen::MatrixXd x(2, 60);
  for (Index i = 0; i < 60; ++i) x.col(i) << rng.normal() + (i % 2 == 0 ? 4 : 0), rng.normal();
  const NormalWishart prior(Eigen::Vector2d(0, 0), 0.1, 4, Eigen::Matrix2d::Identity());
  const auto chain = [&](std::uint64_t seed) {
    GibbsSampler<NormalWishart> sampler(prior, PartitionPrior::dirichlet_process(1), x, seed);
    for (int t = 0; t < 30; ++t) sampler.sweep(), sampler.split_merge();
    return sampler.labels();
  };
  std::vector<Labels> together(3);
  {
    std::vector<std::jthread> threads;
    for (std::size_t c = 0; c < together.size(); ++c) threads.emplace_back([&, c] { together[c] = chain(c); });
  }
  for (std::size_t c = 0; c < together.size(); ++c) CHECK(together[c] == chain(c));
}
