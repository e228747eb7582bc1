#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "emulsion/core/concepts.hpp"

namespace emulsion {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // wide registers are never passed to a function: all is inlined
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12, of what fill() has just written
#endif

/// Bytes of a register under the compiler's flags: as wide as Eigen's packets.
inline constexpr int simd_bytes = EIGEN_MAX_ALIGN_BYTES < 16 ? 16 : EIGEN_MAX_ALIGN_BYTES;

// A program compiled for any x86-64 asks at run time whether the processor has wider registers.
#if defined(__x86_64__) && !defined(__AVX__)
#define EMULSION_SIMD_AT_RUN_TIME 1
inline constexpr int widest_simd_bytes = 32;
#else
#define EMULSION_SIMD_AT_RUN_TIME 0
inline constexpr int widest_simd_bytes = simd_bytes;
#endif

/// A register full of scalars, by the vector extension of g++ and clang: one value for each of `lanes` observations.
template <class Scalar_, int bytes = simd_bytes>
struct Simd {
  using Scalar = Scalar_;
  static constexpr bool widest = bytes == widest_simd_bytes;
  static constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  static constexpr int registers = bytes >= 64 ? 32 : 16;  ///< how many the processor has
  using Word = std::conditional_t<sizeof(Scalar) == 8, std::uint64_t, std::uint32_t>;
  using SignedWord = std::make_signed_t<Word>;
  // NOLINTBEGIN(modernize-use-using): `using` drops the attribute
  typedef Scalar Lanes __attribute__((vector_size(bytes)));
  typedef Word Bits __attribute__((vector_size(bytes)));
  typedef SignedWord SignedBits __attribute__((vector_size(bytes)));
  typedef double Wide __attribute__((vector_size(lanes * sizeof(double))));  ///< as many doubles
  // NOLINTEND(modernize-use-using)

  // No function takes or returns a register by value: how that is done differs between functions compiled for different
  // processors.

  /// A register's worth of memory, of any alignment: to be computed with or copied, never to be bound to a reference.
  struct [[gnu::packed, gnu::may_alias]] Stored {
    Lanes value;
  };

  [[gnu::always_inline]] static const Stored& load(const Scalar* from) {
    return *reinterpret_cast<const Stored*>(from);
  }
  /// x in every lane. (x + 0 would not be x for x = -0, and costs an addition.)
  [[gnu::always_inline]] static void fill(Lanes& to, Scalar x) { to = x - Lanes{}; }
  /// Holds the value in a register from here on: else g++ reads memory again at every use, and a processor that does as
  /// many multiply-adds as loads in a cycle waits for the loads.
  [[gnu::always_inline]] static void hold([[maybe_unused]] Lanes& value) {
#if defined(__clang__)
#elif defined(__AVX512F__)
    __asm__("" : "+v"(value));
#elif defined(__SSE2__)
    __asm__("" : "+x"(value));
#endif
  }
  [[gnu::always_inline]] static void load_held(Lanes& to, const Scalar* from) {
    to = load(from).value;
    hold(to);
  }
  [[gnu::always_inline]] static void store(Scalar* to, const Lanes& value) { std::memcpy(to, &value, sizeof value); }
  [[gnu::always_inline]] static double sum(const Lanes& value) {
    double total = 0;
    for (int i = 0; i < lanes; ++i) total += static_cast<double>(value[i]);
    return total;
  }

  /// Sums of four registers, added to to[0], ..., to[3].
  [[gnu::always_inline]] static void add_sums(double* to, const Lanes (&v)[4]) {
    Lanes ab, cd;
    neighbours(ab, v[0], v[1]);
    neighbours(cd, v[2], v[3]);
    if constexpr (lanes == 2) {
      to[0] += ab[0], to[1] += ab[1], to[2] += cd[0], to[3] += cd[1];
    } else {
      neighbours(ab, ab, cd);
      typename Some<4>::Type sums;
      fold_to<4>(sums, ab);
      add_four(to, sums);
    }
  }
  /// The same of twice four, in fewer operations.
  [[gnu::always_inline]] static void add_sums(double* to, const Lanes (&v)[4], double* more, const Lanes (&u)[4]) {
    if constexpr (lanes < 8) {
      add_sums(to, v);
      add_sums(more, u);
    } else {
      Lanes a, b, c, d;
      neighbours(a, v[0], v[1]);
      neighbours(b, v[2], v[3]);
      neighbours(c, u[0], u[1]);
      neighbours(d, u[2], u[3]);
      neighbours(a, a, b);
      neighbours(c, c, d);
      neighbours(a, a, c);
      typename Some<8>::Type all;
      fold_to<8>(all, a);
      add_four(to, __builtin_shufflevector(all, all, 0, 1, 2, 3));
      add_four(more, __builtin_shufflevector(all, all, 4, 5, 6, 7));
    }
  }
  /// Swaps lanes and registers: lane i of register j becomes lane j of register i.
  [[gnu::always_inline]] static void transpose(Lanes (&v)[lanes]) { transpose_by<1>(v); }
  /// Lanes 0, 2, 4, ... and 1, 3, 5, ... of a and b in a row.
  [[gnu::always_inline]] static void deinterleave(Lanes& a, Lanes& b) { deinterleave(a, b, Places()); }

 private:
  using Places = std::make_index_sequence<static_cast<std::size_t>(lanes)>;

  template <int count>
  struct Some {
    typedef Scalar Type __attribute__((vector_size(count * sizeof(Scalar))));  // NOLINT(modernize-use-using)
  };
  /// `count` sums from as many groups of neighbouring lanes.
  template <int count>
  [[gnu::always_inline]] static void fold_to(typename Some<count>::Type& to, Lanes& v) {
    if constexpr (count == lanes) {
      to = v;
    } else {
      for (int left = lanes; left > 2 * count; left /= 2) neighbours(v, v, v);
      halves<count>(to, v, std::make_index_sequence<static_cast<std::size_t>(count)>());
    }
  }
  template <int count, std::size_t... I>
  [[gnu::always_inline]] static void halves(typename Some<count>::Type& to, const Lanes& v, std::index_sequence<I...>) {
    to = __builtin_shufflevector(v, v, (2 * I)...) + __builtin_shufflevector(v, v, (2 * I + 1)...);
  }
  [[gnu::always_inline]] static void add_four(double* to, const typename Some<4>::Type& sums) {
    typedef double Four __attribute__((vector_size(4 * sizeof(double))));  // NOLINT(modernize-use-using)
    Four before;
    std::memcpy(&before, to, sizeof before);
    before += __builtin_convertvector(sums, Four);
    std::memcpy(to, &before, sizeof before);
  }

  /// Exchanges blocks of h lanes between registers h apart, then blocks of 2 h.
  template <int h>
  [[gnu::always_inline]] static void transpose_by(Lanes (&v)[lanes]) {
    if constexpr (h < lanes) {
      for (int r = 0; r < lanes; ++r) {
        if ((r & h) == 0) exchange<h>(v[r], v[r + h], Places());
      }
      transpose_by<2 * h>(v);
    }
  }
  template <int h, std::size_t... I>
  [[gnu::always_inline]] static void exchange(Lanes& a, Lanes& b, std::index_sequence<I...>) {
    const Lanes low = __builtin_shufflevector(a, b, ((I & h) != 0 ? lanes + I - h : I)...);
    b = __builtin_shufflevector(a, b, ((I & h) != 0 ? lanes + I : I + h)...);
    a = low;
  }
  template <std::size_t... I>
  [[gnu::always_inline]] static void deinterleave(Lanes& a, Lanes& b, std::index_sequence<I...>) {
    const Lanes even = __builtin_shufflevector(a, b, (2 * I)...);
    b = __builtin_shufflevector(a, b, (2 * I + 1)...);
    a = even;
  }
  template <std::size_t... I>
  [[gnu::always_inline]] static void neighbours(Lanes& to, const Lanes& a, const Lanes& b, std::index_sequence<I...>) {
    to = __builtin_shufflevector(a, b, (2 * I)...) + __builtin_shufflevector(a, b, (2 * I + 1)...);
  }
  /// Sums of neighbouring lanes: those of a, then those of b.
  [[gnu::always_inline]] static void neighbours(Lanes& to, const Lanes& a, const Lanes& b) {
    neighbours(to, a, b, Places());
  }
};

/// Sum of n numbers.
inline double simd_sum(const double* x, Index n) {
  using S = Simd<double>;
  S::Lanes sums[4]{};
  constexpr Index step = Index{4} * S::lanes;
  Index i = 0;
  for (; i + step <= n; i += step) {
    for (Index s = 0; s < 4; ++s) sums[s] += S::load(x + i + s * S::lanes).value;
  }
  double total = S::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += x[i];
  return total;
}

/// Whether n numbers are all finite: x - x is zero then, else NaN.
inline bool simd_all_finite(const double* x, Index n) {
  using S = Simd<double>;
  S::Lanes sums[4]{};
  constexpr Index step = Index{4} * S::lanes;
  Index i = 0;
  for (; i + step <= n; i += step) {
    for (Index s = 0; s < 4; ++s) {
      const S::Lanes value = S::load(x + i + s * S::lanes).value;
      sums[s] += value - value;  // NOLINT(misc-redundant-expression)
    }
  }
  double total = S::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) total += x[i] - x[i];  // NOLINT(misc-redundant-expression)
  return total == 0;
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

#if EMULSION_SIMD_AT_RUN_TIME
template <class Scalar, class F>
[[gnu::target("avx2,fma")]] auto in_avx2(const F& f) {
  return f(Simd<Scalar, 32>());
}
#endif

/// f(S()), S the widest Simd<Scalar> that this processor has. All that f does with registers must be inlined into it
/// (gnu::always_inline, f itself too): the functions that it calls are compiled for any processor.
template <class Scalar, class F>
auto with_simd(const F& f) {
#if EMULSION_SIMD_AT_RUN_TIME
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return in_avx2<Scalar>(f);
#endif
  return f(Simd<Scalar>());
}

#pragma GCC diagnostic pop

}  // namespace emulsion
