#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "emulsion/core/constants.hpp"
#include "emulsion/core/error.hpp"

namespace emulsion {

/// One random number engine and its own variates, so that a seed means the same draws with every compiler and
/// standard library (up to the rounding of log, cos and exp in the C library).
///
/// Engine: xoshiro256++ (Blackman and Vigna, 2021), seeded through splitmix64. Satisfies
/// std::uniform_random_bit_generator. A value: a copy repeats the same draws.
class Rng {
 public:
  using result_type = std::uint64_t;

  explicit Rng(std::uint64_t seed = 0) : seed_(seed) {
    for (auto& word : state_) word = splitmix(seed);
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  result_type operator()() {
    auto& s = state_;
    const std::uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = std::rotl(s[3], 45);
    return result;
  }

  /// An independent stream for restart, replicate or thread number `stream`. It depends on the seed and on
  /// `stream` alone, not on how many numbers were drawn before.
  Rng fork(std::uint64_t stream) const {
    std::uint64_t mixed = seed_;
    const std::uint64_t first = splitmix(mixed);
    std::uint64_t other = first ^ (stream + 0x9E3779B97F4A7C15U);
    return Rng(splitmix(other));
  }

  /// Uniform on (0, 1): 53 bits, never 0 and never 1.
  double uniform() {
    const double draw = (static_cast<double>((*this)() >> 11U) + 0.5) * 0x1p-53;
    return draw < 1 ? draw : 1 - 0x1p-53;  // the sum may have been rounded up
  }

  /// Uniform integer in [0, size), without bias (draws beyond the last full multiple are rejected).
  std::uint64_t below(std::uint64_t size) {
    require(size > 0, "Rng::below needs a size of at least 1, got 0");
    const std::uint64_t limit = max() - max() % size;
    for (;;) {
      const std::uint64_t draw = (*this)();
      if (draw < limit) return draw % size;
    }
  }

  /// Standard normal, by Box and Muller (1958); one of the pair is used, so that no state hides.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(two_pi * uniform());
  }

  /// Standard exponential.
  double exponential() { return -std::log(uniform()); }

  /// Gamma with the given shape and unit scale. Marsaglia and Tsang (2000); shapes below one by their boost,
  /// in logarithms, so that small shapes do not underflow before the end.
  double gamma(double shape) { return std::exp(log_gamma_variate(shape)); }

  /// The logarithm of a gamma variate: finite where the variate itself underflows (shape << 1).
  double log_gamma_variate(double shape) {
    require(shape > 0 && std::isfinite(shape), "a gamma variate needs a positive, finite shape, got ", shape);
    if (shape < 1) return log_gamma_variate(shape + 1) + std::log(uniform()) / shape;
    const double d = shape - 1.0 / 3.0;
    const double c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = normal();
      const double root = 1 + c * x;
      if (root <= 0) continue;
      const double v = root * root * root;
      if (std::log(uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return std::log(d) + std::log(v);
    }
  }

  /// Dirichlet with the given concentrations (K): a point of the simplex, exact to rounding for small
  /// concentrations too.
  Eigen::VectorXd dirichlet(const Eigen::Ref<const Eigen::VectorXd>& concentration) {
    require(concentration.size() > 0, "a Dirichlet variate needs at least one concentration, got none");
    Eigen::VectorXd draw(concentration.size());
    for (Eigen::Index k = 0; k < draw.size(); ++k) draw(k) = log_gamma_variate(concentration(k));
    double largest = draw(0), total = 0;
    for (Eigen::Index k = 1; k < draw.size(); ++k) largest = std::max(largest, draw(k));
    for (Eigen::Index k = 0; k < draw.size(); ++k) total += (draw(k) = std::exp(draw(k) - largest));
    for (Eigen::Index k = 0; k < draw.size(); ++k) draw(k) /= total;
    return draw;
  }

  /// Index k with probability weights(k) / sum(weights). The weights need not sum to one.
  Eigen::Index categorical(const Eigen::Ref<const Eigen::VectorXd>& weights) {
    double total = 0;
    bool negative = weights.size() == 0;
    for (Eigen::Index k = 0; k < weights.size(); ++k) {
      total += weights(k);
      negative = negative || !(weights(k) >= 0);
    }
    require(!negative && total > 0 && std::isfinite(total),
            "a categorical draw needs weights that are not negative and a positive, finite sum; got ", weights.size(),
            " weights with sum ", total);
    double left = uniform() * total;
    Eigen::Index last = 0;
    for (Eigen::Index k = 0; k < weights.size(); ++k) {
      if (weights(k) == 0) continue;
      last = k;
      left -= weights(k);
      if (left < 0) break;
    }
    return last;
  }

 private:
  static std::uint64_t splitmix(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace emulsion
