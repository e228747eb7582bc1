#pragma once
#include <cmath>
#include <cstdint>

#include "emulsion/core/random.hpp"
#include "emulsion/gates/softmax.hpp"

namespace emulsion {

/// Adds standard Gumbel noise to every linear predictor, divided by the temperature; the noise of an observation comes
/// from its own stream, the same for any number of threads and in every pass.
class GumbelNoise {
 public:
  /// `draws`: how many a prediction averages.
  explicit GumbelNoise(std::uint64_t seed = 0, int draws = 10) : rng_(seed), draws_(draws) {
    require(draws >= 1, "a Gumbel gate predicts from at least one draw, got ", draws);
  }
  int draws() const { return draws_; }
  /// The noise of another draw.
  GumbelNoise draw(int number) const {
    GumbelNoise other = *this;
    other.rng_ = rng_.fork(static_cast<std::uint64_t>(number) + 1);
    return other;
  }
  void operator()(Index first, double temperature, Scores& predictors) const {
    for (Index i = 0; i < predictors.rows(); ++i) {
      Rng own = rng_.fork(static_cast<std::uint64_t>(first + i));
      for (Index k = 0; k < predictors.cols(); ++k) predictors(i, k) -= std::log(own.exponential()) / temperature;
    }
  }

 private:
  Rng rng_;
  int draws_;
};

/// Gumbel-softmax weights (Jang, Gu and Poole, 2017; Maddison, Mnih and Teh, 2017),
///
///   w_k(z) = exp((a_k + b_k'z + g_k) / T) / sum_l exp((a_l + b_l'z + g_l) / T),   g standard Gumbel.
///
/// A fit keeps the noise of every observation: it maximizes the likelihood given one draw, and EM cannot lower that.
/// Predictions average over draws. GumbelGate(K, p, {.temperature = 1}, GumbelNoise(seed)).
using GumbelGate = BasicSoftmaxGate<GumbelNoise>;

}  // namespace emulsion
