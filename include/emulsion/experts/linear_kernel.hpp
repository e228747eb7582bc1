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

/// Puts y - line (1, x) into the place of the responses y, the last q dimensions of a packed block, which block.kept
/// keeps; what is not finite becomes 1e300. Cost n p q multiply-adds.
inline void take_residuals(const Eigen::MatrixXd& line, PackedPoints<double>& block) {
  with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using S = decltype(simd);
    using Lanes = typename S::Lanes;
    constexpr Index registers = GaussianKernels<S>::registers, lanes = S::lanes, strip = PackedPoints<double>::strip;
    constexpr Index step = registers * lanes;
    const Index q = line.rows(), p = line.cols() - 1;
    double* kept = block.kept.data();
    for (Index i = 0; i < block.rows; i += step) {
      const double* const x = block.at(i);
      double* const y = block.x.data() + block.place(i) + p * strip;
      for (Index r = 0; r < q; ++r, kept += step) {
        Lanes e[registers], factor;
        S::fill(factor, line(r, 0));
        for (Index t = 0; t < registers; ++t) {
          e[t] = S::load(y + r * strip + t * lanes).value;
          S::store(kept + t * lanes, e[t]);
          e[t] -= factor;
        }
        for (Index j = 0; j < p; ++j) {
          S::fill(factor, line(r, 1 + j));
          S::hold(factor);
          for (Index t = 0; t < registers; ++t) e[t] -= factor * S::load(x + j * strip + t * lanes).value;
        }
        Lanes most;
        S::fill(most, 1e300);
        for (Index t = 0; t < registers; ++t) {
          const Lanes size = e[t] < 0 ? -e[t] : e[t];
          e[t] = size < most ? e[t] : most;
          S::store(y + r * strip + t * lanes, e[t]);
        }
      }
    }
  });
}
/// Ends that for q responses.
inline void put_responses_back(Index q, PackedPoints<double>& block) {
  constexpr Index strip = PackedPoints<double>::strip;
  with_simd<double>([&](auto simd) __attribute__((always_inline)) {
    using S = decltype(simd);
    constexpr Index step = GaussianKernels<S>::registers * S::lanes;
    const double* kept = block.kept.data();
    for (Index i = 0; i < block.rows; i += step) {
      double* const y = block.x.data() + block.place(i) + (block.dimension - q) * strip;
      for (Index r = 0; r < q; ++r, kept += step) {
        for (Index t = 0; t < step; t += S::lanes) S::store(y + r * strip + t, S::load(kept + t).value);
      }
    }
  });
}
/// Room for that in a block of at most so many observations.
inline void reserve_residuals(Index most, Index responses, PackedPoints<double>& block) {
  const Index rows = PackedPoints<double>::up(most, PackedPoints<double>::strip);
  block.kept.resize(static_cast<std::size_t>(responses * rows));
}
/// add() while residuals stand in the place of the responses.
template <class Add>
void with_residuals(const Eigen::MatrixXd& line, PackedPoints<double>& block, const Add& add) {
  take_residuals(line, block);
  add();
  put_responses_back(line.rows(), block);
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
