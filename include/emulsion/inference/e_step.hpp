#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "emulsion/core/concepts.hpp"
#include "emulsion/core/random.hpp"
#include "emulsion/core/simd.hpp"

namespace emulsion {

// How the scores of a block become responsibilities times weights. Each returns the sum of weight x log normaliser.

/// Posterior probabilities, r(i, k) = exp(s(i, k)) / sum_j exp(s(i, j)), in log space (Bishop, 2006, eq. 9.23).
struct Soft {
  template <class Data>
  double operator()(const Data& block, Scores scores) const {
    return normalise(scores, block, [](Index, const double*, Index) {});
  }

  /// Rows of `scores` become exp(score - log normaliser) x weight; the log normalisers of `count` observations from the
  /// i-th on go to row(i, normalisers, count). Where no score is above -inf, neither is the normaliser, and the row is
  /// zero. Weights are those of `block`, or one for `nullptr`.
  template <class Block, class Row>
  static double normalise(Scores scores, const Block& block, const Row& row) {
    Lanes total{};
    Index i = 0;
    for (; i + strip <= scores.rows(); i += strip) total += normalise_strip(scores, i, strip, block, row);
    if (i < scores.rows()) total += normalise_strip(scores, i, scores.rows() - i, block, row);
    return S::sum(total);
  }

 private:
  using S = Simd<double>;
  using Lanes = S::Lanes;
  static constexpr Index lanes = S::lanes, registers = 4, strip = registers * lanes;
  static constexpr double nothing = -std::numeric_limits<double>::infinity();

  template <class Block, class Row>
  static Lanes normalise_strip(Scores& scores, Index first, Index count, const Block& block, const Row& row) {
    const Index size = scores.cols(), stride = scores.outerStride();
    double* const s = scores.data() + first;
    if (count == strip) {
      return normalise_registers(
          size, [&](Index k, Index t) { return S::load(s + k * stride + t * lanes); },
          [&](Index k, Index t, const Lanes& value) { S::store(s + k * stride + t * lanes, value); },
          [&](Index t) { return weights_of(block, first + t * lanes, lanes); },
          [&](Index t, const double* normalisers) { row(first + t * lanes, normalisers, lanes); });
    }
    // The last strip: lanes beyond the end are given the score 0 and the weight 0.
    const auto left = [&](Index t) { return std::clamp<Index>(count - t * lanes, 0, lanes); };
    return normalise_registers(
        size, [&](Index k, Index t) { return S::load(s + k * stride + t * lanes, left(t), 0); },
        [&](Index k, Index t, const Lanes& value) { S::store(s + k * stride + t * lanes, value, left(t)); },
        [&](Index t) { return weights_of(block, first + t * lanes, left(t)); },
        [&](Index t, const double* normalisers) { row(first + t * lanes, normalisers, left(t)); });
  }

  template <class Load, class Store, class Weights, class Row>
  static Lanes normalise_registers(Index size, const Load& load, const Store& store, const Weights& weights,
                                   const Row& row) {
    Lanes largest[registers], sum[registers]{}, total{};
    for (Index t = 0; t < registers; ++t) largest[t] = load(0, t);
    for (Index k = 1; k < size; ++k) {
      for (Index t = 0; t < registers; ++t) largest[t] = S::max(largest[t], load(k, t));
    }
    for (Index t = 0; t < registers; ++t) largest[t] = largest[t] == nothing ? Lanes{} : largest[t];
    for (Index k = 0; k < size; ++k) {
      for (Index t = 0; t < registers; ++t) {
        const Lanes power = simd_exp<double>(load(k, t) - largest[t]);
        store(k, t, power);
        sum[t] += power;
      }
    }
    for (Index t = 0; t < registers; ++t) {
      const Lanes w = weights(t);
      const Lanes normaliser = sum[t] == 0 ? S::all(nothing) : largest[t] + simd_log<double>(sum[t]);
      total += w == 0 ? Lanes{} : w * normaliser;
      sum[t] = sum[t] == 0 ? Lanes{} : w / sum[t];
      alignas(sizeof(Lanes)) double normalisers[lanes];
      S::store(normalisers, normaliser);
      row(t, normalisers);
    }
    for (Index k = 0; k < size; ++k) {
      for (Index t = 0; t < registers; ++t) store(k, t, load(k, t) * sum[t]);
    }
    return total;
  }

  template <class Block>
  static Lanes weights_of(const Block& block, Index first, Index count) {
    if constexpr (std::is_same_v<Block, std::nullptr_t>) {
      return count == lanes ? S::all(1) : S::load(ones, count, 0);
    } else {
      if constexpr (requires {
                      { block.weights() } -> std::same_as<const double*>;
                    }) {
        if (block.weights() == nullptr) return count == lanes ? S::all(1) : S::load(ones, count, 0);
        return count == lanes ? S::load(block.weights() + first) : S::load(block.weights() + first, count, 0);
      } else {
        Lanes w{};
        for (Index i = 0; i < count; ++i) w[i] = block.weight(first + i);
        return w;
      }
    }
  }
  static constexpr std::array<double, 8> all_ones{1, 1, 1, 1, 1, 1, 1, 1};
  static constexpr const double* ones = all_ones.data();
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
