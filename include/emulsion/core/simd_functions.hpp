#pragma once
#include <cstdint>

#include "emulsion/core/simd.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // see simd.hpp

namespace emulsion {

/// Sum of f(x) over n numbers x; f takes a register as well as a number. Rounded like a sum of n / (4 lanes) numbers.
template <class Scalar, class F>
double simd_total(const Scalar* x, Index n, const F& f) {
  using S = Simd<Scalar>;
  typename S::Lanes sums[4]{};
  constexpr Index step = Index{4} * S::lanes;
  Index i = 0;
  for (; i + step <= n; i += step) {
    for (Index s = 0; s < 4; ++s) {
      const typename S::Lanes value = S::load(x + i + s * S::lanes).value;
      sums[s] += f(value);
    }
  }
  double total = S::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += static_cast<double>(f(x[i]));
  return total;
}

inline double simd_sum(const double* x, Index n) {
  return simd_total(x, n, [](const auto& value) { return value; });
}

/// Whether n numbers are all finite: x - x is zero then, else NaN.
template <class Scalar>
bool simd_all_finite(const Scalar* x, Index n) {
  // NOLINTNEXTLINE(misc-redundant-expression)
  return simd_total(x, n, [](const auto& value) { return value - value; }) == 0;
}

/// How many of n numbers are above a bound.
inline Index simd_count_above(const double* x, Index n, double bound) {
  using S = Simd<double>;
  S::Bits counts{};
  Index i = 0;
  for (; i + S::lanes <= n; i += S::lanes) counts -= (S::Bits)(S::load(x + i).value > bound);  // a true lane is -1
  Index total = 0;
  for (int t = 0; t < S::lanes; ++t) total += static_cast<Index>(counts[t]);
  for (; i < n; ++i) total += x[i] > bound ? 1 : 0;
  return total;
}

/// What exp and log of whole registers need to know about a type of scalar.
template <class Scalar>
struct SimdFunctions;

template <>
struct SimdFunctions<double> {
  static constexpr int mantissa = 52;
  static constexpr double round = 0x1.8p52;  // x + round - round is x rounded to an integer
  static constexpr double log2_high = 0x1.62e42fee00000p-1, log2_low = 0x1.a39ef35793c76p-33;
  static constexpr double least_exp = -690;
  static constexpr std::uint64_t root_half = 0x3FE6A09E667F3BCD;
  // (2^f - 1) / f on |f| <= 1/2, and (atanh(s) / s - 1) / s^2 in s^2, s <= (sqrt 2 - 1) / (sqrt 2 + 1): interpolated at
  // Chebyshev nodes; errors 6e-18 and 3e-20.
  static constexpr double exp2[] = {0.69314718055994530942,     0.2402265069591009822,    0.055504108664821594339,
                                    0.0096181291076068885273,   0.001333355814641693531,  0.00015403530441736050155,
                                    0.000015252733829836118394, 1.3215442587921689653e-6, 1.0178062445845773521e-7,
                                    7.0725859492692236999e-9,   4.4549605981865183938e-10};
  static constexpr double log[] = {0.33333333333333333232,  0.20000000000000438491, 0.14285714285401805905,
                                   0.11111111195856958721,  0.09090897820066453138, 0.076931198514073290942,
                                   0.066343865693284425923, 0.06543313073920051069};
};

/// exp of every lane, x <= 709: x / log 2 = k + f with |f| <= 1/2, a polynomial in f, and k put into the exponent.
/// Relative error 2e-16 (1 + |x|), as that of an x rounded once more; exactly zero below -690; NaN for NaN. Cost about
/// 18 operations.
template <class S>
[[gnu::always_inline]] inline void simd_exp(typename S::Lanes& x) {
  using Scalar = typename S::Scalar;
  using F = SimdFunctions<Scalar>;
  using Lanes = typename S::Lanes;
  using Bits = typename S::Bits;
  const Lanes y = x * Scalar(1.4426950408889634074);
  const Lanes rounded = y + F::round;
  const Lanes f = y - (rounded - F::round);
  constexpr int degree = static_cast<int>(sizeof(F::exp2) / sizeof(Scalar)) - 1;
  Lanes p;
  S::fill(p, F::exp2[degree]);
  for (int i = degree - 1; i >= 0; --i) p = p * f + F::exp2[i];
  p = p * f + Scalar(1);
  const Bits shifted = (Bits)p + ((Bits)rounded << F::mantissa);
  x = (Lanes)(shifted & ~(Bits)(x < F::least_exp));
}

/// log of every lane, for finite x >= 1: x = 2^k m with sqrt(1/2) <= m < sqrt(2), log m = 2 atanh((m - 1) / (m + 1)).
/// Error 2 units in the last place.
template <class S>
[[gnu::always_inline]] inline void simd_log(typename S::Lanes& x) {
  using Scalar = typename S::Scalar;
  using F = SimdFunctions<Scalar>;
  using Lanes = typename S::Lanes;
  using Bits = typename S::Bits;
  constexpr int degree = static_cast<int>(sizeof(F::log) / sizeof(Scalar)) - 1;
  const Bits power = ((Bits)x - F::root_half) >> F::mantissa;
  const auto m = (Lanes)((Bits)x - (power << F::mantissa));
  Lanes round, p;
  S::fill(round, F::round);
  S::fill(p, F::log[degree]);
  const Lanes k = (Lanes)(power + (Bits)round) - F::round;
  const Lanes s = (m - Scalar(1)) / (m + Scalar(1));
  const Lanes square = s * s;
  for (int i = degree - 1; i >= 0; --i) p = p * square + F::log[i];
  x = k * F::log2_high + (Scalar(2) * s * (square * p) + (Scalar(2) * s + k * F::log2_low)) +
      (x - x);  // NOLINT(misc-redundant-expression): NaN stays
}

}  // namespace emulsion

#pragma GCC diagnostic pop
