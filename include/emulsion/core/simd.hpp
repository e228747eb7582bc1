#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

/// A register full of scalars, by the vector extension of g++ and clang: one value for each of `lanes` observations.
/// As wide as Eigen's packets under the same compiler flags.
template <class Scalar>
struct Simd {
  static constexpr int bytes = EIGEN_MAX_ALIGN_BYTES < 16 ? 16 : EIGEN_MAX_ALIGN_BYTES;
  static constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  static constexpr int registers = bytes >= 64 ? 32 : 16;  ///< how many the processor has
  using Word = std::conditional_t<sizeof(Scalar) == 8, std::uint64_t, std::uint32_t>;
  using SignedWord = std::make_signed_t<Word>;
  // NOLINTBEGIN(modernize-use-using): `using` drops the attribute
  typedef Scalar Lanes __attribute__((vector_size(bytes)));
  typedef Word Bits __attribute__((vector_size(bytes)));
  typedef SignedWord SignedBits __attribute__((vector_size(bytes)));
  // NOLINTEND(modernize-use-using)

  static Lanes load(const Scalar* from) {
    Lanes value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  static Lanes all(Scalar x) { return x - Lanes{}; }  // x + 0 would not be x for x = -0, and costs an addition
  /// The value, in a register from here on: else g++ reads memory again at every use, and a processor that does as many
  /// multiply-adds as loads in a cycle waits for the loads.
  static Lanes held(Lanes value) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(value));
#elif defined(__SSE2__)
    __asm__("" : "+x"(value));
#endif
    return value;
  }
  static void store(Scalar* to, const Lanes& value) { std::memcpy(to, &value, sizeof value); }
  /// Of the first `count` lanes; the others are `rest`.
  static Lanes load(const Scalar* from, Index count, Scalar rest) {
    Lanes value = all(rest);
    std::memcpy(&value, from, static_cast<std::size_t>(count) * sizeof(Scalar));
    return value;
  }
  static void store(Scalar* to, const Lanes& value, Index count) {
    std::memcpy(to, &value, static_cast<std::size_t>(count) * sizeof(Scalar));
  }
  static double sum(const Lanes& value) {
    double total = 0;
    for (int i = 0; i < lanes; ++i) total += static_cast<double>(value[i]);
    return total;
  }
  static Lanes max(const Lanes& a, const Lanes& b) { return a > b ? a : b; }

  /// Sums of a, b, c and d, added to to[0], ..., to[3].
  static void add_sums(double* to, const Lanes& a, const Lanes& b, const Lanes& c, const Lanes& d) {
    if constexpr (lanes == 2) {
      const Lanes ab = neighbours(a, b), cd = neighbours(c, d);
      to[0] += ab[0], to[1] += ab[1], to[2] += cd[0], to[3] += cd[1];
    } else {
      Lanes all = neighbours(neighbours(a, b), neighbours(c, d));
      for (int left = lanes; left > 4; left /= 2) all = neighbours(all, all);
      for (int i = 0; i < 4; ++i) to[i] += static_cast<double>(all[i]);
    }
  }

 private:
  template <std::size_t... I>
  static Lanes neighbours(const Lanes& a, const Lanes& b, std::index_sequence<I...>) {
    return __builtin_shufflevector(a, b, (2 * I)...) + __builtin_shufflevector(a, b, (2 * I + 1)...);
  }
  /// Sums of neighbouring lanes: those of a, then those of b.
  static Lanes neighbours(const Lanes& a, const Lanes& b) {
    return neighbours(a, b, std::make_index_sequence<static_cast<std::size_t>(lanes)>());
  }
};

/// Sum of n numbers.
inline double simd_sum(const double* x, Index n) {
  using S = Simd<double>;
  S::Lanes sums[4]{};
  Index i = 0;
  for (; i + 4 * S::lanes <= n; i += 4 * S::lanes) {
    for (Index s = 0; s < 4; ++s) sums[s] += S::load(x + i + s * S::lanes);
  }
  double total = S::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += x[i];
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
  // (e^r - 1 - r) / r^2 on |r| <= log 2 / 2, and (atanh(s) / s - 1) / s^2 in s^2, s <= (sqrt 2 - 1) / (sqrt 2 + 1):
  // interpolated at Chebyshev nodes; errors 1e-17 and 3e-20.
  static constexpr double exp[] = {0.50000000000000010211,   0.16666666666666667452,   0.041666666666624161903,
                                   0.0083333333333300644495, 0.0013888888917196719077, 0.00019841269863040545271,
                                   2.4801521322368693266e-5, 2.7557268480310025526e-6, 2.7620075879983366586e-7,
                                   2.5100375832561233664e-8};
  static constexpr double log[] = {0.33333333333333333232,  0.20000000000000438491, 0.14285714285401805905,
                                   0.11111111195856958721,  0.09090897820066453138, 0.076931198514073290942,
                                   0.066343865693284425923, 0.06543313073920051069};
};

/// exp of every lane, x <= 709: x = k log 2 + r with |r| <= log 2 / 2, a polynomial in r, and k put into the exponent.
/// Error 2 units in the last place; exactly zero below -690; NaN for NaN. Cost about 20 operations.
template <class Scalar>
typename Simd<Scalar>::Lanes simd_exp(const typename Simd<Scalar>::Lanes& x) {
  using S = Simd<Scalar>;
  using F = SimdFunctions<Scalar>;
  using Lanes = typename S::Lanes;
  using Bits = typename S::Bits;
  const Lanes rounded = x * Scalar(1.4426950408889634074) + F::round;
  const Lanes k = rounded - F::round;
  Lanes r = x - k * F::log2_high;
  r = r - k * F::log2_low;
  constexpr int degree = static_cast<int>(sizeof(F::exp) / sizeof(Scalar)) - 1;
  Lanes p = S::all(F::exp[degree]);
  for (int i = degree - 1; i >= 0; --i) p = p * r + F::exp[i];
  p = (p * (r * r) + r) + Scalar(1);
  const Bits shifted = (Bits)p + ((Bits)rounded << F::mantissa);
  return (Lanes)(shifted & ~(Bits)(x < F::least_exp));
}

/// log of every lane, for finite x >= 1: x = 2^k m with sqrt(1/2) <= m < sqrt(2), log m = 2 atanh((m - 1) / (m + 1)).
/// Error 2 units in the last place.
template <class Scalar>
typename Simd<Scalar>::Lanes simd_log(const typename Simd<Scalar>::Lanes& x) {
  using S = Simd<Scalar>;
  using F = SimdFunctions<Scalar>;
  using Lanes = typename S::Lanes;
  using Bits = typename S::Bits;
  const Bits power = ((Bits)x - F::root_half) >> F::mantissa;
  const Lanes m = (Lanes)((Bits)x - (power << F::mantissa));
  const Lanes k = (Lanes)(power + (Bits)S::all(F::round)) - F::round;
  const Lanes s = (m - Scalar(1)) / (m + Scalar(1));
  const Lanes square = s * s;
  constexpr int degree = static_cast<int>(sizeof(F::log) / sizeof(Scalar)) - 1;
  Lanes p = S::all(F::log[degree]);
  for (int i = degree - 1; i >= 0; --i) p = p * square + F::log[i];
  return k * F::log2_high + (Scalar(2) * s * (square * p) + (Scalar(2) * s + k * F::log2_low)) + (x - x);
}

}  // namespace emulsion
