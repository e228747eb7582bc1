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
