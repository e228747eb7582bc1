#pragma once
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "emulsion/models/variational_mixture.hpp"
#include "emulsion/testing/laws.hpp"

namespace emulsion::testing {

/// The laws of a gate with a posterior over coefficients (GatePosterior).
template <GatePosterior Gate, class Data>
class GatePosteriorSuite {
 public:
  GatePosteriorSuite(const Gate& prior, const Data& x, std::uint64_t seed)
      : prior_(prior), x_(x), rng_(seed), findings_(seed) {
    prior_.follow(x_);
  }

  std::vector<std::string> operator()() {
    findings_.expect_near(prior_.offset(), 0, 1e-11, "the divergence of the prior from itself is zero");
    const Gate learnt = fitted(random_shares());
    findings_.expect(learnt.offset() < 0, "a posterior differs from its prior", "its divergence is ", -learnt.offset());
    draws(prior_);
    draws(learnt);
    best();
    return std::move(findings_).broken();
  }

 private:
  Eigen::MatrixXd random_shares() {
    Eigen::MatrixXd r(x_.size(), prior_.size());
    for (Index i = 0; i < r.rows(); ++i) {
      double total = 0;
      for (Index k = 0; k < r.cols(); ++k) total += (r(i, k) = rng_.exponential());
      for (Index k = 0; k < r.cols(); ++k) r(i, k) *= x_.weight(i) / total;
    }
    return r;
  }
  template <class G>
  static Eigen::MatrixXd scored(const G& gate, const Data& x) {
    Eigen::MatrixXd scores = Eigen::MatrixXd::Zero(x.size(), gate.size());
    auto scratch = gate.scratch(x.size());
    gate.score(x, scratch, scores);
    return scores;
  }
  /// The posterior of these shares: steps from the prior until they end.
  Gate fitted(const Eigen::MatrixXd& r) const {
    Gate now = prior_, next = prior_;
    for (int step = 0; step < 500; ++step) {
      auto s = now.statistics();
      auto scratch = now.scratch(x_.size());
      Eigen::MatrixXd scores = Eigen::MatrixXd::Zero(x_.size(), now.size());
      now.score(x_, scratch, scores);
      now.accumulate(x_, r, scratch, s);
      now.maximize(s, next);
      std::swap(now, next);
    }
    return now;
  }

  /// What gates drawn from the posterior say: their mean log weights lie above the scores, their mean weights are the
  /// predictive ones; within five standard errors.
  void draws(const Gate& gate) {
    const Data few = x_.slice(0, std::min<Index>(x_.size(), 5));
    const Eigen::MatrixXd bound = scored(gate, few), predicted = scored(gate.predictive(), few).array().exp();
    Eigen::MatrixXd sums[2], squares[2];
    for (int what : {0, 1}) sums[what] = squares[what] = Eigen::MatrixXd::Zero(few.size(), gate.size());
    constexpr int draws = 2000;
    for (int s = 0; s < draws; ++s) {
      const Eigen::MatrixXd logs = scored(gate.sample_gate(rng_), few), weights = logs.array().exp();
      for (int what : {0, 1}) {
        const Eigen::MatrixXd& one = what == 0 ? logs : weights;
        sums[what] += one / draws;
        squares[what] += one.cwiseAbs2() / draws;
      }
    }
    for (Index i = 0; i < few.size(); ++i) {
      double total = 0;
      for (Index k = 0; k < gate.size(); ++k) {
        const auto error = [&](int what) {
          return std::sqrt(std::max(0.0, squares[what](i, k) - sums[what](i, k) * sums[what](i, k)) / draws);
        };
        total += predicted(i, k);
        findings_.expect_at_most(bound(i, k), sums[0](i, k), 5 * error(0) + 1e-9,
                                 "the scores lie below the expected log weights");
        findings_.expect_near(predicted(i, k), sums[1](i, k), 5 * error(1) + 0.05,
                              "the predictive weights are the mean over draws");
      }
      findings_.expect_near(total, 1, 1e-11, "the predictive weights sum to one");
    }
  }

  /// sum r scores + offset is highest at the posterior of r: not at any other.
  void best() {
    const Eigen::MatrixXd r = random_shares();
    const Gate top = fitted(r);
    const auto objective = [&](const Gate& gate) { return r.cwiseProduct(scored(gate, x_)).sum() + gate.offset(); };
    const double highest = objective(top);
    for (int i = 0; i < 40; ++i) {
      Eigen::MatrixXd mean = top.mean(), change = Eigen::MatrixXd::Identity(mean.rows(), mean.rows());
      const Eigen::MatrixXd covariance = top.covariance();
      const double size = i % 2 == 0 ? 0.3 : 0.03;
      for (Index j = 0; j < mean.rows(); ++j) {
        for (Index k = 0; k < mean.cols(); ++k) mean(j, k) += size * rng_.normal() * std::sqrt(covariance(j, j));
        change(j, j) += size * rng_.normal();
      }
      const Eigen::MatrixXd moved = change * covariance * change.transpose();
      const double other = objective(top.with_posterior(mean, 0.5 * (moved + moved.transpose())));
      findings_.expect_at_most(other, highest, 1e-9 * std::abs(highest), "no other posterior has a higher bound");
    }
  }

  Gate prior_;
  Data x_;
  Rng rng_;
  Findings findings_;
};

/// Every law of a gate with a posterior over coefficients, broken ones as sentences: its scores are a lower bound on
/// the expected log weights, its divergence is zero at the prior, what it learns from responsibilities is the highest
/// bound, and its predictive weights are means over draws. With these and term_laws(), mixtures with it are right.
template <GatePosterior Gate, class Data>
std::vector<std::string> gate_posterior_laws(const Gate& prior, const Data& x, std::uint64_t seed) {
  return GatePosteriorSuite<Gate, Data>(prior, x, seed)();
}

}  // namespace emulsion::testing
