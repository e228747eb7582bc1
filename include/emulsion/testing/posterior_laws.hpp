#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/core/read_block.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// The laws of a conjugate posterior.
template <class Posterior>
class PosteriorSuite {
 public:
  using Data = typename Posterior::Data;

  PosteriorSuite(const Posterior& prior, const Data& x, std::uint64_t seed)
      : prior_(prior), x_(x), rng_(seed), findings_(seed) {}

  std::vector<std::string> operator()() {
    evidence();
    updates();
    expectations();
    mode();
    return std::move(findings_).broken();
  }

 private:
  static double log_predictive(const Posterior& of, const Data& one) {
    Eigen::VectorXd out = Eigen::VectorXd::Zero(1);
    const auto predictive = of.predictive();
    read_block(predictive, one, [&](auto& block) { predictive.log_density(block, out); });
    return out(0);
  }
  static double slack(double value) { return 1e-11 * (1 + std::abs(value)); }

  void evidence() {
    // What a density has in common for all parameters, statistics do not know: of each observation, once.
    double common = 0, chain = 0;
    auto s = prior_.statistics();
    for (Index i = 0; i < x_.size(); ++i) {
      const Data one = x_.slice(i, 1);
      const auto own = prior_.statistics(one);
      common += log_predictive(prior_, one) - prior_.log_evidence(own);
      chain += log_predictive(i == 0 ? prior_ : prior_.updated(s), one);
      s += own;
    }
    const double exact = prior_.log_evidence(prior_.statistics(x_)) + common;
    findings_.expect_near(chain, exact, slack(exact), "p(x) is the product of p(x_i | x_1, ..., x_(i-1))");
    const Posterior posterior = prior_.updated(prior_.statistics(x_));
    double bound = -posterior.divergence(prior_);
    const Eigen::VectorXd expected = posterior.expected_log_density(x_);
    for (Index i = 0; i < x_.size(); ++i) bound += expected(i);
    findings_.expect_near(bound, exact, slack(exact), "E[log p(x | theta)] - divergence from the prior = log p(x)");
  }

  void updates() {
    const Index half = x_.size() / 3;
    const Data first = x_.slice(0, half), second = x_.slice(half, x_.size() - half);
    const Posterior between = prior_.updated(prior_.statistics(first));
    const Posterior two = between.updated(between.statistics(second)), one = prior_.updated(prior_.statistics(x_));
    const double far = one.divergence(prior_);
    findings_.expect(far > 0, "a posterior differs from its prior", "its divergence is ", far);
    findings_.expect_near(one.divergence(one), 0, slack(far), "the divergence of a distribution from itself is zero");
    findings_.expect_near(two.divergence(one), 0, 1e-9 * (1 + far), "two updates are one with the sum of both");
    findings_.expect_near(two.divergence(prior_), far, 1e-9 * (1 + far), "two updates are one with the sum of both");
    auto rest = prior_.statistics(x_);
    if constexpr (Visitable<decltype(rest)> && requires { rest.remove(rest); }) {
      rest.remove(prior_.statistics(second));
      findings_.expect(Numbers::of(rest).distance(Numbers::of(prior_.statistics(first))) < 1e-9,
                       "what is removed leaves no trace", "the statistics differ");
    }
    const Posterior none = prior_.updated(prior_.statistics());
    findings_.expect_near(none.divergence(prior_), 0, slack(far), "no observations leave the prior");
  }

  /// Means of draws, within five standard errors.
  void expectations() {
    const Posterior posterior = prior_.updated(prior_.statistics(x_));
    const Index n = std::min<Index>(x_.size(), 3);
    const Data few = x_.slice(0, n);
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(n), square = sum;
    constexpr int draws = 4000;
    for (int i = 0; i < draws; ++i) {
      const auto member = posterior.sample(rng_);
      Eigen::VectorXd p = Eigen::VectorXd::Zero(n);
      read_block(member, few, [&](auto& block) { member.log_density(block, p); });
      sum += p / draws;
      square += p.cwiseAbs2() / draws;
    }
    const Eigen::VectorXd exact = posterior.expected_log_density(few);
    for (Index i = 0; i < n; ++i) {
      const double error = std::sqrt(std::max(0.0, square(i) - sum(i) * sum(i)) / draws);
      findings_.expect_near(exact(i), sum(i), 5 * error + 1e-9 * (1 + std::abs(exact(i))),
                            "the expected log density is the mean over draws of the parameters");
    }
  }

  void mode() {
    const Posterior posterior = prior_.updated(prior_.statistics(x_));
    if (!posterior.bounded()) return;
    const double top = posterior.log_density_of(posterior.mode());
    for (int i = 0; i < 100; ++i) {
      const double other = posterior.log_density_of(posterior.sample(rng_));
      findings_.expect_at_most(other, top, slack(top), "no draw has a higher density than the mode");
    }
  }

  Posterior prior_;
  Data x_;
  Rng rng_;
  Findings findings_;
};

/// Every law of a conjugate posterior, broken ones as sentences: evidence is the product of predictive densities and
/// the bound of one component; updates add up; the divergence is zero where it should be; expected log densities are
/// means over draws; the mode is the highest. With these, variational mixtures of the family are right.
///
/// @param prior  in the frame of x, where the family has frames
template <class Posterior>
std::vector<std::string> posterior_laws(const Posterior& prior, const typename Posterior::Data& x, std::uint64_t seed) {
  return PosteriorSuite<Posterior>(prior, x, seed)();
}

}  // namespace emulsion::testing
