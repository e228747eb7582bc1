#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "emulsion/core/simd_functions.hpp"
#include "emulsion/distributions/packed_points.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // see simd.hpp

namespace emulsion {

// The inner loops of Gaussian families. A block is packed once, in the coordinates of a frame, with the observations in
// the lanes of SIMD registers; every component then reads the same packed block. Whitened coordinates are formed in
// registers and squared at once: a sum of squares, which no cancellation can hurt.

/// The kernels that work in registers of type S.
template <class S>
struct GaussianKernels {
  using Scalar = typename S::Scalar;
  using Lanes = typename S::Lanes;
  using Points = PackedPoints<Scalar>;
  static constexpr Index lanes = S::lanes, tile = Points::tile, strip = Points::strip;
  static constexpr Index registers = 4, step = registers * lanes;  // observations that are worked on together

  // --- densities ------------------------------------------------------------------------------------------------------

  /// out(i) += constant - q(i) / 2 for the observations of a step, of which `left` are there.
  [[gnu::always_inline]] static void add_half_squares(const Lanes (&q)[registers], double constant, Index left,
                                                      double* out) {
    using Wide = typename S::Wide;
    for (Index r = 0; r < registers; ++r, left -= lanes, out += lanes) {
      const Wide added = constant - 0.5 * __builtin_convertvector(q[r], Wide);
      if (left >= lanes) {
        Wide before;
        std::memcpy(&before, out, sizeof before);
        before += added;
        std::memcpy(out, &before, sizeof before);
      } else {
        for (Index i = 0; i < left; ++i) out[i] += added[i];
      }
    }
  }

  /// out(i) += constant - |W (x_i - location)|^2 / 2, W lower triangular in panels of four rows (PrecisionFactor).
  /// Cost n d^2 / 2 multiply-adds.
  [[gnu::always_inline]] static void add_log_density_full(const Points& block, const Scalar* location,
                                                          const Scalar* panels, double constant, double* out) {
    const Index d = block.dimension;
    for (Index i = 0; i < block.size; i += step) {
      Lanes q[registers]{};
      const Scalar* w = panels;
      for (Index p = 0; p < d; p += tile) {
        Lanes z[registers][tile]{};
        const Scalar* x = block.at(i);
        const Index columns = std::min(p + tile, d);
        for (Index j = 0; j < columns; ++j, w += tile, x += strip) {
          Lanes origin, y[registers];
          S::fill(origin, location[j]);
          for (Index r = 0; r < registers; ++r) {
            y[r] = S::load(x + r * lanes).value - origin;
            S::hold(y[r]);
          }
          for (Index t = 0; t < tile; ++t) {
            Lanes factor;
            S::fill(factor, w[t]);
            S::hold(factor);
            for (Index r = 0; r < registers; ++r) z[r][t] += factor * y[r];
          }
        }
        for (Index r = 0; r < registers; ++r) {
          for (Index t = 0; t < tile; ++t) q[r] += z[r][t] * z[r][t];
        }
      }
      add_half_squares(q, constant, block.size - i, out + i);
    }
  }

  /// The same in D <= 4 dimensions: one panel, in registers.
  template <int D>
  [[gnu::always_inline]] static void add_log_density_small(const Points& block, const Scalar* location,
                                                           const Scalar* panel, double constant, double* out) {
    for (Index i = 0; i < block.size; i += step) {
      const Scalar* const x = block.at(i);
      Lanes q[registers]{};
      for (Index r = 0; r < registers; ++r) {
        Lanes z[D]{};
        for (int j = 0; j < D; ++j) {
          const Lanes y = S::load(x + j * strip + r * lanes).value - location[j];
          for (int t = j; t < D; ++t) z[t] += panel[4 * j + t] * y;
        }
        for (int t = 0; t < D; ++t) q[r] += z[t] * z[t];
      }
      add_half_squares(q, constant, block.size - i, out + i);
    }
  }

  /// For a diagonal W (d). Cost 2 n d multiply-adds.
  [[gnu::always_inline]] static void add_log_density_diagonal(const Points& block, const Scalar* location,
                                                              const Scalar* w, double constant, double* out) {
    for (Index i = 0; i < block.size; i += step) {
      const Scalar* x = block.at(i);
      Lanes q[registers]{};
      for (Index j = 0; j < block.dimension; ++j, x += strip) {
        Lanes origin, factor;
        S::fill(origin, location[j]);
        S::fill(factor, w[j]);
        for (Index r = 0; r < registers; ++r) {
          const Lanes z = (S::load(x + r * lanes).value - origin) * factor;
          q[r] += z * z;
        }
      }
      add_half_squares(q, constant, block.size - i, out + i);
    }
  }

  [[gnu::always_inline]] static void add_log_density(const Points& block, bool diagonal, const Scalar* location,
                                                     const Scalar* w, double constant, double* out) {
    if (diagonal) return add_log_density_diagonal(block, location, w, constant, out);
    if constexpr (S::widest) {
      switch (block.dimension) {
        case 1: return add_log_density_small<1>(block, location, w, constant, out);
        case 2: return add_log_density_small<2>(block, location, w, constant, out);
        case 3: return add_log_density_small<3>(block, location, w, constant, out);
        case 4: return add_log_density_small<4>(block, location, w, constant, out);
        default: break;
      }
    }
    add_log_density_full(block, location, w, constant, out);
  }

  // --- moments --------------------------------------------------------------------------------------------------------

  /// Moments in D <= 4 dimensions, in registers.
  template <int D>
  [[gnu::always_inline]] static void moments_small(Points& block, const Scalar* w) {
    Lanes origin[D], first[D]{}, second[D][D]{};
    for (int j = 0; j < D; ++j) S::fill(origin[j], block.origin(j));
    for (Index i = 0; i < block.rows; i += lanes) {
      const Scalar* const x = block.at(i);
      Lanes weight, y[D];
      S::load_held(weight, w + i);
      for (int j = 0; j < D; ++j) {
        y[j] = S::load(x + j * strip).value - origin[j];
        const Lanes wy = weight * y[j];
        first[j] += wy;
        for (int t = 0; t <= j; ++t) second[t][j] += wy * y[t];
      }
    }
    for (int c = 0; c < D; ++c) {
      block.first(c) = S::sum(first[c]);
      for (int r = c; r < D; ++r) block.second(r, c) = S::sum(second[c][r]);
    }
  }

  /// Moments along each dimension, about zero or about the origin. Cost 2 n d multiply-adds.
  template <bool about_zero>
  [[gnu::always_inline]] static void moments_diagonal(Points& block, const Scalar* w) {
    block.first.setZero();
    block.second.setZero();
    for (Index j = 0; j < block.dimension; j += tile) {
      Lanes origin[tile], first[tile]{}, second[tile]{};
      for (Index t = 0; t < tile; ++t) {
        S::fill(origin[t], block.origin(j + t));
        S::hold(origin[t]);
      }
      for (Index i = 0; i < block.rows; i += strip) {
        const Scalar* const x = block.at(i) + j * strip;
        for (Index k = 0; k < strip; k += lanes) {
          Lanes weight;
          S::load_held(weight, w + i + k);
          for (Index t = 0; t < tile; ++t) {
            Lanes y;
            S::load_held(y, x + t * strip + k);
            if constexpr (!about_zero) y -= origin[t];
            const Lanes wy = weight * y;
            first[t] += wy;
            second[t] += wy * y;
          }
        }
      }
      S::add_sums(&block.first(j), first, &block.second(j, 0), second);
    }
  }

  /// block.weighted = w y, y = x - origin, and block.first = sum w y.
  [[gnu::always_inline]] static void weight_all(Points& block, const Scalar* w) {
    block.first.setZero();
    for (Index j = 0; j < block.padded; j += tile) {
      Lanes origin[tile], first[tile]{};
      for (Index t = 0; t < tile; ++t) {
        S::fill(origin[t], block.origin(j + t));
        S::hold(origin[t]);
      }
      for (Index i = 0; i < block.rows; i += strip) {
        const Scalar* const x = block.at(i) + j * strip;
        Scalar* const to = block.weighted.data() + block.place(i) + j * strip;
        for (Index k = 0; k < strip; k += lanes) {
          Lanes weight;
          S::load_held(weight, w + i + k);
          for (Index t = 0; t < tile; ++t) {
            const Lanes value = weight * (S::load(x + t * strip + k).value - origin[t]);
            S::store(to + t * strip + k, value);
            first[t] += value;
          }
        }
      }
      S::add_sums(&block.first(j), first);
    }
  }

  /// second = lower triangle of sum_i right_i (left_i - origin)', right = block.weighted, in tiles; `left` laid out
  /// like it, `rows` observations of both. Cost n d^2 / 2 multiply-adds.
  [[gnu::always_inline]] static void product(Points& block, const Scalar* left, const Scalar* origin, Index rows) {
    constexpr Index columns = S::registers >= 32 ? 4 : 2;  // times tile: sums that stay in registers
    const Index d = block.dimension;
    for (Index c = 0; c < d; c += columns) {
      Lanes centre[columns];
      for (Index s = 0; s < columns; ++s) S::fill(centre[s], origin[c + s]);
      for (Index r = c / tile * tile; r < d; r += tile) {
        Lanes sums[columns][tile]{};
        const Scalar* a = left + c * strip;
        const Scalar* b = block.weighted.data() + r * strip;
        for (Index i = 0; i < rows; i += strip, a += block.strip_size(), b += block.strip_size()) {
          for (Index k = 0; k < strip; k += lanes) {
            Lanes weighted[tile];
            for (Index t = 0; t < tile; ++t) S::load_held(weighted[t], b + t * strip + k);
            for (Index s = 0; s < columns; ++s) {
              Lanes y = S::load(a + s * strip + k).value - centre[s];
              S::hold(y);
              for (Index t = 0; t < tile; ++t) sums[s][t] += weighted[t] * y;
            }
          }
        }
        for (Index s = 0; s < columns; s += 2) {
          double *to = &block.second(r, c + s), *next = &block.second(r, c + s + 1);
          std::fill_n(to, tile, 0.0);
          std::fill_n(next, tile, 0.0);
          S::add_sums(to, sums[s], next, sums[s + 1]);
        }
      }
    }
  }

  /// The moments of all observations.
  [[gnu::always_inline]] static void moments(Points& block, const Scalar* w, bool diagonal_only) {
    if (diagonal_only) {
      bool about_zero = true;
      for (Index j = 0; j < block.dimension; ++j) about_zero = about_zero && block.origin(j) == 0;
      if (about_zero) return moments_diagonal<true>(block, w);  // the subtraction costs a third of the time
      return moments_diagonal<false>(block, w);
    }
    if constexpr (S::widest) {
      switch (block.dimension) {
        case 1: return moments_small<1>(block, w);
        case 2: return moments_small<2>(block, w);
        case 3: return moments_small<3>(block, w);
        case 4: return moments_small<4>(block, w);
        default: break;
      }
    }
    weight_all(block, w);
    product(block, block.x.data(), block.origin.data(), block.rows);
  }
};

/// out(i) += constant - |W (x_i - location)|^2 / 2, W diagonal (d) or lower triangular in panels (PrecisionFactor).
template <class Scalar>
void add_log_density(const PackedPoints<Scalar>& block, bool diagonal, const Scalar* location, const Scalar* w,
                     double constant, double* out) {
  with_simd<Scalar>([&](auto simd) __attribute__((always_inline)) {
    GaussianKernels<decltype(simd)>::add_log_density(block, diagonal, location, w, constant, out);
  });
}

/// The moments of the `count` chosen observations alone.
template <class Scalar>
void moments_of_chosen(PackedPoints<Scalar>& block, const double* w, Index count, bool diagonal_only) {
  using P = PackedPoints<Scalar>;
  block.first.setZero();
  if (diagonal_only) block.second.setZero();
  const Index rows = P::up(count, P::strip);
  for (Index c = 0; c < rows; ++c) {
    const Index i = c < count ? block.chosen[static_cast<std::size_t>(c)] : 0;
    const Scalar* const x = block.at(i);
    const double weight = c < count ? w[i] : 0.0, root = std::sqrt(weight);
    Scalar* to = diagonal_only ? nullptr : block.weighted.data() + block.place(c);
    for (Index j = 0; j < block.dimension; ++j) {
      const auto y = static_cast<double>(x[j * P::strip] - block.origin(j));
      block.first(j) += weight * y;
      if (diagonal_only) block.second(j, 0) += weight * y * y;
      else to[j * P::strip] = static_cast<Scalar>(root * y);
    }
  }
  if (diagonal_only) return;
  block.origin.setZero();
  with_simd<Scalar>([&](auto simd) __attribute__((always_inline)) {
    GaussianKernels<decltype(simd)>::product(block, block.weighted.data(), block.origin.data(), rows);
  });
}

/// The weights of whole strips, zero beyond the end: w itself where nothing is beyond it.
template <class Scalar>
const Scalar* weights_of_rows(PackedPoints<Scalar>& block, const double* w) {
  if constexpr (std::is_same_v<Scalar, double>) {
    if (block.size == block.rows) return w;
  }
  for (Index i = 0; i < block.size; ++i) block.weights(i) = static_cast<Scalar>(w[i]);
  for (Index i = block.size; i < block.rows; ++i) block.weights(i) = 0;
  return block.weights.data();
}

/// Moments of the block about block.reference: the weight is returned, block.first = sum w y, and block.second =
/// sum w y y' (lower triangle; its diagonal in one column where `diagonal_only`).
///
/// Observations whose weight is below 1e-19 of the block's are left out where there are many: they are below the
/// rounding of every sum. Relative to the component's own weight, not to that of the observation, so that a component
/// that has nearly died still learns from all it has. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
double moments_about_reference(PackedPoints<Scalar>& block, const double* w, bool diagonal_only) {
  const Index d = block.dimension;
  for (Index j = 0; j < d; ++j) {
    block.origin(j) = static_cast<Scalar>(block.reference(j));
    block.reference(j) = static_cast<double>(block.origin(j));
  }
  const double weight = simd_sum(w, block.size);
  if (!(weight > 0)) return weight;
  const double least = 1e-19 * weight;
  const bool many = diagonal_only || d > 4;
  if (many && simd_count_above(w, block.size, least) <= block.size / (diagonal_only ? 8 : 2)) {
    Index count = 0;
    for (Index i = 0; i < block.size; ++i) {
      if (w[i] > least) block.chosen[static_cast<std::size_t>(count++)] = i;
    }
    moments_of_chosen(block, w, count, diagonal_only);
  } else {
    const Scalar* weights = weights_of_rows(block, w);
    with_simd<Scalar>([&](auto simd) __attribute__((always_inline)) {
      GaussianKernels<decltype(simd)>::moments(block, weights, diagonal_only);
    });
  }
  return weight;
}

}  // namespace emulsion

#pragma GCC diagnostic pop
