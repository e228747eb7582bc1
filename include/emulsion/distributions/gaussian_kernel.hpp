#pragma once
#include <Eigen/Core>
#include <algorithm>

#include "emulsion/core/simd.hpp"
#include "emulsion/data/frame.hpp"

namespace emulsion {

// The inner loops of Gaussian families. A block is packed once, in the coordinates of a frame, with the observations in
// the lanes of SIMD registers; every component then reads the same packed block. Whitened coordinates are formed in
// registers and squared at once: a sum of squares, which no cancellation can hurt.

/// A block of points, feature-major: x(i, j) is dimension j of observation i. Rows are padded with zeros to whole
/// registers, columns to whole tiles.
template <class Scalar>
struct PackedPoints {
  static constexpr Index tile = 4;
  static constexpr Index strip = 2 * Simd<Scalar>::lanes;
  using Buffer = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;

  explicit PackedPoints(Index most = 0, Index d = 0, bool diagonal = false)
      : x(Buffer::Zero(up(most, strip), up(d, tile))), centred(x), weighted(x),
        squares(Buffer::Zero(strip, up(d, tile))), weights(Buffer::Zero(up(most, strip), 1)),
        reference(Eigen::VectorXd::Zero(d)), first(Eigen::VectorXd::Zero(up(d, tile))),
        second(Eigen::MatrixXd::Zero(up(d, tile), diagonal ? 1 : up(d, tile))) {}

  static Index up(Index value, Index multiple) { return (value + multiple - 1) / multiple * multiple; }

  /// y_j = x_j scale_j - centre_j, in double before it is rounded to Scalar.
  template <class D>
  void pack(const D& block, const Frame& frame) {
    size = block.size();
    rows = up(size, strip);
    dimension = block.dimension();
    for (Index j = 0; j < dimension; ++j) {
      const double scale = frame.scale(j), centre = frame.centre(j);
      const auto* from = block.data() + j * block.inner_stride();
      const Index stride = block.outer_stride();
      Scalar* to = &x(0, j);
      for (Index i = 0; i < size; ++i)
        to[i] = static_cast<Scalar>(static_cast<double>(from[i * stride]) * scale - centre);
      for (Index i = size; i < rows; ++i) to[i] = 0;
    }
  }

  Index size = 0, rows = 0, dimension = 0;
  Buffer x, centred, weighted;  // rows x dimension
  Buffer squares;               // one strip, centred
  Buffer weights;               // rows x 1
  Eigen::VectorXd reference;    // the point about which the sums below are taken
  Eigen::VectorXd first;        // sums of w y
  Eigen::MatrixXd second;       // sums of w y y', lower triangle or diagonal
};

/// Lower triangular L^-1 in panels of four rows, in the order in which the kernel reads it.
template <class Scalar, class Matrix>
void pack_panels(const Matrix& inverse, Eigen::Matrix<Scalar, Eigen::Dynamic, 1>& panels) {
  constexpr Index tile = PackedPoints<Scalar>::tile;
  const Index d = inverse.rows();
  Index at = 0;
  for (Index p = 0; p < d; p += tile) {
    for (Index i = 0; i < std::min(p + tile, d); ++i) {
      for (Index r = 0; r < tile; ++r) panels(at++) = p + r < d ? static_cast<Scalar>(inverse(p + r, i)) : Scalar(0);
    }
  }
}

template <class Scalar>
Index panels_size(Index d) {
  constexpr Index tile = PackedPoints<Scalar>::tile;
  Index size = 0;
  for (Index p = 0; p < d; p += tile) size += tile * std::min(p + tile, d);
  return size;
}

/// out(i) += constant - q(i) / 2 for a strip of observations, of which `left` are there.
template <class Scalar, class Lanes>
void add_half_squares(const Lanes& qa, const Lanes& qb, double constant, Index left, double* out) {
  constexpr Index lanes = Simd<Scalar>::lanes;
  for (Index i = 0; i < std::min(lanes, left); ++i) out[i] += constant - 0.5 * static_cast<double>(qa[i]);
  for (Index i = 0; i < std::min(lanes, left - lanes); ++i) {
    out[lanes + i] += constant - 0.5 * static_cast<double>(qb[i]);
  }
}

/// out(i) += constant - |L^-1 (x_i - location)|^2 / 2, `whitener` packed by pack_panels. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
void add_log_density_full(PackedPoints<Scalar>& block, const Scalar* location, const Scalar* whitener, double constant,
                          double* out) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  constexpr Index lanes = S::lanes, tile = PackedPoints<Scalar>::tile, strip = PackedPoints<Scalar>::strip;
  const Index d = block.dimension, stride = block.x.rows();
  for (Index i0 = 0; i0 < block.rows; i0 += strip) {
    Scalar* y = block.squares.data();
    for (Index j = 0; j < d; ++j) {
      Lanes a, b;
      S::load(a, block.x.data() + j * stride + i0);
      S::load(b, block.x.data() + j * stride + i0 + lanes);
      a -= location[j];
      b -= location[j];
      S::store(y + j * strip, a);
      S::store(y + j * strip + lanes, b);
    }
    Lanes qa{}, qb{};
    const Scalar* w = whitener;
    for (Index p = 0; p < d; p += tile) {
      Lanes a0{}, a1{}, a2{}, a3{}, b0{}, b1{}, b2{}, b3{};
      const Index end = std::min(p + tile, d);
      for (Index i = 0; i < end; ++i, w += tile) {
        Lanes ya, yb;
        S::load(ya, y + i * strip);
        S::load(yb, y + i * strip + lanes);
        a0 += w[0] * ya;
        b0 += w[0] * yb;
        a1 += w[1] * ya;
        b1 += w[1] * yb;
        a2 += w[2] * ya;
        b2 += w[2] * yb;
        a3 += w[3] * ya;
        b3 += w[3] * yb;
      }
      qa += a0 * a0 + a1 * a1 + a2 * a2 + a3 * a3;
      qb += b0 * b0 + b1 * b1 + b2 * b2 + b3 * b3;
    }
    add_half_squares<Scalar>(qa, qb, constant, block.size - i0, out + i0);
  }
}

/// The same for a diagonal covariance, `whitener` the reciprocal standard deviations. Cost 2 n d multiply-adds.
template <class Scalar>
void add_log_density_diagonal(PackedPoints<Scalar>& block, const Scalar* location, const Scalar* whitener,
                              double constant, double* out) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  constexpr Index lanes = S::lanes, strip = PackedPoints<Scalar>::strip;
  const Index stride = block.x.rows();
  for (Index i0 = 0; i0 < block.rows; i0 += strip) {
    Lanes qa{}, qb{};
    for (Index j = 0; j < block.dimension; ++j) {
      Lanes a, b;
      S::load(a, block.x.data() + j * stride + i0);
      S::load(b, block.x.data() + j * stride + i0 + lanes);
      a = (a - location[j]) * whitener[j];
      b = (b - location[j]) * whitener[j];
      qa += a * a;
      qb += b * b;
    }
    add_half_squares<Scalar>(qa, qb, constant, block.size - i0, out + i0);
  }
}

/// Moments of the block about `location`: the weight is returned, block.first = sum w y, and, unless `diagonal_only`,
/// the lower triangle of block.second = sum w y y'. Cost n d^2 / 2 multiply-adds.
template <class Scalar>
double moments_about(PackedPoints<Scalar>& block, const Scalar* location, const double* w, bool diagonal_only) {
  using S = Simd<Scalar>;
  using Lanes = typename S::Lanes;
  constexpr Index lanes = S::lanes, tile = PackedPoints<Scalar>::tile;
  double weight = 0;
  for (Index i = 0; i < block.size; ++i) weight += w[i];
  if (weight == 0) return 0;
  const Index d = block.dimension, stride = block.x.rows(), rows = block.rows;
  for (Index i = 0; i < rows; ++i) block.weights(i, 0) = i < block.size ? static_cast<Scalar>(w[i]) : Scalar(0);
  for (Index j = 0; j < d; ++j) {
    const Scalar* x = block.x.data() + j * stride;
    Scalar* y = block.centred.data() + j * stride;
    Scalar* wy = block.weighted.data() + j * stride;
    Lanes sum{}, square{};
    for (Index i = 0; i < rows; i += lanes) {
      Lanes value, weights;
      S::load(value, x + i);
      S::load(weights, block.weights.data() + i);
      value -= location[j];
      weights *= value;
      sum += weights;
      square += weights * value;
      if (diagonal_only) continue;
      S::store(y + i, value);
      S::store(wy + i, weights);
    }
    block.first(j) = S::sum(sum);
    if (diagonal_only) block.second(j, 0) = S::sum(square);
  }
  if (diagonal_only) return weight;
  for (Index c = 0; c < d; c += 2) {
    const Scalar* yc = block.centred.data() + c * stride;
    for (Index r = c / tile * tile; r < d; r += tile) {
      const Scalar* yr = block.weighted.data() + r * stride;
      Lanes a0{}, a1{}, a2{}, a3{}, b0{}, b1{}, b2{}, b3{};
      for (Index i = 0; i < rows; i += lanes) {
        Lanes ya, yb, w0, w1, w2, w3;
        S::load(ya, yc + i);
        S::load(yb, yc + stride + i);
        S::load(w0, yr + i);
        S::load(w1, yr + stride + i);
        S::load(w2, yr + 2 * stride + i);
        S::load(w3, yr + 3 * stride + i);
        a0 += w0 * ya;
        b0 += w0 * yb;
        a1 += w1 * ya;
        b1 += w1 * yb;
        a2 += w2 * ya;
        b2 += w2 * yb;
        a3 += w3 * ya;
        b3 += w3 * yb;
      }
      double* to = &block.second(r, c);
      to[0] = S::sum(a0), to[1] = S::sum(a1), to[2] = S::sum(a2), to[3] = S::sum(a3);
      to += block.second.rows();
      to[0] = S::sum(b0), to[1] = S::sum(b1), to[2] = S::sum(b2), to[3] = S::sum(b3);
    }
  }
  return weight;
}

}  // namespace emulsion
