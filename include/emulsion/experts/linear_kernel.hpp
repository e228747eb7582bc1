#pragma once
#include <algorithm>

#include "emulsion/distributions/gaussian_kernel.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // see simd.hpp

namespace emulsion {

/// out(i) += constant - |M y_i - shift|^2 / 2 of a packed block, M of q rows (q x padded, each contiguous).
/// Cost n q d multiply-adds.
inline void add_log_density_affine(const PackedPoints<double>& block, const double* rows, const double* shift, Index q,
                                   double constant, double* out) {
  with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using S = decltype(simd);
    using Kernels = GaussianKernels<S>;
    using Lanes = typename S::Lanes;
    constexpr Index registers = Kernels::registers, lanes = S::lanes, strip = Kernels::strip;
    for (Index i = 0; i < block.size; i += Kernels::step) {
      Lanes squares[registers]{};
      for (Index r = 0; r < q; ++r) {
        Lanes z[registers], start;
        S::fill(start, -shift[r]);
        for (Index t = 0; t < registers; ++t) z[t] = start;
        const double *x = block.at(i), *row = rows + r * block.padded;
        for (Index j = 0; j < block.dimension; ++j, x += strip) {
          Lanes factor;
          S::fill(factor, row[j]);
          S::hold(factor);
          for (Index t = 0; t < registers; ++t) z[t] += factor * S::load(x + t * lanes).value;
        }
        for (Index t = 0; t < registers; ++t) squares[t] += z[t] * z[t];
      }
      Kernels::add_half_squares(squares, constant, block.size - i, out + i);
    }
  });
}

/// out(i) += start + row'y_i of a packed block. Cost n d multiply-adds.
inline void add_affine(const PackedPoints<double>& block, double start, const double* row, double* out) {
  with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using S = decltype(simd);
    using Lanes = typename S::Lanes;
    constexpr Index registers = GaussianKernels<S>::registers, lanes = S::lanes, step = registers * lanes;
    Index i = 0;
    for (; i < block.size; i += step) {
      Lanes z[registers], first;
      S::fill(first, start);
      for (Index t = 0; t < registers; ++t) z[t] = first;
      const double* x = block.at(i);
      for (Index j = 0; j < block.dimension; ++j, x += PackedPoints<double>::strip) {
        Lanes factor;
        S::fill(factor, row[j]);
        S::hold(factor);
        for (Index t = 0; t < registers; ++t) z[t] += factor * S::load(x + t * lanes).value;
      }
      for (Index t = 0; t < registers; ++t) {
        for (Index l = 0, at = i + t * lanes; l < lanes && at < block.size; ++l, ++at) out[at] += z[t][l];
      }
    }
  });
}

/// sums(j) += sum_i w_i y_ij of a packed block; w has zeros up to block.rows. Cost n d multiply-adds.
inline void add_weighted_sums(const PackedPoints<double>& block, const double* w, double* sums) {
  with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using S = decltype(simd);
    using Lanes = typename S::Lanes;
    constexpr Index strip = PackedPoints<double>::strip, tile = PackedPoints<double>::tile;
    for (Index j = 0; j < block.dimension; j += tile) {
      Lanes total[tile]{};
      for (Index i = 0; i < block.rows; i += strip) {
        const double* const x = block.at(i) + j * strip;
        for (Index k = 0; k < strip; k += S::lanes) {
          Lanes weight;
          S::load_held(weight, w + i + k);
          for (Index t = 0; t < tile; ++t) total[t] += weight * S::load(x + t * strip + k).value;
        }
      }
      double added[tile] = {};
      S::add_sums(added, total);
      for (Index t = 0; t < tile && j + t < block.dimension; ++t) sums[j + t] += added[t];
    }
  });
}

/// largest(j) = max(largest(j), max |y_ij|) over the observations with w_i > 0; w has zeros up to block.rows.
inline void widen_ranges(const PackedPoints<double>& block, const double* w, double* largest) {
  with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using S = decltype(simd);
    using Lanes = typename S::Lanes;
    constexpr Index strip = PackedPoints<double>::strip;
    for (Index j = 0; j < block.dimension; ++j) {
      Lanes most{};
      for (Index i = 0; i < block.rows; i += strip) {
        const double* const x = block.at(i) + j * strip;
        for (Index k = 0; k < strip; k += S::lanes) {
          const Lanes value = S::load(x + k).value, weight = S::load(w + i + k).value;
          const Lanes size = value < 0 ? -value : value;
          most = weight > 0 && size > most ? size : most;
        }
      }
      for (Index l = 0; l < S::lanes; ++l) largest[j] = most[l] > largest[j] ? most[l] : largest[j];
    }
  });
}

}  // namespace emulsion

#pragma GCC diagnostic pop
