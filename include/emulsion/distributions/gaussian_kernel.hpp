#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <vector>

#include "emulsion/core/simd.hpp"
#include "emulsion/data/frame.hpp"

namespace emulsion {

// The inner loops of Gaussian families. A block is packed once, in the coordinates of a frame, with the observations in
// the lanes of SIMD registers; every component then reads the same packed block. Whitened coordinates are formed in
// registers and squared at once: a sum of squares, which no cancellation can hurt.

/// A block of points, feature-major: x(i, j) is dimension j of observation i. Rows are padded with zeros to whole
/// strips of registers, columns to whole tiles.
template <class Scalar>
struct PackedPoints {
  using S = Simd<Scalar>;
  static constexpr Index lanes = S::lanes, tile = 4;
  static constexpr Index strips = S::registers >= 32 ? 4 : 2;  // registers of observations that are worked on together
  static constexpr Index strip = strips * lanes;
  static constexpr Index line = 64 / static_cast<Index>(sizeof(Scalar));  // of the cache
  using Buffer = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

  explicit PackedPoints(Index most = 0, Index d = 0, bool diagonal = false)
      : x(Buffer::Zero(stride_for_rows(up(most, strip)), up(d, tile))),
        centred(diagonal || d <= 4 ? Buffer() : Buffer(Buffer::Zero(strip, up(d, tile)))),
        rooted(diagonal || d <= 4 ? Buffer() : Buffer(Buffer::Zero(x.rows(), up(d, tile)))),
        weights(Buffer::Zero(x.rows(), 1)), chosen(static_cast<std::size_t>(most)), reference(Eigen::VectorXd::Zero(d)),
        first(Eigen::VectorXd::Zero(up(d, tile))),
        second(Eigen::MatrixXd::Zero(up(d, tile), diagonal ? 1 : up(d, tile))) {}

  static Index up(Index value, Index multiple) { return (value + multiple - 1) / multiple * multiple; }
  /// An odd number of cache lines: columns a power of two apart would share few places of the cache.
  static Index stride_for_rows(Index rows) { return rows % (2 * line) == 0 ? rows + line : rows; }

  /// y_j = x_j scale_j - centre_j, in double before it is rounded to Scalar.
  template <class D>
  void pack(const D& block, const Frame& frame) {
    size = block.size();
    rows = up(size, strip);
    dimension = block.dimension();
    const auto* const from = block.data();
    const Index inner = block.inner_stride(), outer = block.outer_stride();
    const double *scale = frame.scale.data(), *centre = frame.centre.data();
    // Strip by strip: what a strip reads, in whatever order it lies, stays in the cache.
    for (Index i0 = 0; i0 < rows; i0 += lanes) {
      const Index count = std::clamp<Index>(size - i0, 0, lanes);
      for (Index j = 0; j < dimension; ++j) {
        const auto* at = from + i0 * outer + j * inner;
        Scalar* to = &x(i0, j);
        if (count == lanes) {
          for (Index i = 0; i < lanes; ++i)
            to[i] = static_cast<Scalar>(static_cast<double>(at[i * outer]) * scale[j] - centre[j]);
        } else {
          for (Index i = 0; i < count; ++i)
            to[i] = static_cast<Scalar>(static_cast<double>(at[i * outer]) * scale[j] - centre[j]);
          for (Index i = count; i < lanes; ++i) to[i] = 0;
        }
      }
    }
  }

  Index size = 0, rows = 0, dimension = 0;
  Buffer x;                   // rows x dimension
  Buffer centred;             // one strip, about a location
  Buffer rooted;              // sqrt(w) y: rows x dimension
  Buffer weights;             // rows x 1
  std::vector<Index> chosen;  // observations whose weight matters
  Eigen::VectorXd reference;  // the point about which the sums below are taken
  Eigen::VectorXd first;      // sums of w y
  Eigen::MatrixXd second;     // sums of w y y', lower triangle or diagonal
};

// --- densities --------------------------------------------------------------------------------------------------------

/// out(i ... i + lanes) += constant - q / 2, of which `left` are there.
template <class Scalar>
void add_half_squares(const typename Simd<Scalar>::Lanes& q, double constant, Index left, double* out) {
  using S = Simd<Scalar>;
  if constexpr (std::is_same_v<Scalar, double>) {
    if (left >= S::lanes) {
      S::store(out, S::load(out) + (constant - 0.5 * q));
      return;
    }
  }
  for (Index i = 0; i < std::min<Index>(S::lanes, left); ++i) out[i] += constant - 0.5 * static_cast<double>(q[i]);
}

/// out(i) += constant - |W (x_i - location)|^2 / 2, W lower triangular in panels of four rows (PrecisionFactor).
/// Cost n d^2 / 2 multiply-adds.
template <class Scalar>
void add_log_density_full(PackedPoints<Scalar>& block, const Scalar* location, const Scalar* panels, double constant,
                          double* out) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename S::Lanes;
  const Index d = block.dimension, stride = block.x.rows();
  Scalar* const y = block.centred.data();
  for (Index i0 = 0; i0 < block.rows; i0 += P::strip) {
    const Scalar* x = block.x.data() + i0;
    for (Index j = 0; j < d; ++j) {
      for (Index s = 0; s < P::strips; ++s) {
        S::store(y + j * P::strip + s * P::lanes, S::load(x + j * stride + s * P::lanes) - location[j]);
      }
    }
    Lanes q[P::strips]{};
    const Scalar* w = panels;
    for (Index p = 0; p < d; p += P::tile) {
      Lanes z[P::strips][P::tile]{};
      const Scalar* at = y;
      for (const Scalar* const end = w + P::tile * std::min(p + P::tile, d); w < end; w += P::tile, at += P::strip) {
        Lanes value[P::strips];
        for (Index s = 0; s < P::strips; ++s) value[s] = S::held(S::load(at + s * P::lanes));
        for (Index r = 0; r < P::tile; ++r) {
          const Lanes factor = S::held(S::all(w[r]));
          for (Index s = 0; s < P::strips; ++s) z[s][r] += factor * value[s];
        }
      }
      for (Index s = 0; s < P::strips; ++s) {
        for (Index r = 0; r < P::tile; ++r) q[s] += z[s][r] * z[s][r];
      }
    }
    for (Index s = 0; s < P::strips; ++s) {
      add_half_squares<Scalar>(q[s], constant, block.size - i0 - s * P::lanes, out + i0 + s * P::lanes);
    }
  }
}

/// The same in D <= 4 dimensions: one panel, in registers.
template <int D, class Scalar>
void add_log_density_small(const PackedPoints<Scalar>& block, const Scalar* location, const Scalar* panel,
                           double constant, double* out) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  const Index stride = block.x.rows();
  for (Index i = 0; i < block.rows; i += S::lanes) {
    Lanes z[D]{}, q{};
    for (int j = 0; j < D; ++j) {
      const Lanes y = S::load(block.x.data() + j * stride + i) - location[j];
      for (int r = j; r < D; ++r) z[r] += panel[4 * j + r] * y;
    }
    for (int r = 0; r < D; ++r) q += z[r] * z[r];
    add_half_squares<Scalar>(q, constant, block.size - i, out + i);
  }
}

/// For a diagonal W (d). Cost 2 n d multiply-adds.
template <class Scalar>
void add_log_density_diagonal(const PackedPoints<Scalar>& block, const Scalar* location, const Scalar* w,
                              double constant, double* out) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  constexpr Index strips = PackedPoints<Scalar>::strips, strip = PackedPoints<Scalar>::strip;
  const Index stride = block.x.rows();
  for (Index i0 = 0; i0 < block.rows; i0 += strip) {
    const Scalar* x = block.x.data() + i0;
    Lanes q[strips]{};
    for (Index j = 0; j < block.dimension; ++j, x += stride) {
      const Scalar m = location[j], reciprocal = w[j];
      for (Index s = 0; s < strips; ++s) {
        const Lanes z = (S::load(x + s * S::lanes) - m) * reciprocal;
        q[s] += z * z;
      }
    }
    for (Index s = 0; s < strips; ++s) {
      add_half_squares<Scalar>(q[s], constant, block.size - i0 - s * S::lanes, out + i0 + s * S::lanes);
    }
  }
}

// --- moments ----------------------------------------------------------------------------------------------------------

/// Moments in D <= 4 dimensions, in registers.
template <int D, class Scalar>
void moments_small(PackedPoints<Scalar>& block, const Scalar* location) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  const Index stride = block.x.rows();
  Lanes first[D]{}, second[D][D]{};
  for (Index i = 0; i < block.rows; i += S::lanes) {
    const Lanes w = S::load(block.weights.data() + i);
    Lanes y[D];
    for (int j = 0; j < D; ++j) {
      y[j] = S::load(block.x.data() + j * stride + i) - location[j];
      const Lanes wy = w * y[j];
      first[j] += wy;
      for (int r = 0; r <= j; ++r) second[r][j] += wy * y[r];
    }
  }
  for (int c = 0; c < D; ++c) {
    block.first(c) = S::sum(first[c]);
    for (int r = c; r < D; ++r) block.second(r, c) = S::sum(second[c][r]);
  }
}

/// Moments along each dimension. Cost 2 n d multiply-adds.
template <class Scalar>
void moments_diagonal(PackedPoints<Scalar>& block, const Scalar* location) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  constexpr Index tile = PackedPoints<Scalar>::tile;
  const Index stride = block.x.rows();
  block.first.setZero();
  block.second.setZero();
  for (Index j = 0; j < block.dimension; j += tile) {
    const Scalar* x = block.x.data() + j * stride;
    std::array<Scalar, tile> m{};
    for (Index t = 0; t < std::min(tile, block.dimension - j); ++t) m[static_cast<std::size_t>(t)] = location[j + t];
    Lanes first[tile]{}, second[tile]{};
    for (Index i = 0; i < block.rows; i += S::lanes) {
      const Lanes w = S::load(block.weights.data() + i);
      for (Index t = 0; t < tile; ++t) {
        const Lanes y = S::load(x + t * stride + i) - m[static_cast<std::size_t>(t)];
        const Lanes wy = w * y;
        first[t] += wy;
        second[t] += wy * y;
      }
    }
    S::add_sums(&block.first(j), first[0], first[1], first[2], first[3]);
    S::add_sums(&block.second(j, 0), second[0], second[1], second[2], second[3]);
  }
}

/// The same of the `count` chosen observations alone.
template <class Scalar>
void moments_diagonal_of_chosen(PackedPoints<Scalar>& block, const Scalar* location, Index count, const double* w) {
  for (Index j = 0; j < block.dimension; ++j) {
    const Scalar* x = block.x.data() + j * block.x.rows();
    double first = 0, second = 0;
    for (Index c = 0; c < count; ++c) {
      const Index i = block.chosen[static_cast<std::size_t>(c)];
      const double y = static_cast<double>(x[i] - location[j]);
      first += w[i] * y;
      second += w[i] * y * y;
    }
    block.first(j) = first;
    block.second(j, 0) = second;
  }
}

/// second = lower triangle of u' u, u the first `rows` rows of block.rooted, in tiles. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
void square_of_rooted(PackedPoints<Scalar>& block, Index rows) {
  using P = PackedPoints<Scalar>;
  using S = typename P::S;
  using Lanes = typename S::Lanes;
  constexpr Index tile = P::tile, columns = P::strips;  // as many registers as a tile of densities
  const Index stride = block.rooted.rows(), d = block.dimension;
  for (Index c = 0; c < d; c += columns) {
    const Scalar* const left = block.rooted.data() + c * stride;
    for (Index r = c / tile * tile; r < d; r += tile) {
      const Scalar* const right = block.rooted.data() + r * stride;
      Lanes sums[columns][tile]{};
      for (Index i = 0; i < rows; i += S::lanes) {
        Lanes b[tile];
        for (Index t = 0; t < tile; ++t) b[t] = S::held(S::load(right + t * stride + i));
        for (Index s = 0; s < columns; ++s) {
          const Lanes a = S::held(S::load(left + s * stride + i));
          for (Index t = 0; t < tile; ++t) sums[s][t] += b[t] * a;
        }
      }
      for (Index s = 0; s < columns; ++s) {
        double* to = &block.second(r, c + s);
        to[0] = to[1] = to[2] = to[3] = 0;
        S::add_sums(to, sums[s][0], sums[s][1], sums[s][2], sums[s][3]);
      }
    }
  }
}

/// Moments of the block about `location`: the weight is returned, block.first = sum w y, and block.second = sum w y y'
/// (lower triangle; its diagonal in one column where `diagonal_only`).
///
/// Observations whose weight is below 1e-19 of the block's are left out where there are many: they are below the
/// rounding of every sum. Relative to the component's own weight, not to that of the observation, so that a component
/// that has nearly died still learns from all it has. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
double moments_about(PackedPoints<Scalar>& block, const Scalar* location, const double* w, bool diagonal_only) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  const double weight = simd_sum(w, block.size);
  if (!(weight > 0)) return weight;
  const Index d = block.dimension, stride = block.x.rows();

  Index count = block.size;
  if (diagonal_only || d > 4) {
    const double least = 1e-19 * weight;
    count = 0;
    for (Index i = 0; i < block.size; ++i) count += w[i] > least ? 1 : 0;
    if (count > block.size / (diagonal_only ? 8 : 2)) {
      count = block.size;
    } else {
      Index c = 0;
      for (Index i = 0; i < block.size; ++i) {
        if (w[i] > least) block.chosen[static_cast<std::size_t>(c++)] = i;
      }
    }
  }
  const bool all = count == block.size;
  if (diagonal_only && !all) {
    moments_diagonal_of_chosen(block, location, count, w);
    return weight;
  }
  const Index rows = all ? block.rows : (count + S::lanes - 1) / S::lanes * S::lanes;
  Scalar* const weights = block.weights.data();
  for (Index c = 0; c < count; ++c) {
    weights[c] = static_cast<Scalar>(w[all ? c : block.chosen[static_cast<std::size_t>(c)]]);
  }
  for (Index c = count; c < rows; ++c) weights[c] = 0;
  if (diagonal_only) {
    moments_diagonal(block, location);
    return weight;
  }
  switch (d) {
    case 1: moments_small<1>(block, location); return weight;
    case 2: moments_small<2>(block, location); return weight;
    case 3: moments_small<3>(block, location); return weight;
    case 4: moments_small<4>(block, location); return weight;
    default: break;
  }
  Eigen::Map<Eigen::Array<Scalar, Eigen::Dynamic, 1>> roots(weights, rows);
  roots = roots.sqrt();
  for (Index j = 0; j < d; ++j) {
    const Scalar* const x = block.x.data() + j * stride;
    Scalar* const u = block.rooted.data() + j * stride;
    const Scalar m = location[j];
    if (!all) {
      for (Index c = 0; c < count; ++c) u[c] = x[block.chosen[static_cast<std::size_t>(c)]] - m;
      for (Index c = count; c < rows; ++c) u[c] = 0;
    }
    const Scalar* const from = all ? x : u;
    Lanes sum{};
    for (Index i = 0; i < rows; i += S::lanes) {
      const Lanes root = S::load(weights + i);
      const Lanes value = (all ? S::load(from + i) - m : S::load(from + i)) * root;
      S::store(u + i, value);
      sum += root * value;
    }
    block.first(j) = S::sum(sum);
  }
  square_of_rooted(block, rows);
  return weight;
}

}  // namespace emulsion
