#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/simd_functions.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // see simd.hpp

namespace emulsion {

// How the scores of a block become responsibilities times weights. Each returns the sum of weight x log normaliser.

/// Posterior probabilities, r(i, k) = exp(s(i, k)) / sum_j exp(s(i, j)), in log space (Bishop, 2006, eq. 9.23).
struct Soft {
  template <class Data>
  double operator()(const Data& block, Scores scores) const {
    if constexpr (requires {
                    { block.weights() } -> std::same_as<const double*>;
                  }) {
      return normalise(scores, block.weights(), nullptr);
    } else {
      constexpr Index many = 128;
      double total = 0, w[many];
      for (Index i = 0; i < scores.rows(); i += many) {
        const Index count = std::min(many, scores.rows() - i);
        for (Index t = 0; t < count; ++t) w[t] = block.weight(i + t);
        total += normalise(scores.middleRows(i, count), w, nullptr);
      }
      return total;
    }
  }

  /// Rows of `scores` become exp(score - log normaliser) x weight. Where no score is above -inf, neither is the
  /// normaliser, and the row is zero. Returns the sum of weight x log normaliser.
  ///
  /// @param weights      b, or nullptr: all one
  /// @param normalisers  out: the log normalisers (b), where it is not nullptr
  static double normalise(Scores scores, const double* weights, double* normalisers) {
    const Index size = scores.cols(), stride = scores.outerStride();
    double* const s = scores.data();
    Index i = 0;
    double total = with_simd<double>([&](auto simd) __attribute__((always_inline)) {
      using S = decltype(simd);
      constexpr Index strip = registers * S::lanes;
      typename S::Lanes totals{};
      for (; i + strip <= scores.rows(); i += strip) {
        normalise_strip<S>(s + i, stride, size, weights ? weights + i : nullptr,
                           normalisers ? normalisers + i : nullptr, totals);
      }
      return S::sum(totals);
    });
    for (; i < scores.rows(); ++i) {
      const double w = weights ? weights[i] : 1;
      const double normaliser = normalise_row(s + i, stride, size, w);
      if (normalisers) normalisers[i] = normaliser;
      if (w != 0) total += w * normaliser;
    }
    return total;
  }

 private:
  static constexpr Index registers = 4;  // of observations that are worked on together
  static constexpr double nothing = -std::numeric_limits<double>::infinity();

  template <class S>
  [[gnu::always_inline]] static void normalise_strip(double* s, Index stride, Index size, const double* weights,
                                                     double* normalisers, typename S::Lanes& total) {
    using Lanes = typename S::Lanes;
    constexpr Index lanes = S::lanes;
    Lanes largest[registers], sum[registers]{};
    for (Index t = 0; t < registers; ++t) largest[t] = S::load(s + t * lanes).value;
    for (Index k = 1; k < size; ++k) {
      for (Index t = 0; t < registers; ++t) {
        const Lanes score = S::load(s + k * stride + t * lanes).value;
        largest[t] = largest[t] > score ? largest[t] : score;
      }
    }
    for (Lanes& shift : largest) shift = shift == nothing ? Lanes{} : shift;
    for (Index k = 0; k < size; ++k) {
      for (Index t = 0; t < registers; ++t) {
        double* const at = s + k * stride + t * lanes;
        Lanes power = S::load(at).value - largest[t];
        simd_exp<S>(power);
        S::store(at, power);
        sum[t] += power;
      }
    }
    for (Index t = 0; t < registers; ++t) {
      Lanes w, none, normaliser = sum[t];
      if (weights) w = S::load(weights + t * lanes).value;
      else S::fill(w, 1);
      S::fill(none, nothing);
      simd_log<S>(normaliser);
      normaliser = sum[t] == 0 ? none : largest[t] + normaliser;
      total += w == 0 ? Lanes{} : w * normaliser;
      sum[t] = sum[t] == 0 ? Lanes{} : w / sum[t];
      if (normalisers) S::store(normalisers + t * lanes, normaliser);
    }
    for (Index k = 0; k < size; ++k) {
      for (Index t = 0; t < registers; ++t) {
        double* const at = s + k * stride + t * lanes;
        S::store(at, S::load(at).value * sum[t]);
      }
    }
  }

  /// One of the observations that do not fill a strip; returns its log normaliser.
  static double normalise_row(double* s, Index stride, Index size, double w) {
    double largest = s[0], sum = 0;
    for (Index k = 1; k < size; ++k) largest = largest > s[k * stride] ? largest : s[k * stride];
    const double shift = largest == nothing ? 0 : largest;
    for (Index k = 0; k < size; ++k) sum += s[k * stride] = std::exp(s[k * stride] - shift);
    for (Index k = 0; k < size; ++k) s[k * stride] = sum == 0 ? 0 : s[k * stride] / sum * w;
    return sum == 0 ? nothing : shift + std::log(sum);
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

#pragma GCC diagnostic pop
