#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/random.hpp"

namespace emulsion {

// How the scores of a block become responsibilities times weights. Each returns the sum of weight x log normaliser.

/// Posterior probabilities, r(i, k) = exp(s(i, k)) / sum_j exp(s(i, j)), in log space (Bishop, 2006, eq. 9.23).
struct Soft {
  template <class Data>
  double operator()(const Data& block, Scores scores) const {
    return normalise(
        scores, [&](Index i) { return block.weight(i); }, [](Index, double) {});
  }

  /// Rows of `scores` become exp(score - log normaliser) x weight(i); each log normaliser goes to `row`. Where no score
  /// is above -inf, neither is the normaliser, and the row is zero.
  template <class Weight, class Row>
  static double normalise(Scores scores, const Weight& weight, const Row& row) {
    constexpr Index strip = 64;
    constexpr double nothing = -std::numeric_limits<double>::infinity();
    using Strip = Eigen::Array<double, Eigen::Dynamic, 1, 0, strip, 1>;
    double total = 0, largest[strip], factor[strip];
    for (Index i0 = 0; i0 < scores.rows(); i0 += strip) {
      const Index n = std::min(strip, scores.rows() - i0);
      for (Index k = 0; k < scores.cols(); ++k) {
        const double* s = &scores(i0, k);
        for (Index i = 0; i < n; ++i) largest[i] = k > 0 && !(s[i] > largest[i]) ? largest[i] : s[i];
      }
      for (Index i = 0; i < n; ++i) factor[i] = 0;
      for (Index k = 0; k < scores.cols(); ++k) {
        double* s = &scores(i0, k);
        for (Index i = 0; i < n; ++i) s[i] -= largest[i] == nothing ? 0.0 : largest[i];
        Eigen::Map<Strip> power(s, n);
        power = power.exp();
        for (Index i = 0; i < n; ++i) {
          s[i] = s[i] < 1e-300 ? 0.0 : s[i];  // the vectorised exp(-inf) is not zero
          factor[i] += s[i];
        }
      }
      for (Index i = 0; i < n; ++i) {
        const double w = weight(i0 + i);
        const double normaliser = largest[i] == nothing ? nothing : largest[i] + std::log(factor[i]);
        row(i0 + i, normaliser);
        if (w != 0) total += w * normaliser;
        factor[i] = largest[i] == nothing ? 0.0 : w / factor[i];
      }
      for (Index k = 0; k < scores.cols(); ++k) {
        double* s = &scores(i0, k);
        for (Index i = 0; i < n; ++i) s[i] *= factor[i];
      }
    }
    return total;
  }
};

/// All of an observation to its most probable component (classification EM; Celeux and Govaert, 1992). The objective is
/// the classification likelihood.
struct Hard {
  template <class Data>
  double operator()(const Data& block, Scores scores) const {
    double total = 0;
    for (Index i = 0; i < scores.rows(); ++i) {
      Index best = 0;
      for (Index k = 1; k < scores.cols(); ++k) best = scores(i, k) > scores(i, best) ? k : best;
      if (block.weight(i) != 0) total += block.weight(i) * scores(i, best);
      for (Index k = 0; k < scores.cols(); ++k) scores(i, k) = k == best ? block.weight(i) : 0.0;
    }
    return total;
  }
};

/// Random responsibilities, mostly to one component, drawn for every observation from its own stream: the same for any
/// number of threads.
struct RandomResponsibilities {
  Rng rng;
  template <class Data>
  double operator()(const Data& block, Scores scores) const {
    for (Index i = 0; i < scores.rows(); ++i) {
      Rng own = rng.fork(static_cast<std::uint64_t>(block.first() + i));
      double total = 0;
      for (Index k = 0; k < scores.cols(); ++k) total += (scores(i, k) = std::pow(own.exponential(), 4));
      for (Index k = 0; k < scores.cols(); ++k) scores(i, k) *= block.weight(i) / total;
    }
    return 0;
  }
};

}  // namespace emulsion
